import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { WebSocket } from "ws";

import { Encke as Server } from "../interop/encke.js";
import { makeActor } from "./actor.js";
import { Project } from "./packed.js";
import { driver, tell } from "./story.js";

const client = fileURLToPath(new URL("../../client/", import.meta.url));
let project;
before(() => (project = new Project()));
after(() => project.remove());

for (const transport of ["websocket", "long-polling"]) {
  test(`the packed package tells its story in Node over ${transport}`, async () => {
    const { Encke } = await project.import();
    const encke = await Server.start();
    const local = makeActor(() => Encke, transport === "websocket" ? { WebSocket } : {});
    try {
      await tell({ encke, actor: driver(async (method, args) => local[method](...args)), url: encke.url("/bayeux"), transport });
    } finally {
      await local.disconnect();
      await encke.stop("SIGKILL");
    }
  });
}

test("a process whose client has disconnected ends by itself", async () => {
  const encke = await Server.start();
  try {
    const script = path.join(project.folder, "leave.mjs");
    writeFileSync(script, `
      import { Encke } from "encke";
      const comet = new Encke(process.argv[2]);
      for await (const { data } of (queueMicrotask(() => comet.publish("/a", "hello")), comet.messages("/a"))) {
        console.log(data);
        break;
      }
      await comet.disconnect();
    `);
    const said = execFileSync(process.execPath, [script, encke.url("/bayeux")], { encoding: "utf8", timeout: 10_000 });
    assert.equal(said, "hello\n");
  } finally {
    await encke.stop("SIGKILL");
  }
});

test("the package has the sources, both bundles and the types, and depends on nothing", () => {
  const files = readdirSync(project.package).sort();
  assert.deepEqual(files, ["README.md", "encke.js", "encke.mjs", "package.json", "src", "types"]);
  assert.equal(project.manifest.dependencies, undefined);
  assert.equal(project.manifest.scripts?.postinstall, undefined);
});

test("the published types serve a stranger's TypeScript", () => {
  const tsc = path.join(client, "node_modules/typescript/bin/tsc");
  const check = (source) => {
    writeFileSync(path.join(project.folder, "use.ts"), source);
    const options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck", "false"];
    return execFileSync(process.execPath, [tsc, ...options, "use.ts"], { cwd: project.folder, encoding: "utf8" });
  };
  check(`
    import { Encke, EnckeError, type State } from "encke";
    const comet = new Encke("/bayeux", { token: async () => "secret", transports: ["long-polling"] });
    const state: State = comet.state;
    comet.subscribe("/a/*", ({ data, channel, id, position }) => void [data, channel, id, position]).ready.then(() => state);
    comet.subscribe("/a", ({ replayed }) => void replayed, { since: "all", signal: AbortSignal.timeout(5) });
    comet.publish("/a/b", { text: "hello" }).catch((error: EnckeError) => error.code);
    comet.publish("/a/b", 1, { echo: false }).then(({ position }) => position?.length);
    comet.history("/a/*", { limit: 5 }).then(({ messages, cursor, more, recovered, reason }) => void [messages[0].data, cursor, more, recovered, reason]);
    comet.addEventListener("recovery", ({ detail }) => void [detail.pattern.length, detail.recovered, detail.reason?.length]);
    comet.addEventListener("state", ({ detail }) => void [detail.state, detail.transport?.length, detail.reason.length]);
    comet.addEventListener("error", ({ detail }) => void [detail.pattern?.length, detail.error.code]);
    async function read() { for await (const { channel } of comet.messages("/a/*")) channel.length; }
    void read();
  `);
  const wrong = 'import { Encke } from "encke"; new Encke("/b", { transports: ["carrier-pigeon"] });';
  assert.throws(() => check(wrong), ({ stdout }) => /"carrier-pigeon"' is not assignable/.test(stdout));
});

test("encke.js, encke.mjs and the types are those of the sources", (context) => {
  const built = mkdtempSync(path.join(tmpdir(), "encke-built-"));
  try {
    const said = execFileSync(process.execPath, [path.join(client, "build.js"), built], { encoding: "utf8" });
    const listing = (folder) => readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".d.ts")).sort();
    assert.deepEqual(listing(path.join(client, "types")), listing(path.join(built, "types")), "run npm run build in client/");
    const names = ["encke.js", "encke.mjs", ...listing(path.join(built, "types")).map((name) => `types/${name}`)];
    for (const name of names) {
      const [committed, fresh] = [client, built].map((folder) => readFileSync(path.join(folder, name), "utf8"));
      assert.ok(committed === fresh, `client/${name} is not current: run npm run build in client/`);
    }
    context.diagnostic(said.trim().replace("\n", "; "));
    const size = /encke\.js: ([\d.]+) KB, ([\d.]+) KB gzipped/.exec(readFileSync(path.join(client, "README.md"), "utf8"));
    const bytes = readFileSync(path.join(client, "encke.js"));
    assert.equal(size[1], (bytes.length / 1000).toFixed(1), "the size in client/README.md: run npm run build in client/");
    // Versions of zlib differ by some bytes.
    assert.ok(Math.abs(size[2] - gzipSync(bytes, { level: 9 }).length / 1000) < 0.2, "the gzipped size in client/README.md");
  } finally {
    rmSync(built, { recursive: true, force: true });
  }
});
