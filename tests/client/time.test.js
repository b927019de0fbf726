// What takes hours, in fake time.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Encke as Comet } from "../../client/src/index.js";
import { Clock, World } from "./fake_time.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Numbers between 0 and 1 that are the same in each run. */
function dice(seed) {
  return () => (seed = (seed * 48271) % 2147483647) / 2147483647;
}

async function scene(options = {}) {
  const clock = new Clock();
  const world = new World(clock);
  let jump = 0;
  const wall = () => 1_700_000_000_000 + clock.now() + jump;
  const comet = new Comet("http://server.test/bayeux", {
    clock, wall, random: dice(7), fetch: world.fetch, WebSocket: world.WebSocket, ...options,
  });
  const heard = [];
  const states = [];
  comet.addEventListener("state", ({ detail }) => states.push(detail));
  comet.subscribe("/a", ({ data }) => heard.push(data));
  await clock.pass(100);
  assert.equal(comet.state, "connected");
  return { clock, world, comet, heard, states, jumpWall: (ms) => (jump += ms) };
}

for (const transports of [["websocket", "long-polling"], ["long-polling"]]) {
  test(`a day of flapping connections over ${transports} leaves no timer and no listener behind`, async () => {
    const { clock, world, comet, heard } = await scene({ transports });
    const random = dice(11);
    let most = 0;
    let flaps = 0;
    for (const end = clock.now() + 24 * HOUR; clock.now() < end; flaps++) {
      await clock.pass(random() * 4 * MINUTE);
      most = Math.max(most, clock.size - world.timers);
      world.set(false, { forget: random() < 0.3 });
      await clock.pass(random() * MINUTE);
      world.set(true);
    }
    await clock.pass(MINUTE);
    assert.ok(flaps > 400, `${flaps}`);
    // For an answer and for the age of the transport; a wait for the next try has neither beside it.
    assert.ok(most <= 2, `${most} timers at once`);
    assert.equal(comet.state, "connected");
    assert.ok(world.requests < 20_000 && world.requests > 3_000, `${world.requests} requests in a day`);
    await Promise.all([comet.publish("/a", "still one"), clock.pass(1_000)]);
    assert.deepEqual(heard, ["still one"]);

    await Promise.all([comet.disconnect(), clock.pass(1_000)]);
    await clock.pass(31_000); // the server's own timers
    assert.equal(clock.size, 0);
    assert.equal(world.listeners, 0);
  });
}

test("a page that was frozen for an hour, and whose socket says that it closed, is back within a second", async () => {
  const { clock, world, comet, states } = await scene();
  await clock.pass(MINUTE);
  clock.freeze(HOUR);
  const before = states.length;
  world.set(false, { forget: true });
  world.set(true);
  await clock.pass(1_100);
  assert.equal(comet.state, "connected");
  assert.ok(states.length > before);
});

test("a page that was frozen for an hour, and whose socket says nothing, is back at once", async () => {
  const { clock, world, comet, states, heard } = await scene();
  await clock.pass(MINUTE);
  clock.freeze(HOUR);
  world.muffle();
  world.sessions.clear();
  const before = states.length;
  await clock.pass(300);
  assert.equal(comet.state, "connected");
  assert.match(states[before].reason, /^the page was asleep: .* has been awaited for 36\d\d s$/);
  assert.equal(comet.transport, "websocket", "it is nobody's fault");
  await Promise.all([comet.publish("/a", 1), clock.pass(100)]);
  assert.deepEqual(heard, [1]);
});

test("a page that was frozen for a moment, and whose answer has come meanwhile, keeps its connection", async () => {
  const { clock, comet, states } = await scene();
  await clock.pass(MINUTE);
  clock.freeze(45_000);
  const before = states.length;
  await clock.pass(MINUTE);
  assert.equal(states.length, before, JSON.stringify(states.slice(before)));
  assert.equal(comet.state, "connected");
});

test("a wall clock that jumps changes nothing", async () => {
  const { clock, world, comet, states, jumpWall } = await scene();
  await clock.pass(10 * MINUTE);
  const [events, requests] = [states.length, world.requests];
  for (const jump of [24 * HOUR, -48 * HOUR, 365 * 24 * HOUR]) {
    jumpWall(jump);
    await clock.pass(10 * MINUTE);
  }
  assert.equal(states.length, events);
  assert.equal(world.requests - requests, 3 * 20);
  assert.equal(comet.transport, "websocket");
});

test("a server that is away for a minute is asked a few times, and found within 30 s", async () => {
  const { clock, world, comet } = await scene();
  await clock.pass(2 * MINUTE);
  world.set(false);
  const before = world.opened;
  await clock.pass(MINUTE);
  assert.equal(comet.state, "waiting");
  const tries = world.opened - before;
  assert.ok(tries >= 3 && tries <= 20, `${tries} tries in a minute`);
  world.set(true);
  await clock.pass(30_000);
  assert.equal(comet.state, "connected");
  assert.equal(comet.transport, "websocket", "an outage is nobody's verdict");
});

test("a socket that never opens is tried again later, and taken when it works", async () => {
  const { clock, world, comet } = await scene();
  const socket = comet.transport;
  assert.equal(socket, "websocket");
  await Promise.all([comet.disconnect(), clock.pass(1_000)]);

  let blocked = true;
  const Real = world.WebSocket;
  class Blocked extends Real {
    constructor() {
      super();
      if (blocked) this.die();
    }
  }
  const later = new Comet("http://server.test/bayeux", {
    clock, wall: clock.now, random: dice(7), fetch: world.fetch, WebSocket: Blocked,
  });
  later.connect();
  await clock.pass(1_000);
  assert.equal(later.transport, "long-polling");
  blocked = false;
  await clock.pass(2 * MINUTE);
  assert.equal(later.transport, "websocket");
  assert.equal(later.state, "connected");
  await Promise.all([later.disconnect(), clock.pass(1_000)]);
});

test("advice is obeyed: an interval, and the newest replaces all that was said before", async () => {
  for (const transports of [["websocket"], ["long-polling"]]) {
    const { clock, world, comet } = await scene({ transports });
    world.onconnect = (reply) => (reply.advice = { reconnect: "retry", interval: 5_000, timeout: 25_000, "multiple-clients": true });
    await clock.pass(31_000);
    let before = world.connects;
    await clock.pass(350_000);
    // 30 s that the server holds it, and 5 s between.
    assert.equal(world.connects - before, 10);
    assert.equal(comet.state, "connected");
    world.onconnect = (reply) => (reply.advice = {});
    await clock.pass(70_000);
    before = world.connects;
    await clock.pass(300_000);
    assert.equal(world.connects - before, 10, "the interval has gone with the advice that had it");
    await Promise.all([comet.disconnect(), clock.pass(1_000)]);
  }
});

test("advice of a handshake begins a new session with the same subscriptions, once", async () => {
  const { clock, world, comet, heard } = await scene();
  let once = true;
  world.onconnect = (reply) => {
    if (once) Object.assign(reply, { successful: false, error: "402::session_unknown", advice: { reconnect: "handshake", interval: 0 } });
    once = false;
  };
  const [old] = world.sessions.keys();
  await clock.pass(31_000);
  assert.equal(comet.state, "connected");
  world.sessions.delete(old);
  assert.deepEqual([...world.sessions.values()], [["/a"]]);
  await Promise.all([comet.publish("/a", 1), clock.pass(100)]);
  assert.deepEqual(heard, [1]);
});

test("what a page publishes while it is away reaches its own subscriptions when it is back", async () => {
  const { clock, world, comet, heard } = await scene();
  world.set(false, { forget: true });
  await clock.pass(5_000);
  const published = [1, 2, 3].map((number) => comet.publish("/a", number));
  world.set(true);
  await clock.pass(30_000);
  await Promise.all(published);
  assert.deepEqual(heard, [1, 2, 3]);
});

test("a publication that another server than Encke has not answered says that it may have arrived", async () => {
  const { clock, world, comet } = await scene({ transports: ["websocket"] });
  world.muffle();
  const lost = comet.publish("/a", 1).then(() => "acknowledged", ({ code, message }) => `${code}: ${message}`);
  await clock.pass(MINUTE);
  assert.match(await lost, /^unanswered: .* it may have arrived$/);
  assert.equal(comet.state, "connected");
});

test("a session that is lost where nothing is kept is told for each pattern", async () => {
  const { clock, world, comet } = await scene();
  const recoveries = [];
  comet.addEventListener("recovery", ({ detail }) => recoveries.push(detail));
  world.set(false);
  world.set(true);
  await clock.pass(MINUTE);
  assert.deepEqual(recoveries, [], "the session was still there");
  world.set(false, { forget: true });
  world.set(true);
  await clock.pass(MINUTE);
  assert.deepEqual(recoveries, [{ pattern: "/a", recovered: false, reason: "unknown" }]);
});

test("a server that asks for a handshake each time is not asked at line speed", async () => {
  const { clock, world } = await scene();
  world.onconnect = (reply) => Object.assign(reply, { successful: false, error: "402::session_unknown", advice: { reconnect: "handshake" } });
  await clock.pass(31_000);
  const before = world.requests;
  await clock.pass(5 * MINUTE);
  assert.ok(world.requests - before < 150, `${world.requests - before} requests in five minutes`);
});

test("advice not to come back ends the client, with the reason and every promise", async () => {
  for (const advice of [{ reconnect: "none" }, { reconnect: "retry", interval: -1 }]) {
    const { clock, world, comet, states } = await scene();
    world.onconnect = (reply) => Object.assign(reply, { successful: false, error: "403::connect_denied", advice });
    await clock.pass(31_000);
    assert.equal(comet.state, "disconnected");
    assert.match(states.at(-1).reason, /the server refused a connect: 403::connect_denied/);
    await assert.rejects(comet.publish("/a", 1), { code: "refused" });
    await clock.pass(31_000);
    assert.equal(clock.size, 0);
  }
});
