// The files of deploy/ say what they have to, as far as that can be told without installing them.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { within } from "../interop/deadline.js";
import { binary } from "../interop/encke.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (file) => readFile(path.join(root, file), "utf8");
const run = promisify(execFile);
/** What `systemd-analyze security` may find wanting; 1.4 when it was written. */
const EXPOSURE = 1.5;

/** The values of a directive of the unit, in their order. */
const values = (unit, name) => [...unit.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value]) => value);

/** Does something with a folder that is gone afterwards. */
async function inFolder(does) {
  const folder = await mkdtemp(path.join(tmpdir(), "encke-deploy-"));
  try {
    return await does(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("systemd takes the unit, and finds its sandbox tight", () => inFolder(async (folder) => {
  const unit = await read("deploy/encke.service");
  const file = path.join(folder, "encke.service");
  await writeFile(file, unit.replace("/usr/local/bin/encke", binary()));
  const { stderr } = await run("systemd-analyze", ["verify", file]);
  assert.equal(stderr, "");
  const { stdout } = await run("systemd-analyze", ["security", "--offline=true", "--no-pager", file]);
  const [, exposure] = /Overall exposure level for encke\.service: ([\d.]+)/.exec(stdout) ?? assert.fail(stdout);
  assert.ok(Number(exposure) <= EXPOSURE, stdout);
}));

test("the unit waits longer for the end than a drain takes", async () => {
  const unit = await read("deploy/encke.service");
  const [drain] = /(?<=^drain = ")\d+(?=s")/m.exec(await read("encke.toml"));
  const [stop] = values(unit, "TimeoutStopSec").map((text) => Number(/^(\d+)s$/.exec(text)[1]));
  assert.ok(stop >= Number(drain) + 5, `${stop} s for a drain of ${drain} s`);
});

test("the configuration that the unit names is readable to nobody else", async () => {
  const unit = await read("deploy/encke.service");
  assert.deepEqual(values(unit, "ExecStart"), ["/usr/local/bin/encke serve --config %d/encke.toml"]);
  assert.deepEqual(values(unit, "LoadCredential"), ["encke.toml:/etc/encke/encke.toml"]);
  assert.deepEqual(values(unit, "DynamicUser"), ["yes"]);
});

test("the sandbox allows every system call that serving and draining take", () => inFolder(async (folder) => {
  const unit = await read("deploy/encke.service");
  const allowed = await allowedCalls(values(unit, "SystemCallFilter"));
  const config = path.join(folder, "encke.toml");
  await writeFile(config, "[rights]\nopen = true\n");
  const trace = path.join(folder, "trace");
  const serve = [binary(), "serve", "--config", config, "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"];
  const traced = spawn("strace", ["-f", "-qq", "-o", trace, ...serve], { stdio: ["ignore", "pipe", "ignore"], detached: true });
  try {
    let said = "";
    const url = await within(20_000, new Promise((resolve) => {
      traced.stdout.setEncoding("utf8").on("data", (text) => {
        said += text;
        const found = /^ {2}public +(http:\S+)$[^]*^ {2}publish/m.exec(said);
        if (found) resolve(found[1]);
      });
    }), () => `Encke under strace does not start: ${said}`);
    const stream = await fetch(new URL("/channels/a?as=event-stream", url));
    await (await fetch(new URL("/channels/a", url), { method: "POST", body: "1", headers: { "Content-Type": "application/json" } })).text();
    const ended = new Promise((resolve) => traced.once("exit", resolve));
    // To the group: strace passes it on to nobody.
    process.kill(-traced.pid, "SIGTERM");
    await stream.text();
    await within(20_000, ended, () => "Encke under strace does not end");
  } finally {
    if (traced.exitCode === null && traced.signalCode === null) process.kill(-traced.pid, "SIGKILL");
  }
  const calls = new Set([...(await readFile(trace, "utf8")).matchAll(/^\d+ +([a-z]\w*)\(/gm)].map(([, call]) => call));
  assert.ok(calls.has("accept4") && calls.has("prlimit64"), [...calls].join(" "));
  assert.deepEqual([...calls].filter((call) => !allowed.has(call)), []);
}));

/** The system calls that filters allow, by systemd's own lists. */
async function allowedCalls(filters) {
  const { stdout } = await run("systemd-analyze", ["syscall-filter", "--no-pager"]);
  const sets = new Map();
  for (const line of stdout.split("\n")) {
    if (line.startsWith("@")) sets.set(line.trim(), []);
    else if (/^ {4}[@a-z]/.test(line)) [...sets.values()].at(-1).push(line.trim());
  }
  const members = (name) => (name.startsWith("@") ? sets.get(name).flatMap(members) : [name]);
  const allowed = new Set(members("@default"));
  for (const filter of filters) {
    for (const name of filter.replace("~", "").split(" ")) {
      for (const call of members(name)) allowed[filter.startsWith("~") ? "delete" : "add"](call);
    }
  }
  return allowed;
}

/** The instructions of the Dockerfile as pairs, continued lines joined, stage by stage. */
async function stages() {
  const lines = (await read("deploy/Dockerfile")).replaceAll("\\\n", "").split("\n").filter((line) => /^[A-Z]+ /.test(line));
  const found = [];
  for (const line of lines) {
    const [, instruction, rest] = /^([A-Z]+) (.*)$/.exec(line);
    if (instruction === "FROM") found.push([]);
    found.at(-1).push([instruction, rest]);
  }
  return found;
}

test("the image serves in production mode, as nobody, and has no compiler in it", async () => {
  const [build, image, ...more] = await stages();
  assert.equal(more.length, 0);
  const said = Object.fromEntries(image);
  assert.deepEqual(JSON.parse(said.ENTRYPOINT), ["/usr/local/bin/encke"]);
  assert.deepEqual(JSON.parse(said.CMD), ["serve", "--config", "/etc/encke/encke.toml"]);
  assert.match(said.USER, /^[1-9]\d+:[1-9]\d+$/);
  assert.equal(said.STOPSIGNAL, "SIGTERM");
  assert.doesNotMatch(said.FROM, /rust|latest/);
  assert.equal(said.COPY, "--from=build /src/target/release/encke /usr/local/bin/encke");
  assert.equal(said.EXPOSE, "8080", "the internal listener is not for the public");
  assert.ok(image.findIndex(([name]) => name === "USER") < image.findIndex(([name]) => name === "ENTRYPOINT"));

  const [, rust] = /^rust-version = "(.*)"$/m.exec(await read("Cargo.toml"));
  assert.equal(build[0][1], `rust:${rust}-slim-bookworm AS build`);
  assert.match(Object.fromEntries(build).RUN, /--locked/);
});

test("the variables of the image are ones that Encke reads, and its command is one that it takes", async () => {
  const [, image] = await stages();
  const variables = Object.fromEntries(image).ENV.split(" ").map((pair) => pair.split("="));
  const { stdout } = await run(binary(), ["serve", "--help"]);
  for (const [name] of variables) assert.ok(stdout.includes(`[env: ${name}=`), name);
  await assert.rejects(run(binary(), JSON.parse(Object.fromEntries(image).CMD)), ({ stderr }) => {
    assert.match(stderr, /^encke: .*\/etc\/encke\/encke\.toml/);
    return true;
  });
});

test("what the build does not read is not sent to it, and what it reads is", async () => {
  const lines = (await read("deploy/Dockerfile.dockerignore")).split("\n").filter((line) => line && !line.startsWith("#"));
  assert.equal(lines.shift(), "*");
  for (const line of lines) assert.ok(line.startsWith("!") && existsSync(path.join(root, line.slice(1))), line);
  const kept = lines.map((line) => line.slice(1));
  const manifest = await read("Cargo.toml");
  for (const member of JSON.parse(/^members = (\[.*\])$/m.exec(manifest)[1])) assert.ok(kept.includes(member), member);
});
