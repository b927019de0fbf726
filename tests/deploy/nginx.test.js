// deploy/nginx.conf in a real nginx, in front of `encke serve`: every transport passes, nothing is held back, and who knocks
// is named.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer, request } from "node:http";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { connect, handshake, post } from "../interop/bayeux.js";
import { within } from "../interop/deadline.js";
import { Encke } from "../interop/encke.js";
import { connect as held, Socket } from "../interop/shell/socket.js";

const EXAMPLE = readFileSync(fileURLToPath(new URL("../../deploy/nginx.conf", import.meta.url)), "utf8");
/** Longer than a message takes, and shorter than anything that would push a held one out. */
const SOON_MS = 5_000;

let folder, encke, nginx, application, url;
const asked = [];

async function freePort() {
  const server = net.createServer();
  const port = await new Promise((listens) => server.listen(0, "127.0.0.1", () => listens(server.address().port)));
  await new Promise((closed) => server.close(closed));
  return port;
}

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "encke-nginx-"));
  encke = await Encke.start({ config: '[doors]\nbase = "/live"\nproxies = ["127.0.0.1"]\n[[rights.rule]]\nwho = ["anyone"]\nmay = ["publish", "subscribe"]\nchannels = ["/*"]\n' });
  application = createServer((request, response) => {
    asked.push({ url: request.url, headers: request.headers });
    response.end("the application");
  });
  await new Promise((listens) => application.listen(0, "127.0.0.1", listens));

  const port = await freePort();
  const places = { "127.0.0.1:8080": new URL(encke.url()).host, "127.0.0.1:8000": `127.0.0.1:${application.address().port}`, "listen 80;": `listen 127.0.0.1:${port};` };
  let text = EXAMPLE;
  for (const [from, to] of Object.entries(places)) {
    assert.equal(text.split(from).length, 2, `the example names ${from} once`);
    text = text.replace(from, to);
  }
  writeFileSync(path.join(folder, "encke.conf"), text);
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
  writeFileSync(path.join(folder, "nginx.conf"), `daemon off; pid ${folder}/pid; error_log stderr warn; worker_processes 1;
    events {} http { access_log off; ${paths} include ${folder}/encke.conf; }`);
  nginx = spawn("nginx", ["-p", folder, "-e", "stderr", "-c", path.join(folder, "nginx.conf")], { stdio: ["ignore", "ignore", "pipe"] });
  nginx.said = "";
  nginx.stderr.setEncoding("utf8").on("data", (text) => (nginx.said += text));
  url = `http://127.0.0.1:${port}`;
  await within(10_000, answers(), () => `nginx does not listen: ${nginx.said}`);
});

/** Returns when nginx answers. */
async function answers() {
  while (nginx.exitCode === null) {
    const reached = await new Promise((resolve) => {
      const socket = net.connect(Number(new URL(url).port), "127.0.0.1");
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (reached) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`nginx ended: ${nginx.said}`);
}

after(async () => {
  if (nginx?.exitCode === null) {
    const ended = new Promise((resolve) => nginx.once("exit", resolve));
    nginx.kill("SIGQUIT");
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 2_000).unref())]);
    nginx.kill("SIGKILL");
  }
  application?.close().closeAllConnections();
  await encke?.stop("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const publish = async (channel, data) => {
  const answer = await fetch(`${url}/live/channels${channel}`, { method: "POST", body: JSON.stringify(data), headers: { "Content-Type": "application/json" } });
  assert.equal(answer.status, 200);
  return answer.json();
};

test("a WebSocket opens, and hears at once", async () => {
  const socket = await Socket.open(`${url.replace("http", "ws")}/live/bayeux`, { origin: url });
  try {
    const clientId = await socket.session();
    await socket.ask({ channel: "/meta/subscribe", clientId, subscription: "/a", id: "s" });
    socket.send([held(clientId, "c")]);
    assert.equal((await publish("/a", "hello")).sessions, 1);
    const heard = await socket.until("the message", () => socket.heard.find(({ channel }) => channel === "/a"), SOON_MS);
    assert.equal(heard.data, "hello");
  } finally {
    socket.stop();
  }
});

test("a page of elsewhere is refused, also through nginx", async () => {
  await assert.rejects(Socket.open(`${url.replace("http", "ws")}/live/bayeux`, { origin: "http://elsewhere.example" }), /403/);
});

test("a poll is held, and answered when there is something", async () => {
  const endpoint = `${url}/live/bayeux`;
  const [{ clientId }] = (await post(endpoint, [handshake()])).replies;
  await post(endpoint, [{ channel: "/meta/subscribe", clientId, subscription: "/b" }, connect(clientId)]);
  const holding = post(endpoint, [connect(clientId, { advice: undefined })]);
  let sessions = 0;
  while (sessions < 1) ({ sessions } = await publish("/b", "hello"));
  const { replies } = await within(SOON_MS, holding, () => "the poll is not answered");
  assert.equal(replies.find(({ channel }) => channel === "/b").data, "hello");
});

for (const [form, line] of [["event-stream", /^data: "hello"$/m], ["lines", /"data":"hello"/]]) {
  test(`${form}: what is published is there at once, not when a buffer is full`, async () => {
    const leave = new AbortController();
    const response = await fetch(`${url}/live/channels/c?as=${form}`, { signal: leave.signal });
    assert.equal(response.status, 200);
    let text = "";
    const found = (async () => {
      let published;
      for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
        text += piece;
        published ??= publish("/c", "hello");
        if (line.test(text)) return true;
      }
      return false;
    })();
    assert.equal(await within(SOON_MS, found, () => `held back: ${text}`), true);
    leave.abort();
  });
}

test("below /live is Encke, beside it the application, and what a client says of its own address is not passed on", async () => {
  const headers = { "X-Forwarded-For": "192.0.2.7" };
  assert.equal(await (await fetch(`${url}/anything`, { headers })).text(), "the application");
  const { url: path, headers: seen } = asked.at(-1);
  assert.deepEqual([path, seen["x-forwarded-for"], seen.host], ["/anything", "127.0.0.1", new URL(url).host]);
  assert.match(await (await fetch(`${url}/live/encke.js`)).text(), /Encke/);
  for (const name of ["metrics", "health/ready", "api/sessions"]) assert.equal((await fetch(`${url}/live/${name}`)).status, 404, name);
});

test("who is refused is named by the address that nginx saw, and not by what the client claims", async () => {
  const headers = { "X-Forwarded-For": "192.0.2.7", Forwarded: "for=192.0.2.8", Authorization: "Bearer none" };
  const status = await new Promise((resolve, reject) => {
    const asking = request(`${url}/live/channels/a`, { localAddress: "127.0.0.9", headers, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asking.once("error", reject).end();
  });
  assert.equal(status, 401);
  const refused = () => encke.output.split("\n").find((line) => line.includes('"message":"refused"') && line.includes("/channels/a"));
  const told = (async () => {
    while (!refused()) await new Promise((resolve) => setTimeout(resolve, 5));
  })();
  await within(SOON_MS, told, () => `the log does not say so: ${encke.output}`);
  const { address, who, what, path: place, why } = JSON.parse(refused()).fields;
  assert.deepEqual([address, who, what, place], ["127.0.0.9", "unknown", "request", "/live/channels/a"], why);
});

test("nginx has nothing to complain about", () => {
  assert.doesNotMatch(nginx.said, /emerg|alert|crit|\berror\b/);
});
