// Each message once and in order, whatever becomes of the connections: thousands of interruptions in fake time.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Encke as Comet } from "../../client/src/index.js";
import { FakeEncke } from "./fake_encke.js";
import { Clock } from "./fake_time.js";

/** Numbers between 0 and 1 that are the same in each run. */
function dice(seed) {
  for (let spin = 0; spin < 5; spin++) seed = (seed * 48271 + 11) % 2147483647;
  return () => (seed = (seed * 48271) % 2147483647) / 2147483647;
}

function scene(seed = 1) {
  const clock = new Clock();
  const random = dice(seed);
  const encke = new FakeEncke(clock, random);
  const client = (options = {}) => {
    const comet = new Comet("http://server.test/bayeux", {
      clock, wall: clock.now, random, fetch: encke.fetch, WebSocket: encke.WebSocket, ...options,
    });
    const recoveries = [];
    comet.addEventListener("recovery", ({ detail }) => recoveries.push(detail));
    return { comet, recoveries };
  };
  return { clock, random, encke, client };
}

const WAYS = { "any transport": undefined, websocket: ["websocket"], "long-polling": ["long-polling"] };
const SEEDS = Number(process.env.ENCKE_SEEDS ?? 40);

for (const [way, transports] of Object.entries(WAYS)) {
  test(`over ${way}: what is published is heard once and in order, ${SEEDS} seeds`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { clock, random, encke, client } = scene(seed);
      const [one, other] = [client({ transports }), client({ transports })];
      const [heard, own, positions] = [[], [], []];
      one.comet.subscribe("/n/*", ({ data }) => heard.push(data));
      other.comet.subscribe("/n/a", ({ data }) => own.push(data));
      await clock.pass(500);
      const published = [];
      const COUNT = 400;
      for (let number = 0; number < COUNT; ) {
        for (let burst = 1 + random() * 5; burst > 0 && number < COUNT; burst--) {
          published.push(other.comet.publish("/n/a", number++).then(({ position }) => positions.push(position)));
        }
        await clock.pass(random() * 60);
        const what = random();
        if (what < 0.15) encke.cut({ chance: 0.7, silent: 0.1 });
        else if (what < 0.17) encke.expire();
        else if (what < 0.2) await clock.pass(random() * 3_000);
      }
      await clock.pass(300_000);
      await Promise.all(published);
      const expected = Array.from({ length: COUNT }, (_, number) => number);
      assert.deepEqual(heard, expected, `seed ${seed}`);
      assert.deepEqual(own, expected, `seed ${seed}`);
      assert.deepEqual(positions, expected.map((number) => `a-${(number + 1).toString(36)}`), `seed ${seed}`);
      for (const { recovered } of [...one.recoveries, ...other.recoveries]) assert.equal(recovered, true, `seed ${seed}`);
      for (const { comet } of [one, other]) await Promise.all([comet.disconnect(), clock.pass(60_000)]);
    }
  });
}
