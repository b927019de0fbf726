// The DNS-rebinding page: a page of the internet whose host name has begun to point to 127.0.0.1, or one that
// simply posts there. A browser sends such requests with that page's Host or Origin, and nothing may come of them.

import assert from "node:assert/strict";

import { WebSocket } from "ws";

import { handshake } from "../bayeux.js";
import { within } from "../deadline.js";
import { story } from "../story.js";
import { curl, Stream } from "./curl.js";

/** Every door, as curl would knock. */
const DOORS = {
  "the index page": ["/"],
  "a handshake": ["/bayeux", "--header", "Content-Type: application/json", "--data", JSON.stringify([handshake()])],
  // What a page may send across sites without asking first.
  "a simple request": ["/cometd", "--header", "Content-Type: text/plain", "--data", JSON.stringify(handshake())],
  "a form": ["/faye", "--data-urlencode", `message=${JSON.stringify(handshake())}`],
  "a publish": ["/channels/a", "--data", "1"],
  "an event stream": ["/channels/a?as=event-stream"],
  "lines": ["/channels/a?as=lines"],
  "a preflight": ["/bayeux", "--request", "OPTIONS", "--header", "Access-Control-Request-Method: POST"],
};

const EVIL = ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.0.2.1"];
const hosts = (port) => [...EVIL, ...EVIL.map((name) => `${name}:${port}`)];
const ORIGINS = [...EVIL.map((name) => `http://${name}`), "https://evil.example:8080", "null"];

/** What came of a WebSocket upgrade: `open`, or the status of the refusal. */
function upgrade(url, headers) {
  const socket = new WebSocket(url, { headers });
  const outcome = new Promise((resolve, reject) => {
    socket.once("open", () => resolve("open"));
    socket.once("unexpected-response", (_, response) => resolve(response.statusCode));
    socket.once("error", reject);
  });
  return within(10_000, outcome, () => `no answer to an upgrade with ${JSON.stringify(headers)}`).finally(() => {
    socket.on("error", () => {}); // ending a refused upgrade is an error to ws
    socket.terminate();
  });
}

story("a request under a foreign Host gets 403 at every door", async ({ encke }) => {
  const { port } = new URL(encke.url());
  for (const [door, [path, ...args]] of Object.entries(DOORS)) {
    for (const host of hosts(port)) {
      const answer = await curl("--header", `Host: ${host}`, ...args, encke.url(path));
      assert.equal(answer.status, 403, `${door} under Host ${host}`);
    }
  }
});

story("a request from a foreign Origin gets 403 at every door", async ({ encke }) => {
  for (const [door, [path, ...args]] of Object.entries(DOORS)) {
    for (const origin of ORIGINS) {
      const answer = await curl("--header", `Origin: ${origin}`, ...args, encke.url(path));
      assert.equal(answer.status, 403, `${door} from Origin ${origin}`);
      assert.equal(answer.headers["access-control-allow-origin"], undefined, `${door} from Origin ${origin}`);
    }
  }
});

story("a WebSocket upgrade is refused all the same", async ({ encke }) => {
  const { port } = new URL(encke.url());
  for (const path of ["/bayeux", "/cometd", "/faye", "/echo"]) {
    for (const host of hosts(port)) {
      assert.equal(await upgrade(encke.socketUrl(path), { Host: host }), 403, `${path} under Host ${host}`);
    }
    for (const origin of ORIGINS) {
      assert.equal(await upgrade(encke.socketUrl(path), { Origin: origin }), 403, `${path} from Origin ${origin}`);
    }
  }
});

story("nothing that was refused has happened", async ({ encke, later }) => {
  const stream = later(await Stream.open(encke.url("/channels/a?as=lines")));
  await curl("--header", "Origin: http://evil.example", "--data", '"evil"', encke.url("/channels/a"));
  await curl("--data", '"good"', encke.url("/channels/a"));
  await stream.until("a message", () => stream.lines.length > 0);
  assert.equal(JSON.parse(stream.lines[0]).data, "good");
});

story("people on this machine are let in by every loopback name", async ({ encke }) => {
  const { port } = new URL(encke.url());
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, `LOCALHOST:${port}`]) {
    const answer = await curl("--header", `Host: ${host}`, encke.url("/"));
    assert.equal(answer.status, 200, `Host ${host}`);
    assert.equal(await upgrade(encke.socketUrl("/bayeux"), { Host: host }), "open", `Host ${host}`);
  }
  for (const origin of ["http://localhost:3000", "http://127.0.0.1:5173", "https://localhost", "http://[::1]:8080"]) {
    const answer = await curl("--header", `Origin: ${origin}`, "--data", "1", encke.url("/channels/a"));
    assert.equal(answer.status, 200, `Origin ${origin}`);
    assert.equal(await upgrade(encke.socketUrl("/bayeux"), { Origin: origin }), "open", `Origin ${origin}`);
  }
});
