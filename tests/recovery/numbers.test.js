// What is thrown away on purpose while a client is away must not shift the numbers by which it says what it has.

import assert from "node:assert/strict";

import { within } from "../interop/deadline.js";
import { Nomad } from "./nomad.js";
import { publish } from "./publisher.js";
import { Heard, channel, scene } from "./scene.js";

const STEP_MS = 10_000;
const SMALL = "outbox_messages = 10";

/** A client that has `count` messages which the server does not know it has, and whose connection is gone. */
async function away({ encke, later }, { ack, count, to }) {
  const heard = new Heard(`a client that acknowledges by ${ack}`);
  const nomad = new Nomad(encke.url("/bayeux"), ack);
  later(() => nomad.stop());
  nomad.ondelivery = ({ data }) => heard.push(data);
  await nomad.open("/far/*");
  nomad.move("websocket", { cuts: false });
  for (let number = 0; number < count; number++) {
    await publish(encke, { from: number, count: number + 1, rate: 1_000, channel: to });
    await heard.until(number + 1, STEP_MS);
  }
  const before = await encke.metric('encke_connections{transport="websocket"}');
  nomad.stop();
  const gone = async () => {
    while ((await encke.metric('encke_connections{transport="websocket"}')) === before);
  };
  await within(STEP_MS, gone(), () => "the server does not see that the socket is gone");
  return { nomad, heard };
}

for (const type of ["websocket", "long-polling"]) {
  scene(`latest: the newest value is not taken for one that has arrived, over ${type}`, { config: channel(["/far/*"], 'deliver = "latest"', "") }, async (story) => {
    const { nomad, heard } = await away(story, { ack: "count", count: 4, to: () => "/far/a" });
    await publish(story.encke, { from: 4, count: 8, rate: 1_000, channel: () => "/far/a" });
    nomad.move(type, { cuts: false });
    await heard.when(STEP_MS, () => heard.numbers.at(-1) === 7, () => "the newest value");
    assert.ok(heard.numbers.every((number, place) => place === 0 || number > heard.numbers[place - 1]), heard.summary());
  });

  scene(`drop-oldest: no more is dropped than has to be, over ${type}`, { sessions: SMALL, config: channel(["/far/*"], 'on_overflow = "drop-oldest"', "") }, async (story) => {
    const { nomad, heard } = await away(story, { ack: "count", count: 1, to: () => "/far/a" });
    await publish(story.encke, { from: 1, count: 15, rate: 1_000, channel: () => "/far/a" });
    nomad.move(type, { cuts: false });
    await heard.when(STEP_MS, () => heard.numbers.at(-1) === 14, () => "the newest");
    // The one that it has goes first, since the newest ten are what there is room for, and nobody is told of a gap that is none.
    assert.deepEqual(heard.numbers, [0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
  });
}

for (const ack of ["count", "batch"]) {
  scene(`drop-oldest: who may have lost what was dropped is told of it, acknowledging by ${ack}`, { sessions: SMALL, config: channel(["/far/*"], 'on_overflow = "drop-oldest"', "") }, async ({ encke, cut, later }) => {
    const heard = new Heard("a client whose poll was cut");
    const nomad = new Nomad(cut.url("/bayeux"), ack);
    later(() => nomad.stop());
    nomad.ondelivery = ({ data }) => heard.push(data);
    await nomad.open("/far/*");
    const say = (from, count) => publish(encke, { from, count, rate: 10_000, channel: () => "/far/a" });
    await say(0, 10);
    // All ten are in an answer that never arrives.
    const lost = new Promise((resolve) => (nomad.onerror = resolve));
    cut.plan = () => ({ writes: 0 });
    nomad.move("long-polling", { cuts: false });
    await within(STEP_MS, lost, () => "the answer is not lost");
    await say(10, 15);
    cut.plan = () => ({});
    nomad.move("long-polling", { cuts: false });
    await heard.when(STEP_MS, () => heard.numbers.at(-1) === 14, () => "the newest");
    const [gap, ...rest] = heard.numbers;
    assert.deepEqual(gap, { subscription: ["/far/*"], reason: "overflow", count: 5 });
    assert.deepEqual(rest, [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    await say(15, 16);
    await heard.when(STEP_MS, () => heard.numbers.at(-1) === 15, () => "one more");
    assert.equal(heard.count, 12, "nothing comes twice");
    assert.equal(await encke.metric("encke_gaps_total"), 1);
  });
}
