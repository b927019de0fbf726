// A page on the internet that loads scripts of the server on this machine: JSONP, for which browsers send no `Origin`.

import assert from "node:assert/strict";

import { story } from "../interop/story.js";
import { browser, elsewhere, open } from "./pages.js";

/** Has the page ask for a handshake by a script; whether its callback was called. */
function ask({ url, policy }) {
  const messages = [{ channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["callback-polling"] }];
  return new Promise((resolve) => {
    const script = document.createElement("script");
    window.told = () => resolve("told");
    script.onerror = () => resolve("refused");
    script.referrerPolicy = policy;
    script.src = `${url}?jsonp=told&message=${encodeURIComponent(JSON.stringify(messages))}`;
    document.head.append(script);
  });
}

story("a page of this machine is told by a script, and a page elsewhere is not", async ({ encke, later }) => {
  const chromium = await browser();
  later({ stop: () => chromium.close() });
  const near = await open(chromium, elsewhere(encke.url()), []);
  const far = await open(chromium, "http://stranger.example", []);
  const url = encke.url("/bayeux");
  for (const policy of ["", "unsafe-url", "origin"]) {
    assert.equal(await near.page.evaluate(ask, { url, policy }), "told", policy);
    assert.equal(await far.page.evaluate(ask, { url, policy }), "refused", policy);
  }
  for (const { page } of [near, far]) {
    assert.equal(await page.evaluate(ask, { url, policy: "no-referrer" }), "refused");
  }
});
