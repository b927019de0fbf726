import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Encke as Server } from "../../interop/encke.js";
import { Front } from "../front.js";
import { driver, tell } from "../story.js";
import { open, start } from "./chromium.js";

let browser;
before(async () => (browser = await start()));
after(() => browser.close());

for (const form of ["module", "classic"]) {
  for (const transport of ["websocket", "long-polling", "callback-polling"]) {
    test(`encke.js as ${form} tells its story in Chromium over ${transport}`, async () => {
      const encke = await Server.start();
      const front = await Front.start(encke);
      try {
        const { drive, errors } = await open(browser, front.url(`/${form}.html`));
        // No URL: the client finds the server that its script came from.
        await tell({ encke, actor: driver(drive), url: null, transport });
        assert.deepEqual(errors, []);
      } finally {
        front.stop();
        await encke.stop("SIGKILL");
      }
    });
  }
}

test("a page of another origin tells the story by callback-polling, and chooses it by itself without CORS", async () => {
  const encke = await Server.start();
  const [page, other] = [await Front.start(encke), await Front.start(encke)];
  other.refuse = true;
  // What a server does that has no CORS, whatever Encke does.
  other.fault = (response, request) => request.method !== "GET" && response.writeHead(403).end();
  try {
    const { drive } = await open(browser, page.url("/module.html"));
    await tell({ encke, actor: driver(drive), url: other.url() });
  } finally {
    page.stop();
    other.stop();
    await encke.stop("SIGKILL");
  }
});
