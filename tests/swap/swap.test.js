// A page with npm `cometd` stays live while the server behind its URL is exchanged: Encke, npm
// `cometd-nodejs-server`, and Encke again.

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { within } from "../interop/deadline.js";
import { Encke } from "../interop/encke.js";
import { Peer } from "../interop/peer.js";
import { Proxy } from "./proxy.js";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** How long the page may take for one step: a client that had a WebSocket gives it up after 30 s (docs/migrating.md). */
const STEP_MS = 75_000;

/** Between two numbers of the publisher: a pace that goes on through every exchange. */
const PACE_MS = 25;

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
});
after(() => browser?.close());

/** npm `cometd-nodejs-server`. */
async function startCometD() {
  const server = fork(fileURLToPath(new URL("cometd_server.js", import.meta.url)), { execArgv: [] });
  const port = await within(
    STEP_MS,
    new Promise((resolve) => server.once("message", resolve)),
    () => "cometd-nodejs-server does not say where it listens",
  );
  return { port, stop: () => server.kill("SIGKILL") };
}

/** Publishes 0, 1, 2 … at its pace, whatever is behind the URL, and notes which were acknowledged. */
class Publisher {
  acknowledged = new Set();
  sent = 0;
  #peer = new Peer("cometd", "publisher");
  #timer;

  async start(url) {
    await this.#peer.call("open", { url, transport: "long-polling" });
    this.#timer = setInterval(() => this.#publish(this.sent++), PACE_MS);
  }

  /** Resolves when as many as `count` have been sent from now on and acknowledged. */
  async more(count) {
    const from = this.sent;
    const done = () => [...this.acknowledged].filter((number) => number >= from).length >= count;
    await this.#peer.until(`${count} acknowledged publications`, done, STEP_MS);
    return from;
  }

  pause() {
    clearInterval(this.#timer);
  }

  stop() {
    this.pause();
    return this.#peer.kill();
  }

  async #publish(number) {
    const reply = await this.#peer.call("publish", { channel: "/swap/news", data: number }, STEP_MS).catch(() => {});
    if (reply?.successful) this.acknowledged.add(number);
  }
}

const story = (page) => page.evaluate(() => globalThis.story);

/** Waits for something in the page. */
async function until(page, what, condition, argument) {
  try {
    await page.waitForFunction(condition, argument, { timeout: STEP_MS, polling: 50 });
  } catch (late) {
    const { heard, ...rest } = await story(page);
    const state = await page.textContent("#state");
    const told = JSON.stringify({ state, ...rest, heard: heard.slice(-5) });
    throw new Error(`the page does not get to ${what}: ${told}`, { cause: late });
  }
}

test("docs/migrating.md shows the settings that this page has", () => {
  const [document, page] = ["../../docs/migrating.md", "page.html"].map((file) =>
    readFileSync(new URL(file, import.meta.url), "utf8"),
  );
  const shown = document.match(/^  (?:stickyReconnect|advice): .+$/gm);
  assert.equal(shown.length, 2);
  assert.deepEqual(page.match(/^ *(?:stickyReconnect|advice): .+$/gm).map((line) => line.trim()), shown.map((line) => line.trim()));
});

for (const [transport, query] of [["websocket", ""], ["long-polling", "?poll"]]) {
  test(`a page of a CometD application that prefers ${transport} does not notice which server it has`, async () => {
    const [encke, cometd, proxy] = [await Encke.start(), await startCometD(), await Proxy.start()];
    const publisher = new Publisher();
    const context = await browser.newContext();
    try {
      const enckePort = Number(encke.address.split(":").pop());
      const page = await context.newPage();
      const errors = [];
      page.on("pageerror", (error) => errors.push(error.message));
      proxy.putBehind(enckePort);
      await page.goto(proxy.url(`/${query}`));
      await until(page, "its first subscription", () => globalThis.story?.subscribed === 1);
      const { born } = await story(page);
      await publisher.start(proxy.url("/cometd"));

      const periods = [];
      const expected = [transport, "long-polling", transport];
      for (const [number, port] of [enckePort, cometd.port, enckePort].entries()) {
        if (number > 0) {
          const { failed, subscribed } = await story(page);
          proxy.takeAway();
          await until(page, "a failure", (failed) => globalThis.story.failed > failed, failed);
          proxy.putBehind(port);
          await until(page, "a subscription", (subscribed) => globalThis.story.subscribed > subscribed, subscribed);
        }
        // From here on nothing may be lost: the page is subscribed with this server.
        const from = await publisher.more(20);
        const to = publisher.sent;
        periods.push([from, to]);
        await until(page, "the last number", (last) => globalThis.story.heard.includes(last), Math.max(...publisher.acknowledged));
        // And the page's own word comes back to it.
        const own = `own ${number}`;
        await page.evaluate((own) => globalThis.cometd.publish("/swap/own", own), own);
        await until(page, "its own word", (own) => globalThis.story.heard.includes(own), own);
        await until(page, `a connect over ${expected[number]}`, (type) => document.querySelector("#state").textContent === type, expected[number]);
      }
      publisher.pause();

      const end = await story(page);
      assert.equal(end.born, born, "the page was never loaded again");
      assert.deepEqual(errors, []);
      const twice = end.heard.filter((data, index) => end.heard.indexOf(data) !== index);
      assert.deepEqual(twice, [], "nothing is delivered twice");
      const numbers = end.heard.filter((data) => typeof data === "number");
      assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b), "all in their order");
      for (const [from, to] of periods) {
        for (let number = from; number < to; number += 1) {
          if (publisher.acknowledged.has(number)) assert.ok(numbers.includes(number), `${number} was lost`);
        }
      }
      // Each server named its own transports: it really was another one.
      const spoken = end.handshakes.map(({ supportedConnectionTypes }) => supportedConnectionTypes.includes("websocket"));
      assert.deepEqual(spoken, [true, false, true]);
      assert.equal(end.subscribed, 3, "it subscribed once with each");
    } finally {
      await publisher.stop();
      await context.close();
      proxy.stop();
      cometd.stop();
      await encke.stop("SIGKILL");
    }
  });
}
