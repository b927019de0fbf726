// Who this client is: a token, given or asked for anew, and when to show a newer one: docs/bayeux-authentication.md.

import { EnckeError, sentence } from "./errors.js";
import { TransportError } from "./transport/error.js";

/** For the page's own function. */
const TOKEN_MS = 30_000;
/** The same beside a session, which goes on without a connect meanwhile. */
const RENEWAL_MS = 10_000;

/** @typedef {string | (() => string | undefined | Promise<string | undefined>) | undefined} Token */

/**
 * What is said of it: in a message's `ext` or, where messages stand in URLs, by a ticket beside them.
 * @typedef {{ ext?: Record<string, any>, ticket?: string }} Shown
 */

export class Identity {
  #token;
  #url;
  #around;
  #timers;
  #patience;
  /** What the session was shown last: the same text is not shown again. @type {string | undefined} */
  #shown;
  #isDue = false;
  #end = Infinity;
  #hasAskedAgain = false;

  /** How often a newer token was due and could not be had. */
  misses = 0;

  /**
   * @param {Token} token
   * @param {string} url
   * @param {import("./surroundings.js").Surroundings} around
   * @param {import("./timers.js").Timers} timers
   * @param {import("./patience.js").Patience} patience
   */
  constructor(token, url, around, timers, patience) {
    this.#token = token;
    this.#url = url;
    this.#around = around;
    this.#timers = timers;
    this.#patience = patience;
  }

  /** Whether the session's token ends soon, and there may be a newer one. */
  get isDue() {
    return this.#isDue;
  }

  /** Whether the session's token has ended, and the session with it. */
  get isOver() {
    return this.#timers.now() >= this.#end;
  }

  /**
   * For a handshake.
   * @param {string | undefined} type the transport
   * @returns {Promise<Shown>}
   */
  async show(type) {
    this.#renewed();
    const [token, shown] = await this.#ask(TOKEN_MS, type);
    this.#shown = token;
    return shown;
  }

  /**
   * For a connect: a newer token, when one is due and there is one.
   * @param {string | undefined} type
   * @returns {Promise<Shown>}
   */
  async renewal(type) {
    if (!this.#isDue) return {};
    this.misses++;
    const [token, shown] = await this.#ask(RENEWAL_MS, type, this.#shown);
    if (token === this.#shown) return {};
    this.#shown = token;
    this.#renewed();
    return shown;
  }

  /**
   * A connect was answered well.
   * @param {any} ext
   */
  heard(ext) {
    this.#hasAskedAgain = false;
    const left = ext?.authentication?.expires_in;
    if (typeof left !== "number") return this.#renewed();
    this.#isDue = typeof this.#token === "function";
    this.#end = this.#timers.now() + left;
  }

  /** What was shown with a connect is not good; the session lives on until the token before it ends. */
  refused() {
    this.#isDue = typeof this.#token === "function";
  }

  /**
   * Whether a handshake that was refused is worth another one: a function may have had its token for long.
   * @param {Record<string, any>} reply
   */
  asksAgain({ error }) {
    const again = typeof this.#token === "function" && !this.#hasAskedAgain && /^403:token_expired:/.test(error);
    this.#hasAskedAgain = again;
    return again;
  }

  #renewed() {
    this.#isDue = false;
    this.#end = Infinity;
    this.misses = 0;
  }

  /**
   * The token, and what is said of it unless it is `known`.
   * @param {number} ms
   * @param {string | undefined} type
   * @param {string} [known]
   * @returns {Promise<[string | undefined, Shown]>}
   */
  async #ask(ms, type, known) {
    const given = this.#token;
    if (given === undefined) return [given, {}];
    // A key of its own: what an earlier call answers late may be the token of somebody who has left.
    const key = {};
    const asked = this.#patience.expect(key, ms, "the token", (error) => this.#patience.refuse(key, error));
    Promise.resolve()
      .then(typeof given === "function" ? given : () => given)
      .catch((error) => Promise.reject(new TransportError(`no token: ${sentence(error)}`)))
      .then(async (token) => [token, token === undefined || token === known ? {} : await this.#pack(token, type)])
      .then(
        (answer) => this.#patience.settle(key, answer),
        (error) => this.#patience.refuse(key, error),
      );
    return asked;
  }

  /**
   * @param {string} token
   * @param {string | undefined} type
   * @returns {Promise<Shown>}
   */
  async #pack(token, type) {
    if (type !== "callback-polling") return { ext: { authentication: { token } } };
    const { fetch } = this.#around;
    if (!fetch) throw new TransportError("no ticket: a token does not go into a URL, and there is no fetch here");
    const headers = { Authorization: `Bearer ${token}` };
    /** @type {RequestInit} */
    const request = { method: "POST", headers, credentials: "include", cache: "no-store" };
    // Beside the endpoint, with or without a slash at its end.
    const url = this.#url.replace(/[^/]*\/?(\?.*)?$/, "ticket");
    const response = await fetch(url, request).catch((error) => {
      throw new TransportError(`no ticket: ${sentence(error)}`);
    });
    const { ticket, error } = await response.json().catch(() => ({}));
    if (typeof ticket === "string") return { ticket };
    if (response.status !== 401) throw new TransportError(`no ticket: the server answered HTTP ${response.status}`);
    // As a handshake with that token would be answered.
    throw new EnckeError("refused", "no ticket", { reply: { error, advice: { reconnect: "none" } } });
  }
}
