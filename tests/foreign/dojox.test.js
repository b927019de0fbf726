// dojox.cometd 1.6.4, as pages of 2011 load it: on the server's own origin, and across origins, where it shakes hands by
// a script and names no connection types.

import assert from "node:assert/strict";

import { story } from "../interop/story.js";
import { browser, elsewhere, open } from "./pages.js";

for (const [where, originOf, how] of [
  ["on its own origin", (encke) => new URL(encke.url()).origin, "by a form, then by long-polling"],
  ["across origins", (encke) => elsewhere(encke.url()), "by scripts"],
]) {
  story(`dojox.cometd ${where}: init, subscribe, publish, disconnect, ${how}`, async ({ encke, later }) => {
    const chromium = await browser();
    later({ stop: () => chromium.close() });
    const origin = originOf(encke);
    const { page, requests } = await open(chromium, origin, ["dojo/dojo.js"]);
    const own = origin === new URL(encke.url()).origin;
    await page.evaluate((url) => new Promise((resolve) => dojo.addOnLoad(() => {
      dojo.require("dojox.cometd");
      window.heard = [];
      dojox.cometd.init(url);
      dojox.cometd.subscribe("/slides/*", (message) => window.heard.push(message.data));
      resolve();
    })), own ? "/cometd" : encke.url("/cometd"));

    // It batches what is said before it is connected, so its own publish proves the subscription.
    await page.evaluate(() => dojox.cometd.publish("/slides/own", { slide: 1 }));
    await page.waitForFunction(() => window.heard.length === 1);
    const answer = await fetch(encke.url("/channels/slides/curl"), { method: "POST", body: '{"slide":2}', headers: { "Content-Type": "application/json" } });
    assert.equal((await answer.json()).sessions, 1);
    await page.waitForFunction(() => window.heard.length === 2);
    assert.deepEqual(await page.evaluate(() => window.heard), [{ slide: 1 }, { slide: 2 }]);

    const spoken = requests.filter((request) => new URL(request.url()).pathname.startsWith("/cometd"));
    const [handshake, ...others] = spoken;
    if (own) {
      assert.match(handshake.headers()["content-type"], /^application\/x-www-form-urlencoded/);
      assert.ok(others.every((request) => request.method() === "POST"), "POST");
    } else {
      assert.ok(spoken.every((request) => request.resourceType() === "script"), "scripts only");
      assert.doesNotMatch(decodeURIComponent(handshake.url()), /supportedConnectionTypes/);
    }
    await page.evaluate(() => dojox.cometd.disconnect());
    await page.waitForFunction(() => dojox.cometd.state() !== "connected");
  });
}
