// A browser's own EventSource, which knows nothing of us: it remembers an id, and goes on where it was cut off.

import assert from "node:assert/strict";
import net from "node:net";
import { after, before, test } from "node:test";

import { Site } from "./browser.js";

/** Texts on a history and on channels without one between them. */
const CHANNELS = ["/chat/demo", "/slideshow/demo", "/elsewhere"];
const ROUNDS = 3;

/** A line to the server that can be cut. */
class Cable {
  #ends = new Set();
  #server;

  static async to(address) {
    const [host, port] = address.split(":");
    const cable = new Cable();
    cable.#server = net.createServer((client) => {
      const server = net.connect(Number(port), host);
      for (const [from, to] of [[client, server], [server, client]]) {
        cable.#ends.add(from);
        from.on("error", () => {}).on("close", () => (cable.#ends.delete(from), to.destroy()));
        from.pipe(to);
      }
    });
    await new Promise((listening) => cable.#server.listen(0, "127.0.0.1", listening));
    return cable;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  cut() {
    for (const end of this.#ends) end.destroy();
  }

  close() {
    this.cut();
    this.#server.close();
  }
}

let site;
before(async () => (site = await Site.open()));
after(() => site?.close());

async function publish(channel, data) {
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(data) };
  const response = await fetch(site.encke.url(`/channels${channel}`), request);
  assert.equal(response.status, 200);
}

test("a browser that is cut off gets what it has missed, once and in order", async () => {
  const cable = await Cable.to(site.encke.address);
  try {
    const page = await site.visit("");
    // The same server, by way of the line.
    await page.goto(`${cable.url}/`);
    await page.evaluate((channels) => {
      window.heard = [];
      window.told = [];
      window.opened = 0;
      const events = new EventSource("/channels/**?as=event-stream");
      events.onopen = () => (window.opened += 1);
      for (const channel of channels) events.addEventListener(channel, ({ data }) => window.heard.push([channel, JSON.parse(data)]));
      events.addEventListener("recovery", ({ data }) => window.told.push(JSON.parse(data)));
    }, CHANNELS);
    const expected = { "/chat/demo": [], "/slideshow/demo": [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      await page.waitForFunction((times) => window.opened === times, round + 1);
      // The first time it is cut off before it has heard anything.
      if (round > 0) await publish("/elsewhere", round);
      cable.cut();
      for (const channel of ["/chat/demo", "/slideshow/demo"]) {
        for (const number of [1, 2, 3]) {
          await publish(channel, 10 * round + number);
          expected[channel].push(10 * round + number);
        }
      }
    }
    await page.waitForFunction((times) => window.opened === times, ROUNDS + 1);
    await publish("/chat/demo", "live");
    expected["/chat/demo"].push("live");
    await page.waitForFunction(() => window.heard.some(([, data]) => data === "live"));
    const { heard, told } = await page.evaluate(() => ({ heard: window.heard, told: window.told }));
    for (const [channel, data] of Object.entries(expected)) {
      assert.deepEqual(heard.filter(([name]) => name === channel).map(([, number]) => number), data);
    }
    assert.deepEqual(told.map(({ recovered }) => recovered), Array(ROUNDS).fill(true));
  } finally {
    cable.close();
  }
});
