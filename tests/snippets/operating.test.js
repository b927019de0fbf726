// "In production" of README.md, and docs/operating.md, as a newcomer follows them: init, serve, publish, tokens, and what operators ask.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Encke } from "../interop/encke.js";
import { run } from "../demos/shell.js";
import { Running, snippets } from "./snippets.js";

const TESTS = fileURLToPath(new URL("..", import.meta.url));
const README = "../README.md";
const PAGE = "operating.md";
const of = (page, section) => snippets(page).filter((snippet) => snippet.section === section);

let folder, encke, env;
before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "encke-newcomer-"));
  const [init] = of(README, "In production");
  assert.match(init.text, /^encke init\nencke serve --config encke\.toml\n$/);
  const shown = await lines(init.text.split("\n")[0]);
  const [key] = /(?<=^ {2})encke_\w+$/m.exec(shown);
  const config = readFileSync(path.join(folder, "encke.toml"), "utf8");
  const [secret] = /(?<=^secret = ")\w+(?="$)/m.exec(config);
  env = { KEY: key, TOKEN_SECRET: secret };
  encke = await Encke.start({ config });
});
after(async () => {
  await encke?.stop("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** Runs lines of shell in the newcomer's folder, where `encke` is a command; answers with what they wrote. */
async function lines(text) {
  const running = new Running({ language: "sh", text }, encke ?? { url: () => "", internalUrl: () => "" }, { cwd: folder, env });
  try {
    assert.equal(await running.ends(), 0, running.output);
    return running.output;
  } finally {
    running.stop();
  }
}

const listen = (token, channel) => fetch(encke.url(`/channels/${channel}?as=messages`), { headers: token ? { Authorization: `Bearer ${token}` } : {} });

test("the key publishes, and everybody may read the news", async () => {
  const [, publishes] = of(README, "In production");
  assert.match(await lines(publishes.text), /"channel":"\/news\/today"/);
  const { messages } = await (await listen(undefined, "news/today")).json();
  assert.deepEqual(messages.map(({ data }) => data), [{ text: "hello" }]);
  // Without the key, nobody publishes.
  const forged = await fetch(encke.url("/channels/news/today"), { method: "POST", body: "1", headers: { "Content-Type": "application/json" } });
  assert.equal(forged.status, 403);
});

for (const [number, language] of [[2, "python"], [3, "js"]]) {
  test(`a token made in ${language} is one that the rules know`, async () => {
    const snippet = of(README, "In production")[number];
    assert.equal(snippet.language, language);
    // The libraries are those of the tests.
    const PATH = `${path.join(TESTS, ".venv", "bin")}:${process.env.PATH}`;
    const running = new Running(snippet, encke, { env: { ...env, PATH }, modules: path.join(TESTS, "node_modules") });
    const code = await running.ends();
    running.stop();
    assert.equal(code, 0, running.output);
    const token = running.output.trim();
    assert.equal((await listen(token, "users/alice/inbox")).status, 200);
    assert.equal((await listen(token, "users/bob/inbox")).status, 403);
    assert.match(await lines(`encke token check ${token}`), /alice/);
  });
}

test("the rules that README shows stand in the file", () => {
  const readme = readFileSync(path.join(TESTS, "..", "README.md"), "utf8");
  const [, shown] = /^```toml\n([^]*?)^```$/m.exec(readme.slice(readme.indexOf("## In production")));
  const config = readFileSync(path.join(folder, "encke.toml"), "utf8");
  for (const rule of shown.trim().split("\n\n")) assert.ok(config.includes(rule), rule);
});

test("operating: a configuration is written and checked", async () => {
  const [snippet, ...more] = of(PAGE, "A configuration");
  assert.equal(more.length, 0);
  const elsewhere = mkdtempSync(path.join(tmpdir(), "encke-newcomer-"));
  const running = new Running(snippet, encke, { cwd: elsewhere });
  assert.equal(await running.ends(), 0, running.output);
  running.stop();
  rmSync(elsewhere, { recursive: true });
});

test("operating: tokens are revoked, people sent away, sessions listed, health and metrics read", async () => {
  const [secrets, health] = [of(PAGE, "Secrets"), of(PAGE, "Health and metrics")];
  assert.deepEqual([secrets.length, health.length, snippets(PAGE).length], [1, 1, 3], "every snippet is run here");
  const answers = (await lines(secrets[0].text)).split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  assert.deepEqual(answers, [{ ended: 0 }, { ended: 0 }, { sessions: [] }]);
  const said = await lines(health[0].text);
  assert.match(said, /^ready$/m);
  assert.match(said, /^encke_sessions 0$/m);
  // Every figure that the page names is one that the server counts; those with a cause show themselves when there is one.
  const source = readFileSync(path.join(TESTS, "..", "server", "src", "metrics.rs"), "utf8");
  const page = readFileSync(path.join(TESTS, "..", "docs", PAGE), "utf8");
  const named = new Set([...page.matchAll(/`encke_(\w+?)(?:_total)?[`{]/g)].map(([, name]) => name));
  assert.ok(named.size >= 5);
  for (const name of named) assert.match(source, new RegExp(`register(?:_with_unit)?\\(\\s*"${name}"`), name);
});

test("operating: the flags and variables that the page names are those of the command", async () => {
  const page = readFileSync(path.join(TESTS, "..", "docs", PAGE), "utf8");
  const help = await lines("encke serve --help");
  for (const [, name] of page.matchAll(/`(--[a-z-]+|ENCKE_[A-Z_]+)`/g)) assert.ok(help.includes(name), name);
});
