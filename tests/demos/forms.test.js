// Every page in every form: accessible, inside its width, silent, under a strict policy. With ENCKE_SCREENSHOTS set to
// a folder, each is also photographed there.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before, test } from "node:test";

import { FORMS, Site } from "./browser.js";
import { dojo } from "./dojo.js";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const screenshots = process.env.ENCKE_SCREENSHOTS;

let site;
before(async () => (site = await Site.open()));
after(() => site.close());

/** The pages, and what brings each to life before it is looked at. */
const PAGES = {
  index: {
    path: "",
    async live(page) {
      await page.locator('[data-number="sessions"]').filter({ hasText: /\d/ }).waitFor();
      await page.locator(".spark .stroke[points]").waitFor({ state: "attached" });
      await connected(page);
      await site.curl("/chat/demo", { text: "hello" });
      await page.locator(".heard code").waitFor();
    },
  },
  chat: {
    // A room for each form: what was said in another one is kept there.
    path: ({ width, scheme }) => `demos/chat/#${width}-${scheme}`,
    async live(page) {
      await connected(page);
      const channel = `/chat/${new URL(page.url()).hash.slice(1)}`;
      for (const data of [
        { name: "Caroline", event: true, text: "joined" },
        { name: "Caroline", text: "I have found another one tonight." },
        { text: "hello" },
        { name: "Johann", text: "It is back after three years and a third, exactly as computed: 1822, 1825, 1828. Nobody has to look for it any more, one only has to look." },
        { name: "Caroline", event: true, text: "left" },
      ]) await site.curl(channel, data);
      await site.curl(`${channel}/typing`, { page: "another", name: "Johann" });
      await page.getByText("Caroline left").waitFor();
      await page.locator(".typing").filter({ hasText: "typing" }).waitFor();
    },
  },
  slideshow: { path: "demos/slideshow/", live: sources },
  presenter: {
    path: "demos/slideshow/presenter.html#forms",
    async live(page) {
      await connected(page);
      await page.getByRole("button", { name: "Next" }).click();
      await page.getByText("2 of 7").waitFor();
    },
  },
  audience: {
    path: "demos/slideshow/audience.html#forms",
    async live(page) {
      await connected(page);
      const slide = { number: 3, of: 7, title: "2006: it gets a name", text: "Long polls, forever frames, script tags:\none trick for each browser." };
      await site.curl("/slideshow/forms", slide);
      await page.getByText("3 of 7").waitFor();
    },
  },
  "audience-2007": {
    path: "demos/slideshow/audience-2007.html#forms-2007",
    options: dojo,
    async live(page) {
      const slide = { number: 4, of: 7, title: "2007: three calls", text: "init, subscribe, publish." };
      await shownBy(page, "/slideshow/forms-2007", slide, "4 of 7");
    },
  },
  rater: {
    path: "demos/rater/",
    async live(page) {
      await connected(page);
      const votes = { ask: [4, 5, 3], hack: [5, 5, 4, 1], proxies: [2, 3], kettle: [5, 4, 5, 5, 3], slow: [1] };
      for (const [talk, all] of Object.entries(votes)) {
        for (const [device, stars] of all.entries()) await site.curl(`/rating/${talk}/device${device}`, { stars });
      }
      await page.getByRole("group", { name: "kettle" }).getByRole("radio", { name: "4 stars" }).check();
      await page.locator(".talk.ahead").waitFor();
      await page.locator(".talk.fresh").first().waitFor();
    },
  },
  curl: {
    path: "demos/curl/",
    async live(page) {
      await connected(page);
      await site.curl("/stage/demo", { text: "Hello from the shell", x: 60, y: 35, turn: -30, size: 1.5 });
      await page.getByText("Hello from the shell", { exact: true }).waitFor();
    },
  },
};

const connected = (page) => page.locator('.state[data-state="connected"]').waitFor();

/** All the sources of the page stand in it. */
async function sources(page) {
  for (const code of await page.locator(".source[data-file] code").all()) await code.filter({ hasText: "comet" }).waitFor();
}

/** Publishes until `page`, which does not say when it listens, shows it. */
async function shownBy(page, channel, data, text) {
  const deadline = Date.now() + 10_000;
  do {
    assert.ok(Date.now() < deadline, `nothing published on ${channel} is ever shown`);
    assert.deepEqual(page.complaints, []);
    await site.curl(channel, data);
  } while (!(await page.getByText(text).isVisible()));
}

for (const [name, { path: where, live, options }] of Object.entries(PAGES)) {
  for (const form of FORMS) {
    test(`${name} at ${form.width} pixels, ${form.scheme}`, async () => {
      const page = await site.visit(typeof where === "function" ? where(form) : where, { ...form, ...options });
      await live(page);
      await sources(page);
      if (screenshots) await page.screenshot({ path: path.join(screenshots, `${name}-${form.width}-${form.scheme}.png`), fullPage: true });

      const [scroll, client] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(scroll <= client, `${scroll} pixels of content in a window of ${client}`);

      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => axe.run());
      const said = violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.map(({ html, failureSummary }) => `  ${html}\n  ${failureSummary}`).join("\n")}`);
      assert.deepEqual(said, []);
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    });
  }
}
