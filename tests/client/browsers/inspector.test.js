// `comet.debug()`: the drawer, as one sees it and as one uses it without a mouse.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { Encke as Server } from "../../interop/encke.js";
import { Front } from "../front.js";
import { driver, post } from "../story.js";
import { open, start } from "./chromium.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

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

/** A page whose drawer shows a few messages. */
async function drawer(options = {}) {
  const opened = await open(browser, front.url("/module.html"), options);
  const actor = driver(opened.drive);
  await actor.open(null, { token: "secret-token" });
  await actor.debug();
  await actor.subscribe("/chat/*");
  await actor.publish("/chat/demo", { text: "<img src=x onerror=alert(1)>", from: "ada" });
  await post(encke, "/chat/demo", { text: "hello from curl", long: "long ".repeat(60) });
  await actor.evaluate("(comet) => comet.subscribe('/denied', () => {}).ready");
  await actor.heard(2);
  await opened.page.locator("li", { hasText: "hello from curl" }).waitFor();
  return { ...opened, actor };
}

test("every message is listed, both ways, with transport, bytes and time, and no secret", async () => {
  const { page, context, errors } = await drawer();
  const rows = await page.locator("li summary").evaluateAll((all) =>
    all.map((row) => Object.fromEntries([...row.children].map((cell) => [cell.className || cell.localName, cell.textContent]))));
  const sent = rows.find(({ out, channel }) => out && channel === "/chat/demo");
  assert.equal(sent.transport, "websocket");
  assert.match(sent.bytes, /^\d+ B$/);
  assert.match(sent.time, /^\d\d:\d\d:\d\d\.\d\d\d$/);
  const reply = rows.find((row) => row.in && row.channel === "/meta/subscribe");
  assert.match(reply.took, /^[\d.]+ ms$/);
  assert.equal(rows[0].channel, "/meta/handshake");
  const text = await page.locator("section").innerText();
  assert.ok(!text.includes("secret-token"));
  assert.doesNotMatch(text, /"clientId":"\w{5}/);
  assert.equal(await page.locator("section img").count(), 0);
  assert.deepEqual(errors, []);
  await context.close();
});

test("the drawer needs no mouse, and gives the focus back", async () => {
  const { page, context, actor } = await drawer();
  await page.keyboard.type("curl");
  await page.locator("li:visible").first().waitFor();
  assert.equal(await page.locator("li:visible").count(), 1);
  for (let press = 0; press < 4; press++) await page.keyboard.press("Tab"); // pause, clear, close, the list
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.match(await page.locator("li:visible pre").innerText(), /"text": "hello from curl"/);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("section").count(), 0);
  await actor.debug();
  assert.equal(await page.locator("section").count(), 1);
  await actor.debug();
  assert.equal(await page.locator("section").count(), 0);
  await context.close();
});

test("the list keeps the last 500 messages, however many come", async () => {
  const { page, context, actor } = await drawer();
  await actor.flood("/chat/flood", 2_000);
  await actor.heard(2_002);
  await page.getByText(/^60\d\d messages, the last 500 shown$/).waitFor();
  assert.equal(await page.locator("li").count(), 500);
  await page.getByRole("button", { name: "Clear" }).click();
  assert.equal(await page.locator("li").count(), 0);
  await context.close();
});

for (const colorScheme of ["light", "dark"]) {
  for (const width of [1280, 390]) {
    test(`the drawer is accessible, ${colorScheme} at ${width} pixels`, async () => {
      const { page, context } = await drawer({ colorScheme, viewport: { width, height: 844 } });
      await page.locator("li").nth(1).locator("summary").click();
      await page.locator("pre").waitFor();
      if (process.env.ENCKE_SCREENSHOTS) {
        await page.screenshot({ path: `${process.env.ENCKE_SCREENSHOTS}/inspector-${colorScheme}-${width}.png` });
      }
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => globalThis.axe.run(document.querySelector("body > div")));
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), []);
      await context.close();
    });
  }
}
