// npm `cometd` with its own ack extension, on connections that break after any byte, both ways.

import assert from "node:assert/strict";

import { Peer } from "../interop/peer.js";
import { open } from "./page.js";
import { publish } from "./publisher.js";
import { Heard, scene } from "./scene.js";

const COUNT = 2_000;
const RATE = 1_000;
/** The publisher keeps within the outbox. */
const WINDOW = 500;
const REST_MS = 30_000;
/** Each of them costs the client a timeout. */
const SILENCES = 2;
/** The client's own pauses, which are seconds, would be most of the time. */
const OPTIONS = { backoffIncrement: 20, maxBackoff: 60, maxNetworkDelay: 700 };

/** A client in a process of its own; `heard` gets the numbers. */
async function join({ cut, later }, { transport, ack, heard, pattern = "/numbers/*" }) {
  const peer = new Peer("cometd", `over ${transport}`);
  later(() => peer.kill());
  const { handshake } = await peer.call("open", { url: cut.url("/cometd"), transport, ack, options: OPTIONS });
  peer.received.push = (...messages) => {
    for (const { data } of messages) heard.push(data);
    return 0;
  };
  const subscribed = await peer.call("subscribe", { pattern });
  assert.ok(subscribed.successful, JSON.stringify(subscribed));
  return { peer, handshake };
}

/**
 * Connections break somewhere in what they carry, mostly towards the client, within a frame or between two: soon, most of
 * them, and each fifth late enough for all that waits to pass in one piece.
 */
function breakAnywhere(chance) {
  return (number) => {
    if (number % 5 === 0) return { down: chance.between(10_000, 30_000) };
    return chance.next() < 0.75 ? { down: chance.between(100, 2_500) } : { up: chance.between(100, 1_500) };
  };
}

async function flood({ encke, cut, t }, heard, { kills }) {
  const may = (number) => number - heard.count < WINDOW;
  const took = await publish(encke, { count: COUNT, rate: RATE, channel: (n) => `/numbers/${n % 3}`, may });
  await heard.until(COUNT, REST_MS);
  t.diagnostic(`published in ${Math.round(took)} ms; of ${cut.connections} connections ${cut.kills} were killed, ${cut.swallowed} went silent`);
  heard.assertAll(COUNT);
  assert.ok(cut.kills >= kills, `only ${cut.kills} connections were killed`);
  assert.equal(await encke.metric("encke_gaps_total"), 0);
}

for (const transport of ["websocket", "long-polling"]) {
  scene(`${transport}: what was not acknowledged comes again`, {}, async (story) => {
    const heard = new Heard(`cometd over ${transport}`);
    const { peer, handshake } = await join(story, { transport, ack: true, heard });
    assert.equal(handshake.ext.ack, true);
    story.cut.plan = breakAnywhere(story.chance);
    story.cut.cut();
    await flood(story, heard, { kills: 10 });
    const handshakes = peer.events.filter(({ event }) => event === "handshake");
    assert.equal(handshakes.length, 1, "one session through all of it");
  });

  scene(`${transport}: replies that are lost on a connection that stays open come again`, {}, async (story) => {
    const { cut, chance } = story;
    const heard = new Heard(`cometd over ${transport}`);
    await join(story, { transport, ack: true, heard });
    cut.plan = () => (cut.swallowed < SILENCES ? { swallow: chance.between(300, 8_000) } : {});
    cut.cut();
    await flood(story, heard, { kills: 0 });
    assert.ok(cut.swallowed >= SILENCES, `only ${cut.swallowed} connections went silent`);
  });

  scene(`${transport}: without the extension nothing comes twice, and what is lost is lost`, {}, async (story) => {
    const { encke, cut, chance } = story;
    const heard = new Heard(`cometd over ${transport}`);
    const { peer, handshake } = await join(story, { transport, ack: false, heard });
    assert.equal(handshake.ext?.ack, undefined);
    cut.plan = () => ({ down: chance.between(100, 3_000) });
    cut.cut();
    const count = 600;
    await publish(encke, { count, rate: RATE, channel: () => "/numbers/a" });
    cut.plan = () => ({});
    cut.cut();
    // The last one is said until it is heard: nobody would say it again.
    const last = () => heard.numbers.at(-1) === count;
    while (!last()) {
      await publish(encke, { from: count, count: count + 1, rate: RATE, channel: () => "/numbers/a" });
      await peer.until("a connect", () => peer.events.some(({ event, successful }) => event === "connect" && successful));
    }
    assert.ok(cut.kills >= 5, `only ${cut.kills} connections were killed`);
    const ours = heard.numbers.filter((number) => number < count);
    assert.ok(ours.every((number, place) => place === 0 || number > ours[place - 1]), heard.summary());
    assert.ok(peer.events.every(({ ext }) => ext?.ack === undefined), "a number that nobody asked for");
  });
}

scene("callback-polling in Chromium: what was not acknowledged comes again", {}, async (story) => {
  const { cut, chance, later } = story;
  const heard = new Heard("cometd in a page");
  const url = cut.url("/cometd");
  const { handshake, page, stop } = await open({ url, transport: "callback-polling", pattern: "/numbers/*", heard, options: OPTIONS });
  later(stop);
  assert.equal(handshake.ext.ack, true);
  cut.plan = breakAnywhere(chance);
  cut.cut();
  await flood(story, heard, { kills: 10 });
  assert.equal(await page.evaluate(() => window.cometd.getClientId()), handshake.clientId, "one session through all of it");
});
