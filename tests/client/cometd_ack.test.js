// A CometD server with its ack extension: what was on its way when a connection was cut comes again, once.

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Encke as Comet } from "../../client/src/index.js";
import { within } from "../interop/deadline.js";
import { Front } from "./front.js";

const COUNT = 2_000;
const STORY_MS = 60_000;

/** `fetch` as a browser's: a CometD server knows a session only together with the cookie of its handshake. */
function keepsCookies() {
  let cookie;
  return async (url, { headers, ...options }) => {
    const response = await fetch(url, { ...options, headers: { ...headers, ...(cookie ? { cookie } : {}) } });
    cookie = response.headers.get("set-cookie")?.split(";")[0] ?? cookie;
    return response;
  };
}

test(`${COUNT} numbers from a CometD server arrive once and in order, cut ten times a second`, async (context) => {
  const server = fork(fileURLToPath(new URL("./cometd_server.js", import.meta.url)), { execArgv: [] });
  const [port] = await once(server, "message");
  const url = (path = "/") => `http://127.0.0.1:${port}${path}`;
  const front = await Front.start({ url });
  const subscriber = new Comet(front.url("/cometd"), { fetch: keepsCookies(), random: () => Math.random() / 20 });
  const publisher = new Comet(url("/cometd"), { fetch: keepsCookies() });
  const heard = [];
  let cuts = 0;
  let cutting;
  let wake = () => {};
  try {
    await subscriber.subscribe("/n/*", ({ data }) => (heard.push(data), wake())).ready;
    cutting = setInterval(() => (cuts++, front.cut()), 100);
    const story = async () => {
      for (let number = 0; number < COUNT; number++) {
        await publisher.publish("/n/a", number);
        while (number - heard.length > 200) await new Promise((resolve) => (wake = resolve));
      }
      while (heard.length < COUNT) await new Promise((resolve) => (wake = resolve));
    };
    await within(STORY_MS, story(), () => `${heard.length} heard, ${subscriber.state}, ${cuts} cuts`);
    const wrong = heard.findIndex((number, place) => number !== place);
    assert.equal(wrong, -1, `at ${wrong}: ${heard.slice(wrong - 2, wrong + 5)}`);
    assert.equal(heard.length, COUNT);
    assert.ok(cuts > 3, `${cuts} cuts`);
    context.diagnostic(`${cuts} cuts`);
  } finally {
    clearInterval(cutting);
    await Promise.all([subscriber.disconnect(), publisher.disconnect()]);
    front.stop();
    server.disconnect();
  }
});
