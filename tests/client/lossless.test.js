// Ten thousand numbers through an Encke while connections are killed at random, both those of the publisher and those of
// the subscriber: each arrives once and in order.

import assert from "node:assert/strict";
import { test } from "node:test";

import { WebSocket } from "ws";

import { Encke as Comet } from "../../client/src/index.js";
import { within } from "../interop/deadline.js";
import { Encke as Server } from "../interop/encke.js";
import { Front } from "./front.js";

const COUNT = 10_000;
const STORY_MS = 120_000;
/** How far the publisher may be ahead of the subscriber: half of an outbox. */
const AHEAD = 400;
/** Between two cuts. */
const CUT_MS = 100;

const WAYS = {
  websocket: { WebSocket, transports: ["websocket"] },
  "long-polling": { transports: ["long-polling"] },
  // Verdicts expire at once by this clock, so that it goes from one to the other and back.
  "both transports by turns": { WebSocket, wall: () => Date.now() * 600, moves: true },
};

for (const [way, { moves, ...options }] of Object.entries(WAYS)) {
  for (const channel of ["/chat/numbers", "/forgotten/numbers"]) {
    test(`${COUNT} numbers on ${channel} over ${way}, cut ${1000 / CUT_MS} times a second`, async (context) => {
      const encke = await Server.start();
      const front = await Front.start(encke);
      const used = new Set();
      const client = () => {
        // Waits are short, or most of the time nobody would be connected.
        const comet = new Comet(front.url(), { ...options, random: () => Math.random() / 20 });
        comet.addEventListener("state", ({ detail }) => detail.state === "connected" && used.add(detail.transport));
        return comet;
      };
      const [subscriber, publisher] = [client(), client()];
      const [heard, recoveries, states] = [[], [], []];
      let cuts = 0;
      let wake = () => {};
      let cutting;
      const cut = () => {
        cuts++;
        front.cut();
        cutting = setTimeout(cut, CUT_MS * 2 * Math.random());
      };
      try {
        subscriber.addEventListener("recovery", ({ detail }) => recoveries.push(detail));
        subscriber.addEventListener("state", ({ detail }) => states.push(detail));
        await subscriber.subscribe(channel.replace("numbers", "*"), ({ data }) => {
          heard.push(data);
          wake();
        }).ready;
        cut();
        const story = async () => {
          const published = [];
          for (let number = 0; number < COUNT; number++) {
            published.push(publisher.publish(channel, number));
            while (number - heard.length > AHEAD) await new Promise((resolve) => (wake = resolve));
            if (number % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
          }
          await Promise.all(published);
          while (heard.length < COUNT) await new Promise((resolve) => (wake = resolve));
        };
        const stands = () => `${heard.length} heard, the last ${heard.at(-1)}, ${subscriber.state}: ${JSON.stringify(states.slice(-3))}`;
        await within(STORY_MS, story(), stands);
        const wrong = heard.findIndex((number, place) => number !== place);
        assert.equal(wrong, -1, `at ${wrong}: ${heard.slice(wrong - 2, wrong + 5)}`);
        assert.equal(heard.length, COUNT);
        assert.ok(recoveries.every(({ recovered }) => recovered), JSON.stringify(recoveries));
        if (moves) assert.equal(used.size, 2, `only ${[...used]} was used`);
        context.diagnostic(`${cuts} cuts, ${states.filter(({ state }) => state === "connected").length} times connected`);
      } finally {
        clearTimeout(cutting);
        await Promise.all([subscriber.disconnect(), publisher.disconnect()]);
        front.stop();
        await encke.stop("SIGKILL");
      }
    });
  }
}

test("2000 numbers, and a proxy that now and then tells the client that its session is unknown", async (context) => {
  const encke = await Server.start();
  const front = await Front.start(encke);
  const subscriber = new Comet(front.url(), { transports: ["long-polling"], random: () => Math.random() / 20 });
  const publisher = new Comet(encke.url("/bayeux"), { WebSocket });
  const [heard, recoveries] = [[], []];
  let wake = () => {};
  let lying = false;
  let lies = 0;
  front.fault = (response, request) => {
    if (!lying) return false;
    let body = "";
    request.on("data", (bytes) => (body += bytes)).on("end", () => {
      const advice = { reconnect: "handshake", interval: 0, timeout: 30_000 };
      const isSession = ({ channel }) => channel !== "/meta/handshake";
      const asked = JSON.parse(body);
      lying = !asked.some(isSession);
      lies++;
      const answers = asked.map(({ channel, id }) => ({ channel, id, successful: false, error: "402::session_unknown", advice }));
      response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(answers));
    });
    return true;
  };
  try {
    subscriber.addEventListener("recovery", ({ detail }) => recoveries.push(detail));
    await subscriber.subscribe("/chat/*", ({ data }) => {
      heard.push(data);
      wake();
    }).ready;
    const story = async () => {
      const published = [];
      for (let number = 0; number < 2000; number++) {
        published.push(publisher.publish("/chat/lies", number));
        // The history keeps 100.
        while (number - heard.length > 40) await new Promise((resolve) => (wake = resolve));
        if (number % 100 === 50) lying = true;
        if (number % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await Promise.all(published);
      while (heard.length < 2000) await new Promise((resolve) => (wake = resolve));
    };
    await within(STORY_MS, story(), () => `${heard.length} heard, ${subscriber.state}, ${lies} lies`);
    const wrong = heard.findIndex((number, place) => number !== place);
    assert.equal(wrong, -1, `at ${wrong}: ${heard.slice(wrong - 2, wrong + 5)}`);
    assert.equal(heard.length, 2000);
    assert.ok(recoveries.length > 10, `${recoveries.length} recoveries after ${lies} lies`);
    assert.ok(recoveries.every(({ recovered, pattern }) => recovered && pattern === "/chat/*"), JSON.stringify(recoveries));
    context.diagnostic(`${lies} lies, ${recoveries.length} recoveries`);
  } finally {
    await Promise.all([subscriber.disconnect(), publisher.disconnect()]);
    front.stop();
    await encke.stop("SIGKILL");
  }
});
