// What no client should say: cursors as long as a message may be, and one session by many connections at once.

import assert from "node:assert/strict";
import http from "node:http";

import { connect, handshake, post, session } from "../interop/bayeux.js";
import { within } from "../interop/deadline.js";
import { Nomad } from "./nomad.js";
import { publish } from "./publisher.js";
import { Heard, channel, scene } from "./scene.js";

const STEP_MS = 10_000;
const LENGTH = 60_000;
/** A long cursor costs the server no more than its length. */
const AT_ONCE_MS = 1_000;

/** Cursors of 60 KB: garbage, and such as look like ones, of other lives, of the future, of one history many times. */
function cursors(position) {
  const fill = (part, glue) => Array(Math.floor(LENGTH / (part.length + glue.length))).fill(part).join(glue);
  const [epoch] = position.split("-");
  const others = [];
  for (let number = 1; others.join(".").length < LENGTH - 20; number++) others.push(`${number.toString(36)}-z`);
  return {
    "one letter": "a".repeat(LENGTH),
    "digits": "9".repeat(LENGTH),
    "dots": ".".repeat(LENGTH),
    "hyphens": "-".repeat(LENGTH),
    "a long sequence": `${epoch}-${"z".repeat(LENGTH)}`,
    "one position many times": fill(position, "."),
    "a thousand histories": others.join("."),
    "a thousand histories and this one": `${others.join(".")}.${position}`,
    "no ASCII": "é".repeat(LENGTH / 2),
  };
}

scene("cursors of 60 KB are answered at once, and nobody else notices", { config: channel(["/kept/*"]) }, async (story) => {
  const { encke, later, t } = story;
  const url = encke.url("/bayeux");
  const bystander = new Heard("a bystander");
  const nomad = new Nomad(url, "count");
  later(() => nomad.stop());
  nomad.ondelivery = ({ data }) => bystander.push(data);
  await nomad.open("/kept/*");
  nomad.move("websocket", { cuts: false });
  await publish(encke, { count: 5, rate: 1_000, channel: () => "/kept/a" });
  await bystander.until(5, STEP_MS);

  const position = nomad.position;
  assert.ok(position, "messages of a channel with history say their position");
  const reasons = {};
  let slowest = 0;
  for (const [what, cursor] of Object.entries(cursors(position))) {
    for (const ext of [{ encke: { since: { "/kept/*": cursor } } }, { replay: { "/kept/*": cursor } }]) {
      const clientId = await session(url);
      const start = performance.now();
      const subscribe = { channel: "/meta/subscribe", clientId, subscription: "/kept/*", id: "s", ext };
      const { status, replies } = await post(url, [subscribe]);
      slowest = Math.max(slowest, performance.now() - start);
      assert.equal(status, 200, what);
      const reply = replies.find(({ id }) => id === "s");
      assert.ok(reply.successful, `${what}: ${JSON.stringify(reply).slice(0, 300)}`);
      const { recovered, reason, cursor: from } = reply.ext.encke.recovery["/kept/*"];
      reasons[what] = recovered ? "recovered" : reason;
      assert.equal(typeof from, "string");
      assert.ok(JSON.stringify(reply).length < 1_000, "a reply that repeats the cursor");
      await post(url, [{ channel: "/meta/disconnect", clientId }]);
    }
  }
  t.diagnostic(`${JSON.stringify(reasons)}, the slowest in ${Math.round(slowest)} ms`);
  assert.ok(slowest < AT_ONCE_MS, `${slowest} ms`);
  for (const garbage of ["one letter", "digits", "dots", "hyphens", "a long sequence", "no ASCII"]) {
    assert.equal(reasons[garbage], "unknown", garbage);
  }
  assert.notEqual(reasons["a thousand histories"], "recovered");

  // Longer than a message may be.
  const clientId = await session(url);
  const subscribe = { channel: "/meta/subscribe", clientId, subscription: "/kept/*", id: "s", ext: { replay: { "/kept/*": "z".repeat(1 << 20) } } };
  const { status, replies } = await post(url, [subscribe]);
  assert.ok(status >= 400 || replies[0].successful === false, `1 MB: ${status}`);

  await publish(encke, { from: 5, count: 10, rate: 1_000, channel: () => "/kept/a" });
  await bystander.until(10, STEP_MS);
  bystander.assertAll(10);
});

scene("a plain reader's Last-Event-ID and since may be as long", { config: channel(["/kept/*"]) }, async ({ encke }) => {
  await publish(encke, { count: 5, rate: 1_000, channel: () => "/kept/a" });
  for (const [path, headers] of [
    ["/channels/kept/*?as=event-stream", { "Last-Event-ID": "z".repeat(LENGTH) }],
    [`/channels/kept/*?as=event-stream&since=${"z".repeat(LENGTH)}`, {}],
    [`/channels/kept/*?as=messages&since=${"z".repeat(LENGTH)}`, {}],
  ]) {
    const status = await within(STEP_MS, head(encke.url(path), headers), () => `no answer to ${path.slice(0, 60)}`);
    assert.ok([200, 400, 414, 431].includes(status), `${path.slice(0, 60)}: ${status}`);
  }
  const { status } = await post(encke.url("/channels/kept/a"), { still: "here" });
  assert.equal(status, 200);
});

/** The status of a response, of whose body nothing is read. */
function head(url, headers) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { headers, agent: false }, (response) => {
      resolve(response.statusCode);
      response.destroy();
    });
    request.on("error", reject);
  });
}

scene("twenty connections that want one session: one has it, and a message arrives once", {}, async ({ encke, t }) => {
  const url = encke.url("/bayeux");
  const { replies } = await post(url, [handshake({ id: "h", ext: { ack: true } })]);
  const { clientId } = replies[0];
  await post(url, [connect(clientId, { id: "c" })]);
  await post(url, [{ channel: "/meta/subscribe", clientId, subscription: "/a", id: "s" }]);
  const held = Array.from({ length: 20 }, (_, index) =>
    post(url, [connect(clientId, { id: `held${index}`, advice: { timeout: STEP_MS }, ext: { ack: 0 } })]));
  // Nineteen are answered as soon as another takes their place.
  let answered = 0;
  const nineteen = new Promise((resolve) => held.map((one) => one.then(() => ++answered === 19 && resolve())));
  await within(STEP_MS, nineteen, () => `${answered} of 20 have been answered`);
  await post(url, { channel: "/a", data: "once" });
  const answers = (await within(STEP_MS, Promise.all(held), () => "the last one is not answered")).map(({ replies }) => replies);
  const got = answers.filter((replies) => replies.some(({ data }) => data === "once"));
  assert.equal(got.length, 1);
  assert.ok(got[0].at(-1).successful);
  for (const replies of answers.filter((one) => one !== got[0])) {
    assert.equal(replies.length, 1, JSON.stringify(replies));
    assert.match(replies[0].error, /^409:/);
    assert.ok(replies[0].advice.interval >= 2_000, "or they would take it from one another at line speed");
  }
  t.diagnostic(`the winner was ${got[0].at(-1).id}`);
});

scene("two clients that move about with one session: what one of them misses the other has", {}, async ({ encke, later, chance }) => {
  const url = encke.url("/bayeux");
  const one = new Nomad(url, "batch");
  const [both, union] = [[], new Heard("two clients together")];
  const count = 1_000;
  const { handshake: greeted } = await one.open("/a");
  const other = new Nomad(url, "batch");
  other.clientId = greeted.clientId;
  for (const nomad of [one, other]) {
    const mine = [];
    both.push(mine);
    nomad.ondelivery = ({ data }) => {
      mine.push(data);
      union.push(data);
    };
    later(() => nomad.stop());
    nomad.move(chance.pick(["websocket", "long-polling"]), { cuts: true });
    const timer = setInterval(() => nomad.move(chance.pick(["websocket", "long-polling", "callback-polling"]), { cuts: true }), chance.between(40, 70));
    later(() => clearInterval(timer));
  }
  const all = () => new Set(union.numbers).size;
  await publish(encke, { count, rate: 800, channel: () => "/a", may: (number) => number - all() < 300 });
  await union.when(STEP_MS, () => all() === count, () => `${count} different messages, and they have ${all()}`);
  for (const mine of both) {
    assert.ok(mine.every((number, place) => place === 0 || number > mine[place - 1]), "out of order, or twice to one of them");
    assert.ok(mine.length > count / 10, `one of them got only ${mine.length}`);
  }
  assert.equal(await encke.metric("encke_sessions"), 1);
});
