// Servers that answer anything but Bayeux.

import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";

import { WebSocket, WebSocketServer } from "ws";

import { Encke as Comet } from "../../client/src/index.js";
import { Encke as Server } from "../interop/encke.js";
import { within } from "../interop/deadline.js";
import { makeActor } from "./actor.js";
import { Front } from "./front.js";
import { Reader, driver, post } from "./story.js";

/** How long until the client says what is wrong: one answer's patience. */
const PATIENCE_MS = 13_000;

const answer = (status, type, body) => (response) => {
  response.writeHead(status, { "Content-Type": type }).end(body);
  return true;
};

/** One of them answers. */
const HANDSHAKES = [1, 2, 3].map((id) => ({ channel: "/meta/handshake", id: String(id), successful: true }));

const FAULTS = {
  HTML: [answer(200, "text/html", "<!doctype html><title>Log in</title>"), /answered with HTML .*is there a Bayeux server/],
  "half a JSON": [answer(200, "application/json", '[{"channel":"/meta/hand'), /something that is not JSON/],
  "a JSON of another kind": [answer(200, "application/json", '{"ok":true}'), /JSON that is not Bayeux/],
  "null in an array": [answer(200, "application/json", "[null]"), /JSON that is not Bayeux/],
  "an empty body": [answer(200, "application/json", ""), /answered nothing/],
  "HTTP 500": [answer(500, "text/plain", "out of cheese"), /HTTP 500: out of cheese/],
  "HTTP 500 with a page": [answer(500, "text/html", "<h1>Oops</h1>"), /HTTP 500$/],
  "a handshake without a clientId": [answer(200, "application/json", JSON.stringify(HANDSHAKES)),
    /without a clientId/],
  "17 MB": [answer(200, "application/json", Buffer.alloc(17e6, 32)), /more than 16777216 bytes/],
  "nothing at all": [() => true, /the answer to \/meta\/handshake did not come within 10 s/],
  "a closed connection": [(response) => response.destroy(), /the request failed/],
};

for (const [name, [fault, sentence]] of Object.entries(FAULTS)) {
  test(`a server that answers ${name}: the client says so, waits, and comes when it is mended`, async () => {
    const encke = await Server.start();
    const front = await Front.start(encke);
    front.fault = (response) => fault(response) ?? true;
    const local = makeActor(() => Comet);
    const actor = driver(async (method, args) => local[method](...args));
    try {
      await actor.open(front.url());
      const published = local.publish("/a", "kept meanwhile");
      await actor.untilState("waiting", undefined, { ms: PATIENCE_MS });
      const { reason } = (await actor.states()).find(({ state }) => state === "waiting");
      assert.match(reason, sentence);
      const reader = await Reader.open(encke, "/a");
      front.fault = undefined;
      await within(PATIENCE_MS, published, () => "what waited was not published");
      assert.deepEqual((await reader.until(1)).map(({ data }) => data), ["kept meanwhile"]);
      reader.stop();
    } finally {
      await local.disconnect();
      front.stop();
      await encke.stop("SIGKILL");
    }
  });
}

test("bad frames on a socket end the socket and not the client", async () => {
  const frames = ["<html>", '[{"channel":', "{}", "[null]", "", Buffer.from([1, 2])];
  const server = http.createServer((_, response) => response.writeHead(500).end());
  const sockets = new WebSocketServer({ server });
  const waits = [];
  sockets.on("connection", (socket) => socket.on("message", () => socket.send(frames[waits.length % frames.length])));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const comet = new Comet(`http://127.0.0.1:${server.address().port}/`, { WebSocket, transports: ["websocket"], random: () => 0.01 });
  try {
    const all = new Promise((resolve) => {
      comet.addEventListener("state", ({ detail }) => {
        if (detail.state === "waiting" && waits.push(detail.reason) === frames.length) resolve();
      });
    });
    comet.connect();
    await within(PATIENCE_MS, all, () => `only ${waits.length} frames were judged: ${waits.join("; ")}`);
    const expected = [/HTML/, /not JSON/, /not Bayeux/, /not Bayeux/, /answered nothing/, /binary/];
    expected.forEach((sentence, place) => assert.match(waits[place], sentence));
  } finally {
    await comet.disconnect();
    sockets.close();
    server.close();
    for (const socket of sockets.clients) socket.terminate();
  }
});

test("a handler that throws is reported and stops nothing else", async () => {
  const encke = await Server.start();
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  const comet = new Comet(encke.url("/bayeux"));
  try {
    const heard = [];
    comet.subscribe("/a", () => {
      throw new Error("of the first");
    });
    comet.subscribe("/a", async () => {
      throw new Error("of the second");
    });
    const two = new Promise((resolve) => comet.subscribe("/*", ({ data }) => heard.push(data) === 2 && resolve()));
    await comet.publish("/a", 1);
    await post(encke, "/a", 2);
    await within(PATIENCE_MS, two, () => `only ${heard} was heard`);
    assert.deepEqual(heard, [1, 2]);
    assert.deepEqual(reported.sort(), ["of the first", "of the first", "of the second", "of the second"]);
    assert.equal(comet.state, "connected");
  } finally {
    delete globalThis.reportError;
    await comet.disconnect();
    await encke.stop("SIGKILL");
  }
});
