// Tokens that foreign libraries made, and tokens that nobody should have made, at every door; and what `encke token check`
// says of them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { doors, poll, handshake, script, ticketFor } from "./doors.js";
import { guarded } from "./guarded.js";
import { forged, jose, keys, now, pyjwt, tables } from "./mint.js";

const own = keys();
const good = () => ({ sub: "alice", exp: now() + 600, aud: ["x", "chat"], iss: "app", jti: "one" });
let encke;

before(async () => {
  const options = '[tokens]\ncookie = "login"\naudience = ["chat"]\nissuer = ["app"]\nleeway = "5s"\n\n';
  encke = await guarded({ tokens: options + tables(own) });
});
after(() => encke?.close());

test("tokens of PyJWT and of jose are accepted, whatever the algorithm", async () => {
  const jobs = Object.entries(own).map(([algorithm, { signs }]) =>
    ({ algorithm, key: signs, claims: good(), headers: { kid: algorithm } }));
  const tokens = [...pyjwt(jobs), ...(await Promise.all(jobs.map(jose)))];
  assert.equal(tokens.length, 16);
  for (const [index, token] of tokens.entries()) {
    const { algorithm } = jobs[index % jobs.length];
    const [reply] = await poll(encke, [handshake(token)]);
    assert.equal(reply.successful, true, `${algorithm}: ${reply.error}`);
    const { status, said } = encke.check(token);
    assert.equal(status, 0, `${algorithm}: ${said}`);
    assert.match(said, /^good: alice\nexpires in /);
  }
  // Without a kid, the key is the one of the algorithm.
  const plain = pyjwt([{ ...jobs[0], headers: undefined }])[0];
  for (const [name, door] of Object.entries(doors)) assert.deepEqual(await door(encke, plain), { ok: true, error: undefined }, name);
});

/** What nobody should have made, with the reason for which it is refused. */
async function bad() {
  const { signs: secret } = own.HS256;
  const { signs: rsa, verifies } = own.RS256;
  const foreign = keys();
  const job = { algorithm: "HS256", key: secret, headers: { kid: "HS256" } };
  const with_ = (change, more = {}) => jose({ ...job, ...more, claims: { ...good(), ...change } });
  const without = (name) => {
    const claims = good();
    delete claims[name];
    return jose({ ...job, claims });
  };
  const signed = await with_({});
  const [head, , signature] = signed.split(".");
  const body = Buffer.from(JSON.stringify({ ...good(), sub: "bob" })).toString("base64url");
  return {
    token_algorithm: [
      forged({ alg: "none" }, good()),
      forged({ alg: "None", typ: "JWT" }, good()),
      forged({ alg: "nOnE", kid: "HS256" }, good(), secret),
      // The key of RS256 is public: whoever makes an HMAC with it has shown nothing.
      forged({ alg: "HS256", kid: "RS256" }, good(), verifies),
      forged({ alg: "HS256", kid: "PS256" }, good(), verifies.trim()),
      forged({ alg: "HS384", kid: "ES256" }, good(), own.ES256.verifies, "sha384"),
      // A good signature of another algorithm than the key's.
      await jose({ algorithm: "RS256", key: rsa, claims: good(), headers: { kid: "PS256" } }),
      await jose({ algorithm: "RS512", key: rsa, claims: good() }),
      forged({ alg: "HS384", kid: "HS256" }, good(), secret, "sha384"),
    ],
    token_unknown_key: [
      ...(await Promise.all(["../../etc/passwd", "/dev/null", "HS256\u0000", "hs256", "' OR 1=1 --", "http://127.0.0.1/jwks"]
        .map((kid) => with_({}, { headers: { kid } })))),
    ],
    token_signature: [
      `${head}.${body}.${signature}`,
      await with_({}, { key: foreign.HS256.signs.replace("0", "1") }),
      // Without a kid: tried with the HS256 key, which is another one than the public key of RS256.
      forged({ alg: "HS256" }, good(), verifies),
      await jose({ algorithm: "RS256", key: foreign.RS256.signs, claims: good(), headers: { kid: "RS256" } }),
      await jose({ algorithm: "ES256", key: foreign.ES256.signs, claims: good(), headers: { kid: "ES256" } }),
      await jose({ algorithm: "EdDSA", key: foreign.EdDSA.signs, claims: good(), headers: { kid: "EdDSA" } }),
      `${signed.split(".").slice(0, 2).join(".")}.`,
      // A key that the token brings along is nobody's.
      await with_({}, { key: foreign.HS256.signs.replace("0", "2"), headers: { kid: "HS256", jwk: { kty: "oct", k: "AAAA" }, jku: "http://127.0.0.1:9/" } }),
    ],
    token_expired: [await with_({ exp: now() - 6 }), await with_({ exp: 0 }), await with_({ exp: -5 }), ...pyjwt([{ ...job, claims: { ...good(), exp: now() - 60 } }])],
    token_not_yet_valid: [await with_({ nbf: now() + 60 }), await with_({ nbf: now() + 60.5 })],
    token_without_expiry: [await without("exp")],
    token_audience: [await with_({ aud: "mail" }), await with_({ aud: [] }), await with_({ aud: "Chat" }), await without("aud")],
    token_issuer: [await with_({ iss: "somebody" }), await with_({ iss: "" }), await without("iss")],
    token_claims: [
      forged({ alg: "HS256", kid: "HS256" }, { ...good(), exp: "tomorrow" }, secret),
      forged({ alg: "HS256", kid: "HS256" }, { ...good(), sub: 7 }, secret),
      forged({ alg: "HS256", kid: "HS256" }, { ...good(), encke: { publish: ["no pattern"] } }, secret),
      forged({ alg: "HS256", kid: "HS256" }, { ...good(), groups: { staff: true } }, secret),
    ],
    token_malformed: ["nonsense", "..", "a.b.c", `${signed}.more`, signed.replaceAll(".", ""), Buffer.from("{}").toString("base64url") + "..", "é"],
    token_too_long: ["x".repeat(9_000), `${signed}${"A".repeat(9_000)}`, await with_({ padding: "x".repeat(9_000) })],
  };
}

test("each bad token is refused at every door with its reason, and `encke token check` says the same", async () => {
  let count = 0;
  for (const [reason, tokens] of Object.entries(await bad())) {
    for (const [index, token] of tokens.entries()) {
      const { status, word, said } = encke.check(token);
      assert.deepEqual([status, word], [1, reason], `${reason} ${index}: ${said}`);
      // Beside the first of each reason, a door each is enough: they ask the same room.
      const names = Object.keys(doors);
      const some = index === 0 ? names : [names[count % names.length]];
      for (const name of some) {
        // A header and a sub-protocol hold ASCII only, and servers limit what all headers may weigh together.
        if (!/^[\w.+/=-]*$/.test(token) && !/^a handshake over (websocket|long-polling)$/.test(name)) continue;
        assert.deepEqual(await doors[name](encke, token), { ok: false, error: `403:${reason}:authentication_failed` }, `${reason} ${index} by ${name}`);
      }
      count++;
    }
  }
  assert.ok(count > 40, `${count}`);
  assert.doesNotMatch(encke.output, /eyJ/, "no token stands in the log");
  assert.match(encke.output, /"why":"token_signature"/);
});

test("what is shown and is no text is refused, too, and not taken for nobody", async () => {
  for (const token of [7, "", {}, [], true, ["eyJ"]]) {
    assert.equal((await poll(encke, [handshake(token)]))[0].error, "403:token_malformed:authentication_failed", JSON.stringify(token));
  }
  assert.equal((await poll(encke, [handshake(null)]))[0].successful, true);
});

test("a token of 1 MB is refused where it can be sent at all", async () => {
  const token = "x".repeat(1 << 20);
  assert.equal(encke.check(token).word, "token_too_long");
  for (const name of Object.keys(doors)) {
    const answer = await doors[name](encke, token).catch((error) => ({ ok: false, error: String(error) }));
    assert.equal(answer.ok, false, name);
  }
  assert.equal((await fetch(encke.internalUrl("/health/ready"))).status, 200);
});

test("a token does not stand in a URL, and a ticket is good once", async () => {
  const token = await jose({ algorithm: "HS256", key: own.HS256.signs, claims: good() });
  assert.equal((await script(encke, [handshake(token)]))[0].error, "403:token_in_url:authentication_failed");
  for (const name of ["token", "access_token", "bearer", "ticket"]) {
    const { status } = await fetch(encke.url(`/channels/users/alice/x?as=messages&${name}=${token}`));
    assert.equal(status, name === "ticket" ? 401 : 403, name);
  }
  const { ticket } = await ticketFor(encke, token);
  const [first] = await script(encke, [handshake()], ticket);
  assert.equal(first.successful, true);
  const [second] = await script(encke, [handshake()], ticket);
  assert.equal(second.error, "403:ticket_unknown:authentication_failed");
  // What follows goes by the clientId.
  const [published] = await script(encke, [{ channel: "/users/alice/x", id: "p", clientId: first.clientId, data: 1 }]);
  assert.equal(published.successful, true, published.error);
});
