import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Site } from "./browser.js";
import { run } from "./shell.js";

let site;
before(async () => (site = await Site.open()));
after(() => site.close());

const enter = async (room, name) => {
  const page = await site.visit(`demos/chat/#${room}`, {
    before: (page) => page.addInitScript((name) => sessionStorage.getItem("name") ?? sessionStorage.setItem("name", name), name),
  });
  await page.getByText(`${name} joined`).waitFor();
  return page;
};
const said = (page, text) => page.locator(".log .said").filter({ hasText: text });

test("two people and a terminal meet in a room", async () => {
  const ada = await enter("story", "Ada");
  const grace = await enter("story", "Grace");
  await ada.getByText("Grace joined").waitFor();

  await grace.getByLabel("Message").pressSequentially("I am here");
  await ada.locator(".typing").filter({ hasText: "Grace is typing" }).waitFor();
  await grace.keyboard.press("Enter");
  await said(ada, "I am here").waitFor();
  await ada.locator(".typing").filter({ hasNotText: "Grace" }).waitFor();
  assert.equal(await said(ada, "I am here").locator(".name").textContent(), "Grace");
  assert.equal(await grace.getByLabel("Message").inputValue(), "");

  // The line in the page is run as it stands there.
  const line = await ada.locator(".line code").first().textContent();
  assert.match(line, /^curl -d /);
  await run("sh", ["-c", line]);
  for (const page of [ada, grace]) {
    await said(page, "hello").waitFor();
    assert.equal(await said(page, "hello").locator(".name").textContent(), "anonymous");
  }

  await grace.getByLabel("Your name").fill("Admiral");
  await grace.getByLabel("Your name").blur();
  await ada.getByText("Admiral is the new name of Grace").waitFor();

  await grace.goto(site.url(""));
  await ada.getByText("Admiral left").waitFor();
  assert.deepEqual([...ada.complaints, ...grace.complaints], []);
});

test("the line that listens hears the page, and rooms do not hear one another", async () => {
  const here = await enter("one", "Ada");
  const there = await enter("two", "Grace");
  const line = await here.locator(".line code").nth(1).textContent();
  const listening = run("sh", ["-c", `${line} --silent --max-time 8 | grep --line-buffered --max-count=1 loud`]);
  // curl does not say when it listens; the answer to a publish does: this page and curl.
  for (let sessions = 0; sessions < 2; ) ({ sessions } = await site.curl("/chat/one", { text: "quiet" }));

  await here.getByLabel("Message").fill("loud and clear");
  await here.getByRole("button", { name: "Send" }).click();
  await said(here, "loud and clear").waitFor();
  assert.deepEqual(JSON.parse(await listening).data, { name: "Ada", text: "loud and clear" });
  await site.curl("/chat/two", { text: "the last one" });
  await said(there, "the last one").waitFor();
  assert.equal(await said(there, "loud").count(), 0);
});

test("the same room without scripting, by the page's own link", async () => {
  const page = await enter("plain", "Ada");
  const link = page.getByRole("link", { name: "the room as a page that grows" });
  const where = new URL(await link.getAttribute("href"), page.url()).href;
  const plain = await site.visit(where.slice(site.url("").length), { scripting: false, width: 390 });
  // What was said before it came is there.
  await plain.getByText("joined").waitFor();
  for (let sessions = 0; sessions < 2; ) ({ sessions } = await site.curl("/chat/plain", { text: "quiet" }));
  await page.getByLabel("Message").fill(`<b>loud</b> and "clear"`);
  await page.keyboard.press("Enter");
  await plain.getByText(/loud/).waitFor();
  assert.equal(await plain.locator("b:has-text('loud')").count(), 0);
  await plain.getByLabel("Name").fill("Grace");
  await plain.getByLabel("Text").fill("no script here");
  await plain.getByRole("button").click({ noWaitAfter: true });
  await said(page, "no script here").waitFor();
  assert.equal(await said(page, "no script here").locator(".name").textContent(), "Grace");
  if (process.env.ENCKE_SCREENSHOTS) await plain.screenshot({ path: `${process.env.ENCKE_SCREENSHOTS}/plain-390-light.png` });
});

test("a reload and a newcomer see what was said before, each line once and in order", async () => {
  const ada = await enter("kept", "Ada");
  for (let n = 0; n < 120; n += 1) await site.curl("/chat/kept", { text: `line ${n}` });
  await ada.getByLabel("Message").fill("the last of mine");
  await ada.keyboard.press("Enter");
  await said(ada, "the last of mine").waitFor();
  await ada.reload();
  // The newcomer's own arrival comes after all that is kept.
  const grace = await enter("kept", "Grace");
  for (const page of [ada, grace]) {
    await page.getByText("Grace joined").waitFor();
    await page.getByText("Ada left").waitFor();
    const lines = (await page.locator(".log p").allTextContents()).map((line) => line.replace(/^anonymous /, ""));
    const from = lines.indexOf("line 119");
    assert.deepEqual(lines.slice(from), ["line 119", "Ada the last of mine", "Ada left", "Ada joined", "Grace joined"]);
    const first = 119 - from;
    assert.deepEqual(lines.slice(0, from), Array.from({ length: from }, (_, index) => `line ${first + index}`));
    assert.ok(from >= 95, `only ${from} lines are kept`);
    assert.deepEqual(page.complaints, []);
  }
  // Read out is only what is new.
  assert.equal(await grace.locator(".log").getAttribute("aria-live"), "polite");
});

test("a room whose server was restarted says so, and goes on", async () => {
  const ada = await enter("restarted", "Ada");
  await site.curl("/chat/restarted", { text: "before" });
  await said(ada, "before").waitFor();
  await site.encke.restart("SIGKILL");
  await ada.getByText("Something that was said may be missing here").waitFor();
  await site.curl("/chat/restarted", { text: "after" });
  await said(ada, "after").waitFor();
  assert.equal(await said(ada, "before").count(), 1);
  assert.equal(await ada.getByText("Ada joined").count(), 1);
});

test("the inspector opens under the strict policy", async () => {
  const page = await enter("inspected", "Ada");
  await page.getByRole("button", { name: "Inspect this page’s messages" }).click();
  await site.curl("/chat/inspected", { text: "seen twice" });
  await said(page, "seen twice").waitFor();
  await page.getByText('"text":"seen twice"').first().waitFor();
  assert.deepEqual(page.complaints, []);
});

test("who types is forgotten, and so is who never stops to begin", async () => {
  const page = await enter("typing", "Ada");
  await page.clock.install();
  for (let n = 0; n < 50; n += 1) await site.curl("/chat/typing/typing", { page: `page${n}`, name: `N${n}` });
  await page.locator(".typing").filter({ hasText: "N0, N1, N2 and 17 more are typing…" }).waitFor();
  await page.clock.runFor(5_000);
  assert.equal(await page.locator(".typing").textContent(), "");
});

test("the page keeps 200 lines, and stays where its reader reads", async () => {
  const page = await enter("long", "Ada");
  for (let n = 0; n < 210; n += 1) await fetch(site.url("channels/chat/long"), { method: "POST", body: JSON.stringify({ text: `line ${n}` }), headers: { "Content-Type": "application/json" } });
  await said(page, /line 209$/).waitFor();
  assert.equal(await page.locator(".log p").count(), 200);
  const log = page.locator(".log");
  assert.ok(await log.evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight < 5), "the last line is in sight");
  await log.evaluate((log) => (log.scrollTop = 100));
  await site.curl("/chat/long", { text: "the newest" });
  await said(page, "the newest").waitFor();
  assert.ok(await log.evaluate((log) => log.scrollTop < 200), "whoever reads further up is left in peace");
});
