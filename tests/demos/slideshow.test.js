import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Site } from "./browser.js";
import { dojo } from "./dojo.js";

let site;
before(async () => (site = await Site.open()));
after(() => site.close());

const shows = (page, title) => page.locator("main .slide .title").first().filter({ hasText: title }).waitFor();
const FIRST = "The page that does not ask";
const SECOND = "1995: pictures that change";
const THIRD = "2006: it gets a name";

test("a presenter turns, the audience follows, and who comes late sees where they are", async () => {
  const presenter = await site.visit("demos/slideshow/");
  await presenter.getByRole("link", { name: "Start a slideshow" }).click();
  await presenter.waitForURL(/presenter\.html#[a-z0-9]{12}$/);
  await shows(presenter, FIRST);
  await presenter.locator(".preview").getByText(SECOND).waitFor();

  const link = await presenter.locator(".line.address code").textContent();
  assert.equal(link, site.url(`demos/slideshow/audience.html${new URL(presenter.url()).hash}`));
  const where = link.slice(site.url("").length);
  const early = await site.visit(where);
  await shows(early, FIRST);

  await presenter.getByRole("button", { name: "Next" }).click();
  await shows(early, SECOND);
  await presenter.keyboard.press("ArrowRight");
  await shows(early, THIRD);
  await presenter.getByRole("button", { name: "Previous" }).click();
  await shows(early, SECOND);
  await presenter.keyboard.press("End");
  await shows(early, "This slide reached you that way");
  await presenter.keyboard.press("ArrowRight");
  await presenter.keyboard.press("Home");
  await shows(early, FIRST);
  await presenter.keyboard.press("PageDown");
  await shows(early, SECOND);

  const late = await site.visit(where, { width: 390 });
  const late2007 = await site.visit(where.replace("audience.html", "audience-2007.html"), dojo);
  for (const page of [late, late2007]) await shows(page, SECOND);
  await presenter.getByText(/have asked for the slide \d times/).waitFor();

  await presenter.keyboard.press("ArrowRight");
  for (const page of [early, late, late2007]) await shows(page, THIRD);

  await presenter.reload();
  await shows(presenter, THIRD);
  for (const page of [presenter, early, late, late2007]) assert.deepEqual(page.complaints, []);
});

test("an audience that was there first waits for the presenter, and returns after the server was away", async () => {
  const early = await site.visit("demos/slideshow/audience.html#first");
  await shows(early, "Waiting for the presenter");
  const presenter = await site.visit("demos/slideshow/presenter.html#first");
  await shows(early, FIRST);

  await site.encke.restart("SIGKILL");
  await presenter.locator('.state[data-state="connected"]').waitFor();
  await early.locator('.state[data-state="connected"]').waitFor();
  await presenter.keyboard.press("ArrowRight");
  await shows(early, SECOND);
});

test("however many ask, few answers are sent", async () => {
  const presenter = await site.visit("demos/slideshow/presenter.html#many");
  const audience = await site.visit("demos/slideshow/audience.html#many", {
    before: (page) => page.addInitScript(() => {
      addEventListener("DOMContentLoaded", () => {
        window.drawn = 0;
        new MutationObserver(() => (window.drawn += 1)).observe(document.querySelector(".slide"), { childList: true });
      });
    }),
  });
  await shows(audience, FIRST);
  const before = await audience.evaluate(() => window.drawn);
  await Promise.all(Array.from({ length: 40 }, () => site.curl("/slideshow/many/ask", {})));
  await presenter.getByText(/have asked for the slide 4\d times/).waitFor();
  await presenter.keyboard.press("ArrowRight");
  await shows(audience, SECOND);
  const drawn = (await audience.evaluate(() => window.drawn)) - before;
  assert.ok(drawn < 20, `40 questions were answered ${drawn} times`);
});

test("every slide fits its frame, wide and on a phone, and so does its preview", async () => {
  for (const width of [1280, 390]) {
    const presenter = await site.visit("demos/slideshow/presenter.html#fits", { width });
    for (let number = 1; number <= 7; number += 1) {
      await presenter.getByText(`${number} of 7`).waitFor();
      const cut = await presenter.locator(".slide").evaluateAll((all) => all.filter((slide) => slide.scrollHeight > slide.clientHeight).map((slide) => slide.textContent));
      assert.deepEqual(cut, [], `at ${width} pixels`);
      await presenter.keyboard.press("ArrowRight");
    }
  }
});
