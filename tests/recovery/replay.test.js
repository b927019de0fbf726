// npm `cometd` with a replay extension as Salesforce's clients have it: new messages, all that is kept, or what came after
// the last one that was seen, when the session is long gone.

import assert from "node:assert/strict";

import { Peer } from "../interop/peer.js";
import { publish } from "./publisher.js";
import { channel, scene } from "./scene.js";

const STEP_MS = 10_000;
/** Sessions end soon after they were lost. */
const SOON = 'grace = "400ms"';
const OPTIONS = { backoffIncrement: 20, maxBackoff: 100, maxNetworkDelay: 700 };
const KEPT = channel(["/kept/**"]);
const TEN = channel(["/ten/**"], "", 'count = 10\nbytes = 1048576\nage = "10m"');

/** Answers with a client and with what each of its subscriptions in `from` was told about its recovery. */
async function join({ cut, later }, { transport, from, numbers, ack = true }) {
  const peer = new Peer("cometd", `with replay over ${transport}`);
  later(() => peer.kill());
  const { handshake } = await peer.call("open", { url: cut.url("/cometd"), transport, ack, replay: { from, numbers }, options: OPTIONS });
  assert.equal(handshake.ext.replay, true);
  for (const pattern of Object.keys(from)) {
    const { successful, error } = await peer.call("subscribe", { pattern });
    assert.ok(successful, error);
  }
  return peer;
}

/** What `pattern` was told at its `time`th subscription. */
function recovery(peer, pattern, time = 0) {
  const told = peer.events.filter(({ event, subscription }) => event === "subscribe" && subscription === pattern);
  return told[time]?.ext?.encke?.recovery?.[pattern];
}

const numbersOf = (peer) => peer.received.map(({ data }) => data);
const range = (from, to) => Array.from({ length: to - from }, (_, index) => from + index);
const say = (encke, from, count, to) => publish(encke, { from, count, rate: 10_000, channel: to });

/** Keeps the client away until the server has forgotten its session, and lets it return. */
async function whileForgotten({ encke, cut }, peer, act) {
  cut.plan = () => ({ up: 0 });
  cut.cut();
  const end = Date.now() + STEP_MS;
  while ((await encke.metric("encke_sessions")) > 0) assert.ok(Date.now() < end, "the session is not ended");
  await act();
  const subscribed = peer.events.filter(({ event }) => event === "subscribe").length;
  cut.plan = () => ({});
  await peer.until("its new subscriptions", () => peer.events.filter(({ event }) => event === "subscribe").length > subscribed, STEP_MS);
}

for (const transport of ["websocket", "long-polling"]) {
  scene(`${transport}: -1 is from now, and -2 is all that is kept`, { config: KEPT }, async (story) => {
    await say(story.encke, 0, 50, (n) => `/kept/${n % 5}`);
    const later = await join(story, { transport, from: { "/kept/*": -1 } });
    const all = await join(story, { transport, from: { "/kept/**": -2 } });
    assert.ok(recovery(later, "/kept/*").cursor);
    assert.equal(recovery(later, "/kept/*").recovered, undefined, "there was nothing to recover");
    await say(story.encke, 50, 60, (n) => `/kept/${n % 5}`);
    await later.untilReceived(10, STEP_MS);
    await all.untilReceived(60, STEP_MS);
    assert.deepEqual(numbersOf(later), range(50, 60));
    assert.deepEqual(numbersOf(all), range(0, 60));
    const labels = all.received.map(({ ext }) => ext.encke.subscription);
    assert.deepEqual(labels.slice(0, 50), range(0, 50).map(() => "/kept/**"), "what is replayed says for whom it is");
    assert.ok(labels.slice(50).every((label) => label === undefined));
  });

  for (const numbers of [false, true]) {
    const by = numbers ? "number" : "position";
    scene(`${transport}: a client returns by the ${by} of its last message when its session has ended`, { sessions: SOON, config: KEPT }, async (story) => {
      const { encke } = story;
      const patterns = { "/kept/one": -1, "/kept/two/*": -1, "/kept/three/**": -1 };
      const channels = ["/kept/one", "/kept/two/a", "/kept/two/b", "/kept/three/a", "/kept/three/b/c", "/kept/else"];
      const to = (number) => channels[number % channels.length];
      const peer = await join(story, { transport, from: patterns, numbers });
      await say(encke, 0, 60, to);
      await peer.untilReceived(50, STEP_MS);
      for (const [from, count] of [[60, 120], [120, 240]]) {
        await whileForgotten(story, peer, () => say(encke, from, count, to));
        await peer.untilReceived((count / 6) * 5, STEP_MS);
      }
      await say(encke, 240, 300, to);
      await peer.untilReceived(250, STEP_MS);
      for (const [pattern, prefix] of [["/kept/one", "/kept/one"], ["/kept/two/*", "/kept/two/"], ["/kept/three/**", "/kept/three/"]]) {
        for (const time of [1, 2]) assert.equal(recovery(peer, pattern, time).recovered, true, pattern);
        const expected = range(0, 300).filter((number) => to(number).startsWith(prefix));
        const got = peer.received.filter((message) => message.pattern === pattern).map(({ data }) => data);
        assert.deepEqual(got, expected, pattern);
      }
    });
  }

  scene(`${transport}: a client is told that it was away for too long`, { sessions: SOON, config: TEN }, async (story) => {
    const { encke } = story;
    const peer = await join(story, { transport, from: { "/ten/*": -1 } });
    await say(encke, 0, 5, () => "/ten/a");
    await peer.untilReceived(5, STEP_MS);
    await whileForgotten(story, peer, () => say(encke, 5, 105, () => "/ten/a"));
    const { recovered, reason, cursor } = recovery(peer, "/ten/*", 1);
    assert.deepEqual([recovered, reason, typeof cursor], [false, "too_old", "string"]);
    await peer.untilReceived(15, STEP_MS);
    await say(encke, 105, 106, () => "/ten/a");
    await peer.untilReceived(16, STEP_MS);
    assert.deepEqual(numbersOf(peer), [...range(0, 5), ...range(95, 106)], "what is still kept follows");
  });

  scene(`${transport}: a client is told that the server has forgotten everything`, { sessions: SOON, config: KEPT }, async (story) => {
    const { encke, cut } = story;
    const peer = await join(story, { transport, from: { "/kept/*": -1 } });
    await say(encke, 0, 20, () => "/kept/a");
    await peer.untilReceived(20, STEP_MS);
    cut.plan = () => ({ up: 0 });
    cut.cut();
    await encke.restart("SIGKILL");
    await say(encke, 20, 30, () => "/kept/a");
    cut.plan = () => ({});
    await peer.until("its new subscription", () => recovery(peer, "/kept/*", 1), STEP_MS);
    const { recovered, reason } = recovery(peer, "/kept/*", 1);
    assert.deepEqual([recovered, reason], [false, "new_epoch"]);
    await peer.untilReceived(30, STEP_MS);
    assert.deepEqual(numbersOf(peer), range(0, 30), "what was said since the restart follows");
  });
}
