// `websocket`: both ways on one socket.

import { TransportError, parse, utf8 } from "./error.js";

export class WebSocketTransport {
  static type = "websocket";
  static polls = false;
  /** The server's limits of a frame. Four batches on the way keep a line of 100 ms busy with 10,000 messages a second. */
  static limits = { messages: 256, size: 512 * 1024, measure: utf8, sends: 4 };

  /** @param {import("./index.js").Surroundings} surroundings */
  static usable({ WebSocket }) {
    return typeof WebSocket === "function";
  }

  /** @type {(messages: unknown) => void} */
  onmessage = () => {};
  /** @type {(error: TransportError) => void} */
  onerror = () => {};

  #url;
  #WebSocket;
  /** @type {WebSocket | undefined} */
  #socket;

  /**
   * @param {string} url
   * @param {import("./index.js").Surroundings} surroundings
   */
  constructor(url, { WebSocket }) {
    this.#url = url.replace(/^http/, "ws");
    this.#WebSocket = /** @type {typeof globalThis.WebSocket} */ (WebSocket);
  }

  /** @returns {Promise<void>} */
  open() {
    return new Promise((resolve, reject) => {
      const socket = new this.#WebSocket(this.#url);
      this.#socket = socket;
      let opened = false;
      socket.onopen = () => {
        opened = true;
        resolve();
      };
      socket.onmessage = ({ data }) => this.#hear(data);
      // What happened is in the close event; browsers tell no more here.
      socket.onerror = () => {};
      socket.onclose = ({ code, reason }) => {
        const why = reason ? `${code}: ${reason}` : String(code);
        if (opened) this.#die(new TransportError(`the WebSocket closed (${why})`, code));
        else reject(new TransportError(`the WebSocket did not open (${why})`, code));
      };
    });
  }

  /** @param {string} text */
  send(text) {
    this.#socket?.send(text);
  }

  close() {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = undefined;
    // `onerror` stays: npm `ws` throws when nobody hears that a socket was closed before it opened.
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
  }

  /** @param {unknown} data */
  #hear(data) {
    if (typeof data !== "string") return this.#die(new TransportError("the server sent a binary frame, not Bayeux"));
    let messages;
    try {
      messages = parse(data, "the server");
    } catch (error) {
      return this.#die(/** @type {TransportError} */ (error));
    }
    this.onmessage(messages);
  }

  /** @param {TransportError} error */
  #die(error) {
    if (!this.#socket) return;
    this.close();
    this.onerror(error);
  }
}
