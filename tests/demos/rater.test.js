import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { setImmediate } from "node:timers/promises";

import { Site } from "./browser.js";
import { run } from "./shell.js";

// Each story has a table without votes.
let site;
beforeEach(async () => {
  await site?.close();
  site = await Site.open();
});
after(() => site.close());

const HACK = "Long polling was never a hack";
const KETTLE = "Two million idle connections and a kettle";

const enter = async (options) => {
  const page = await site.visit("demos/rater/", options);
  await connected(page);
  return page;
};
const connected = (page) => page.locator('.state[data-state="connected"]').waitFor();
const card = (page, title) => page.locator(".talk").filter({ hasText: title });
const radio = (page, title, name) => page.getByRole("group", { name: `Your stars for “${title}”` }).getByRole("radio", { name, exact: true });
const chosen = (page, title) => card(page, title).locator("input:checked").inputValue();
const shows = (page, title, average, votes) =>
  card(page, title).locator(".tally").filter({ hasText: new RegExp(`^\\s*${average}\\s+${votes}\\s*$`) }).waitFor();
const number = (page, name, text) => page.locator(`[data-number="${name}"]`).filter({ hasText: new RegExp(`^${text}$`) }).waitFor();
const chooses = (page, title, value) =>
  card(page, title).locator(`input[value="${value}"]:checked`).waitFor({ state: "attached" });

test("two devices vote, change their minds and take a vote back, and both see it", async () => {
  const ada = await enter();
  const grace = await enter({ width: 390 });
  await shows(ada, HACK, "–", "no votes yet");

  await radio(ada, HACK, "5 stars").check();
  await radio(grace, HACK, "2 stars").check();
  await radio(grace, KETTLE, "4 stars").check();
  for (const page of [ada, grace]) {
    await shows(page, HACK, "3.5", "2 votes");
    await shows(page, KETTLE, "4.0", "1 vote");
    await number(page, "people", "2");
    await number(page, "votes", "3");
    await number(page, "average", "3.7");
    await page.locator(".talk.ahead").filter({ hasText: HACK }).waitFor();
    const bars = card(page, HACK).getByRole("img");
    assert.equal(await bars.getAttribute("aria-label"), "0 votes of 1 star, 1 vote of 2 stars, 0 votes of 3 stars, 0 votes of 4 stars, 1 vote of 5 stars");
  }

  await radio(grace, HACK, "4 stars").check();
  for (const page of [ada, grace]) await shows(page, HACK, "4.5", "2 votes");
  await radio(grace, HACK, "no vote").check();
  await radio(grace, KETTLE, "no vote").check();
  for (const page of [ada, grace]) {
    await shows(page, HACK, "5.0", "1 vote");
    await shows(page, KETTLE, "–", "no votes yet");
    await number(page, "people", "1");
    await number(page, "votes", "1");
  }
  // Nobody's stars are touched by those of others.
  assert.equal(await chosen(ada, HACK), "5");
  assert.equal(await chosen(grace, HACK), "0");
  assert.deepEqual([...ada.complaints, ...grace.complaints], []);
});

test("the lines in the page vote, watch and read, and the card is marked for a moment where a vote comes in", async () => {
  const page = await enter();
  const [vote, watch, read] = await page.locator(".line code").allTextContents();
  await run("sh", ["-c", `${vote} --silent`]);
  await page.locator(".talk.fresh").filter({ hasText: KETTLE }).waitFor();
  await shows(page, KETTLE, "5.0", "1 vote");
  await page.getByRole("status").filter({ hasText: `5 stars for “${KETTLE}”` }).waitFor();
  await page.locator(".talk.fresh").waitFor({ state: "detached" });

  const { messages } = JSON.parse(await run("sh", ["-c", `${read} --silent`]));
  const expected = { channel: "/rating/kettle/curl", data: { stars: 5 } };
  assert.deepEqual(messages.map(({ channel, data }) => ({ channel, data })), [expected]);
  // Whoever begins to watch hears the vote that there is.
  const { channel, data } = JSON.parse(await run("sh", ["-c", `${watch} --silent --max-time 8 | grep --max-count=1 stars`]));
  assert.deepEqual({ channel, data }, expected);

  await site.curl("/rating/kettle/curl", { stars: 0 });
  await shows(page, KETTLE, "–", "no votes yet");
  await page.getByRole("status").filter({ hasText: `Taken back: a vote for “${KETTLE}”` }).waitFor();
});

test("who comes late sees the state at once, and nothing in it is news", async () => {
  for (let device = 0; device < 30; device += 1) {
    await site.curl(`/rating/hack/device${device}`, { stars: 1 });
    await site.curl(`/rating/hack/device${device}`, { stars: 1 + (device % 5) });
  }
  await site.curl("/rating/kettle/device0", { stars: 4 });
  const late = await site.visit("demos/rater/", {
    before: (page) => page.addInitScript(() => {
      addEventListener("DOMContentLoaded", () => {
        window.marked = 0;
        const watch = new MutationObserver((all) => (window.marked += all.filter(({ target }) => target.classList.contains("fresh")).length));
        watch.observe(document.querySelector(".day"), { subtree: true, attributeFilter: ["class"] });
      });
    }),
  });
  await shows(late, HACK, "3.0", "30 votes");
  await shows(late, KETTLE, "4.0", "1 vote");
  await number(late, "people", "30");
  assert.equal(await chosen(late, HACK), "0");
  assert.equal(await late.evaluate(() => window.marked), 0);
  assert.equal(await late.locator(".news").textContent(), "Nobody has voted while you were here.");

  await radio(late, HACK, "3 stars").check();
  await shows(late, HACK, "3.0", "31 votes");
  await late.locator(".talk.fresh").waitFor();
});

test("a device keeps its vote over a reload, and its windows agree", async () => {
  const page = await enter();
  await radio(page, HACK, "2 stars").check();
  await shows(page, HACK, "2.0", "1 vote");
  await page.reload();
  await chooses(page, HACK, 2);
  await shows(page, HACK, "2.0", "1 vote");

  const another = await page.context().newPage();
  await another.goto(site.url("demos/rater/"));
  await chooses(another, HACK, 2);
  await radio(another, HACK, "5 stars").check();
  for (const window of [page, another]) {
    await chooses(window, HACK, 5);
    await shows(window, HACK, "5.0", "1 vote");
    await number(window, "people", "1");
  }
});

test("a server that was restarted begins with no votes, and what was chosen meanwhile counts", async () => {
  const ada = await enter();
  const grace = await enter();
  await radio(ada, HACK, "5 stars").check();
  await radio(grace, KETTLE, "3 stars").check();
  for (const page of [ada, grace]) await number(page, "votes", "2");

  await site.encke.stop("SIGKILL");
  await ada.locator('.state:not([data-state="connected"])').waitFor();
  await radio(ada, KETTLE, "1 star").check();
  await site.encke.restart();
  for (const page of [ada, grace]) {
    await connected(page);
    await shows(page, HACK, "–", "no votes yet");
    await shows(page, KETTLE, "1.0", "1 vote");
    await chooses(page, HACK, 0);
  }
  await chooses(ada, KETTLE, 1);
  await chooses(grace, KETTLE, 0);
  await radio(grace, HACK, "4 stars").check();
  for (const page of [ada, grace]) await shows(page, HACK, "4.0", "1 vote");
});

test("by keyboard alone: a talk is one stop, arrows choose, and nothing is set back on the way", async () => {
  const page = await enter();
  const other = await enter();
  await page.locator("#content").focus();
  const reached = () => page.evaluate(() => [document.activeElement.name, document.activeElement.value]);
  const stops = [];
  for (let stop = 0; stop < 3; stop += 1) {
    await page.keyboard.press("Tab");
    stops.push(await reached());
  }
  assert.deepEqual(stops, [["ask", "0"], ["hack", "0"], ["forms", "0"]]);
  await page.keyboard.press("Shift+Tab");
  for (let star = 1; star <= 4; star += 1) await page.keyboard.press("ArrowRight");
  assert.deepEqual(await reached(), ["hack", "4"]);
  await shows(other, HACK, "4.0", "1 vote");
  await shows(page, HACK, "4.0", "1 vote");
  assert.equal(await chosen(page, HACK), "4");
  await page.keyboard.press("ArrowLeft");
  await shows(other, HACK, "3.0", "1 vote");
  // Beyond the five stars there is no vote.
  for (let press = 0; press < 3; press += 1) await page.keyboard.press("ArrowRight");
  assert.deepEqual(await reached(), ["hack", "0"]);
  for (const one of [page, other]) await shows(one, HACK, "–", "no votes yet");

  // The star in focus is framed, the one that takes a vote back as well.
  for (const value of ["0", "1"]) {
    const frame = await card(page, HACK).locator(`label:has(input[value="${value}"])`).evaluate((label) => {
      const { outlineStyle, opacity } = getComputedStyle(label);
      return `${outlineStyle} ${opacity}`;
    });
    assert.equal(frame, "solid 1", value);
    await page.keyboard.press("ArrowRight");
  }
});

test("on a slow line, the echo of the star before does not set back whoever walks on", async () => {
  const late = [];
  let hold = false;
  const page = await enter({
    before: (page) => page.routeWebSocket(/\/bayeux$/, (socket) => {
      const server = socket.connectToServer();
      server.onMessage((frame) => (hold ? late.push({ socket, frame }) : socket.send(frame)));
    }),
  });
  const other = await enter();
  hold = true;
  await radio(page, HACK, "1 star").check();
  await shows(other, HACK, "1.0", "1 vote");
  await page.keyboard.press("ArrowRight");
  await shows(other, HACK, "2.0", "1 vote");
  // What the first star brought arrives, and the second one does not. Both have to be here: the other page may be the first to hear.
  const release = (frames) => frames.forEach(({ socket, frame }) => socket.send(frame));
  const isSecond = ({ frame }) => frame.includes('"stars":2');
  for (const end = Date.now() + 15_000; !late.some(isSecond) && Date.now() < end; ) await setImmediate();
  hold = false;
  release(late.filter((held) => !isSecond(held)));
  await shows(page, HACK, "1.0", "1 vote");
  assert.equal(await chosen(page, HACK), "2");
  release(late.filter(isSecond));
  await shows(page, HACK, "2.0", "1 vote");
  assert.equal(await chosen(page, HACK), "2");
});

test("many votes at once are told in few words, and invented devices only count up to a bound", async () => {
  const page = await enter();
  await page.evaluate(() => {
    window.told = [];
    new MutationObserver(() => window.told.push(document.querySelector(".news").textContent)).observe(document.querySelector(".news"), { childList: true });
  });
  await page.evaluate(async () => {
    const crowd = new Encke("../../bayeux");
    const votes = Array.from({ length: 2100 }, (_, device) => crowd.publish(`/rating/kettle/d${device}`, { stars: 1 + (device % 5) }));
    await Promise.all(votes);
    await crowd.publish("/rating/hack/last", { stars: 3 });
  });
  await shows(page, HACK, "3.0", "1 vote");
  await shows(page, KETTLE, "3.0", "2,000 votes");
  await page.getByRole("status").filter({ hasText: `3 stars for “${HACK}”` }).waitFor();
  const told = await page.evaluate(() => window.told);
  assert.ok(told.length < 8, `2,101 votes were told ${told.length} times`);
  assert.deepEqual(page.complaints, []);
});
