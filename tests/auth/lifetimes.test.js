// The end of a token, a newer one, a kick and a revocation, on every transport, by the clock of this machine: each takes effect
// within a second.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { within } from "../interop/deadline.js";
import { Socket, handshake, poll, script, ticketFor } from "./doors.js";
import { KEY, SECRET, guarded } from "./guarded.js";
import { jose, now } from "./mint.js";

const SECOND = 1_000;
/** For what is awaited in a test that lasts a few seconds. */
const MS = 15_000;

const LOOK_MS = 50;

let encke;
let ids = 0;
/** For how long, at most, this machine has kept waiting who asked for nothing but whether the server lives: on a busy one
 * nothing can be seen to happen sooner. */
let slowness = 0;
const watching = new AbortController();

before(async () => {
  encke = await guarded();
  watch();
});
after(() => {
  watching.abort();
  return encke?.close();
});

async function watch() {
  while (!watching.signal.aborted) {
    const from = Date.now();
    await fetch(encke.internalUrl("/health/live")).then((answer) => answer.arrayBuffer(), () => {});
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    slowness = Math.max(slowness, Date.now() - from - LOOK_MS);
  }
}

/** What happened at `at` was due at `from`, and is done within a second. A clock of milliseconds that is read twice may be one off. */
function assertInTime(at, from, what) {
  const late = at - from;
  assert.ok(late >= -2 && late <= SECOND + Math.min(slowness, SECOND), `${what} ${late} ms after it had to; the machine is ${slowness} ms slow`);
}

/** A token of alice until `exp`, and its id. */
const token = (exp, claims = {}) => jose({ algorithm: "HS256", key: SECRET, claims: { sub: "alice", exp, jti: `t${++ids}`, ...claims } });

const connect = (clientId, fields = {}) => ({ channel: "/meta/connect", id: `c${++ids}`, clientId, connectionType: "long-polling", ...fields });
const shown = (text) => ({ ext: { authentication: { token: text } } });

/**
 * A session over polls, by `say(messages, ticket)`. Answers with when it ended, and with what word; `newer` is what to show
 * once the server asks for it.
 */
function polls(say, renewal) {
  return async (first, newer) => {
    const [{ clientId, error }] = await say([handshake()], first);
    assert.ok(clientId, error);
    const ended = (async () => {
      await say([connect(clientId, { advice: { timeout: 0 } })]);
      let next = {};
      let warned;
      for (;;) {
        const answers = await say([connect(clientId, next.fields)], next.who);
        const reply = answers.find(({ channel }) => channel === "/meta/connect");
        if (!reply.successful) return { at: Date.now(), why: reply.error, advice: reply.advice?.reconnect, warned };
        next = {};
        if (reply.ext?.authentication) {
          warned ??= { at: Date.now(), expires_in: reply.ext.authentication.expires_in };
          if (newer) next = await renewal(newer);
          newer = undefined;
        }
      }
    })();
    return { clientId, ended };
  };
}

const actors = {
  async websocket(first, newer) {
    const socket = await Socket.open(encke);
    const { clientId, error } = await socket.ask(handshake(first));
    assert.ok(clientId, error);
    const say = async (fields) => socket.ask({ ...connect(clientId, fields), connectionType: "websocket" });
    await say({ advice: { timeout: 0 } });
    let warned;
    const cycle = async () => {
      for (let fields = {}; ; ) {
        const reply = await say(fields);
        fields = {};
        if (!reply.ext?.authentication) continue;
        warned ??= { at: Date.now(), expires_in: reply.ext.authentication.expires_in };
        if (newer) fields = shown(newer);
        newer = undefined;
      }
    };
    cycle().catch(() => {}); // until the socket closes
    const ended = socket.closed.then(({ code, reason }) => ({ at: Date.now(), why: `${code} ${reason}`, warned }));
    return { clientId, ended };
  },
  "long-polling": polls(
    (messages, first) => poll(encke, first ? [{ ...messages[0], ...shown(first) }] : messages),
    (newer) => ({ fields: shown(newer) }),
  ),
  "callback-polling": polls(
    async (messages, first) => script(encke, messages, first && (await ticketFor(encke, first)).ticket),
    (newer) => ({ who: newer }),
  ),
};

for (const form of ["event-stream", "lines", "page"]) {
  actors[form] = async (first) => {
    const response = await fetch(encke.url(`/channels/users/alice/x?as=${form}`), { headers: { Authorization: `Bearer ${first}` } });
    assert.equal(response.status, 200);
    const reader = response.body.getReader();
    await reader.read(); // it has begun
    const ended = (async () => {
      for (;;) {
        const over = await reader.read().then(({ done }) => done, () => true);
        if (over) return { at: Date.now() };
      }
    })();
    return { ended };
  };
}

const ENDINGS = { websocket: /^1008 unauthorized$/, "long-polling": /^402::session_unknown$/, "callback-polling": /^402::session_unknown$/ };
const KICKED = { ...ENDINGS, websocket: /^1008 kicked$/ };

async function ends(name, { ended }, from, endings = ENDINGS) {
  const end = await within(MS, ended, () => `${name} has not ended`);
  assertInTime(end.at, from, `${name} ended`);
  if (endings[name]) assert.match(end.why, endings[name], name);
  if (end.advice) assert.equal(end.advice, "handshake", name);
  return end;
}

const all = (run) => Promise.all(Object.entries(actors).map(([name, open]) => run(name, open)));

// At once, since they wait for different tokens.
describe("within a second", { concurrency: true }, () => {
  test("a session ends with its token within a second, and is warned before", async () => {
    await all(async (name, open) => {
      const exp = now() + 3;
      const end = await ends(name, await open(await token(exp)), exp * SECOND);
      if (!ENDINGS[name]) return;
      assert.ok(end.warned, `${name} was not warned`);
      // At half of what was left when it began.
      const left = exp * SECOND - end.warned.at;
      assert.ok(left > 0 && left < 2_500, `${name} was warned ${left} ms before`);
      assert.ok(Math.abs(end.warned.expires_in - left) < SECOND, `${name}: ${end.warned.expires_in} for ${left}`);
    });
  });

  test("a newer token takes the place of the old one, and the session ends with it, not before", async () => {
    await Promise.all(Object.keys(ENDINGS).map(async (name) => {
      const exp = now() + 3;
      const later = exp + 3;
      await ends(name, await actors[name](await token(exp), await token(later)), later * SECOND);
    }));
  });

  test("who is kicked is gone within a second, by subject and by session, and may come back", async () => {
    await all(async (name, open) => {
      const sub = `kicked-${name}`;
      const good = await token(now() + 600, { sub, encke: { subscribe: ["/users/alice/x"] } });
      const actor = await open(good);
      const from = Date.now();
      assert.deepEqual(await encke.api("/api/kick", { subject: sub }), { ended: 1 }, name);
      await ends(name, actor, from, KICKED);
      const again = await open(good);
      if (!again.clientId) return;
      const second = Date.now();
      assert.deepEqual(await encke.api("/api/kick", { session: again.clientId }), { ended: 1 }, name);
      await ends(name, again, second, {});
    });
  });

  test("a token that is revoked ends its sessions within a second, and opens none", async () => {
    await all(async (name, open) => {
      const jti = `revoked-${name}`;
      const good = await token(now() + 600, { jti });
      const actor = await open(good);
      // What a ticket of it would open, too.
      const { ticket } = await ticketFor(encke, good);
      const from = Date.now();
      assert.deepEqual(await encke.api("/api/revoke", { token: jti }), { ended: 1 }, name);
      await ends(name, actor, from, KICKED);
      const [refused] = await poll(encke, [handshake(good)]);
      assert.equal(refused.error, "403:token_revoked:authentication_failed");
      const [late] = await script(encke, [handshake()], ticket);
      assert.equal(late.error, "403:token_revoked:authentication_failed");
    });
  });

  test("what came in with a token and has no session yet is over with it, too", async () => {
    const [exp, jti] = [now() + 3, "idle"];
    const [short, revoked] = await Promise.all([token(exp), token(now() + 600, { jti })]);
    const publication = (id) => ({ channel: "/users/alice/x", id, data: id });
    const published = async (socket) => (await socket.ask(publication(`p${++ids}`))).error ?? "published";
    const [first, second] = await Promise.all([short, revoked].map((text) => Socket.open(encke, ["bearer", text])));
    assert.deepEqual([await published(first), await published(second)], ["published", "published"]);

    // A page of history that waits is not told what was published after the end.
    const headers = { Authorization: `Bearer ${revoked}` };
    const { cursor } = await (await fetch(encke.url("/channels/users/alice/x?as=messages"), { headers })).json();
    const waiting = fetch(encke.url(`/channels/users/alice/x?as=messages&wait=10&since=${cursor}`), { headers }).then((response) => response.json());
    await encke.api("/api/revoke", { token: jti });
    assert.equal(await published(second), "403:/users/alice/x,token_revoked:publish_denied");
    assert.equal((await second.ask(handshake())).error, "403:token_revoked:authentication_failed");
    const application = { Authorization: `Bearer ${KEY}`, "Content-Type": "application/json" };
    await fetch(encke.url("/channels/users/alice/x"), { method: "POST", headers: application, body: '"late"' });
    // It may have come after the end, too, and been refused.
    const { messages = [] } = await waiting;
    assert.deepEqual(messages, []);

    const denied = async () => {
      for (;;) {
        const said = await published(first);
        if (said !== "published") return { at: Date.now(), said };
      }
    };
    const end = await within(MS, denied(), () => "it may publish for ever");
    assert.equal(end.said, "403:/users/alice/x,token_expired:publish_denied");
    assertInTime(end.at, exp * SECOND, "it could not publish");
    first.close();
    second.close();
  });

  test("a token that is taken for the leeway opens a session that lasts", async () => {
    const lenient = await guarded({ tokens: `[tokens]\nleeway = "3s"\n\n[[tokens.key]]\nalgorithm = "HS256"\nsecret = "${SECRET}"\n` });
    try {
      const exp = now() - 1;
      const [{ clientId }] = await poll(lenient, [handshake(await token(exp))]);
      const [first] = await poll(lenient, [connect(clientId, { advice: { timeout: 0 } })]);
      assert.equal(first.successful, true, first.error);
      let reply;
      do [reply] = await poll(lenient, [connect(clientId)]);
      while (reply.successful);
      assertInTime(Date.now(), (exp + 3) * SECOND, "it ended");
    } finally {
      await lenient.close();
    }
  });
});
