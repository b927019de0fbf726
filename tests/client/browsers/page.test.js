// What only a page has: floods, sleep, listeners, a content security policy, the back-forward cache.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { within } from "../../interop/deadline.js";
import { Encke as Server } from "../../interop/encke.js";
import { Front } from "../front.js";
import { driver, post } from "../story.js";
import { open, start } from "./chromium.js";

let browser;
let encke;
let front;
before(async () => {
  [browser, encke] = await Promise.all([start(), Server.start()]);
  front = await Front.start(encke);
});
after(async () => {
  await browser.close();
  front.stop();
  await encke.stop("SIGKILL");
});

/** A page with a connected actor. */
async function page(options = {}, form = "module") {
  const opened = await open(browser, front.url(`/${form}.html`));
  const actor = driver(opened.drive);
  await actor.open(null, options);
  return { ...opened, actor };
}

for (const [transport, count] of [["websocket", 10_000], ["long-polling", 10_000], ["callback-polling", 500]]) {
  test(`${count} publishes in one tick all arrive, once and in order, over ${transport}`, async () => {
    const { actor, context } = await page({ transports: [transport] });
    await actor.subscribe(`/flood/${transport}`);
    await actor.flood(`/flood/${transport}`, count, { ms: 30_000 });
    assert.equal(await actor.inOrder(count), true);
    await actor.disconnect();
    await context.close();
  });
}

test("what a handler throws is an error of the page, and the next handler is called", async () => {
  const { actor, errors, context } = await page();
  await actor.evaluate(`(comet) => comet.subscribe("/thrown", () => { throw new Error("thrown by a handler"); }).ready`);
  await actor.subscribe("/thrown");
  await post(encke, "/thrown", 1);
  assert.deepEqual(await actor.heardOn("/thrown"), [1]);
  assert.deepEqual(errors, ["Error: thrown by a handler"]);
  await context.close();
});

test("loops, signals and batches do what they say", async () => {
  const { actor, context } = await page();
  const said = await actor.evaluate(`async (comet) => {
    const said = {};
    const leave = new AbortController();
    const loop = (async () => {
      const seen = [];
      for await (const { data } of comet.messages("/loop/*", { signal: leave.signal })) seen.push(data) === 3 && leave.abort();
      return seen;
    })();
    let heard = 0;
    const stop = new AbortController();
    await comet.subscribe("/loop/*", () => heard++, { signal: stop.signal }).ready;
    comet.batch(() => { for (const data of [1, 2, 3]) comet.publish("/loop/a", data); });
    said.loop = await loop;
    stop.abort();
    await comet.publish("/loop/a", 4);
    said.heard = heard;

    const slow = comet.messages("/slow", { buffer: 5 });
    const first = slow.next();
    await comet.subscribe("/slow", () => {}).ready;
    for (let number = 0; number < 8; number++) await comet.publish("/slow", number);
    said.slow = [(await first).value.data];
    try { for await (const { data } of slow) said.slow.push(data); } catch ({ code }) { said.code = code; }

    const late = new AbortController();
    late.abort(new Error("changed my mind"));
    said.aborted = await comet.publish("/a", 1, { signal: late.signal }).catch(({ message }) => message);
    const ended = (async () => { for await (const _ of comet.messages("/for/ever")); return "ended"; })();
    await comet.publish("/a", 1);
    await comet.disconnect();
    said.ended = await ended;
    return said;
  }`);
  assert.deepEqual(said.loop, [1, 2, 3]);
  assert.equal(said.heard, 3);
  assert.equal(said.code, "overflow");
  assert.deepEqual(said.slow, [0, 1, 2, 3, 4, 5].slice(0, said.slow.length));
  assert.ok(said.slow.length >= 5);
  assert.equal(said.aborted, "changed my mind");
  assert.equal(said.ended, "ended");
  await context.close();
});

test("an async token is asked for each handshake, and one that fails is asked again", async () => {
  const { actor, page: tab, context } = await page({ transports: ["long-polling"] });
  const sent = [];
  tab.on("request", (request) => {
    const body = request.postData();
    if (body?.includes("/meta/handshake")) sent.push(JSON.parse(body)[0].ext);
  });
  await actor.evaluate(`async () => {
    let asked = 0;
    const token = async () => { if (asked++ === 0) throw new Error("the application is away"); return "t" + asked; };
    const reasons = [];
    const comet = new Encke(undefined, { token, transports: ["long-polling"] });
    comet.addEventListener("state", ({ detail }) => reasons.push(detail.reason));
    await comet.connect();
    await comet.disconnect();
    if (!reasons.includes("no token: the application is away")) throw new Error(reasons.join());
  }`);
  assert.deepEqual(sent.map(({ authentication }) => authentication), [{ token: "t2" }]);
  await context.close();
});

test("a client that has disconnected has taken back its listeners, its worker and its globals", async () => {
  const { page: tab, context } = await open(browser, front.url("/classic.html"));
  const left = await tab.evaluate(async () => {
    let listeners = 0;
    let workers = 0;
    for (const target of [window, document]) {
      const [add, remove] = [target.addEventListener, target.removeEventListener];
      target.addEventListener = (...args) => (listeners++, add.apply(target, args));
      target.removeEventListener = (...args) => (listeners--, remove.apply(target, args));
    }
    const Real = Worker;
    window.Worker = class extends Real {
      constructor(...args) {
        super(...args);
        workers++;
      }
      terminate() {
        workers--;
        super.terminate();
      }
    };
    const most = [];
    for (const transports of [undefined, ["long-polling"], ["callback-polling"]]) {
      const comet = new Encke(undefined, { transports });
      await comet.publish("/a", 1);
      most.push(listeners, workers);
      await comet.disconnect();
    }
    return { listeners, workers, most };
  });
  assert.deepEqual(left, { listeners: 0, workers: 0, most: [5, 1, 5, 1, 5, 1] });
  // The last script has called its callback; that it has loaded, the browser says a moment later.
  const isClean = () => document.scripts.length === 2 && !Object.keys(window).some((name) => name.startsWith("_encke"));
  await tab.waitForFunction(isClean, undefined, { timeout: 5_000 });
  await context.close();
});

test("under a content security policy that forbids workers from blobs and inline styles all of it works", async () => {
  front.pageHeaders = { "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'" };
  try {
    const { actor, page: tab, context, errors } = await page({ transports: ["websocket"] });
    await actor.connect();
    await encke.restart("SIGKILL");
    await actor.connectedTimes(2, { ms: 20_000 });
    await actor.debug();
    assert.equal(await tab.evaluate(() => {
      const drawer = document.querySelector("body > div").shadowRoot.querySelector("section");
      return getComputedStyle(drawer).position;
    }), "fixed");
    assert.deepEqual(errors, []);
    await context.close();
  } finally {
    front.pageHeaders = {};
  }
});

test("a page that is left says good-bye, over each transport", async () => {
  for (const transport of ["websocket", "long-polling", "callback-polling"]) {
    const { actor, page: tab, context } = await page({ transports: [transport] });
    const channel = `/good-bye/${transport}`;
    await actor.subscribe(channel);
    assert.equal((await post(encke, channel, 0)).sessions, 1);
    await tab.goto(front.url("/actor.js"));
    const gone = (async () => {
      while ((await post(encke, channel, 0)).sessions > 0);
    })();
    await within(5_000, gone, () => `the session over ${transport} stays`);
    await context.close();
  }
});

test("a network that goes and comes back is reconnected at once", async () => {
  const { actor, context } = await page({ transports: ["long-polling"] });
  await actor.connect();
  await context.setOffline(true);
  await encke.restart("SIGKILL");
  await context.setOffline(false);
  await actor.connectedTimes(2);
  await actor.subscribe("/back");
  await post(encke, "/back", "again");
  assert.deepEqual(await actor.heardOn("/back"), ["again"]);
  await context.close();
});

test("a page that comes back from the back-forward cache has a new session and its old subscriptions", async () => {
  const { actor, page: tab, context } = await page({ transports: ["websocket"] });
  await actor.subscribe("/cached");
  await actor.subscribe("/left");
  await tab.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true })));
  // Asked of its channel, and not of all sessions: those of the tests before may still have their grace.
  const gone = (async () => {
    while ((await post(encke, "/left", 0)).sessions > 0);
  })();
  await within(5_000, gone, () => "the session stays");
  await tab.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
  await actor.connectedTimes(2);
  await actor.publish("/cached", "back");
  assert.deepEqual(await actor.heardOn("/cached"), ["back"]);
  await context.close();
});

test("a tab that was frozen while the server restarted comes back when it thaws", async () => {
  for (const transports of [["websocket"], ["long-polling"]]) {
    const { actor, page: tab, context } = await page({ transports });
    await actor.subscribe("/thawed");
    const cdp = await context.newCDPSession(tab);
    await cdp.send("Page.setWebLifecycleState", { state: "frozen" });
    await encke.restart("SIGKILL");
    await cdp.send("Page.setWebLifecycleState", { state: "active" });
    await actor.connectedTimes(2);
    await post(encke, "/thawed", transports);
    assert.deepEqual(await actor.heardOn("/thawed"), [transports]);
    await actor.disconnect();
    await context.close();
  }
});
