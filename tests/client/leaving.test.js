// Leaving, and coming back at once, in fake time.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Encke as Comet } from "../../client/src/index.js";
import { Clock, World } from "./fake_time.js";

function scene(options = {}) {
  const clock = new Clock();
  const world = new World(clock);
  const comet = new Comet("http://server.test/bayeux", {
    clock, wall: () => 1e12, random: () => 1, fetch: world.fetch, WebSocket: world.WebSocket, ...options,
  });
  return { clock, world, comet };
}

/** How `promise` stands after a moment. */
async function outcome(clock, promise) {
  let how = "pending";
  promise.then(() => (how = "fulfilled"), (error) => (how = error.code));
  await clock.pass(1_000);
  return how;
}

for (const transports of [["websocket"], ["long-polling"]]) {
  test(`over ${transports}: who left while connecting, and came back, can leave again`, async () => {
    const { clock, world, comet } = scene({ transports });
    comet.connect();
    assert.equal(await outcome(clock, comet.disconnect()), "fulfilled");
    assert.equal(comet.state, "disconnected");
    assert.equal(await outcome(clock, comet.connect()), "fulfilled");
    assert.equal(await outcome(clock, comet.disconnect()), "fulfilled");
    assert.equal(comet.state, "disconnected");
    assert.equal(world.sessions.size, 0);
  });

  test(`over ${transports}: who comes back as soon as it hears that it left stays`, async () => {
    for (const settled of [true, false]) {
      const { clock, comet } = scene({ transports });
      comet.connect();
      if (settled) await clock.pass(100);
      comet.addEventListener("state", ({ detail }) => detail.state === "disconnected" && comet.connect());
      comet.disconnect();
      await clock.pass(1_000);
      assert.equal(comet.state, "connected", `after it was ${settled ? "connected" : "connecting"}`);
    }
  });
}

for (const settled of [true, false]) {
  test(`who leaves and comes back in one turn, ${settled ? "connected" : "connecting"}, is in a new session`, async () => {
    const { clock, world, comet } = scene();
    const ended = [];
    comet.connect();
    if (settled) await clock.pass(100);
    const [session] = world.sessions.keys();
    const heard = [];
    comet.subscribe("/before", () => {}).onend = ({ code }) => ended.push(code);
    comet.subscribe("/both", () => heard.push("before"));
    const sent = comet.publish("/a", 1).then(() => "acknowledged", ({ code }) => code);
    const [left, back] = [comet.disconnect(), comet.connect()];
    comet.subscribe("/both", () => heard.push("after"));
    const after = comet.publish("/both", 2);
    assert.equal(await outcome(clock, left), "fulfilled");
    assert.equal(await outcome(clock, back), "fulfilled");
    assert.equal(await sent, settled ? "acknowledged" : "disconnected");
    assert.equal(comet.state, "connected");
    assert.deepEqual(ended, ["disconnected"]);
    assert.deepEqual([...world.sessions.values()], [["/both"]]);
    assert.ok(!world.sessions.has(session));
    await after;
    await Promise.all([comet.publish("/both", 3), clock.pass(100)]);
    assert.equal(heard.at(-1), "after");
    assert.equal(heard.filter((name) => name === "before").length, settled ? 1 : 0);
    await Promise.all([comet.disconnect(), clock.pass(1_000)]);
    assert.equal(comet.state, "disconnected");
  });
}

test("a server that refuses every connect is asked more and more slowly", async () => {
  const { clock, world, comet } = scene();
  world.onconnect = (reply) => Object.assign(reply, { successful: false, error: "500::internal" });
  comet.connect();
  await clock.pass(600_000);
  assert.ok(world.connects > 10 && world.connects < 40, `${world.connects} connects in 10 min`);
  assert.equal(comet.state, "waiting");
  world.onconnect = () => {};
  await clock.pass(31_000);
  assert.equal(comet.state, "connected");
});

test("a token that was asked for before is not the next session's", async () => {
  const asked = [];
  const { clock, comet } = scene({ transports: ["long-polling"], token: () => new Promise((give) => asked.push(give)) });
  comet.connect();
  await clock.pass(100);
  comet.disconnect();
  await clock.pass(100);
  comet.connect();
  await clock.pass(100);
  assert.equal(asked.length, 2);
  asked[0]("the old user's");
  await clock.pass(100);
  assert.notEqual(comet.state, "connected", "the old answer was taken");
  asked[1]("the new user's");
  await clock.pass(100);
  assert.equal(comet.state, "connected");
});

test("a page that changes its mind for a day without a network holds no more than its mind", async () => {
  const { clock, world, comet } = scene({ transports: ["long-polling"] });
  comet.connect();
  await clock.pass(100);
  world.set(false);
  await clock.pass(100);
  let left = 0;
  for (let time = 0; time < 30_000; time++) comet.subscribe("/a", () => {}).unsubscribe().then(() => left++);
  await clock.pass(0);
  assert.ok(left >= 29_999, `${30_000 - left} still wait`);
  world.set(true);
  await clock.pass(31_000);
  assert.equal(left, 30_000);
  await Promise.all([comet.publish("/a", 1), clock.pass(100)]);
});

test("a loop that is left while it waits for a message ends at once", async () => {
  const { clock, world, comet } = scene();
  const loop = comet.messages("/a");
  const next = loop.next();
  await clock.pass(100);
  assert.deepEqual([...world.sessions.values()], [["/a"]]);
  assert.equal(await outcome(clock, loop.return()), "fulfilled");
  assert.deepEqual(await next, { value: undefined, done: true });
  await comet.publish("/b", 1);
  assert.deepEqual(await loop.next(), { value: undefined, done: true });
});
