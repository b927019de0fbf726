// Names and texts full of markup are text in every demo: nothing runs, nothing is loaded, nothing grows beyond bounds.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Site } from "./browser.js";
import { dojo } from "./dojo.js";

const HOSTILE = {
  "an image that fails": `<img src=x onerror="document.body.dataset.broken = 'yes'">`,
  "a script": `</p><script>document.body.dataset.broken = "yes"</script>`,
  quotes: `"'\`><b onmouseover='document.body.dataset.broken=1'>&amp;&lt;`,
  "marks that turn the direction": `\u202Egnorw si txet siht\u2066 \u200F\u061C`,
  "separators and nothing": `\u2028\u2029\u0000\uFEFF\uD83D\uDE80 a\u0301`,
};
const LONG = "m".repeat(10_000);

let site;
before(async () => (site = await Site.open()));
after(() => site.close());

async function unharmed(page) {
  assert.equal(await page.evaluate(() => document.body.dataset.broken), undefined);
  assert.equal(await page.locator("main img, main script, main b").count(), 0);
  const [scroll, client] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(scroll <= client, `${scroll} pixels of content in a window of ${client}`);
  // What a stranger writes stands in a box of its own direction.
  for (const isolated of await page.locator(".theirs").evaluateAll((all) => all.map((one) => getComputedStyle(one).unicodeBidi))) {
    assert.match(isolated, /^isolate/);
  }
  assert.deepEqual(page.complaints, []);
}

/** Every way in which a message can be no message. */
const SHAPELESS = [null, true, 7, "plain words", [], [["a"]], {}, { name: {}, text: [] }, { text: null }, { event: true }, { name: 5, event: 6, text: 7 }];

const connected = (page) => page.locator('.state[data-state="connected"]').waitFor();

test("in the chat", async () => {
  const page = await site.visit("demos/chat/#markup", { width: 390 });
  await page.locator(".log .event").first().waitFor();
  for (const [what, text] of Object.entries(HOSTILE)) {
    await site.curl("/chat/markup", { name: text, text });
    await site.curl("/chat/markup", { name: text, event: true, text });
    await site.curl("/chat/markup/typing", { page: what, name: text });
    await site.curl("/chat/markup", { text: `after ${what}` });
    await page.locator(".text").filter({ hasText: `after ${what}` }).waitFor();
    assert.equal(await page.locator(".log .said .text").nth(-2).textContent(), text, what);
  }
  await site.curl("/chat/markup", { name: LONG, text: LONG });
  await page.getByText("(8,000 more characters)").waitFor();
  assert.ok((await page.locator(".log .said .name").last().textContent()).length < 80);
  for (const data of SHAPELESS) await site.curl("/chat/markup", data);
  for (const data of SHAPELESS) await site.curl("/chat/markup/typing", data);
  await site.curl("/chat/markup", { name: "Ada", text: "still here" });
  await page.locator(".said").filter({ hasText: "still here" }).waitFor();
  await unharmed(page);
});

test("in the slideshow, for both audiences", async () => {
  const channel = "/slideshow/markup";
  const today = await site.visit("demos/slideshow/audience.html#markup", { width: 390 });
  const then = await site.visit("demos/slideshow/audience-2007.html#markup", { width: 390, ...dojo });
  for (let sessions = 0; sessions < 2; ) ({ sessions } = await site.curl(channel, { title: "ready" }));
  for (const [what, text] of Object.entries(HOSTILE)) {
    await site.curl(channel, { title: text, text, number: text, of: text });
    for (const page of [today, then]) {
      await page.waitForFunction((text) => document.querySelector(".slide .text").textContent === text, text, { timeout: 10_000 })
        .catch(() => assert.fail(`${what} did not arrive as it is`));
    }
  }
  await site.curl(channel, { title: LONG, text: LONG, number: LONG, of: LONG });
  for (const page of [today, then]) {
    await page.waitForFunction(() => document.querySelector(".slide .title").textContent.startsWith("mmm"));
    assert.ok((await page.locator(".slide").textContent()).length < 1_000);
  }
  for (const data of SHAPELESS) await site.curl(channel, data);
  await site.curl(channel, { title: "The last", text: "" });
  for (const page of [today, then]) await page.getByText("The last").waitFor();
  for (const page of [today, then]) await unharmed(page);
});

test("in the slideshow, for the presenter", async () => {
  const presenter = await site.visit("demos/slideshow/presenter.html#asked");
  await connected(presenter);
  const questions = [...SHAPELESS, ...Object.values(HOSTILE), { title: LONG, text: LONG }];
  for (const data of questions) await site.curl("/slideshow/asked/ask", data);
  await presenter.getByText(`have asked for the slide ${questions.length} times`).waitFor();
  assert.equal(await presenter.locator(".current .title").textContent(), "The page that does not ask");
  await unharmed(presenter);
});

test("where curl moves the page", async () => {
  const page = await site.visit("demos/curl/#markup", { width: 390 });
  await connected(page);
  for (const [what, text] of Object.entries(HOSTILE)) {
    await site.curl("/stage/markup", { text, color: text, x: text, y: text, turn: text, size: text });
    await page.waitForFunction((text) => document.querySelector(".words").textContent === text, text, { timeout: 10_000 })
      .catch(() => assert.fail(`${what} did not arrive as it is`));
  }
  assert.equal(await page.locator(".stage").getAttribute("style"), null);
  await site.curl("/stage/markup", { text: LONG, color: LONG });
  await page.getByText("(9,800 more characters)").waitFor();
  for (const data of SHAPELESS) await site.curl("/stage/markup", data);
  await site.curl("/stage/markup", { x: 1e300, y: -1e300, turn: 1e9, size: 1e9, text: "far" });
  await page.getByText("far", { exact: true }).waitFor();
  const stage = (name) => page.locator(".stage").evaluate((stage, name) => stage.style.getPropertyValue(name), name);
  assert.deepEqual(await Promise.all(["--x", "--y", "--turn", "--size"].map(stage)), ["100", "0", "360", "3"]);
  await unharmed(page);
});

test("in the session rater, where only votes count", async () => {
  const page = await site.visit("demos/rater/", { width: 390 });
  await connected(page);
  for (const text of Object.values(HOSTILE)) await site.curl("/rating/kettle/hostile", { stars: text, title: text });
  for (const stars of [-1, 6, 2.5, 1e300, "5", null, [5], { stars: 5 }, true, LONG]) await site.curl("/rating/kettle/hostile", { stars });
  for (const data of SHAPELESS) await site.curl("/rating/kettle/hostile", data);
  for (const channel of ["/rating/kettle", "/rating/no-such-talk/device", "/rating/__proto__/device", "/rating/constructor/device"]) await site.curl(channel, { stars: 5 });
  await site.curl("/rating/kettle/__proto__", { stars: 4 });
  await page.locator('[data-number="votes"]').filter({ hasText: /^1$/ }).waitFor();
  await page.locator('[data-number="average"]').filter({ hasText: "4.0" }).waitFor();
  await unharmed(page);
});

test("on the index", async () => {
  const page = await site.visit("", { width: 390 });
  await connected(page);
  for (const text of Object.values(HOSTILE)) {
    await site.curl("/chat/markup", { text, name: text });
    await page.waitForFunction((text) => document.querySelector(".heard code")?.textContent === text, JSON.stringify({ text, name: text }));
  }
  await site.curl("/chat/markup", LONG);
  await page.getByText("more characters)").waitFor();
  await unharmed(page);
});
