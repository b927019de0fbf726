import assert from "node:assert/strict";
import { test } from "node:test";

import puppeteer from "puppeteer-core";

import { Encke as Server } from "../../interop/encke.js";
import { Front } from "../front.js";
import { driver, tell } from "../story.js";

test("encke.js as module tells its story in Firefox, with the transport that it chooses", async () => {
  const encke = await Server.start();
  const front = await Front.start(encke);
  const firefox = await puppeteer.launch({
    browser: "firefox",
    protocol: "webDriverBiDi",
    executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
    headless: true,
  });
  try {
    const page = await firefox.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(front.url("/module.html"));
    await page.waitForFunction(() => globalThis.actor);
    const drive = (method, args) => page.evaluate((name, given) => globalThis.actor[name](...given), method, args);
    await tell({ encke, actor: driver(drive), url: null });
    assert.equal((await drive("states", [])).find(({ state }) => state === "connected").transport, "websocket");
    assert.deepEqual(errors, []);
  } finally {
    await firefox.close();
    front.stop();
    await encke.stop("SIGKILL");
  }
});
