// The page tells the truth: what it lets a reader paste publishes and listens.

import assert from "node:assert/strict";
import { test } from "node:test";

import { within } from "../interop/deadline.js";
import { story } from "../interop/story.js";
import { Running, languages, snippets } from "./snippets.js";

const LANGUAGES = ["encke", "curl", "Python", "Node", "Ruby", "PHP"];
const MESSAGE_MS = 30_000;

/** What the snippets of the other sections publish, in their order. */
const OTHERS = {
  "Other bodies": [
    [{ channel: "/chat/demo", data: "hello" }],
    [{ channel: "/chat/demo", data: { name: "Ann", text: "hello & good-bye" } }],
    [{ channel: "/chat/demo", data: "R0lGODlh" }],
  ],
  "Many channels at once": [
    [
      { channel: "/chat/demo", data: { text: "hello" } },
      { channel: "/chat/other", data: { text: "hello" } },
    ],
  ],
};
const PAGE = "Without any script";

/** First `"listening"`, then the messages of `/chat/*` as they come, heartbeats left out, and where they stand. */
async function* listen(encke, signal) {
  const response = await fetch(encke.url("/channels/chat/*?as=lines"), { signal });
  assert.equal(response.status, 200);
  yield "listening";
  let begun = "";
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (begun + piece).split("\n");
    begun = lines.pop();
    for (const line of lines.filter((line) => line !== "")) {
      const { ext, ...message } = JSON.parse(line);
      assert.equal(typeof ext.encke.position, "string");
      yield message;
    }
  }
}

/** Publishes until one session hears it; answers with the text that it heard. */
async function publishToSomebody(encke) {
  for (let number = 0; ; number += 1) {
    const text = `hello ${number}`;
    const headers = { "Content-Type": "application/json" };
    const request = { method: "POST", headers, body: JSON.stringify({ text }) };
    const response = await fetch(encke.url("/channels/chat/demo"), request);
    if ((await response.json()).sessions === 1) return text;
  }
}

const of = (section) => snippets().filter((snippet) => snippet.section === section);

/** The two snippets of one section: what publishes, and what listens. */
function pair(section) {
  const [publishes, listens, ...more] = of(section);
  assert.ok(publishes && listens && more.length === 0, `${section} has to have two snippets`);
  return { publishes, listens };
}

/** Runs a snippet to its end, and answers with as many messages as are wanted. */
async function heard(snippet, count, { encke, later }) {
  const leave = new AbortController();
  later({ stop: () => leave.abort() });
  const messages = listen(encke, leave.signal);
  await messages.next();
  const running = later(new Running(snippet, encke));
  assert.equal(await running.ends(), 0, running.output);
  assert.match(running.output, /position/, "it shows the server's answer");
  const found = [];
  while (found.length < count) {
    const { value } = await within(MESSAGE_MS, messages.next(), () => `no message; it said: ${running.output}`);
    found.push(value);
  }
  return found;
}

test("no snippet stands on the page without being run", () => {
  const run = [...LANGUAGES.flatMap((section) => [section, section]), ...Object.keys(OTHERS), PAGE];
  const counted = snippets().map(({ section }) => section);
  for (const [section, messages] of Object.entries(OTHERS)) assert.equal(of(section).length, messages.length);
  assert.equal(of(PAGE).length, 1);
  assert.deepEqual([...new Set(counted)].sort(), [...new Set(run)].sort());
  assert.deepEqual([...languages()].sort(), ["js", "json", "php", "python", "ruby", "sh"]);
});

for (const [section, all] of Object.entries(OTHERS)) {
  for (const [number, messages] of all.entries()) {
    story(`${section}, ${number + 1}: published as the table says`, async (things) => {
      assert.deepEqual(await heard(of(section)[number], messages.length, things), messages);
    });
  }
}

story("a page without a script is read by w3m as the line shows it", async ({ encke, later }) => {
  const running = later(new Running(of(PAGE)[0], encke));
  const text = await within(MESSAGE_MS, publishToSomebody(encke), () => `nobody listens: ${running.output}`);
  assert.equal(await running.ends(), 0, running.output);
  assert.match(running.output, new RegExp(text));
});

story("w3m shows the page itself once the server has ended it", async ({ encke, later }) => {
  const line = `w3m -dump '${encke.url("/channels/chat/demo")}'\n`;
  const running = later(new Running({ language: "sh", text: line }, encke));
  const text = await within(MESSAGE_MS, publishToSomebody(encke), () => `nobody listens: ${running.output}`);
  await encke.stop("SIGTERM");
  assert.equal(await running.ends(), 0, running.output);
  assert.match(running.output, new RegExp(text));
});

for (const section of LANGUAGES) {
  story(`${section} publishes, and a subscriber hears it`, async (things) => {
    const messages = await heard(pair(section).publishes, 1, things);
    assert.deepEqual(messages, [{ channel: "/chat/demo", data: { text: "hello" } }]);
  });

  story(`${section} fails audibly where nobody may publish`, async ({ encke, later }) => {
    const { language, text } = pair(section).publishes;
    const refused = { language, text: text.replaceAll("/chat/demo", "/service/nobody") };
    const running = later(new Running(refused, encke));
    const code = await running.ends();
    // PHP warns and goes on, as it always does.
    if (section !== "PHP") assert.notEqual(code, 0, running.output);
    assert.match(running.output, /403/);
  });

  story(`${section} listens, and prints what is published`, async ({ encke, later }) => {
    const running = later(new Running(pair(section).listens, encke));
    const heard = publishToSomebody(encke);
    const text = await within(MESSAGE_MS, heard, () => `it does not listen, and said: ${running.output}`);
    await running.says(["/chat/demo", text]);
  });
}
