// A process that sleeps (SIGSTOP) for longer than the buffers of its socket last: what it gets when it wakes, by the policy of
// the channel, and that nobody else notices.

import assert from "node:assert/strict";

import { connect, post } from "../interop/bayeux.js";
import { Peer } from "../interop/peer.js";
import { publish } from "./publisher.js";
import { OPERATOR, channel, scene } from "./scene.js";

const STEP_MS = 30_000;
/** More than any socket's buffers, of both sides together. */
const COUNT = 1_200;
const DATA = "x".repeat(20_000);
const OUTBOX = 100;
const SMALL = { sessions: `outbox_messages = ${OUTBOX}\noutbox_bytes = 4194304` };
const HISTORY = 'count = 2000\nbytes = 67108864\nage = "10m"\ntotal_bytes = 134217728';

async function join({ encke, later }, name, ack) {
  const peer = new Peer("sleeping", name, { script: new URL("sleeper.js", import.meta.url) });
  later(() => peer.kill());
  ({ clientId: peer.clientId } = await peer.call("open", { url: encke.url("/bayeux"), ack, pattern: "/far/**" }));
  return peer;
}

/** The numbers that `peer` has got, on one channel or on all. */
const numbers = (peer, on) => peer.received.filter(({ channel }) => on === undefined || channel === on).map(({ data }) => data);

function assertNone(peer, kind) {
  const found = peer.events.filter(({ event }) => event === kind);
  assert.deepEqual(found, [], kind);
}

/** Where `peer` stands: the number that comes next. */
const next = (peer) => (numbers(peer).at(-1) ?? -1) + 1;
const reaches = (peer, number) => peer.until(`number ${number - 1}`, () => next(peer) >= number, STEP_MS);

/** Has a sleeper miss more than its connection and its outbox hold, and wakes it. Others get everything, or `latest`. */
async function doze(story, { ack, to = () => "/far/away", latest = false, ends = false }) {
  const { encke } = story;
  const sleeper = await join(story, "that sleeps", ack);
  const others = await Promise.all(["count", "none"].map((way) => join(story, `that is awake and acknowledges by ${way}`, way)));
  const data = (n) => ({ n, DATA });
  await publish(encke, { count: 10, rate: 1_000, channel: to, data });
  await reaches(sleeper, 10);
  const before = sleeper.received.length;
  sleeper.signal("SIGSTOP");
  // Others are not disturbed: they never have more than some messages before them.
  const may = (number) => others.every((other) => number - next(other) < OUTBOX / 2);
  await publish(encke, { from: 10, count: COUNT, rate: 2_000, batch: 10, channel: to, data, may });
  for (const other of others) {
    await reaches(other, COUNT);
    if (!latest) assert.deepEqual(numbers(other), Array.from({ length: COUNT }, (_, number) => number));
    assertNone(other, "error");
    assertNone(other, "closed");
  }
  assert.equal(sleeper.received.length, before, "it sleeps");
  const headers = { Authorization: `Bearer ${OPERATOR}` };
  const { sessions } = await (await fetch(encke.internalUrl("/api/sessions?slow"), { headers })).json();
  const slow = sessions.map(({ channel, queued_messages, queued_bytes, oldest_ms }) => [channel.slice(0, 5), queued_messages > 0, queued_bytes > 0, oldest_ms > 0]);
  assert.deepEqual(slow, ends ? [] : [["/far/", true, true, true]], "operators see who is slow, and nobody else");
  sleeper.signal("SIGCONT");
  return { sleeper, others };
}

for (const ack of ["count", "batch", "none"]) {
  scene(`gap: who wakes gets all from history, in order (acknowledging by ${ack})`, { ...SMALL, config: channel(["/far/**"], "", HISTORY) }, async (story) => {
    const { encke, t } = story;
    const { sleeper } = await doze(story, { ack, to: (number) => `/far/${number % 3}` });
    await sleeper.untilReceived(COUNT, STEP_MS);
    assert.deepEqual(numbers(sleeper), Array.from({ length: COUNT }, (_, number) => number));
    assertNone(sleeper, "error");
    assertNone(sleeper, "closed");
    const overflows = await encke.metric('encke_overflows_total{policy="gap"}');
    const replayed = await encke.metric("encke_messages_replayed_total");
    t.diagnostic(`${overflows} times the outbox was full, ${replayed} came from history`);
    assert.ok(overflows >= 1);
    assert.ok(replayed >= 1);
    assert.equal(await encke.metric("encke_gaps_total"), 0, "nothing was lost");
    assert.match(encke.output, /a session is too slow/, "the log says who is slow");
  });
}

scene("gap: who wakes too late is told of it, and gets what is still kept", { ...SMALL, config: channel(["/far/**"], "", 'count = 50\nbytes = 67108864\nage = "10m"') }, async (story) => {
  const { encke } = story;
  const { sleeper } = await doze(story, { ack: "count" });
  await sleeper.until("the last one", () => numbers(sleeper).at(-1) === COUNT - 1, STEP_MS);
  const notices = sleeper.received.filter(({ channel }) => channel === "/meta/gap");
  assert.ok(notices.length >= 1);
  for (const { data } of notices) assert.deepEqual(data, { subscription: ["/far/**"], reason: "too_old" });
  const got = numbers(sleeper, "/far/away");
  assert.ok(got.every((number, place) => place === 0 || number > got[place - 1]), "in order, each once");
  assert.deepEqual(got.slice(-50), Array.from({ length: 50 }, (_, index) => COUNT - 50 + index), "what is kept");
  assert.ok(got.length < COUNT, "something was lost, else nothing was told here");
  // Where a number is missing, there the notice stands.
  const place = sleeper.received.findIndex(({ channel }) => channel === "/meta/gap");
  const before = sleeper.received.slice(0, place).map(({ data }) => data);
  assert.ok(before.every((number, index) => number === index), "nothing is missing before the notice");
  assert.equal(await encke.metric("encke_gaps_total"), notices.length);
});

for (const ack of ["count", "none"]) {
  scene(`drop-oldest: who wakes gets the newest (acknowledging by ${ack})`, { ...SMALL, config: channel(["/far/**"], 'on_overflow = "drop-oldest"', "") }, async (story) => {
    const { encke, t } = story;
    const { sleeper } = await doze(story, { ack });
    await sleeper.until("the last one", () => numbers(sleeper).at(-1) === COUNT - 1, STEP_MS);
    const got = numbers(sleeper);
    // Under the bound stands what was unacknowledged when it fell asleep, and that may be all that its socket had room for.
    let tail = 1;
    while (got.at(-tail - 1) === COUNT - tail - 1) tail += 1;
    assert.ok((ack === "none" ? tail : got.length) >= OUTBOX, `an outbox of the newest, all of them: ${got.length} in all, ${tail} without a gap`);
    assert.ok(got.every((number, place) => place === 0 || number > got[place - 1]), "in order, each once");
    const overflows = await encke.metric('encke_overflows_total{policy="drop-oldest"}');
    t.diagnostic(`${got.length} of ${COUNT} have come, ${overflows} were dropped`);
    assert.ok(overflows > 0);
    assert.equal(overflows, COUNT - got.length, "what was dropped is counted");
    assert.equal(await encke.metric('encke_messages_dropped_total{cause="overflow"}'), overflows);
    assertNone(sleeper, "closed");
  });
}

for (const [what, config] of [["by its table", channel(["/far/**"], 'on_overflow = "end"', "")], ["without a table", ""]]) {
  scene(`end: who wakes has been sent away, ${what}`, { ...SMALL, config }, async (story) => {
    const { encke } = story;
    const { sleeper } = await doze(story, { ack: "none", ends: true });
    const { code } = await sleeper.until("the end of its socket", () => sleeper.events.find(({ event }) => event === "closed"), STEP_MS);
    assert.equal(code, 1008);
    const { replies } = await post(encke.url("/bayeux"), [connect(sleeper.clientId)]);
    assert.match(replies[0].error, /^402:/);
    assert.equal(replies[0].advice.reconnect, "handshake");
    const got = numbers(sleeper);
    assert.ok(got.length < COUNT && got.every((number, place) => number === place), "what came before was complete");
    assert.equal(await encke.metric('encke_overflows_total{policy="end"}'), 1);
    assert.equal(await encke.metric('encke_sessions_ended_total{cause="overflow"}'), 1);
    assert.equal(await encke.metric("encke_sessions"), 2, "the others are still here");
  });
}

scene("latest: who wakes gets the newest of each channel", { ...SMALL, config: channel(["/far/**"], 'deliver = "latest"', "") }, async (story) => {
  const { encke, t } = story;
  const channels = Array.from({ length: 7 }, (_, index) => `/far/${index}`);
  const { sleeper, others } = await doze(story, { ack: "none", latest: true, to: (number) => channels[number % channels.length] });
  await reaches(sleeper, COUNT);
  for (const peer of [sleeper, ...others]) {
    for (const [index, name] of channels.entries()) {
      const got = numbers(peer, name);
      assert.equal(got.at(-1), COUNT - 1 - ((COUNT - 1 - index) % channels.length), `the newest of ${name}`);
      assert.ok(got.every((number, place) => place === 0 || number > got[place - 1]), "in order, each once");
    }
  }
  const conflated = await encke.metric("encke_messages_conflated_total");
  const missing = [sleeper, ...others].reduce((sum, { received }) => sum + COUNT - received.length, 0);
  t.diagnostic(`the sleeper got ${sleeper.received.length} of ${COUNT}; ${conflated} were replaced by newer ones`);
  assert.equal(conflated, missing, "each that did not come was replaced");
  assert.ok(sleeper.received.length < COUNT / 2, "the sleeper got hardly less than everything");
  for (const policy of ["gap", "drop-oldest", "end"]) assert.equal(await encke.metric(`encke_overflows_total{policy="${policy}"}`), 0);
});
