import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Site } from "./browser.js";
import { run } from "./shell.js";

let site;
before(async () => (site = await Site.open()));
after(() => site.close());

const stage = (page, name) => page.locator(".stage").evaluate((stage, name) => stage.style.getPropertyValue(name), name);
const center = async (page) => {
  const { x, y, width, height } = await page.locator(".stage .nucleus").boundingBox();
  return { x: x + width / 2, y: y + height / 2 };
};

test("each line that the page shows moves it when a shell runs it, in every window", async () => {
  const pages = [await site.visit("demos/curl/"), await site.visit("demos/curl/", { width: 390 })];
  for (const page of pages) await page.locator('.state[data-state="connected"]').waitFor();
  const [speak, color, move, fly] = await pages[0].locator(".line code").allTextContents();
  const before = await center(pages[0]);

  await run("sh", ["-c", speak]);
  for (const page of pages) await page.locator(".words").filter({ hasText: "Hello from the shell" }).waitFor();
  await run("sh", ["-c", color]);
  await run("sh", ["-c", move]);
  for (const page of pages) {
    await page.waitForFunction(() => document.querySelector(".stage").style.getPropertyValue("--size") === "1.5");
    assert.equal(await stage(page, "--color"), "tomato");
    assert.equal(await page.locator(".thing").evaluate((thing) => getComputedStyle(thing).color), "rgb(255, 99, 71)");
    assert.match(await page.locator("#happened").textContent(), /^Now x 75, y 35, turn -30, size 1.5$/);
  }
  assert.ok((await center(pages[0])).x > before.x + 100, "the comet is further right");

  await run("sh", ["-c", fly.replace("sleep 1", ":")]);
  for (const page of pages) {
    await page.waitForFunction(() => document.querySelector(".stage").style.getPropertyValue("--x") === "90");
    assert.deepEqual(page.complaints, []);
  }
});

test("without a terminal, the button beside a line sends the same, by keyboard, too", async () => {
  const page = await site.visit("demos/curl/#mine", { width: 390 });
  await page.locator('.state[data-state="connected"]').waitFor();
  await page.getByRole("button", { name: "Send what the line that says something sends" }).focus();
  await page.keyboard.press("Enter");
  await page.locator(".words").filter({ hasText: "Hello from the shell" }).waitFor();
  await page.getByRole("button", { name: "Send what the line that moves it sends" }).click();
  await page.waitForFunction(() => document.querySelector(".stage").style.getPropertyValue("--x") === "75");
  assert.deepEqual(page.complaints, []);
});
