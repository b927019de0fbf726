// One URL, with a page behind it and a Bayeux server that can be exchanged: what a team's own front proxy does on
// the day of the change.

import { createReadStream } from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";

const PAGE = fileURLToPath(new URL("page.html", import.meta.url));
const LIBRARY = fileURLToPath(new URL("../node_modules/cometd/", import.meta.url));

export class Proxy {
  #server = http.createServer((request, response) => this.#serve(request, response));
  #sockets = new Set();
  /** The port of the Bayeux server, none while it is being exchanged. */
  #upstream;

  static async start() {
    const proxy = new Proxy();
    proxy.#server.on("connection", (socket) => {
      proxy.#sockets.add(socket);
      socket.once("close", () => proxy.#sockets.delete(socket));
    });
    proxy.#server.on("upgrade", (request, socket, head) => proxy.#upgrade(request, socket, head));
    await new Promise((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  /** The URL of `path` as the page sees it. */
  url(path) {
    return `http://127.0.0.1:${this.#server.address().port}${path}`;
  }

  /** Takes the server away: every connection breaks, and Bayeux is answered 503. */
  takeAway() {
    this.#upstream = undefined;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Puts the server at `port` behind the URL. */
  putBehind(port) {
    this.#upstream = port;
  }

  stop() {
    this.takeAway();
    this.#server.close();
  }

  #serve(request, response) {
    const name = new URL(request.url, "http://proxy").pathname;
    if (/^\/cometd(\/|$)/.test(name)) {
      this.#forward(request, response);
    } else if (name === "/") {
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      createReadStream(PAGE).pipe(response);
    } else if (/^\/library\/\w+\.js$/.test(name)) {
      response.setHeader("Content-Type", "text/javascript");
      createReadStream(path.join(LIBRARY, path.basename(name))).pipe(response);
    } else {
      response.writeHead(404).end();
    }
  }

  #forward(request, response) {
    if (!this.#upstream) {
      response.writeHead(503).end();
      return;
    }
    const { method, url, headers } = request;
    const options = { host: "127.0.0.1", port: this.#upstream, method, path: url, headers, agent: false };
    const forwarded = http.request(options, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    forwarded.on("error", () => response.destroy());
    response.on("close", () => forwarded.destroy());
    request.pipe(forwarded);
  }

  #upgrade(request, socket, head) {
    socket.on("error", () => {}); // whoever breaks it, both sides end
    if (!this.#upstream) {
      socket.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    const wire = net.connect(this.#upstream, "127.0.0.1");
    wire.on("error", () => socket.destroy());
    wire.on("close", () => socket.destroy());
    socket.on("close", () => wire.destroy());
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    for (let n = 0; n < request.rawHeaders.length; n += 2) {
      lines.push(`${request.rawHeaders[n]}: ${request.rawHeaders[n + 1]}`);
    }
    wire.write(`${lines.join("\r\n")}\r\n\r\n`);
    wire.write(head);
    wire.pipe(socket).pipe(wire);
  }
}
