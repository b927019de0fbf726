// The heap of a page that hears a great many messages stays flat. HEAP_MESSAGES says how many (scripts/soak: 100,000).

import assert from "node:assert/strict";
import { test } from "node:test";

import { Encke as Server } from "../../interop/encke.js";
import { Front } from "../front.js";
import { driver } from "../story.js";
import { open, start } from "./chromium.js";

const MESSAGES = Number(process.env.HEAP_MESSAGES ?? 20_000);
const ROUND = 5_000;
/** Four bytes kept of each of 100,000 messages would be found; what a browser compiles meanwhile is less. */
const GROWTH_BYTES = 400_000;

for (const [transport, drawer] of [["websocket", false], ["long-polling", false], ["websocket", true]]) {
  test(`the heap is flat over ${MESSAGES} messages by ${transport}${drawer ? " with the inspector open" : ""}`, async (context) => {
    const [browser, encke] = await Promise.all([start(), Server.start()]);
    const front = await Front.start(encke);
    try {
      const { page, drive } = await open(browser, front.url("/module.html"));
      const actor = driver(drive);
      await actor.open(null, { transports: [transport] });
      if (drawer) await actor.debug();
      await actor.evaluate(`(comet) => (globalThis.heard = 0, comet.subscribe("/heap", () => void heard++).ready)`);
      const cdp = await page.context().newCDPSession(page);
      const round = async () => {
        await actor.flood("/heap", ROUND, { ms: 60_000 });
        await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
        await cdp.send("HeapProfiler.collectGarbage");
        return (await cdp.send("Runtime.getHeapUsage")).usedSize;
      };
      await round();
      const first = await round();
      let last = first;
      let sent = 2 * ROUND;
      for (; sent < MESSAGES + 2 * ROUND; sent += ROUND) last = await round();
      await page.waitForFunction((count) => globalThis.heard === count, sent, { timeout: 10_000 });
      context.diagnostic(`${first} bytes, and ${last} after ${MESSAGES} more messages`);
      assert.ok(last - first < GROWTH_BYTES, `the heap grew from ${first} to ${last} bytes`);
    } finally {
      await browser.close();
      front.stop();
      await encke.stop("SIGKILL");
    }
  });
}
