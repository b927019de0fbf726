// What the files of the demos promise: short, relative, without inline scripts or styles, their shown lines the real ones.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../demos", import.meta.url));
const entries = await readdir(folder, { recursive: true, withFileTypes: true });
const files = await Promise.all(
  entries.filter((entry) => entry.isFile()).map(async (entry) => {
    const file = path.join(entry.parentPath ?? entry.path, entry.name);
    return { name: path.relative(folder, file), text: await readFile(file, "utf8") };
  }),
);
const ending = (suffix) => files.filter(({ name }) => name.endsWith(suffix));

test("there are the pages that the index names", () => {
  const pages = ending(".html").map(({ name }) => name).sort();
  assert.deepEqual(pages, [
    "chat/index.html", "comments/index.html", "curl/index.html", "index.html", "rater/index.html",
    ...["audience-2007", "audience", "index", "presenter"].map((page) => `slideshow/${page}.html`),
  ]);
});

test("a file of a demo is read in a few minutes", () => {
  for (const { name, text } of files) assert.ok(text.split("\n").length <= 400, name);
  for (const [demo, most] of [["chat", 200], ["curl", 200], ["rater", 250]]) {
    const lines = ending(".js").filter(({ name }) => name.startsWith(demo)).flatMap(({ text }) => text.split("\n"));
    assert.ok(lines.length <= most, `${demo} has ${lines.length} lines`);
  }
});

test("nothing is inline, and every address is relative", () => {
  for (const { name, text } of ending(".html")) {
    assert.doesNotMatch(text, /<script(?![^>]*\bsrc=)/, `${name}: an inline script`);
    assert.doesNotMatch(text, /<style|\sstyle=|\son[a-z]+=/i, `${name}: an inline style or handler`);
    for (const [, address] of text.matchAll(/\s(?:href|src|data-href|data-file|action)="([^"]*)"/g)) {
      assert.doesNotMatch(address, /^(?:\/|[a-z]+:)/i, name);
    }
  }
  for (const { name, text } of ending(".css")) assert.doesNotMatch(text, /url\(|@import/, name);
});

test("no script makes markup out of text", () => {
  for (const { name, text } of ending(".js")) {
    assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc/, name);
  }
});

test("every file whose lines are shown says which, and the audience's page has five of them", () => {
  const shown = ending(".html").flatMap(({ name, text }) =>
    [...text.matchAll(/data-file="([^"]+)"/g)].map(([, file]) => path.join(path.dirname(name), file.replace(/^demos\//, ""))));
  assert.ok(shown.length >= 6, String(shown));
  for (const name of shown) {
    const { text } = files.find((file) => file.name === name);
    const [, few] = /^\/\/ In short:.*\n([^]*?)\n+\/\/ The rest is the page:/m.exec(text) ?? assert.fail(`${name} does not say which lines`);
    const lines = few.split("\n").filter((line) => line.trim() !== "");
    assert.ok(lines.length <= 16, `${name} shows ${lines.length} lines`);
    if (name.startsWith("slideshow/audience")) assert.ok(lines.length <= 5, `${name} shows ${lines.length} lines`);
  }
});
