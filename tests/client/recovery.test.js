// What a client missed comes to it, or it is told what is gone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { WebSocket } from "ws";

import { Encke as Comet } from "../../client/src/index.js";
import { within } from "../interop/deadline.js";
import { Encke as Server } from "../interop/encke.js";
import { Front } from "./front.js";
import { post } from "./story.js";

const STEP_MS = 12_000;

let encke;
before(async () => (encke = await Server.start()));
after(() => encke.stop("SIGKILL"));

/** Clients that listen, and what they heard. */
class Listener {
  heard = [];
  recoveries = [];
  #watchers = new Set();

  constructor(url, options) {
    this.comet = new Comet(url, { WebSocket, random: () => Math.random() / 20, ...options });
    this.comet.addEventListener("recovery", ({ detail }) => (this.recoveries.push(detail), this.#look()));
  }

  /** `name` goes before what this handler hears. */
  listen(pattern, options, name = "") {
    const hear = (delivery) => {
      this.heard.push(delivery.replayed ? `${name}${delivery.data} again` : `${name}${delivery.data}`);
      this.positions = [...(this.positions ?? []), delivery.position];
      this.#look();
    };
    return this.comet.subscribe(pattern, hear, options);
  }

  until(met, what) {
    const done = new Promise((resolve) => {
      const watcher = () => met(this) && (this.#watchers.delete(watcher), resolve());
      this.#watchers.add(watcher);
      watcher();
    });
    return within(STEP_MS, done, () => `${what}: ${JSON.stringify([this.heard, this.recoveries])}`);
  }

  async hears(expected) {
    await this.until(({ heard }) => heard.length >= expected.length, `not ${expected}`);
    assert.deepEqual(this.heard, expected);
    this.heard = [];
  }

  #look() {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/** Plays with a listener before a front on channels of its own. */
function story(name, play) {
  for (const transports of [["websocket"], ["long-polling"]]) {
    test(`over ${transports}: ${name}`, async () => {
      const front = await Front.start(encke);
      const listener = new Listener(front.url(), { transports });
      const room = `/chat/${Math.random().toString(36).slice(2)}`;
      try {
        await play({ listener, front, room, say: (...all) => say(room, all) });
      } finally {
        await listener.comet.disconnect();
        front.stop();
      }
    });
  }
}

async function say(channel, all) {
  for (const data of all) await post(encke, channel, data);
}

/** The network goes, with what is on its way, and comes back when `meanwhile` is over. */
async function sleep(listener, front, meanwhile) {
  const lost = new Promise((resolve) => {
    listener.comet.addEventListener("state", ({ detail }) => detail.state !== "connected" && resolve(), { once: true });
  });
  front.fault = (response) => response.destroy();
  front.refuse = true;
  front.cut();
  await lost;
  await meanwhile();
  front.fault = undefined;
  front.refuse = false;
}

story("what is kept comes to who asks for it, then what is live", async ({ listener, room, say }) => {
  await say(1, 2, 3);
  await listener.listen(room, { since: "all" }).ready;
  await say(4);
  await listener.hears(["1 again", "2 again", "3 again", "4"]);
  const [first] = listener.positions;
  const other = new Listener(encke.url("/bayeux"));
  await other.listen(room, { since: first }).ready;
  await other.hears(["2 again", "3 again", "4 again"]);
  assert.deepEqual(other.recoveries, [{ pattern: room, recovered: true }]);
  await other.comet.disconnect();
});

story("what is live on another pattern, or was on this one, is not taken for what a new subscription has", async ({ listener, room, say }) => {
  await say(0, 1, 2);
  let number = 3;
  let speaks = true;
  const speaker = (async () => {
    while (speaks) await say(number++);
  })();
  const hears = async (what) => {
    const heard = [];
    const subscription = listener.comet.subscribe(room, ({ data }) => heard.push(data), { since: "all" });
    await subscription.ready;
    const least = number + 3;
    while (heard.at(-1) === undefined || heard.at(-1) < least) await new Promise((resolve) => setTimeout(resolve, 5));
    // A hundred are kept, and some came meanwhile.
    assert.ok(heard[0] <= Math.max(0, least - 90), `${what}: begins with ${heard[0]} of ${least}`);
    assert.deepEqual(heard, heard.map((_, place) => heard[0] + place), what);
    return subscription;
  };
  try {
    for (let round = 0; round < 5; round++) {
      const live = listener.comet.subscribe("/chat/*", () => {});
      await live.ready;
      let narrow = await hears("beside a wider one");
      await live.unsubscribe();
      narrow.unsubscribe();
      narrow = await hears("subscribed again");
      await narrow.unsubscribe();
    }
  } finally {
    speaks = false;
    await speaker;
  }
});

story("who joins others on a pattern hears what they heard, and they hear nothing twice", async ({ listener, room, say }) => {
  await say(1, 2);
  await listener.listen(`${room}/*`, {}, "a").ready;
  await listener.listen(room, {}, "a").ready;
  await say(3);
  await listener.hears(["a3"]);
  listener.listen(room, { since: "all" }, "b");
  await listener.hears(["b1 again", "b2 again", "b3 again"]);
  await say(4);
  await listener.hears(["a4", "b4"]);
  assert.deepEqual(listener.recoveries, []);
});

story("a replay is for its own pattern, also below a wider one that is live", async ({ listener, room, say }) => {
  await say(1);
  await listener.listen("/chat/*", {}, "wide ").ready;
  await listener.listen(room, { since: "all" }, "narrow ").ready;
  await say(2);
  await listener.hears(["narrow 1 again", "narrow 2", "wide 2"]);
});

story("a client that was away for a moment hears the rest once, in its session", async ({ listener, front, room, say }) => {
  await listener.listen(room).ready;
  await say(1);
  await listener.hears(["1"]);
  await sleep(listener, front, () => say(2, 3));
  await say(4);
  await listener.hears(["2", "3", "4"]);
  assert.deepEqual(listener.recoveries, [], "its session was still there");
});

test("a restarted server says that its history is another one, and gives what it has", async () => {
  const own = await Server.start();
  const listener = new Listener(own.url("/bayeux"));
  try {
    await listener.listen("/chat/a").ready;
    await listener.listen("/forgotten/a").ready;
    await post(own, "/chat/a", 1);
    await listener.hears(["1"]);
    await own.restart("SIGKILL");
    await listener.until(({ recoveries }) => recoveries.length >= 2, "the recoveries");
    assert.deepEqual(listener.recoveries, [
      { pattern: "/chat/a", recovered: false, reason: "new_epoch" },
      { pattern: "/forgotten/a", recovered: false, reason: "unknown" },
    ]);
    await post(own, "/chat/a", 2);
    await listener.hears(["2"]);
    await own.restart("SIGKILL");
    await post(own, "/chat/a", 3);
    await listener.until(({ heard }) => heard.length > 0, "3");
    await post(own, "/chat/a", 4);
    await listener.until(({ heard }) => heard.length > 1, "4");
    assert.deepEqual(listener.heard.map((text) => text.replace(" again", "")), ["3", "4"]);
  } finally {
    await listener.comet.disconnect();
    await own.stop("SIGKILL");
  }
});

story("history comes in pages", async ({ listener, room, say }) => {
  const { comet } = listener;
  await say(1, 2, 3, 4, 5);
  const newest = await comet.history(room, { limit: 2 });
  assert.deepEqual(newest.messages.map(({ data }) => data), [4, 5]);
  const all = [];
  for (let page = { more: true, cursor: "all" }; page.more; ) {
    page = await comet.history(room, { since: page.cursor, limit: 2 });
    all.push(page.messages.map(({ data, channel }) => [channel, data]));
  }
  assert.deepEqual(all.map((page) => page.map(([, data]) => data)), [[1, 2], [3, 4], [5]]);
  const { recovered, messages } = await comet.history(room, { since: newest.cursor });
  assert.deepEqual([recovered, messages], [true, []]);
  assert.equal((await comet.history(room, { since: "nonsense" })).reason, "unknown");
  await assert.rejects(comet.history("/a//b"), { code: "channel_invalid" });
});

story("who publishes without an echo does not hear itself, in a replay either", async ({ listener, room }) => {
  const { comet } = listener;
  await listener.listen(room).ready;
  const { position } = await comet.publish(room, `${room} mine`, { echo: false });
  assert.match(position, /^\w+-\w+$/);
  assert.deepEqual(await comet.publish("/forgotten/a", 1), { position: undefined });
  await comet.publish(room, `${room} shared`);
  await listener.hears([`${room} shared`]);
  listener.listen("/chat/**", { since: "all" });
  await listener.until(({ heard }) => heard.includes(`${room} shared again`), "the replay");
  assert.ok(!listener.heard.some((text) => text.startsWith(`${room} mine`)), listener.heard.join());
});

test("a cursor that is none of this server begins now, and says so", async () => {
  for (const since of ["nonsense", "zzzzzzzzzz-5", "1a-2.1b-3"]) {
    const listener = new Listener(encke.url("/bayeux"));
    await listener.listen("/chat/astray", { since }).ready;
    await listener.until(({ recoveries }) => recoveries.length > 0, since);
    assert.equal(listener.recoveries[0].recovered, false);
    await listener.comet.disconnect();
  }
  assert.throws(() => new Listener(encke.url("/bayeux")).listen("/a", { since: 5 }), TypeError);
  assert.throws(() => new Listener(encke.url("/bayeux")).listen("/a", { since: "1".repeat(1_100) }), TypeError);
});
