import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Site } from "./browser.js";
import { run } from "./shell.js";

let site;
before(async () => (site = await Site.open({ base: "/live" })));
after(() => site.close());

const number = async (page, name) => Number((await page.locator(`[data-number="${name}"]`).textContent()).replaceAll(",", ""));

test("below a base path: the lines work as shown, the numbers live, and what is said is heard", async () => {
  const page = await site.visit("");
  await page.locator(".spark .stroke[points]").waitFor({ state: "attached" });
  assert.ok((await number(page, "sessions")) >= 1);

  const [listen, speak] = await page.locator(".steps .line code").allTextContents();
  assert.equal(listen, `curl -N '${site.url("channels/chat/*")}'`);
  assert.equal(speak, `curl -d '{"text":"hello"}' ${site.url("channels/chat/demo")}`);
  const heard = run("sh", ["-c", `${listen} --silent --max-time 8 | grep --line-buffered --max-count=1 hello`]);
  const published = await number(page, "published");
  for (let sessions = 0; sessions < 2; ) ({ sessions } = JSON.parse(await run("sh", ["-c", `${speak} --silent`])));
  const { channel, data } = JSON.parse(await heard);
  assert.deepEqual({ channel, data }, { channel: "/chat/demo", data: { text: "hello" } });
  await page.locator(".heard").filter({ hasText: 'Heard on /chat/demo {"text":"hello"}' }).waitFor();
  await page.waitForFunction((before) => Number(document.querySelector('[data-number="published"]').textContent.replaceAll(",", "")) > before, published);
  assert.deepEqual(page.complaints, []);
});

test("below a base path: every link and every demo is reached", async () => {
  const page = await site.visit("");
  const links = await page.locator("a[href]:visible").evaluateAll((all) => all.map((link) => link.href));
  assert.ok(links.length >= 8, String(links));
  for (const link of new Set(links)) {
    assert.ok(link.startsWith(site.url("")), link);
    if (link.includes("/channels/")) continue; // a stream does not end
    assert.equal((await fetch(link)).status, 200, link);
  }
  for (const [name, heading] of [["Chat", "Chat"], ["Slideshow", "Slideshow"], ["Session rater", "Session rater"], ["Curl moves the page", "Curl moves the page"], ["Comments", "Comments"]]) {
    await page.getByRole("main").getByRole("link", { name, exact: true }).click();
    await page.getByRole("heading", { level: 1, name: heading }).waitFor();
    await page.getByRole("link", { name: "Encke", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "Encke" }).waitFor();
  }
  assert.deepEqual(page.complaints, []);
});

test("lines are copied", async () => {
  const page = await site.visit("");
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByRole("button", { name: "Copy the line that speaks" }).click();
  await page.locator("#announced").filter({ hasText: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `curl -d '{"text":"hello"}' ${site.url("channels/chat/demo")}`);
});
