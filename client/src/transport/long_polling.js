// `long-polling`: one request is held by the server, another one at a time sends.

import { sentence } from "../errors.js";
import { TransportError, parse, utf8 } from "./error.js";
import { Turns } from "./turns.js";

/** No answer of Encke is larger than an outbox, 1 MiB; this leaves room for servers with larger ones. */
const ANSWER_BYTES = 16 * 1024 * 1024;

export class LongPolling {
  static type = "long-polling";
  static polls = true;
  /** Two requests at a time, so that a browser with six connections to a host has some left. */
  static limits = { messages: 256, size: 512 * 1024, measure: utf8, sends: 1 };

  /** @param {import("./index.js").Surroundings} surroundings */
  static usable({ fetch }) {
    return typeof fetch === "function";
  }

  /** @type {(messages: unknown) => void} */
  onmessage = () => {};
  /** @type {(error: TransportError) => void} */
  onerror = () => {};

  #url;
  #fetch;
  /** @type {Set<AbortController>} */
  #requests = new Set();
  #turns;
  #closed = false;

  /**
   * @param {string} url
   * @param {import("./index.js").Surroundings} surroundings
   */
  constructor(url, { fetch, clock }) {
    this.#url = url;
    this.#turns = new Turns(clock, (text, turn) => this.#write(text, turn));
    this.#fetch = /** @type {typeof globalThis.fetch} */ (fetch);
  }

  async open() {}

  /** @param {string} text */
  send(text) {
    this.#turns.send(text);
  }

  close() {
    this.#closed = true;
    this.#turns.close();
    for (const request of this.#requests) request.abort();
    this.#requests.clear();
  }

  /**
   * @param {string} text
   * @param {import("./turns.js").Turn} turn
   */
  #write(text, turn) {
    const request = new AbortController();
    this.#requests.add(request);
    this.#ask(text, request.signal)
      .then(
        (answer) => {
          if (this.#closed) return;
          const messages = parse(answer, "the server");
          this.#turns.answer(turn, messages, () => this.onmessage(messages));
        },
        (error) => {
          throw error instanceof TransportError ? error : new TransportError(`the request failed: ${sentence(error)}`);
        },
      )
      .catch((error) => {
        if (this.#closed) return;
        this.close();
        this.onerror(error);
      })
      .finally(() => this.#requests.delete(request));
  }

  /**
   * @param {string} body
   * @param {AbortSignal} signal
   */
  async #ask(body, signal) {
    const response = await this.#fetch(this.#url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
      signal,
      credentials: "include",
      cache: "no-store",
    });
    const text = await read(response);
    if (response.status !== 200) {
      const said = text.trim() && !/^\s*</.test(text) ? `: ${text.trim().slice(0, 200)}` : "";
      throw new TransportError(`the server answered HTTP ${response.status}${said}`);
    }
    return text;
  }
}

/**
 * The body, or an error when it is larger than any answer should be.
 * @param {Response} response
 */
async function read(response) {
  const reader = response.body?.getReader();
  if (!reader) return "";
  const decoder = new TextDecoder();
  let text = "";
  for (let bytes = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.length;
    if (bytes > ANSWER_BYTES) {
      reader.cancel().catch(() => {});
      throw new TransportError(`the server answered with more than ${ANSWER_BYTES} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}
