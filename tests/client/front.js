// A web server between a page and Encke, on one origin: it serves the page and the client, passes everything else on,
// and can be told to misbehave.

import { readFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { fileURLToPath } from "node:url";

const client = fileURLToPath(new URL("../../client/", import.meta.url));
const actor = fileURLToPath(new URL("./actor.js", import.meta.url));

const CLASSIC = '<script src="/encke.js"></script>';
const MODULE = '<script type="module">import { Encke } from "/encke.mjs"; globalThis.Encke = Encke;</script>';
const ACTOR = '<script type="module">import { makeActor } from "/actor.js"; globalThis.actor = makeActor(() => Encke);</script>';

/** What a page gets, by path: `[content type, body]`. */
const FILES = {
  "/classic.html": () => ["text/html", html(CLASSIC)],
  "/module.html": () => ["text/html", html(MODULE)],
  "/encke.js": () => ["text/javascript", readFileSync(`${client}encke.js`)],
  "/encke.mjs": () => ["text/javascript", readFileSync(`${client}encke.mjs`)],
  "/actor.js": () => ["text/javascript", readFileSync(actor)],
};

function html(script) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title>${script}${ACTOR}<h1>A page</h1></html>`;
}

export class Front {
  /** How to answer a Bayeux request instead of passing it on: `(response, request) => true` when it has. */
  fault = undefined;
  /** Sockets are killed after so many reads of what the server said after its 101. */
  killAfter = Infinity;
  /** Sockets get no byte after their 101. */
  swallow = false;
  /** Upgrades that came, and of these the killed ones. */
  upgrades = 0;
  kills = 0;
  /** Extra headers of pages. */
  pageHeaders = {};

  #server;
  #sockets = new Set();
  #encke;

  /** Starts one before `encke`, or before nothing when every request is to be answered by `fault`. */
  static async start(encke) {
    const front = new Front();
    front.#encke = encke;
    front.#server = http.createServer((request, response) => front.#answer(request, response));
    front.#server.on("upgrade", (request, socket, head) => front.#upgrade(request, socket, head));
    front.#server.on("connection", (socket) => {
      front.#sockets.add(socket);
      socket.on("error", () => {}).on("close", () => front.#sockets.delete(socket));
    });
    await new Promise((resolve) => front.#server.listen(0, "127.0.0.1", resolve));
    return front;
  }

  url(path = "/bayeux") {
    return `http://127.0.0.1:${this.#server.address().port}${path}`;
  }

  stop() {
    this.cut();
    this.#server.close();
  }

  /** Kills every connection. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  #answer(request, response) {
    const { pathname } = new URL(request.url, "http://front");
    if (FILES[pathname]) {
      const [type, body] = FILES[pathname]();
      response.writeHead(200, { "Content-Type": `${type}; charset=utf-8`, "Cache-Control": "no-store", ...this.pageHeaders });
      return response.end(body);
    }
    if (this.fault?.(response, request)) return;
    const { hostname, port } = new URL(this.#encke.url());
    const { method, url, headers } = request;
    const onward = http.request({ hostname, port, method, path: url, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
      answer.on("error", () => response.destroy());
    });
    // Encke is down: so is this.
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  }

  #upgrade(request, socket, head) {
    this.upgrades++;
    if (this.refuse) return socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    const { hostname, port } = new URL(this.#encke.url());
    const onward = net.connect(Number(port), hostname);
    this.#sockets.add(onward);
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
    }
    onward.write(`${lines.join("\r\n")}\r\n\r\n`);
    onward.write(head);
    socket.pipe(onward);
    const end = () => {
      this.#sockets.delete(onward);
      socket.destroy();
      onward.destroy();
    };
    let reads = 0;
    onward.on("data", (bytes) => {
      const [limit, silent] = [this.killAfter, this.swallow];
      if (reads++ > 0 && silent) return;
      socket.write(bytes);
      if (reads <= limit) return;
      this.kills++;
      socket.end(end);
    });
    onward.on("error", end).on("close", end);
    socket.on("error", end).on("close", end);
  }
}
