// A proxy that lets WebSockets open and kills them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { WebSocket } from "ws";

import { Encke as Comet } from "../../client/src/index.js";
import { within } from "../interop/deadline.js";
import { Encke as Server } from "../interop/encke.js";
import { makeActor } from "./actor.js";
import { Front } from "./front.js";
import { Reader, driver, post, tell } from "./story.js";

/** Two sockets die, and between them is one wait of at most a second; the machine may be busy. */
const BOUND_MS = 5_000;
/** A socket that is silent is left after 10 s without an answer. */
const SILENT_MS = 13_000;

async function scene(play, options = { WebSocket }) {
  const encke = await Server.start();
  const front = await Front.start(encke);
  const local = makeActor(() => Comet, options);
  try {
    await play({ encke, front, actor: driver(async (method, args) => local[method](...args)), local });
  } finally {
    await local.disconnect?.();
    front.stop();
    await encke.stop("SIGKILL");
  }
}

for (const reads of [1, 2, 3, 8]) {
  test(`sockets killed after ${reads} answers are left for long-polling, and every publication arrives once`, () =>
    scene(async ({ encke, front, actor, local }) => {
      front.killAfter = reads;
      const reader = await Reader.open(encke, "/news/*");
      const start = performance.now();
      await actor.open(front.url());
      await actor.subscribe("/news/*");
      // As fast as they are acknowledged, until the client has moved.
      const acknowledged = [];
      let moved = false;
      const publishing = (async () => {
        for (let number = 0; !moved || number < 20; number++) {
          await local.publish("/news/a", number);
          acknowledged.push(number);
        }
      })();
      try {
        await actor.untilTransport("long-polling", { ms: BOUND_MS });
      } finally {
        moved = true;
      }
      const took = performance.now() - start;
      await publishing;
      assert.ok(took < BOUND_MS, `it took ${took} ms`);
      assert.equal(front.kills, 2, "two sockets died, and no third was tried");

      const lines = await reader.until(acknowledged.length);
      assert.deepEqual(lines.map(({ data }) => data), acknowledged, "each once and in order");
      reader.stop();

      await post(encke, "/news/b", "still here");
      assert.deepEqual(await actor.heardOn("/news/b"), ["still here"]);
      assert.equal(front.kills, 2);
    }));
}

test("a socket that opens and is silent is left after one unanswered handshake", () =>
  scene(async ({ front, actor }) => {
    front.swallow = true;
    await actor.open(front.url());
    await actor.connect({}, { ms: SILENT_MS });
    assert.equal((await actor.connected()).transport, "long-polling");
    assert.equal(front.upgrades, 1);
  }));

test("an upgrade that is refused costs no wait", () =>
  scene(async ({ front, actor }) => {
    front.refuse = true;
    const start = performance.now();
    await actor.open(front.url());
    await actor.connect();
    assert.equal((await actor.connected()).transport, "long-polling");
    assert.ok(performance.now() - start < 1_000);
  }));

test("a server that restarts is not its transport's fault", () =>
  scene(async ({ encke, front, actor }) => {
    await actor.open(front.url());
    await actor.connect();
    await encke.restart("SIGTERM");
    // A server that drains tells each client when to return, within 20 s.
    await actor.connectedTimes(2, { ms: 40_000 });
    assert.equal((await actor.connected()).transport, "websocket");
  }));

test("publications that were sent and not answered are sent again, and delivered once", () =>
  scene(async ({ encke, front, local }) => {
    await local.open(front.url(), { transports: ["websocket"] });
    await local.connect();
    const reader = await Reader.open(encke, "/a");
    // The server hears them, and its answers are lost.
    front.killAfter = 0;
    const sent = Promise.all([1, 2, 3].map((number) => local.publish("/a", number)));
    await reader.until(3);
    front.killAfter = Infinity;
    const later = local.publish("/a", 4);
    await within(BOUND_MS, Promise.all([sent, later]), () => "the publications are not settled");
    assert.deepEqual((await reader.until(4)).map(({ data }) => data), [1, 2, 3, 4]);
    reader.stop();
  }));

test("the story of the whole protocol passes through a proxy that kills each socket", () =>
  scene(async ({ encke, front, actor }) => {
    front.killAfter = 5;
    await tell({ encke, actor, url: front.url() });
  }));
