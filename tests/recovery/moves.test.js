// 10,000 numbered messages while a client is cut, or moves between websocket, long-polling and callback-polling, every
// 50 ms: each arrives once and in order.

import assert from "node:assert/strict";

import { Nomad } from "./nomad.js";
import { publish } from "./publisher.js";
import { Heard, channel, scene } from "./scene.js";

const RATE = 2_000;
const MOVE_MS = 50;
const TYPES = ["websocket", "long-polling", "callback-polling"];
/** What was published is on its way, or waits for the next connection. */
const REST_MS = 20_000;

/** Moves until `stop` of the answer is called. */
function wander(nomad, chance) {
  const move = () => nomad.move(chance.pick(TYPES), { cuts: chance.next() < 0.6 });
  move();
  const timer = setInterval(move, MOVE_MS);
  return { stop: () => clearInterval(timer) };
}

async function tell({ encke, chance, t }, { ack, to, count = 10_000, window = Infinity, expect }) {
  const nomad = new Nomad(encke.url("/bayeux"), ack);
  const heard = new Heard(`a client that acknowledges by ${ack}`);
  const failed = new Promise((_, reject) => (nomad.onerror = reject));
  failed.catch(() => {});
  nomad.ondelivery = (message) => {
    if (message.channel === "/meta/gap") return nomad.onerror(new Error(JSON.stringify(message)));
    heard.push(message.data);
  };
  const { handshake } = await nomad.open("/numbers/**");
  assert.deepEqual(handshake.ext, expect);

  const wandering = wander(nomad, chance);
  try {
    const may = (number) => number - heard.count < window;
    const publishing = publish(encke, { count, rate: RATE, channel: to, may });
    const took = await Promise.race([publishing, failed]);
    await Promise.race([heard.until(count, REST_MS), failed]);
    t.diagnostic(`published in ${Math.round(took)} ms, ${nomad.moves} moves, heard ${JSON.stringify(nomad.heard)}`);
    heard.assertAll(count);
    assert.ok(nomad.moves > count / RATE / (MOVE_MS / 1000) / 2, `only ${nomad.moves} moves`);
    for (const type of TYPES) assert.ok(nomad.heard[type] > count / 50, `only ${nomad.heard[type]} over ${type}`);
    // Nothing comes twice behind the last either.
    await publish(encke, { from: count, count: count + 1, rate: RATE, channel: to });
    await Promise.race([heard.until(count + 1, REST_MS), failed]);
    heard.assertAll(count + 1);
  } finally {
    wandering.stop();
    nomad.stop();
  }
}

const ours = { ack: "count", expect: { ack: true, encke: { ack: "count" } } };
const cometds = { ack: "batch", expect: { ack: true } };

// Without history only the outbox remembers: the publisher keeps within it.
for (const way of [ours, cometds]) {
  scene(`${way.ack}: what was not acknowledged comes again on the next connection`, {}, (scene) =>
    tell(scene, { ...way, to: () => "/numbers/one", window: 800 }));
}

// With history and an outbox that is too small most of the time is spent catching up, in the midst of moves.
for (const way of [ours, cometds]) {
  scene(`${way.ack}: what no outbox could hold comes from history`, { sessions: "outbox_messages = 15", config: channel(["/numbers/**"]) }, async (scene) => {
    await tell(scene, { ...way, count: 5_000, to: (number) => `/numbers/${number % 7}` });
    assert.ok((await scene.encke.metric("encke_messages_replayed_total")) > 0, "nothing came from history");
    assert.equal(await scene.encke.metric("encke_gaps_total"), 0);
  });
}
