import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { story } from "../story.js";
import { Running } from "./curl.js";

const shell = promisify(execFile);

story("the two curl lines that the binary prints work as printed", async ({ encke, later }) => {
  // Each stands behind a word that says what it does.
  const lines = [...encke.output.matchAll(/^ +(?:\w+ +)?(curl .+)$/gm)].map(([, line]) => line);
  assert.equal(lines.length, 2, encke.output);
  const publishes = (line) => / (-d|--data|--json|-X ?POST)\b/.test(line);
  const publish = lines.find(publishes);
  const subscribe = lines.find((line) => !publishes(line));
  assert.ok(publish && subscribe, encke.output);

  const stream = new Running("sh", ["-c", `exec ${subscribe}`]);
  later(stream);
  // A plain curl does not say when it listens; the publish's own answer does.
  const deadline = Date.now() + 10_000;
  let reached = 0;
  while (reached === 0) {
    assert.ok(Date.now() < deadline, `nobody ever heard what \`${publish}\` published: ${stream.output}`);
    const { stdout } = await shell("sh", ["-c", publish], { timeout: 10_000 });
    const answer = JSON.parse(stdout);
    assert.equal(typeof answer.sessions, "number", stdout);
    reached = answer.sessions;
  }
  const channel = /\/channels(\/[^\s'"?]+)/.exec(publish)[1];
  // Blank lines and comments are heartbeats.
  const isMessage = (line) => line.trim() !== "" && !line.startsWith(":");
  await stream.until(`message on ${channel}`, () => stream.output.split("\n").some(isMessage));
});

story("the banner says in plain words that this mode is open", async ({ encke }) => {
  assert.match(encke.output, /development/i);
  assert.match(encke.output, /open|anyone|everybody|allowed/i);
});
