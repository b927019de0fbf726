// Our own client in Chromium, which goes offline and comes back: everything arrives once and in order, both ways, whether its
// session has waited for it or not.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

import { OWN_PAGE, start } from "../client/browsers/chromium.js";
import { within } from "../interop/deadline.js";
import { Nomad } from "./nomad.js";
import { publish } from "./publisher.js";
import { Heard, channel, scene } from "./scene.js";

const CYCLES = 3;
const EACH = 200;
const RATE = 400;
/** What the page says in each cycle, and how long it waits in between. */
const OWN = 30;
const STEP_MS = 20_000;

const PAGE = '<!doctype html><html lang="en"><title>A page</title><script src="/encke.js"></script><h1>A page</h1></html>';

/** In the page: hears numbers, and says its own when it is told to. */
function begin(options) {
  const comet = (window.comet = new Encke("/bayeux", options));
  const story = (window.story = { recoveries: [], states: [], published: 0, refused: [] });
  comet.addEventListener("recovery", ({ detail }) => story.recoveries.push(detail));
  comet.addEventListener("state", ({ detail }) => story.states.push(detail));
  window.say = (from, count) => {
    for (let number = from; number < count; number++) {
      comet.publish("/own/page", number).then(() => story.published++, (error) => story.refused.push(String(error)));
    }
  };
  return comet.subscribe("/kept/*", ({ data }) => window.tell(data)).ready;
}

async function open({ cut, later }, options, heard) {
  const browser = await start(OWN_PAGE);
  later(() => browser.close());
  const context = await browser.newContext();
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.route(/\/page$/, (route) => route.fulfill({ contentType: "text/html", body: PAGE }));
  await page.goto(cut.url("/page"));
  await page.exposeFunction("tell", (number) => heard.push(number));
  await within(STEP_MS, page.evaluate(begin, options), () => "the page's subscription is not acknowledged");
  return { context, page, errors };
}

const ways = [
  ["websocket", ""],
  ["long-polling", ""],
  ["callback-polling", ""],
  [undefined, 'grace = "300ms"'],
];
for (const [transport, sessions] of ways) {
  const title = transport ? `offline and back over ${transport}` : "offline for longer than its session lasts, and back";
  scene(title, { sessions, config: channel(["/kept/*"]) }, async (story) => {
    const { encke, cut, later, t } = story;
    const heard = new Heard("the page");
    const own = new Heard("a listener to the page");
    const listener = new Nomad(encke.url("/bayeux"), "count");
    later(() => listener.stop());
    listener.ondelivery = ({ data }) => own.push(data);
    await listener.open("/own/*");
    listener.move("websocket", { cuts: false });

    const { context, page, errors } = await open(story, transport ? { transports: [transport] } : {}, heard);
    const say = (from, to) => publish(encke, { from, count: to, rate: RATE, channel: (number) => `/kept/${number % 3}` });
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      const from = cycle * EACH * 2;
      await context.setOffline(true);
      // What a browser keeps open while it plays to be offline, a phone does not.
      cut.plan = () => ({ up: 0 });
      cut.cut();
      await page.evaluate(([from, to]) => window.say(from, to), [cycle * OWN, cycle * OWN + OWN / 2]);
      await say(from, from + EACH);
      if (sessions) await ended(encke);
      assert.equal(heard.count, from, "nothing comes through");
      cut.plan = () => ({});
      await context.setOffline(false);
      await page.evaluate(([from, to]) => window.say(from, to), [cycle * OWN + OWN / 2, (cycle + 1) * OWN]);
      await say(from + EACH, from + EACH * 2);
      await heard.until(from + EACH * 2, STEP_MS);
      await own.until((cycle + 1) * OWN, STEP_MS);
    }
    heard.assertAll(CYCLES * EACH * 2);
    own.assertAll(CYCLES * OWN);
    const look = () => page.evaluate(() => window.story);
    let said = await look();
    const end = Date.now() + STEP_MS;
    while (said.published < CYCLES * OWN && Date.now() < end) {
      await pause(20);
      said = await look();
    }
    assert.equal(said.published, CYCLES * OWN, `what the page said was acknowledged, and it knows it: ${said.refused}`);
    assert.ok(said.recoveries.every(({ recovered }) => recovered), JSON.stringify(said.recoveries));
    if (sessions) assert.ok(said.recoveries.length >= CYCLES, "each new session is an interruption that the page hears of");
    const connected = said.states.filter(({ state }) => state === "connected");
    assert.ok(connected.length >= CYCLES, `connected ${connected.length} times`);
    if (transport) assert.ok(connected.every((state) => state.transport === transport));
    assert.deepEqual(errors, []);
    t.diagnostic(`connected ${connected.length} times, ${said.recoveries.length} recoveries`);
  });
}

/** Waits until nobody but the listener has a session. */
async function ended(encke) {
  const asked = async () => {
    while ((await encke.metric("encke_sessions")) > 1) await pause(20);
  };
  await within(STEP_MS, asked(), () => "the page's session is not ended");
}
