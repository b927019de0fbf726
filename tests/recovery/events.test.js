// A browser's own EventSource, and npm `eventsource`, on connections that are killed every 200 ms: they say the id of the
// last event, and get everything once.

import assert from "node:assert/strict";

import { EventSource } from "eventsource";

import { OWN_PAGE, start } from "../client/browsers/chromium.js";
import { publish } from "./publisher.js";
import { Heard, channel, scene } from "./scene.js";

const COUNT = 1_000;
const RATE = 200;
const KILL_MS = 200;
const REST_MS = 15_000;
/** The server has clients wait for seconds before they return, and they would be away most of the time. */
const RETRY_MS = 50;

/** What a page does: hears numbers on two channels of one pattern, and how each return went. */
function listen(Source, url, tell) {
  const source = new Source(url);
  for (const channel of ["/kept/a", "/kept/b"]) source.addEventListener(channel, ({ data }) => tell("number", Number(data)));
  source.addEventListener("recovery", ({ data }) => tell("recovery", JSON.parse(data)));
  source.addEventListener("error", () => source.readyState === Source.CLOSED && tell("closed", null));
}

const kinds = {
  "npm eventsource": async (story, url, tell) => listen(class extends EventSource {
    constructor(...args) {
      super(...args);
      story.later(() => this.close());
    }
  }, url, tell),
  "Chromium's EventSource": async ({ later }, url, tell) => {
    const browser = await start(OWN_PAGE);
    later(() => browser.close());
    const page = await (await browser.newContext()).newPage();
    await page.route(/\/page$/, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>events</title>" }));
    await page.goto(new URL("/page", url).href);
    await page.exposeFunction("tell", tell);
    await page.evaluate(`(${listen})(EventSource, ${JSON.stringify(url)}, window.tell)`);
  },
};

for (const [kind, open] of Object.entries(kinds)) {
  scene(`${kind} gets every event once`, { config: channel(["/kept/*"]) }, async (story) => {
    const { encke, cut, later, t } = story;
    const heard = new Heard(kind);
    const told = { recovery: [], closed: [] };
    const tell = (what, value) => (what === "number" ? heard.push(value) : told[what].push(value));
    const to = (number) => (number % 3 ? "/kept/a" : "/kept/b");
    await publish(encke, { count: 10, rate: 1_000, channel: to });
    cut.plan = () => ({ retry: RETRY_MS });
    await open(story, cut.url("/channels/kept/*?as=event-stream&since=all"), tell);
    await heard.until(10, REST_MS);

    const timer = setInterval(() => cut.cut(), KILL_MS);
    later(() => clearInterval(timer));
    await publish(encke, { from: 10, count: COUNT, rate: RATE, channel: to });
    clearInterval(timer);
    await heard.until(COUNT, REST_MS);
    await publish(encke, { from: COUNT, count: COUNT + 1, rate: RATE, channel: to });
    await heard.until(COUNT + 1, REST_MS);
    heard.assertAll(COUNT + 1);
    t.diagnostic(`${cut.kills} connections were killed, ${told.recovery.length} returns`);
    assert.ok(told.recovery.length >= 8, `it returned only ${told.recovery.length} times`);
    // The first one had no id: it asked for all that is kept, and nothing could be missing.
    assert.ok(told.recovery.every(({ recovered }) => recovered !== false), JSON.stringify(told.recovery));
    assert.deepEqual(told.closed, [], "it gave up");
  });

  scene(`${kind} is told when its last event is of another life of the server`, { config: channel(["/kept/*"]) }, async (story) => {
    const { encke, cut } = story;
    const heard = new Heard(kind);
    const told = { recovery: [], closed: [] };
    const tell = (what, value) => {
      if (what !== "number") told[what].push(value);
      // Both are awaited by what is heard.
      heard.push(what === "number" ? value : what);
    };
    cut.plan = () => ({ retry: RETRY_MS });
    await publish(encke, { count: 2, rate: 1_000, channel: () => "/kept/a" });
    await open(story, cut.url("/channels/kept/*?as=event-stream&since=all"), tell);
    await heard.when(REST_MS, () => heard.numbers.includes(1), () => "the second message");
    cut.plan = () => ({ up: 0 });
    cut.cut();
    await encke.restart("SIGKILL");
    await publish(encke, { from: 2, count: 4, rate: 1_000, channel: () => "/kept/b" });
    cut.plan = () => ({ retry: RETRY_MS });
    await heard.when(REST_MS, () => heard.numbers.includes(3), () => "what was said since the restart");
    const { recovered, reason } = told.recovery.at(-1);
    assert.deepEqual([recovered, reason], [false, "new_epoch"]);
    assert.deepEqual(heard.numbers.filter((number) => typeof number === "number"), [0, 1, 2, 3]);
  });
}
