// Long-polling on the wire: where messages ride, what one browser may hold, what old proxies speak.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { connect, handshake, post, session } from "../bayeux.js";
import { within } from "../deadline.js";
import { story } from "../story.js";
import { curl, Stream } from "./curl.js";

const execute = promisify(execFile);
const JSON_TYPE = { "content-type": "application/json" };
const held = (clientId, id) => connect(clientId, { id, advice: undefined });

story("what waits for a client rides on the reply to whatever it asks next", async ({ encke }) => {
  const url = encke.url("/bayeux");
  const clientId = await session(url);
  const batch = [
    { channel: "/meta/subscribe", clientId, subscription: "/a/*", id: "s" },
    { channel: "/a/b", clientId, data: 1, id: "p" },
  ];
  const { replies } = await post(url, batch);
  assert.deepEqual(replies.filter(({ data }) => data !== undefined).map(({ data }) => data), [1]);
  assert.deepEqual(replies.filter(({ id }) => id !== undefined).map(({ id }) => id), ["s", "p"]);

  await post(url, { channel: "/a/b", data: 2 });
  const { replies: later } = await post(url, [connect(clientId, { id: "c" })]);
  assert.equal(later[0].data, 2);
  assert.equal(later.at(-1).id, "c", "the reply to a connect comes last");
});

story("a held poll is answered by the first message", async ({ encke }) => {
  const url = encke.url("/bayeux");
  const clientId = await session(url);
  await post(url, [{ channel: "/meta/subscribe", clientId, subscription: "/a", id: "s" }]);
  const poll = post(url, [held(clientId, "held")]);
  await post(url, { channel: "/a", data: "wake up" });
  const { replies, headers } = await within(5_000, poll, () => "the poll is still held, with a message to carry");
  assert.equal(replies[0].data, "wake up");
  assert.equal(replies.at(-1).id, "held");
  assert.ok(Number(headers.get("content-length")) > 0, "a poll has a length, for proxies that know no chunks");
});

story("a poll is held for as long as its client asks", async ({ encke }) => {
  const url = encke.url("/bayeux");
  const clientId = await session(url);
  const asked = Date.now();
  const poll = post(url, [{ ...connect(clientId), advice: { timeout: 300 } }]);
  await within(3_000, poll, () => "a poll for 300 ms is still held");
  const took = Date.now() - asked;
  assert.ok(took >= 250, `a poll for 300 ms was answered after ${took} ms with nothing to say`);
});

story("a browser that holds a second poll is told that it has several clients", async ({ encke }) => {
  const url = encke.url("/bayeux");
  const greeted = await curl("--header", "Content-Type: application/json", "--data", JSON.stringify(handshake()), url);
  const cookie = /^BAYEUX_BROWSER=[^;]+/.exec(greeted.headers["set-cookie"] ?? "")?.[0];
  assert.ok(cookie, `no cookie on the handshake: ${JSON.stringify(greeted.headers)}`);
  const headers = { ...JSON_TYPE, cookie };
  const tabs = [greeted.json[0].clientId, (await post(url, [handshake()], headers)).replies[0].clientId];
  for (const clientId of tabs) await post(url, [connect(clientId)], headers);

  // Whichever poll comes second is the one too many.
  const polls = tabs.map((clientId) => post(url, [held(clientId, clientId)], headers));
  const { replies } = await within(5_000, Promise.race(polls), () => "both polls of one browser are held");
  assert.equal(replies[0].successful, true);
  assert.equal(replies[0].advice["multiple-clients"], true);
  assert.ok(replies[0].advice.interval > 0);

  // Messages still arrive in both.
  for (const clientId of tabs) {
    await post(url, [{ channel: "/meta/subscribe", clientId, subscription: "/a", id: "s" }], headers);
  }
  await post(url, { channel: "/a", data: 1 });
  const one = tabs.indexOf(replies[0].id);
  const { replies: fetched } = await post(url, [connect(tabs[one])], headers);
  const woken = await within(5_000, polls[1 - one], () => "the poll of the first tab is not answered");
  const carried = [...fetched, ...woken.replies].filter(({ data }) => data === 1);
  assert.equal(carried.length, 2);
});

story("no cookie is needed to hold a poll", async ({ encke }) => {
  const url = encke.url("/bayeux");
  const clients = [await session(url), await session(url)];
  for (const clientId of clients) {
    await post(url, [{ channel: "/meta/subscribe", clientId, subscription: "/a", id: "s" }]);
  }
  const polls = clients.map((clientId) => post(url, [held(clientId, "held")]));
  await post(url, { channel: "/a", data: 1 });
  for (const poll of polls) {
    const { replies } = await within(5_000, poll, () => "a poll is still held, with a message to carry");
    assert.equal(replies.at(-1).successful, true);
    assert.equal(replies.at(-1).advice?.["multiple-clients"], undefined);
  }
});

story("a connection that carried a poll carries the next request too", async ({ encke }) => {
  const url = encke.url("/bayeux");
  const clientId = await session(url);
  const exchange = (body) => ["--header", "Content-Type: application/json", "--data", JSON.stringify(body), url];
  const measure = ["--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{num_connects} "];
  // Held, but not for long: an answer given at once would not put the socket to the test.
  const poll = [{ ...connect(clientId), advice: { timeout: 100 } }];
  const args = [poll, [handshake()], poll].flatMap((body) => ["--next", ...measure, ...exchange(body)]).slice(1);
  const { stdout } = await execute("curl", args, { timeout: 40_000 });
  assert.deepEqual(stdout.trim().split(" "), ["1", "0", "0"], "curl had to connect anew");
});

story("HTTP/1.0 is answered without chunks", async ({ encke, later }) => {
  const url = encke.url("/bayeux");
  const clientId = await session(url);
  const body = JSON.stringify([{ ...connect(clientId), advice: { timeout: 100 } }]);
  const poll = await curl("--http1.0", "--header", "Content-Type: application/json", "--data", body, url);
  assert.equal(poll.status, 200);
  assert.equal(poll.headers["transfer-encoding"], undefined);
  assert.equal(Number(poll.headers["content-length"]), Buffer.byteLength(poll.body));
  assert.equal(poll.json[0].successful, true);

  const stream = later(await Stream.open(encke.url("/channels/a?as=lines"), "--http1.0"));
  assert.equal(stream.head.headers["transfer-encoding"], undefined);
  await post(url, { channel: "/a", data: 1 });
  await stream.until("a line", () => stream.lines.length > 0);
  assert.equal(JSON.parse(stream.lines[0]).data, 1);
});
