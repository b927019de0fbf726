// A Bayeux conversation over a bare npm `ws` socket.

import { WebSocket } from "ws";

import { within } from "../deadline.js";

export class Socket {
  /** Every message heard, in the order it came. */
  heard = [];
  /** `{ code, reason }` once the server or we have closed. */
  closed;

  #socket;
  #watchers = new Set();

  /** Opens a socket to `url` (ws:…). */
  static async open(url, options = {}) {
    const socket = new Socket();
    socket.#socket = new WebSocket(url, options);
    socket.#socket.on("message", (data, isBinary) => {
      const replies = isBinary ? [{ binary: data }] : JSON.parse(data.toString());
      socket.heard.push(...[].concat(replies));
      socket.#look();
    });
    socket.#socket.on("close", (code, reason) => {
      socket.closed = { code, reason: reason.toString() };
      socket.#look();
    });
    const opened = new Promise((resolve, reject) => {
      socket.#socket.once("open", resolve);
      socket.#socket.once("error", reject);
    });
    await within(10_000, opened, () => `${url} does not open`);
    socket.#socket.on("error", () => {}); // a reset shows as `closed`
    return socket;
  }

  /** The `ws` object itself, for pings and fragments. */
  get bare() {
    return this.#socket;
  }

  /** Sends one frame: a string as it is, anything else as JSON. */
  send(frame, options) {
    this.#socket.send(typeof frame === "string" || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame), options);
  }

  /** Sends messages in one frame and waits for the reply to the last of them, told by its id. */
  async ask(...messages) {
    this.send(messages);
    const { id } = messages.at(-1);
    return this.until(`reply to ${id}`, () =>
      this.heard.find((message) => message.id === id && message.successful !== undefined));
  }

  /** Handshakes and connects once; gives the clientId. */
  async session() {
    const greeting = { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["websocket"], id: "h" };
    const { clientId } = await this.ask(greeting);
    await this.ask(connect(clientId, "c0", { advice: { timeout: 0 } }));
    return clientId;
  }

  /** Waits until `condition` gives something true. */
  until(what, condition, ms = 10_000) {
    const met = new Promise((resolve) => {
      const look = () => {
        const found = condition();
        if (found) resolve(found);
      };
      this.#watchers.add(look);
      look();
    });
    const state = () => JSON.stringify({ heard: this.heard.slice(-5), closed: this.closed }).slice(0, 1000);
    return within(ms, met, () => `no ${what} on the socket: ${state()}`);
  }

  stop() {
    this.#socket.terminate();
  }

  #look() {
    for (const look of [...this.#watchers]) look();
  }
}

/** A connect over a socket, held by the server unless `more` says otherwise. */
export const connect = (clientId, id, more = {}) => ({
  channel: "/meta/connect",
  clientId,
  connectionType: "websocket",
  id,
  ...more,
});
