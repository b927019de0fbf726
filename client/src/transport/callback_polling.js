// `callback-polling`: a script element for each request, to any server that lets a page load scripts. Slow and loud,
// and the last that still passes where nothing else does.

import { TransportError } from "./error.js";
import { Turns } from "./turns.js";

/** Of the whole URL. Proxies and servers take 8 KiB with all headers. */
const URL_LENGTH = 6_000;
/** The endpoint's own length, the names of the parameters and of the callback. */
const ROOM = 1_000;

let last = 0;

export class CallbackPolling {
  static type = "callback-polling";
  static polls = true;
  static limits = {
    messages: 256,
    size: URL_LENGTH - ROOM,
    measure: (/** @type {string} */ text) => encodeURIComponent(text).length,
    sends: 1,
  };

  /** @param {import("./index.js").Surroundings} surroundings */
  static usable({ document }) {
    return document !== undefined;
  }

  /** @type {(messages: unknown) => void} */
  onmessage = () => {};
  /** @type {(error: TransportError) => void} */
  onerror = () => {};

  #url;
  #document;
  #turns;
  #closed = false;

  /**
   * @param {string} url
   * @param {import("./index.js").Surroundings} surroundings
   */
  constructor(url, { document, clock }) {
    this.#url = url;
    this.#turns = new Turns(clock, (text, turn) => this.#write(text, turn));
    this.#document = /** @type {Document} */ (document);
  }

  async open() {}

  /**
   * @param {string} text
   * @param {string} [ticket]
   */
  send(text, ticket) {
    this.#turns.send(text, ticket);
  }

  close() {
    this.#closed = true;
    this.#turns.close();
  }

  /**
   * @param {string} text
   * @param {import("./turns.js").Turn} turn
   */
  #write(text, turn) {
    const globals = /** @type {Record<string, any>} */ (globalThis);
    const name = `_encke${++last}_${Math.floor(Math.random() * 1e9)}`;
    const script = this.#document.createElement("script");
    let called = false;
    // A script that was sent for arrives even when nobody waits any more, so its callback stays until then.
    const end = () => {
      script.onload = script.onerror = null;
      script.remove();
      delete globals[name];
    };
    globals[name] = (/** @type {unknown} */ messages) => {
      called = true;
      if (!this.#closed) this.#turns.answer(turn, messages, () => this.onmessage(messages));
    };
    script.onload = () => {
      end();
      if (!called) this.#die("the server answered with something else than a callback");
    };
    script.onerror = () => {
      end();
      this.#die("the script did not load (the browser does not say why)");
    };
    script.async = true;
    const separator = this.#url.includes("?") ? "&" : "?";
    const who = turn.ticket ? `&ticket=${encodeURIComponent(turn.ticket)}` : "";
    script.src = `${this.#url}${separator}jsonp=${name}${who}&message=${encodeURIComponent(text)}`;
    this.#document.head.append(script);
  }

  /** @param {string} why */
  #die(why) {
    if (this.#closed) return;
    this.#closed = true;
    this.onerror(new TransportError(why));
  }
}
