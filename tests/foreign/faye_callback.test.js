// npm faye in a browser that has nothing but <script>: `callback-polling` across origins.

import assert from "node:assert/strict";

import { story } from "../interop/story.js";
import { browser, elsewhere, open } from "./pages.js";

story("faye speaks by scripts alone, across origins", async ({ encke, later }) => {
  const chromium = await browser();
  later({ stop: () => chromium.close() });
  const { page, requests } = await open(chromium, elsewhere(encke.url()), ["faye/client/faye-browser.js"]);
  await page.evaluate(async (url) => {
    const client = (window.client = new Faye.Client(url));
    for (const transport of ["websocket", "eventsource", "in-process", "long-polling", "cross-origin-long-polling"]) {
      client.disable(transport);
    }
    window.heard = [];
    await client.subscribe("/scripts/*", (data) => window.heard.push(data));
  }, encke.url("/faye"));

  // What would be no JavaScript, or more than data, were it not handed to JSON.parse.
  const awkward = { text: "</script>\u2028\u2029\"'\\", "__proto__x": 1, deep: [[[{}]]] };
  await page.evaluate((data) => client.publish("/scripts/own", data), awkward);
  const answer = await fetch(encke.url("/channels/scripts/curl"), { method: "POST", body: '{"from":"curl"}', headers: { "Content-Type": "application/json" } });
  assert.equal((await answer.json()).sessions, 1);
  await page.waitForFunction(() => window.heard.length >= 2);
  const heard = await page.evaluate(() => window.heard);
  assert.deepEqual(heard.find(({ from }) => from), { from: "curl" });
  assert.deepEqual(heard.find(({ text }) => text), awkward);

  const spoken = requests.filter((request) => request.url().startsWith(encke.url("/faye")));
  assert.ok(spoken.length >= 4, `${spoken.length} requests`);
  for (const request of spoken) {
    assert.equal(request.resourceType(), "script", request.url());
    assert.match(request.url(), /[?&]jsonp=__jsonp\d+__/);
  }
});
