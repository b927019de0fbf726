// The parts that need no server.

import assert from "node:assert/strict";
import { test } from "node:test";

import { NO_ADVICE, heed } from "../../client/src/advice.js";
import { channel, pattern, patternsOf } from "../../client/src/channel.js";
import { Chooser } from "../../client/src/chooser.js";
import { Ack } from "../../client/src/ext/ack.js";
import { Cursor } from "../../client/src/ext/replay.js";
import { Encke as Comet } from "../../client/src/index.js";
import { Outbox } from "../../client/src/outbox.js";
import { delay } from "../../client/src/retry.js";

test("waits are spread from nothing to a bound that doubles up to 30 s", () => {
  for (const [tries, bound] of [[1, 1_000], [2, 2_000], [5, 16_000], [6, 30_000], [1_000, 30_000]]) {
    assert.equal(delay(tries, () => 0), 0);
    assert.equal(delay(tries, () => 1), bound);
  }
});

test("advice is whole: what is missing or nonsense is the default", () => {
  assert.deepEqual(heed({}), NO_ADVICE);
  assert.deepEqual(heed({ reconnect: "handshake", interval: 5, timeout: 0, "multiple-clients": true }),
    { reconnect: "handshake", interval: 5, timeout: 0, multipleClients: true });
  assert.deepEqual(heed({ reconnect: "later", interval: "5", timeout: NaN }), NO_ADVICE);
  assert.equal(heed({ reconnect: "retry", interval: -1 }).reconnect, "none");
  assert.equal(heed({ interval: 1e300 }).interval, 3_600_000);
});

test("names follow the server's rules", () => {
  for (const good of ["/a", "/a/b.c", "/A-_!~()$@/9", `/${"a".repeat(511)}`, "/service/x"]) assert.equal(channel(good), good);
  assert.equal(channel("/a/"), "/a");
  const bad = ["", "/", "a", "//", "/a//b", "/a b", "/é", "/a/*", "/**", "/meta/connect", "/meta", `/${"a".repeat(512)}`,
    "/a".repeat(33), undefined, null, 5, {}];
  for (const name of bad) assert.throws(() => channel(name), { code: "channel_invalid" }, String(name));
  for (const good of ["/*", "/**", "/a/*", "/a/b/**", "/a"]) assert.equal(pattern(good), good);
  for (const wrong of ["/*/a", "/a*", "/***", "*", "/meta/*"]) assert.throws(() => pattern(wrong), { code: "channel_invalid" }, wrong);
});

test("a channel of n segments is matched by n + 2 patterns", () => {
  assert.deepEqual(patternsOf("/a"), ["/a", "/*", "/**"]);
  assert.deepEqual(patternsOf("/a/b/c"), ["/a/b/c", "/a/b/*", "/a/b/**", "/a/**", "/**"]);
});

/** A chooser over two transports, with a wall clock and a storage in the test's hand. */
function chooser(kept = new Map()) {
  const world = { now: 1e12 };
  const storage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
  const classes = [{ type: "websocket" }, { type: "long-polling" }];
  return { kept, world, make: () => new Chooser(classes, { key: "encke:o", storage, wall: () => world.now }) };
}

test("a transport that dies twice before it is 60 s old is left for 10 min, on all pages of the origin", () => {
  const { world, make, kept } = chooser();
  const first = make();
  first.answered("websocket");
  assert.equal(first.died("websocket", { answered: true, age: 59_999, code: 1006 }), false);
  assert.equal(first.next().type, "websocket");
  first.answered("websocket");
  assert.equal(first.died("websocket", { answered: true, age: 1, code: 1006 }), true);
  assert.equal(first.next().type, "long-polling");
  assert.equal(make().next().type, "long-polling", "another page remembers");
  world.now += 599_999;
  assert.equal(first.hasBetterThan("long-polling"), false);
  world.now += 2;
  assert.equal(first.hasBetterThan("long-polling"), true);
  assert.equal(make().next().type, "websocket");
  first.died("websocket", { answered: true, age: 1 });
  first.died("websocket", { answered: true, age: 1 });
  first.forget();
  assert.equal(first.next().type, "websocket");
  assert.equal(kept.size, 0);
});

test("neither a long life nor the server's farewell is held against a transport", () => {
  const { make } = chooser();
  const one = make();
  for (const life of [{ age: 60_000 }, { age: 5, code: 1001 }, { age: 5, code: 1012 }]) {
    for (let time = 0; time < 3; time++) assert.equal(one.died("websocket", { answered: true, ...life }), false);
  }
  one.died("websocket", { answered: true, age: 5 });
  one.proved("websocket");
  assert.equal(one.died("websocket", { answered: true, age: 5 }), false);
});

test("a verdict of a clock that has been put right, or of a stranger, does not count", () => {
  const { make, kept } = chooser();
  for (const nonsense of ['{"websocket":1e15}', '{"websocket":"x"}', "[", "null", '{"pigeon":5}']) {
    kept.set("encke:o", nonsense);
    assert.equal(make().next().type, "websocket", nonsense);
  }
});

test("the outbox has a bound and says so", async () => {
  const outbox = new Outbox();
  const waiting = Array.from({ length: 20_000 }, () => outbox.publish("/a", 1));
  await assert.rejects(outbox.publish("/a", 1), { code: "outbox_full" });
  outbox.clear(new Error("over"));
  assert.equal((await Promise.allSettled(waiting)).filter(({ status }) => status === "rejected").length, 20_000);
  const big = "x".repeat(60_000);
  const some = Array.from({ length: 279 }, () => outbox.publish("/a", big));
  await assert.rejects(outbox.publish("/a", big), { code: "outbox_full" });
  outbox.clear(new Error("over"));
  await Promise.allSettled(some);
  const again = outbox.publish("/a", 1);
  outbox.clear(new Error("over"));
  await assert.rejects(again, /over/);
});

const LIMITS = { messages: 256, size: 512 * 1024, measure: (text) => text.length, sends: 4 };

/** What `outbox` would send now, batch by batch. */
function taken(outbox) {
  const batches = [];
  while (outbox.isReady) batches.push(JSON.parse(outbox.take(LIMITS, "s", () => {}).text));
  return batches;
}

/** Answers all of `messages`. */
function answer(outbox, messages, position) {
  for (const { id, channel } of messages) {
    outbox.answer({ id, channel, successful: true, ...(position ? { ext: { encke: { position } } } : {}) });
  }
}

test("no more is unanswered than Encke remembers, and what is lost goes again before anything newer, under its id", async () => {
  const outbox = new Outbox();
  outbox.begin(true);
  const all = Array.from({ length: 600 }, (_, number) => outbox.publish("/a", number));
  const first = taken(outbox);
  assert.deepEqual(first.map(({ length }) => length), [64, 64, 64, 64]);
  answer(outbox, first[0], "a-1");
  const fifth = taken(outbox);
  assert.deepEqual(fifth.map((batch) => batch[0].data), [256]);
  all.push(outbox.publish("/a", 600));
  outbox.lost("the network");
  const again = taken(outbox);
  assert.deepEqual(again.flat().map(({ data }) => data), Array.from({ length: 256 }, (_, place) => place + 64));
  assert.deepEqual(again[0].map(({ id }) => id), first[1].map(({ id }) => id));
  assert.deepEqual(again[0][0].ext, { encke: { answered: Number(first[1][0].id) - 1 } }, "all before it are settled");
  for (let batches = again; batches.length > 0; batches = taken(outbox)) answer(outbox, batches.flat(), "a-2");
  const positions = (await Promise.all(all)).map(({ position }) => position);
  assert.deepEqual([positions[0], positions[64], positions.length], ["a-1", "a-2", 601]);
});

test("a publication is taken back by its signal only while nobody may have it, or nobody answers", async () => {
  const outbox = new Outbox();
  outbox.begin(true);
  const [waiting, sent, answered] = [0, 1, 2].map(() => new AbortController());
  const publish = ({ signal }) => outbox.publish("/a", 1, { signal }).then(() => "acknowledged", ({ name }) => name);
  const outcomes = [publish(sent), publish(answered)];
  const [batch] = taken(outbox);
  outcomes.push(publish(waiting));
  for (const controller of [waiting, sent, answered]) controller.abort();
  answer(outbox, batch.slice(1));
  outbox.lost("the network");
  assert.deepEqual(await Promise.all(outcomes), ["AbortError", "acknowledged", "AbortError"]);
  assert.equal(outbox.size, 0);
});

test("what another server than Encke may have is not sent again", async () => {
  const outbox = new Outbox();
  outbox.begin(false);
  const lost = outbox.publish("/a", 1);
  taken(outbox);
  outbox.lost("the network");
  await assert.rejects(lost, { code: "unanswered" });
  outbox.begin(true);
  const [kept, waits] = [outbox.publish("/a", 2), outbox.publish("/a", 3)];
  outbox.take({ ...LIMITS, messages: 1 }, "s", () => {});
  outbox.lost("the network");
  outbox.begin(false);
  await assert.rejects(kept, { code: "unanswered" });
  answer(outbox, taken(outbox).flat());
  assert.deepEqual(await waits, { position: undefined });
});

test("a message that no session lives to see is given up", async () => {
  const outbox = new Outbox();
  outbox.begin(true);
  const refused = outbox.publish("/a", 1);
  for (let session = 1; session <= 8; session++) {
    const [[{ id, channel }]] = taken(outbox);
    outbox.answer({ id, channel, successful: false, error: "402::session_unknown" });
  }
  await assert.rejects(refused, { code: "refused" });
});

test("a cursor moves forward, in each epoch, and forgets those that are over", () => {
  const cursor = new Cursor("1a-2z.1b-5");
  cursor.move("1a-2y");
  cursor.move("1b-10");
  for (const nonsense of ["", "1a", "1a-", undefined, 5, {}]) cursor.move(nonsense);
  assert.equal(cursor.text, "1a-2z.1b-10");
  assert.deepEqual(["1a-2z", "1a-30", "1a-zz", "1a-100", "1c-1"].map((position) => cursor.has(position)),
    [true, false, false, false, false]);
  cursor.begin("1b-20.1d-7", true);
  assert.equal(cursor.text, "1b-10.1d-0", "a replay is to come");
  const fresh = new Cursor("now");
  fresh.begin("1b-20", false);
  assert.equal(fresh.text, "1b-20");
  assert.equal(fresh.heard("1b-4"), false, "the newest value of a channel");
  fresh.move("1b-21");
  assert.equal(fresh.heard("1b-4"), true);
  const astray = new Cursor("1b-99.1d-3.zz-1");
  astray.restart("1b-20.1d-7");
  assert.equal(astray.text, "1b-20.1d-3");
});

test("acknowledgement counts, or repeats CometD's number, or is silent", () => {
  const ack = new Ack();
  assert.deepEqual(ack.fields, {});
  assert.match(ack.wishes.encke.publisher, /^[0-9a-f]{32}$/);
  ack.begin({ ack: true, encke: { ack: "count" } });
  for (const message of [{ channel: "/a" }, { channel: "/b" }, { channel: "/meta/gap", data: {} }]) ack.delivered(message);
  ack.closed({ ack: 99 });
  assert.deepEqual(ack.fields, { ack: 3 });
  ack.delivered({ channel: "/meta/gap", data: { count: 50 } });
  ack.delivered({ channel: "/a" });
  assert.deepEqual(ack.fields, { ack: 51 });
  ack.begin({ ack: true });
  ack.delivered({ channel: "/a" });
  assert.deepEqual(ack.fields, { ack: 0 });
  ack.closed({ ack: 7 });
  assert.deepEqual(ack.fields, { ack: 7 });
  ack.begin(undefined);
  assert.deepEqual(ack.fields, {});
});

test("what is no JSON, too deep or too large is refused before it can spoil a batch", async () => {
  const comet = new Comet("http://127.0.0.1:9/bayeux");
  const deep = (levels) => JSON.parse("[".repeat(levels) + "]".repeat(levels));
  const cycle = {};
  cycle.cycle = cycle;
  const cases = [[undefined, "data_invalid"], [() => {}, "data_invalid"], [cycle, "data_invalid"], [1n, "data_invalid"],
    [deep(200), "data_invalid"], ["é".repeat(33_000), "too_large"]];
  for (const [data, code] of cases) await assert.rejects(comet.publish("/a", data), { code });
  await assert.rejects(comet.publish("/a/*", 1), { code: "channel_invalid" });
  assert.throws(() => comet.subscribe("/a"), TypeError);
  const kept = comet.publish("/a", deep(100));
  kept.catch(() => {});
  await comet.disconnect();
  await assert.rejects(kept, { code: "disconnected" });
  assert.throws(() => comet.subscribe("/a", () => {}), { code: "disconnected" });
});

test("a URL that cannot be one is refused with a sentence", () => {
  assert.throws(() => new Comet(), /outside of a page a URL is needed/);
  assert.throws(() => new Comet("/bayeux"), /is not a URL/);
  assert.throws(() => new Comet("ftp://a/b"), /not an http or https URL/);
  assert.throws(() => new Comet("http://a/b", { transports: ["pigeon"] }), /there is no transport "pigeon"/);
  assert.throws(() => new Comet("http://a/b", { transports: ["callback-polling"] }), /none of the transports .* works here/);
  assert.equal(new Comet("wss://a/b#c").url, "https://a/b");
});
