// npm `faye` sends what it has no answer to again, with the same id by the same session: at least once on its side, and
// once on ours.

import assert from "node:assert/strict";

import { Peer } from "../interop/peer.js";
import { Nomad } from "./nomad.js";
import { Heard, channel, scene } from "./scene.js";

const STEP_MS = 20_000;
/** What Faye waits before it sends again, in seconds. */
const RETRY = 0.03;

/** Counts what arrives, on a connection that nobody cuts. */
async function listen({ encke, later }, pattern) {
  const heard = new Heard("a subscriber");
  const nomad = new Nomad(encke.url("/bayeux"), "count");
  later(() => nomad.stop());
  nomad.ondelivery = ({ data }) => heard.push(data);
  await nomad.open(pattern);
  nomad.move("websocket", { cuts: false });
  return heard;
}

async function join({ cut, later }, transport) {
  const peer = new Peer("faye", `that publishes over ${transport}`);
  later(() => peer.kill());
  await peer.call("open", { url: cut.url("/faye"), transport, retry: RETRY });
  return peer;
}

/** Answers are lost with their connections: on a socket the first write is that of its upgrade. */
const lose = (cut, chance, transport) => {
  const first = transport === "websocket" ? 1 : 0;
  cut.plan = () => ({ writes: chance.between(first, first + 8) });
  cut.cut();
};

for (const transport of ["websocket", "long-polling"]) {
  scene(`${transport}: one publication after another arrives once and in order, whatever Faye repeats`, {}, async (story) => {
    const { encke, cut, chance, t } = story;
    const heard = await listen(story, "/from/*");
    const peer = await join(story, transport);
    lose(cut, chance, transport);
    const count = 300;
    for (let number = 0; number < count; number++) {
      const { successful, error } = await peer.call("publish", { channel: "/from/faye", data: number }, STEP_MS);
      assert.ok(successful, `${number}: ${error}`);
    }
    await heard.until(count, STEP_MS);
    heard.assertAll(count);
    const repeats = await encke.metric("encke_publish_repeats_total");
    t.diagnostic(`${cut.kills} connections were killed, ${repeats} publications were repeats`);
    assert.ok(repeats >= 10, `Faye repeated only ${repeats}`);
  });

  scene(`${transport}: many at once arrive once each, with history and without`, { config: channel(["/kept/*"]) }, async (story) => {
    const { encke, cut, chance, t } = story;
    const peer = await join(story, transport);
    for (const pattern of ["/from/*", "/kept/*"]) {
      const heard = await listen(story, pattern);
      lose(cut, chance, transport);
      const count = 400;
      for (let from = 0; from < count; from += 20) {
        const batch = Array.from({ length: 20 }, (_, index) => from + index);
        const channel = pattern.replace("*", "faye");
        const outcomes = await Promise.all(batch.map((data) => peer.call("publish", { channel, data, options: { attempts: 100 } }, STEP_MS)));
        assert.ok(outcomes.every(({ successful }) => successful), JSON.stringify(outcomes));
      }
      await heard.until(count, STEP_MS);
      heard.numbers.sort((one, other) => one - other);
      heard.assertAll(count);
    }
    const repeats = await encke.metric("encke_publish_repeats_total");
    t.diagnostic(`${cut.kills} connections were killed, ${repeats} publications were repeats`);
    assert.ok(repeats >= 10, `Faye repeated only ${repeats}`);
  });
}
