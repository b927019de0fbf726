// Ten thousand numbers to a page that is driven from transport to transport, its connections cut every 250 ms: each
// arrives once and in order, and so do those that the page publishes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { WebSocket } from "ws";

import { Encke as Comet } from "../../../client/src/index.js";
import { within } from "../../interop/deadline.js";
import { Encke as Server } from "../../interop/encke.js";
import { Front } from "../front.js";
import { open, start as startBrowser } from "./chromium.js";

const COUNT = 10_000;
const OWN = 1_000;
const STORY_MS = 150_000;
const CUT_MS = 250;
/** All the publishing. */
const LONG_MS = 14_000;
/** How far the publisher may be ahead of the page: half of an outbox. */
const AHEAD = 400;

let browser;
before(async () => (browser = await startBrowser()));
after(() => browser.close());

/** In the page: hears numbers, and publishes its own. */
const PAGE = `async ({ own }) => {
  // Verdicts on transports expire at once by this clock, and waits are short.
  const comet = new Encke(undefined, { wall: () => Date.now() * 1200, random: () => Math.random() / 20 });
  const page = (globalThis.story = { heard: [], wrong: [], recoveries: [], used: {}, published: 0, refused: [] });
  comet.addEventListener("recovery", ({ detail }) => page.recoveries.push(detail));
  comet.addEventListener("state", ({ detail }) => {
    if (detail.state === "connected") page.used[detail.transport] = (page.used[detail.transport] ?? 0) + 1;
  });
  await comet.subscribe("/chat/*", ({ data }) => {
    if (data !== page.heard.length) page.wrong.push([page.heard.length, data]);
    page.heard.push(data);
  }).ready;
  page.publishing = (async () => {
    for (let number = 0; number < own; number += 5) {
      await new Promise((resolve) => setTimeout(resolve, 60));
      const five = Array.from({ length: 5 }, (_, place) => comet.publish("/own/page", number + place));
      await Promise.allSettled(five).then((all) => {
        for (const { status, reason } of all) status === "fulfilled" ? page.published++ : page.refused.push(String(reason));
      });
    }
  })();
}`;

test(`${COUNT} numbers reach a page once and in order over three transports, cut every ${CUT_MS} ms`, async (context) => {
  const encke = await Server.start();
  const front = await Front.start(encke);
  const publisher = new Comet(encke.url("/bayeux"), { WebSocket });
  const own = [];
  let cutting;
  let cuts = 0;
  const noPost = (response, request) => request.method === "POST" && response.writeHead(403).end();
  try {
    const { page, errors } = await open(browser, front.url("/module.html"));
    await publisher.subscribe("/own/page", ({ data }) => own.push(data)).ready;
    await page.evaluate(`(${PAGE})(${JSON.stringify({ own: OWN })})`);
    cutting = setInterval(() => {
      // Two seconds each: everything passes, no WebSocket, nothing but scripts.
      const way = Math.floor((cuts++ * CUT_MS) / 2_000) % 3;
      front.refuse = way > 0;
      front.fault = way > 1 ? noPost : undefined;
      front.cut();
    }, CUT_MS);
    const look = () => page.evaluate(() => ({ ...story, heard: story.heard.length }));
    let seen = await look();
    const start = performance.now();
    const story = async () => {
      for (let number = 0; number < COUNT || seen.heard < COUNT || seen.published + seen.refused.length < OWN; ) {
        // Slowly enough that all three have their turn.
        const due = Math.min(COUNT, seen.heard + AHEAD, ((performance.now() - start) / LONG_MS) * COUNT);
        while (number < due) publisher.publish("/chat/numbers", number++);
        seen = await look();
      }
    };
    await within(STORY_MS, story(), () => `after ${cuts} cuts: ${JSON.stringify(seen)}`);
    assert.deepEqual(seen.wrong, []);
    assert.equal(seen.heard, COUNT);
    assert.deepEqual(seen.refused, []);
    assert.ok(seen.recoveries.every(({ recovered }) => recovered), JSON.stringify(seen.recoveries));
    assert.deepEqual(own, Array.from({ length: OWN }, (_, number) => number));
    assert.deepEqual(Object.keys(seen.used).sort(), ["callback-polling", "long-polling", "websocket"]);
    assert.deepEqual(errors, []);
    context.diagnostic(`${cuts} cuts; connected ${JSON.stringify(seen.used)}`);
  } finally {
    clearInterval(cutting);
    await publisher.disconnect();
    front.stop();
    await encke.stop("SIGKILL");
  }
});
