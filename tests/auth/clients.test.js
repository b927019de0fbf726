// Foreign clients with the extensions that docs/bayeux-authentication.md gives them, and encke.js in Node: each outlives its first
// token.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { adapt } from "cometd-nodejs-client";
import faye from "faye";
import { WebSocket } from "ws";

import { Encke as Comet } from "../../client/src/index.js";
import { within } from "../interop/deadline.js";
import { KEY, SECRET, guarded } from "./guarded.js";
import { jose, now } from "./mint.js";

adapt();
// After adapt(): the module looks for WebSocket and XMLHttpRequest when it is loaded.
const { CometD } = await import("cometd");

const SECOND = 1_000;
const MS = 20_000;

let encke;
before(async () => (encke = await guarded()));
after(() => encke?.close());

const token = (sub, exp) => jose({ algorithm: "HS256", key: SECRET, claims: { sub, exp, jti: `${sub}-${exp}` } });

/** The code of the page that speaks of `client`, as it stands there. */
function extension(client) {
  const page = readFileSync(fileURLToPath(new URL("../../docs/bayeux-authentication.md", import.meta.url)), "utf8");
  const [, code] = new RegExp(`^${client}:\n\n\`\`\`js\n(.*?)^\`\`\``, "ms").exec(page) ?? [];
  assert.ok(code, `the page has an extension for ${client}`);
  return code;
}

/** Tokens of an application that makes one a second, each good for 4 s: `current()` is the newest. */
async function application(sub) {
  let newest = await token(sub, now() + 4);
  const given = [];
  const timer = setInterval(async () => (newest = await token(sub, now() + 4)), SECOND);
  return { current: () => (given.push(newest), newest), given, stop: () => clearInterval(timer) };
}

/** The session of a subject, as the server lists it. */
const sessionOf = async (sub) => (await encke.api(`/api/sessions?subject=${sub}`)).sessions;

/**
 * Waits until the session of `sub` has a token that ends more than 4 s after the first one did, so that it has outlived it;
 * and has it hear a message then.
 */
async function outlives(sub, heard) {
  const [{ session, expires: first }] = await sessionOf(sub);
  const renewed = async () => {
    for (;;) {
      const [listed, ...more] = await sessionOf(sub);
      assert.equal(more.length, 0);
      assert.equal(listed?.session, session, "it is the same session");
      if (Date.now() > (first + 1) * SECOND) return listed;
    }
  };
  const { expires } = await within(MS, renewed(), () => "the first token has no end");
  assert.ok(expires > first);
  const headers = { Authorization: `Bearer ${KEY}`, "Content-Type": "application/json" };
  const { sessions } = await (await fetch(encke.url(`/channels/users/${sub}/x`), { method: "POST", headers, body: '"after"' })).json();
  assert.equal(sessions, 1);
  await within(MS, heard, () => "nothing is heard after the first token's end");
}

const hears = () => {
  let tell;
  const heard = new Promise((resolve) => (tell = ({ data } = {}) => data === "after" && resolve()));
  return { heard, tell };
};

// At once, since each mostly waits.
describe("in place", { concurrency: true }, () => {
  for (const type of ["websocket", "long-polling"]) {
    test(`cometd over ${type} outlives its first token`, async () => {
      const sub = `cometd-${type}`;
      const tokens = await application(sub);
      const cometd = new CometD();
      for (const other of cometd.getTransportTypes()) if (other !== type) cometd.unregisterTransport(other);
      cometd.configure({ url: encke.url("/cometd"), logLevel: "error" });
      new Function("cometd", "currentToken", extension("CometD"))(cometd, tokens.current);
      const { heard, tell } = hears();
      try {
        const reply = await new Promise((resolve) => cometd.handshake(resolve));
        assert.equal(reply.successful, true, reply.error);
        const subscribed = await new Promise((resolve) => cometd.subscribe(`/users/${sub}/*`, tell, resolve));
        assert.equal(subscribed.successful, true, subscribed.error);
        const denied = await new Promise((resolve) => cometd.subscribe("/users/**", tell, resolve));
        assert.equal(denied.error, `403:/users/**,no_rule_but_for_/users/${sub}/**:subscribe_denied`);
        await outlives(sub, heard);
        assert.ok(tokens.given.length <= 8, `${tokens.given.length} tokens were shown in the life of two`);
      } finally {
        tokens.stop();
        await new Promise((resolve) => cometd.disconnect(resolve));
      }
    });

    test(`faye over ${type} outlives its first token`, async () => {
      const sub = `faye-${type}`;
      const tokens = await application(sub);
      const client = new faye.Client(encke.url("/faye"), { retry: 1 });
      if (type === "long-polling") client.disable("websocket");
      new Function("client", "currentToken", extension("Faye"))(client, tokens.current);
      const { heard, tell } = hears();
      try {
        await client.subscribe(`/users/${sub}/*`, (data) => tell({ data }));
        await assert.rejects(async () => client.publish("/users/somebody/x", 1), /no_rule/);
        await outlives(sub, heard);
      } finally {
        tokens.stop();
        await client.disconnect();
      }
    });

    test(`encke.js over ${type} outlives its first token, and asks only when it is time`, async () => {
      const sub = `encke-${type}`;
      let asked = 0;
      const comet = new Comet(encke.url("/bayeux"), { transports: [type], WebSocket, token: () => (asked++, token(sub, now() + 4)) });
      const { heard, tell } = hears();
      const states = [];
      comet.addEventListener("state", ({ detail }) => states.push(detail.state));
      try {
        await comet.subscribe(`/users/${sub}/*`, tell).ready;
        await outlives(sub, heard);
        assert.ok(asked >= 2 && asked <= 8, `asked ${asked} times`);
        assert.deepEqual(states, ["connecting", "connected"]);
      } finally {
        await comet.disconnect();
      }
    });
  }
});

test("each client is told why its token is refused", async () => {
  const expired = await token("late", now() - 60);
  const refused = "403:token_expired:authentication_failed";

  const cometd = new CometD();
  cometd.configure({ url: encke.url("/cometd"), logLevel: "off" });
  new Function("cometd", "currentToken", extension("CometD"))(cometd, () => expired);
  const reply = await within(MS, new Promise((resolve) => cometd.handshake(resolve)), () => "cometd hears nothing");
  assert.deepEqual([reply.successful, reply.error], [false, refused]);
  assert.equal(reply.advice.reconnect, "none");
  assert.equal(cometd.getStatus(), "disconnected");

  const client = new faye.Client(encke.url("/faye"), { retry: 1 });
  new Function("client", "currentToken", extension("Faye"))(client, () => expired);
  const told = new Promise((resolve) => {
    client.addExtension({ incoming: (message, pass) => (message.channel === "/meta/handshake" && resolve(message.error), pass(message)) });
  });
  client.connect(() => {});
  assert.equal(await within(MS, told, () => "faye hears nothing"), refused);
  client.disconnect();

  const comet = new Comet(encke.url("/bayeux"), { token: expired });
  await assert.rejects(comet.connect(), { code: "refused", message: `the server refused the handshake: token expired (${refused})` });
  assert.equal(comet.state, "disconnected");
});

test("encke.js whose token is revoked says so, and ends", async () => {
  const good = await token("revoked", now() + 600);
  const comet = new Comet(encke.url("/bayeux"), { token: good, WebSocket });
  const ended = new Promise((resolve) => comet.addEventListener("state", ({ detail }) => detail.state === "disconnected" && resolve(detail.reason)));
  await comet.connect();
  const [{ token: id }] = await sessionOf("revoked");
  assert.deepEqual(await encke.api("/api/revoke", { token: id }), { ended: 1 });
  assert.match(await within(MS, ended, () => "it has not ended"), /token revoked \(403:token_revoked:authentication_failed\)$/);
});
