// Tokens in fake time: shown at handshakes, renewed in place, refused.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Encke as Comet } from "../../client/src/index.js";
import { Clock, World } from "./fake_time.js";

const MINUTE = 60_000;
const BOTH = [["websocket"], ["long-polling"]];

/** A server whose tokens are good until `until[token]`, and which warns 30 s before, as Encke does. */
class Guarded extends World {
  until = {};
  /** What was shown with handshakes and with connects. */
  shown = [];
  renewed = [];
  /** The reason for refusing a token, unless its time says so. */
  refuses = {};
  #session = new Map();

  constructor(clock) {
    super(clock);
    this.onhandshake = (reply, { ext }) => {
      const token = ext.authentication?.token;
      this.shown.push(token);
      const refused = this.#refused(token);
      if (refused) this.#refuse(reply, refused, "none");
      else this.#session.set(reply.clientId, token);
    };
    this.onconnect = (reply, { clientId, ext }) => {
      const token = ext?.authentication?.token;
      if (token !== undefined) this.renewed.push(token);
      const refused = token !== undefined && this.#refused(token);
      if (refused) return this.#refuse(reply, refused, "retry");
      if (token !== undefined) this.#session.set(clientId, token);
      this.#warn(reply, clientId);
    };
    this.onheld = (reply, { clientId }) => this.#warn(reply, clientId);
    this.holds = ({ clientId }) => Math.min(30_000, Math.max(this.#left(clientId) - 30_000, 0) || 30_000);
  }

  #left(clientId) {
    return this.until[this.#session.get(clientId)] - this.clock.now();
  }

  #warn(reply, clientId) {
    const left = this.#left(clientId);
    if (left <= 30_000) reply.ext = { authentication: { expires_in: left } };
  }

  #refused(token) {
    return this.refuses[token] ?? (this.until[token] > this.clock.now() ? undefined : "token_expired");
  }

  #refuse(reply, reason, reconnect) {
    Object.assign(reply, { successful: false, error: `403:${reason}:authentication_failed`, advice: { reconnect } });
  }

  /** What a server does with sessions whose token has ended. */
  sweep() {
    for (const [id, token] of this.#session) if (this.#refused(token)) this.sessions.delete(id);
  }
}

function scene(options) {
  const clock = new Clock();
  const world = new Guarded(clock);
  const comet = new Comet("http://server.test/bayeux", {
    clock, wall: clock.now, random: () => 0.5, fetch: world.fetch, WebSocket: world.WebSocket, ...options,
  });
  const states = [];
  const errors = [];
  comet.addEventListener("state", ({ detail }) => states.push(detail));
  comet.addEventListener("error", (event) => (event.preventDefault(), errors.push(event.detail)));
  return { clock, world, comet, states, errors };
}

/** As much of a page as a client watches. */
function page(context) {
  const document = Object.assign(new EventTarget(), { visibilityState: "visible", baseURI: "http://server.test/" });
  const window = new EventTarget();
  Object.assign(globalThis, {
    document, addEventListener: window.addEventListener.bind(window), removeEventListener: window.removeEventListener.bind(window),
  });
  context.after(() => {
    for (const name of ["document", "addEventListener", "removeEventListener"]) delete globalThis[name];
  });
  return document;
}

for (const transports of BOTH) {
  test(`over ${transports} a token is shown once, and a newer one when the old one ends soon, in the same session`, async () => {
    let asked = 0;
    const { clock, world, comet, states } = scene({ transports, token: async () => `t${++asked}` });
    for (let number = 1; number <= 20; number++) world.until[`t${number}`] = clock.now() + number * 2 * MINUTE;
    comet.connect();
    await clock.pass(100);
    assert.deepEqual(world.shown, ["t1"]);
    await clock.pass(20 * MINUTE);
    assert.deepEqual(world.shown, ["t1"], "one handshake");
    assert.deepEqual(world.renewed.slice(0, 3), ["t2", "t3", "t4"]);
    assert.ok(world.renewed.length >= 10 && world.renewed.length <= 11, `${world.renewed}`);
    assert.equal(asked, world.renewed.length + 1, "asked when a newer one was due");
    assert.equal(comet.state, "connected");
    assert.deepEqual(states.map(({ state }) => state), ["connecting", "connected"]);
    assert.equal(world.sessions.size, 1);
  });

  test(`over ${transports} a text is shown once, and its end is the client's, with the reason`, async () => {
    const { clock, world, comet, states } = scene({ transports, token: "text" });
    world.until.text = clock.now() + MINUTE;
    comet.connect();
    await clock.pass(MINUTE);
    assert.deepEqual([world.shown, world.renewed], [["text"], []]);
    assert.ok(world.connects <= 5, `${world.connects} connects in a minute`);
    world.sweep();
    await clock.pass(MINUTE);
    assert.equal(comet.state, "disconnected");
    assert.equal(states.at(-1).reason, "the server refused the handshake: token expired (403:token_expired:authentication_failed)");
    assert.deepEqual(world.shown, ["text", "text"]);
  });

  test(`over ${transports} a function that has nothing newer is asked again and again, and shows nothing twice`, async () => {
    let asked = 0;
    let token = "old";
    const { clock, world, comet } = scene({ transports, token: () => (asked++, token) });
    Object.assign(world.until, { old: clock.now() + MINUTE, newer: clock.now() + 3 * MINUTE });
    comet.connect();
    await clock.pass(45_000);
    assert.ok(asked >= 4 && asked <= 10, `asked ${asked} times in the 15 s since it was due`);
    assert.deepEqual(world.renewed, []);
    token = "newer";
    await clock.pass(MINUTE);
    assert.deepEqual([world.shown, world.renewed], [["old"], ["newer"]]);
    assert.equal(comet.state, "connected");
  });

  test(`over ${transports} a renewal that is refused is an error, and tried again with another token`, async () => {
    let asked = 0;
    const { clock, world, comet, states, errors } = scene({ transports, token: () => `t${++asked}` });
    Object.assign(world.until, { t1: clock.now() + MINUTE, t4: clock.now() + 60 * MINUTE });
    Object.assign(world.refuses, { t2: "token_signature", t3: "token_of_another_subject" });
    comet.connect();
    await clock.pass(2 * MINUTE);
    assert.deepEqual([world.shown, world.renewed], [["t1"], ["t2", "t3", "t4"]]);
    assert.deepEqual(errors.map(({ pattern, error }) => [pattern, error.code, error.message]), [
      [undefined, "refused", "the server refused a connect: token signature (403:token_signature:authentication_failed)"],
      [undefined, "refused", "the server refused a connect: token of another subject (403:token_of_another_subject:authentication_failed)"],
    ]);
    assert.equal(comet.state, "connected");
    assert.deepEqual(states.map(({ state }) => state), ["connecting", "connected"], "the session went on");
  });

  test(`over ${transports} a function that fails or hangs harms nothing until the session ends`, async () => {
    let asked = 0;
    const { clock, world, comet, errors } = scene({
      transports,
      token: () => (++asked === 1 ? "t1" : asked === 2 ? Promise.reject(new Error("the login page is down")) : asked === 3 ? new Promise(() => {}) : "t2"),
    });
    Object.assign(world.until, { t1: clock.now() + MINUTE, t2: clock.now() + 60 * MINUTE });
    comet.connect();
    await clock.pass(59_000);
    assert.equal(errors[0].error.message, "no token: the login page is down");
    assert.match(errors[1].error.message, /^the token did not come within 10 s$/);
    assert.deepEqual([world.shown, world.renewed], [["t1"], ["t2"]]);
    assert.equal(comet.state, "connected");
  });

  test(`over ${transports} a page that slept past the end of its token asks for a newer one as it wakes`, async (context) => {
    let token = "t1";
    const document = page(context);
    const { clock, world, comet } = scene({ transports, token: () => token });
    Object.assign(world.until, { t1: clock.now() + MINUTE, t2: clock.now() + 600 * MINUTE });
    comet.connect();
    await clock.pass(31_000);
    token = "t2";
    clock.freeze(60 * MINUTE);
    world.sweep();
    // The network has gone without a word, so that nobody tells it but its own clock.
    world.muffle();
    document.dispatchEvent(new Event("resume"));
    await clock.pass(10);
    assert.equal(comet.state, "connected");
    assert.deepEqual(world.shown, ["t1", "t2"]);
  });
}

test("a handshake that is refused because the token has ended has the function asked once more, and not twice", async () => {
  for (const [second, state] of [["t2", "connected"], ["t3", "disconnected"]]) {
    let asked = 0;
    const { clock, world, comet, states } = scene({ token: () => (++asked === 1 ? "t1" : second) });
    Object.assign(world.until, { t1: 0, t2: clock.now() + 60 * MINUTE, t3: 0 });
    const connected = comet.connect().then(() => "connected", ({ message }) => message);
    await clock.pass(5_000);
    assert.equal(comet.state, state);
    assert.deepEqual(world.shown, ["t1", second]);
    assert.equal(states.at(-1).state, state);
    assert.match(await connected, state === "connected" ? /^connected$/ : /^the server refused the handshake: token expired/);
  }
});

test("every other refusal of a handshake ends the client at once, with the reason in words", async () => {
  for (const [token, reason] of [["text", "token_expired"], [() => "called", "token_audience"], [() => undefined, "token_malformed"]]) {
    const { clock, world, comet, states } = scene({ token });
    Object.assign(world.refuses, { text: reason, called: reason, undefined: reason });
    comet.connect();
    await clock.pass(1_000);
    assert.equal(comet.state, "disconnected");
    assert.equal(world.shown.length, 1);
    assert.equal(states.at(-1).reason, `the server refused the handshake: ${reason.replaceAll("_", " ")} (403:${reason}:authentication_failed)`);
    assert.equal(clock.size, 0);
  }
});

test("a client without a token says nothing of it", async () => {
  const { clock, world, comet } = scene({});
  world.refuses.undefined = undefined;
  world.until.undefined = Infinity;
  const seen = [];
  const { onhandshake } = world;
  world.onhandshake = (reply, message) => (seen.push(message.ext), onhandshake(reply, message));
  comet.connect();
  await clock.pass(1_000);
  assert.deepEqual(Object.keys(seen[0]).sort(), ["ack", "encke"]);
  assert.deepEqual(Object.keys(seen[0].encke).sort(), ["ack", "publisher"]);
});
