// docs/history.md tells the truth: what it lets a reader paste gives what was said before, and what is said next.

import assert from "node:assert/strict";
import { test } from "node:test";

import { story } from "../interop/story.js";
import { Running, languages, snippets } from "./snippets.js";

const PAGE = "history.md";

/** The snippets in the order of the page, and how many there are below each heading. */
const COUNTS = { "": 3, "As lines": 2, "As pages": 1, "Publishing once": 1, "What you can rely on": 1 };

/** The snippets of one section. */
const of = (section) => snippets(PAGE).filter((snippet) => snippet.section === section);

async function publish(encke, text) {
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text }) };
  const response = await fetch(encke.url("/channels/chat/demo"), request);
  assert.equal(response.status, 200);
}

test("every snippet of the page is run, but for the one that needs a browser", () => {
  for (const [section, count] of Object.entries(COUNTS)) assert.equal(of(section).length, count, section);
  assert.equal(snippets(PAGE).length, Object.values(COUNTS).reduce((all, count) => all + count));
  assert.deepEqual([...languages(PAGE)].sort(), ["html", "js", "json", "python", "sh", "toml"]);
});

story("what nobody listened to is seen, and asked for", async ({ encke, later }) => {
  const [says, listens, asks] = of("").map((snippet) => () => later(new Running(snippet, encke)));
  assert.equal(await says().ends(), 0);
  await listens().says(["/chat/demo", "hello"]);
  const page = asks();
  assert.equal(await page.ends(), 0);
  const { messages, cursor, more } = JSON.parse(page.output.slice(page.output.indexOf("{")));
  assert.deepEqual(messages.map(({ channel, data }) => [channel, data]), [["/chat/demo", { text: "hello" }]]);
  assert.deepEqual([messages[0].ext.encke.position, more], [cursor, false]);
});

for (const [name, snippet] of [
  ["curl", () => of("As lines")[0]],
  ["Node", () => of("As lines")[1]],
  ["Python", () => of("As pages")[0]],
]) {
  story(`${name} gets what was said before it came, and what is said next`, async ({ encke, later }) => {
    await publish(encke, "before");
    const running = later(new Running(snippet(), encke));
    await running.says(["/chat/demo", "before"]);
    await publish(encke, "after");
    await running.says(["after"]);
    assert.equal(running.output.match(/before/g).length, 1, running.output);
  });
}

story("Node comes back to a server that was started again, and says what is missing", async ({ encke, later }) => {
  await publish(encke, "before");
  const running = later(new Running(of("As lines")[1], encke));
  await running.says(["before"]);
  await encke.restart();
  await publish(encke, "after");
  await running.says(["new_epoch", "after"]);
});

story("a key publishes once", async ({ encke, later }) => {
  const running = later(new Running(of("Publishing once")[0], encke));
  assert.equal(await running.ends(), 0, running.output);
  const answers = running.output.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  assert.deepEqual(answers.map(({ repeated }) => repeated), [undefined, true]);
  assert.equal(answers[0].position, answers[1].position);
});

story("who is slow is listed", async ({ encke, later }) => {
  const running = later(new Running(of("What you can rely on")[0], encke));
  assert.equal(await running.ends(), 0, running.output);
  assert.match(running.output, /\{"sessions":\[\]\}/);
});
