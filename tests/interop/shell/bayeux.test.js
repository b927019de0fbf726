import assert from "node:assert/strict";

import { connect, handshake, post, session } from "../bayeux.js";
import { story } from "../story.js";
import { curl, Stream } from "./curl.js";

const json = (body) => ["--header", "Content-Type: application/json", "--data", JSON.stringify(body)];
const only = (answer) => {
  assert.equal(answer.status, 200, answer.body);
  assert.ok(Array.isArray(answer.json), `a reply travels in an array: ${answer.body}`);
  assert.equal(answer.json.length, 1, answer.body);
  return answer.json[0];
};

story("a handshake in an array and as a bare object", async ({ encke }) => {
  for (const body of [[handshake({ id: "1" })], handshake({ id: "1" })]) {
    const reply = only(await curl(...json(body), encke.url("/bayeux")));
    assert.equal(reply.successful, true);
    assert.equal(reply.channel, "/meta/handshake");
    assert.equal(reply.id, "1");
    assert.equal(reply.version, "1.0");
    assert.match(reply.clientId, /^[A-Za-z0-9]{22,}$/);
  }
});

story("form-encoded bodies: one `message` and several, each a message or an array", async ({ encke }) => {
  const first = only(await curl("--data-urlencode", `message=${JSON.stringify([handshake()])}`, encke.url("/bayeux")));
  assert.equal(first.successful, true);
  const { clientId } = first;
  const subscribe = { channel: "/meta/subscribe", clientId, subscription: "/a", id: "1" };
  const several = await curl(
    "--data-urlencode", `message=${JSON.stringify(subscribe)}`,
    "--data-urlencode", `message=${JSON.stringify([{ channel: "/b", clientId, data: 1, id: "2" }])}`,
    encke.url("/bayeux"),
  );
  assert.equal(several.status, 200, several.body);
  assert.deepEqual(several.json.map(({ id, successful }) => [id, successful]), [["1", true], ["2", true]]);
});

story("the endpoint answers under its three names and their sub-paths", async ({ encke }) => {
  const paths = ["/bayeux", "/bayeux/", "/bayeux/handshake", "/cometd", "/cometd/handshake", "/faye", "/faye/"];
  for (const path of paths) {
    const reply = only(await curl(...json([handshake()]), encke.url(path)));
    assert.equal(reply.successful, true, path);
  }
  const { clientId } = only(await curl(...json([handshake()]), encke.url("/bayeux/handshake")));
  assert.equal(only(await curl(...json([connect(clientId)]), encke.url("/cometd/connect"))).successful, true);
  const bye = [{ channel: "/meta/disconnect", clientId }];
  assert.equal(only(await curl(...json(bye), encke.url("/faye/disconnect"))).successful, true);
});

story("a body is JSON when it says so loosely or not at all", async ({ encke }) => {
  for (const type of [" text/json;charset=UTF-8", " application/json; charset=utf-8", ""]) {
    const body = JSON.stringify([handshake()]);
    const answer = await curl("--header", `Content-Type:${type}`, "--data", body, encke.url("/bayeux"));
    assert.equal(only(answer).successful, true, type);
  }
});

story("no list of connection types stands for the one this came by; none in common is refused", async ({ encke }) => {
  const absent = only(await curl(...json([{ channel: "/meta/handshake", version: "1.0" }]), encke.url("/bayeux")));
  assert.equal(absent.successful, true);
  const strange = only(await curl(...json([handshake({ supportedConnectionTypes: ["flash"] })]), encke.url("/bayeux")));
  assert.equal(strange.successful, false);
  assert.ok(strange.error);
});

story("what stands beside a handshake is ignored", async ({ encke }) => {
  const stream = await Stream.open(encke.url("/channels/beside?as=lines"));
  try {
    const both = [handshake({ id: "1" }), { channel: "/beside", data: "ignored", id: "2" }];
    const { replies } = await post(encke.url("/bayeux"), both);
    assert.equal(replies.find(({ id }) => id === "1").successful, true);
    await post(encke.url("/bayeux"), { channel: "/beside", data: "heard" });
    await stream.until("a message", () => stream.lines.length > 0);
    assert.equal(JSON.parse(stream.lines[0]).data, "heard");
  } finally {
    stream.stop();
  }
});

story("a publish without a session is carried, in development", async ({ encke, later }) => {
  const stream = later(await Stream.open(encke.url("/channels/news?as=lines")));
  const reply = only(await curl(...json({ channel: "/news", data: { n: 1 }, id: "p" }), encke.url("/bayeux")));
  assert.equal(reply.successful, true);
  assert.equal(reply.id, "p");
  await stream.until("the message", () => stream.lines.length > 0);
  assert.deepEqual(JSON.parse(stream.lines[0]).data, { n: 1 });
});

story("an id comes back as the token it was", async ({ encke }) => {
  for (const id of [7, "7", "a-b_c"]) {
    const reply = only(await curl(...json([handshake({ id })]), encke.url("/bayeux")));
    assert.strictEqual(reply.id, id);
  }
});

story("nothing, an empty object and an object without a channel each get an answer", async ({ encke }) => {
  const nothing = await curl(...json([]), encke.url("/bayeux"));
  assert.ok([200, 400].includes(nothing.status), `[]: ${nothing.status} ${nothing.body}`);
  for (const body of [{}, [{}]]) {
    const reply = only(await curl(...json(body), encke.url("/bayeux")));
    assert.equal(reply.successful, false);
    assert.match(reply.error, /^40[02]:/);
  }
  assert.match(only(await curl(...json([{}]), encke.url("/bayeux"))).error, /^402::session_unknown/);
});

story("what is not Bayeux is refused without harm", async ({ encke }) => {
  const clientId = await session(encke.url("/bayeux"));
  for (const body of ["[{", "nonsense", '"text"', "7", "[1]", "[[]]", "null"]) {
    const answer = await curl("--header", "Content-Type: application/json", "--data", body, encke.url("/bayeux"));
    const refused = answer.status === 400 || answer.json?.[0]?.successful === false;
    assert.ok(refused, `${body}: ${answer.status} ${answer.body}`);
  }
  for (const channel of ["/meta/unknown", "/meta/subscribe/x", "/meta/connect/x", "/meta"]) {
    const reply = only(await curl(...json([{ channel, clientId, id: "1", subscription: "/a" }]), encke.url("/bayeux")));
    assert.equal(reply.successful, false, channel);
    assert.equal(reply.id, "1", channel);
  }
  assert.equal(only(await curl(...json([connect(clientId)]), encke.url("/bayeux"))).successful, true);
});

story("an array of subscriptions is echoed in its own shape", async ({ encke }) => {
  const clientId = await session(encke.url("/bayeux"));
  const subscribe = async (subscription) =>
    only(await curl(...json([{ channel: "/meta/subscribe", clientId, subscription }]), encke.url("/bayeux")));
  assert.deepEqual((await subscribe(["/a", "/b/*"])).subscription, ["/a", "/b/*"]);
  assert.deepEqual((await subscribe(["/c"])).subscription, ["/c"]);
  assert.equal((await subscribe("/d")).subscription, "/d");
});
