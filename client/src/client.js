// What a page uses.

import { channel as checkedChannel, pattern as checkedPattern, since as checkedSince } from "./channel.js";
import { Chooser } from "./chooser.js";
import { Connection } from "./connection.js";
import { EnckeError } from "./errors.js";
import { openInspector } from "./inspector.js";
import { Outbox } from "./outbox.js";
import { watchPage } from "./page.js";
import { messages } from "./stream.js";
import { Subscriptions } from "./subscription.js";
import { endpoint, surroundings } from "./surroundings.js";
import { Timers } from "./timers.js";
import { transports as known } from "./transport/index.js";

/**
 * @typedef {object} Options
 * @property {import("./token.js").Token} [token] who this is, shown with each handshake; a function is asked anew each time,
 *   and when the token of a session ends soon
 * @property {("websocket" | "long-polling" | "callback-polling")[]} [transports] which may be used, in order of
 *   preference; all that work here unless given
 * @property {any} [WebSocket] a WebSocket class, where there is none (Node before 22: that of npm `ws`)
 * @property {any} [fetch] another `fetch`
 * @property {import("./timers.js").Clock} [clock] for tests: other timers
 * @property {() => number} [wall] for tests: another `Date.now`
 * @property {() => number} [random] for tests: another `Math.random`
 */

/** @typedef {import("./connection.js").State} State */
/** @typedef {import("./subscription.js").Handler} Handler */
/** @typedef {import("./subscription.js").Subscription} Subscription */
/** @typedef {import("./subscription.js").Page} Page */
/** @typedef {CustomEvent<{ state: State, transport: string | undefined, reason: string }>} StateEvent */
/** @typedef {CustomEvent<{ pattern: string | undefined, error: EnckeError }>} RefusalEvent */
/** @typedef {CustomEvent<import("./subscription.js").Recovery>} RecoveryEvent */

/**
 * A client of a Comet server. It connects when it is first used, and stays connected until `disconnect`.
 *
 * Events: `state` with `detail` `{ state, transport, reason }` whenever one of the first two changes; `recovery` with
 * `{ pattern, recovered, reason }` after each interruption that may have cost messages, and when this client was too
 * slow: `recovered` says whether every message came nevertheless; `error` with `{ pattern, error }` when the server
 * refuses a subscription, or, without a pattern, when a newer token is refused or cannot be had; it is also written to the
 * console unless a listener calls `preventDefault()`.
 */
export class Encke extends EventTarget {
  #around;
  #timers;
  #outbox;
  #subscriptions;
  #connection;
  #stopWatching = () => {};
  /** @type {ReturnType<typeof openInspector> | undefined} */
  #inspector;
  /** @type {EnckeError | undefined} */
  #ended;
  /** @type {{ resolve: () => void, reject: (error: Error) => void }[]} */
  #connecting = [];
  /** Whether to connect again when the `disconnect` that is under way has ended. */
  #again = false;

  /** Where the server is. */
  url;

  /**
   * @param {string | URL} [url] of the Bayeux endpoint, relative to the page; unless given, `bayeux` beside the script
   *   `encke.js` that the page has loaded
   * @param {Options} [options]
   */
  constructor(url, options = {}) {
    super();
    this.url = endpoint(url);
    this.#around = surroundings(options);
    this.#timers = new Timers(this.#around.clock, this.#around.Worker);
    this.#outbox = new Outbox();
    this.#subscriptions = new Subscriptions(this.#outbox, {
      failed: (pattern, error) => this.#refused(pattern, error),
      recovered: (recovery) => void this.dispatchEvent(new CustomEvent("recovery", { detail: recovery })),
      added: () => this.#connection.pump(),
    });
    const { storage, wall } = this.#around;
    const key = `encke:${new URL(this.url).origin}`;
    const chooser = new Chooser(choice(options.transports, this.#around), { key, storage, wall });
    this.#connection = new Connection({
      url: this.url,
      around: this.#around,
      timers: this.#timers,
      chooser,
      outbox: this.#outbox,
      token: options.token,
      hooks: {
        state: (state, transport, reason) => this.#changed(state, transport, reason),
        session: (keeps) => this.#subscriptions.renew(keeps),
        deliver: (message) => this.#subscriptions.deliver(message),
        refused: (error) => this.#refused(undefined, error),
        ended: (error, mark) => this.#end(error, mark),
      },
    });
  }

  /**
   * @overload
   * @param {"state"} type
   * @param {(event: StateEvent) => void} listener
   * @param {boolean | AddEventListenerOptions} [options]
   * @returns {void}
   */
  /**
   * @overload
   * @param {"error"} type
   * @param {(event: RefusalEvent) => void} listener
   * @param {boolean | AddEventListenerOptions} [options]
   * @returns {void}
   */
  /**
   * @overload
   * @param {"recovery"} type
   * @param {(event: RecoveryEvent) => void} listener
   * @param {boolean | AddEventListenerOptions} [options]
   * @returns {void}
   */
  /**
   * @overload
   * @param {string} type
   * @param {EventListenerOrEventListenerObject | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   * @returns {void}
   */
  /**
   * @param {string} type
   * @param {any} listener
   * @param {boolean | AddEventListenerOptions} [options]
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, listener, options); // here for the types of its events
  }

  /** `idle` before the first use, `waiting` between two tries, `disconnected` for good. @returns {State} */
  get state() {
    return this.#connection.state;
  }

  /** The transport in use: `websocket`, `long-polling`, `callback-polling`, or undefined while there is none. */
  get transport() {
    return this.#connection.transport;
  }

  /**
   * Connects, also after `disconnect`. The promise is fulfilled when the server has answered, however long that
   * takes, and rejected when the client is disconnected before.
   * @returns {Promise<void>}
   */
  connect() {
    this.#ended = undefined;
    this.#use();
    this.#again = this.#connection.comeBack();
    if (this.state === "connected" && !this.#again) return Promise.resolve();
    /** @type {Promise<void>} */
    const connected = new Promise((resolve, reject) => this.#connecting.push({ resolve, reject }));
    // Most callers only want to begin; the state says the rest.
    connected.catch(() => {});
    return connected;
  }

  /**
   * Calls `handler` with `{ data, channel, id, position, replayed }` for every message that matches `pattern`. It stays
   * subscribed over reconnects and new sessions, and hears what it missed where the server keeps it. What a handler
   * throws is reported as an uncaught error and stops nothing.
   * @param {string} pattern a channel, or one that ends in `*` (one segment) or `**` (one or more)
   * @param {Handler} handler
   * @param {{ since?: string, signal?: AbortSignal }} [options] `since` is where to begin: `"now"`, `"all"` that is kept,
   *   or after a `position` or `cursor`; aborting `signal` unsubscribes
   * @returns {Subscription}
   */
  subscribe(pattern, handler, { since, signal } = {}) {
    if (typeof handler !== "function") throw new TypeError("subscribe(pattern, handler) needs a function");
    const checked = checkedPattern(pattern);
    const begin = checkedSince(since);
    this.#use();
    const subscription = this.#subscriptions.add(checked, handler, { since: begin, signal });
    const unsubscribe = subscription.unsubscribe.bind(subscription);
    subscription.unsubscribe = () => {
      const left = unsubscribe();
      this.#connection.pump();
      return left;
    };
    return subscription;
  }

  /**
   * Publishes `data`, any JSON value, as it is at the moment of the call. What cannot be sent now waits until it can, and
   * what is not answered is sent again; Encke delivers it once. The promise is fulfilled when the server has
   * acknowledged the message, with its place in the history if there is one, and rejected with an `EnckeError` otherwise.
   * @param {string} channel
   * @param {unknown} data
   * @param {{ echo?: boolean, signal?: AbortSignal }} [options] with `echo: false` this client does not hear it, even if
   *   it listens; aborting `signal` takes the message back while it is not on its way
   * @returns {Promise<{ position: string | undefined }>}
   */
  async publish(channel, data, { echo, signal } = {}) {
    const checked = checkedChannel(channel);
    this.#use();
    const acknowledged = this.#outbox.publish(checked, data, { echo, signal });
    this.#connection.pump();
    return acknowledged;
  }

  /**
   * A page of what the server keeps of the channels that match `pattern`: the newest messages, or those after `since`.
   * @param {string} pattern
   * @param {{ since?: string, limit?: number, signal?: AbortSignal }} [options]
   * @returns {Promise<Page>}
   */
  async history(pattern, { since, limit, signal } = {}) {
    const checked = checkedPattern(pattern);
    const begin = checkedSince(since);
    this.#use();
    return this.#subscriptions.history(checked, { since: begin, limit, signal });
  }

  /**
   * What `run` publishes and subscribes is sent together when it returns. (What happens in one turn of the event loop
   * is sent together anyway.)
   * @param {() => void} run
   */
  batch(run) {
    this.#connection.batch(run);
  }

  /**
   * The messages that match `pattern`, for `for await`, from the moment the loop begins. A loop that falls more than
   * `buffer` (1,000) messages behind ends with an `EnckeError` (`overflow`); leaving the loop unsubscribes.
   * @param {string} pattern
   * @param {{ since?: string, signal?: AbortSignal, buffer?: number }} [options]
   */
  messages(pattern, options = {}) {
    const checked = checkedPattern(pattern);
    const since = checkedSince(options.since);
    return messages((handler) => this.subscribe(checked, handler, { since }), options);
  }

  /**
   * Sends what waits (for at most 10 s), ends the session and every subscription. `connect` begins anew.
   * @returns {Promise<void>}
   */
  async disconnect() {
    this.#again = false;
    if (this.#connection.running) return this.#connection.disconnect();
    this.#ended ??= new EnckeError("disconnected", "the client is disconnected: disconnect() was called");
  }

  /**
   * Opens the inspector, a drawer in the page that lists every message both ways. Again, it closes it.
   */
  debug() {
    const { document } = this.#around;
    if (!document) throw new EnckeError("no_page", "the inspector needs a page to open in");
    if (this.#inspector) return this.#inspector.close();
    this.#inspector = openInspector(document, this, () => {
      this.#inspector = undefined;
      this.#connection.ontraffic = undefined;
    });
    this.#connection.ontraffic = this.#inspector.show;
  }

  #use() {
    if (this.#ended) throw this.#ended;
    if (this.#connection.running) return;
    const connection = this.#connection;
    this.#stopWatching = watchPage(this.#around, {
      wake: () => connection.wake(),
      online: () => connection.online(),
      hide: () => connection.hide(),
    });
    connection.start();
  }

  /**
   * @param {State} state
   * @param {string | undefined} transport
   * @param {string} reason
   */
  #changed(state, transport, reason) {
    if (state === "connected") {
      for (const { resolve } of this.#connecting.splice(0)) resolve();
    }
    this.dispatchEvent(new CustomEvent("state", { detail: { state, transport, reason } }));
    if (state !== "disconnected" || !this.#again) return;
    this.#again = false;
    this.#use();
  }

  /**
   * @param {EnckeError} error
   * @param {number} mark
   */
  #end(error, mark) {
    this.#subscriptions.clear(error, mark);
    this.#stopWatching();
    this.#timers.stop();
    if (this.#again) return;
    this.#ended = error;
    for (const { reject } of this.#connecting.splice(0)) reject(error);
  }

  /**
   * @param {string | undefined} pattern
   * @param {Error} error
   */
  #refused(pattern, error) {
    const event = new CustomEvent("error", { detail: { pattern, error }, cancelable: true });
    if (this.dispatchEvent(event)) console.error(error.message);
  }
}

/**
 * The transports to use, of those that work here.
 * @param {string[] | undefined} wanted
 * @param {import("./surroundings.js").Surroundings} around
 */
function choice(wanted, around) {
  const names = known.map(({ type }) => type);
  for (const name of wanted ?? []) {
    if (!names.includes(name)) throw new TypeError(`there is no transport ${JSON.stringify(name)}, but ${names.join(", ")}`);
  }
  const chosen = (wanted ?? names)
    .map((name) => known[names.indexOf(name)])
    .filter((transport) => transport.usable(around));
  if (chosen.length === 0) {
    throw new TypeError(`none of the transports ${(wanted ?? names).join(", ")} works here`);
  }
  return chosen;
}
