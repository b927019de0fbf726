// Who listens to what. One pattern is asked of the server once, however many handlers it has here.

import { patternsOf } from "./channel.js";
import { EnckeError, call } from "./errors.js";

/**
 * A message as handlers get it.
 * @typedef {object} Delivery
 * @property {any} data
 * @property {string} channel
 * @property {string} [id]
 * @property {string} [position] where it stands in the channel's history, opaque; absent without one
 */

/** @typedef {(delivery: Delivery) => unknown} Handler */

/** One handler on one pattern. */
export class Subscription {
  /** @type {() => Promise<void>} */
  #leave;

  /**
   * @param {string} pattern
   * @param {Handler} handler
   * @param {Promise<void>} ready
   * @param {number} born
   * @param {() => Promise<void>} leave
   */
  constructor(pattern, handler, ready, born, leave) {
    /** @internal */
    this.born = born;
    this.pattern = pattern;
    this.handler = handler;
    /** Fulfilled when the server has acknowledged it for the first time; rejected when it refused. */
    this.ready = ready;
    this.#leave = leave;
    /** Hears when it ends otherwise than by `unsubscribe`. @type {(error: Error) => void} */
    this.onend = () => {};
  }

  /**
   * No message reaches the handler from now on. The promise is that of the server's acknowledgement.
   * @returns {Promise<void>}
   */
  unsubscribe() {
    return this.#leave();
  }
}

/**
 * @typedef {object} Listened
 * @property {Set<Subscription>} handlers
 * @property {Promise<void>} ready
 * @property {() => void} acknowledge
 * @property {(error: Error) => void} refuse
 */

export class Subscriptions {
  #outbox;
  #failed;
  /** @type {Map<string, Listened>} */
  #patterns = new Map();

  /**
   * @param {import("./outbox.js").Outbox} outbox
   * @param {(pattern: string, error: Error) => void} failed hears of a pattern that the server refused
   */
  constructor(outbox, failed) {
    this.#outbox = outbox;
    this.#failed = failed;
  }

  get patterns() {
    return [...this.#patterns.keys()];
  }

  /**
   * @param {string} pattern
   * @param {Handler} handler
   * @param {AbortSignal} [signal]
   */
  add(pattern, handler, signal) {
    let listened = this.#patterns.get(pattern);
    const isNew = !listened;
    if (!listened) {
      listened = newcomer();
      this.#patterns.set(pattern, listened);
    }
    const { handlers, ready } = listened;
    const abort = () => void subscription.unsubscribe().catch(() => {});
    /** @type {Subscription} */
    const subscription = new Subscription(pattern, handler, ready, this.#outbox.nextId(), () => {
      signal?.removeEventListener("abort", abort);
      return this.#remove(subscription);
    });
    handlers.add(subscription);
    if (isNew) this.#ask(pattern, listened);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
    return subscription;
  }

  /** Asks for all patterns anew: the session is another one. */
  renew() {
    this.#outbox.forgetMeta();
    const { mark } = this.#outbox;
    for (const [pattern, listened] of this.#patterns) this.#ask(pattern, listened);
    // Before the publications that wait, or a page would miss its own.
    this.#outbox.advance(mark);
  }

  /** @param {Record<string, any>} message */
  deliver({ channel, data, id, ext }) {
    for (const pattern of patternsOf(channel)) {
      const listened = this.#patterns.get(pattern);
      if (!listened) continue;
      for (const subscription of [...listened.handlers]) {
        if (!listened.handlers.has(subscription)) continue; // left while another handler ran
        call(subscription.handler, { data, channel, id, position: ext?.encke?.position });
      }
    }
  }

  /**
   * Ends all that are not newer than `mark`.
   * @param {Error} error for those that never became ready
   * @param {number} mark
   */
  clear(error, mark) {
    this.#outbox.forgetMeta();
    for (const [pattern, listened] of [...this.#patterns]) {
      leave(listened, error, mark);
      if (listened.handlers.size > 0) continue;
      this.#patterns.delete(pattern);
      listened.refuse(error);
    }
  }

  /**
   * @param {string} pattern
   * @param {Listened} listened
   */
  #ask(pattern, listened) {
    const refused = (/** @type {Error} */ error) => {
      if (this.#patterns.get(pattern) === listened) this.#patterns.delete(pattern);
      else if (listened.handlers.size === 0) return; // left before the answer came
      listened.refuse(error);
      leave(listened, error, Infinity);
      this.#failed(pattern, error);
    };
    this.#outbox.meta("/meta/subscribe", pattern, listened.acknowledge, refused);
  }

  /**
   * @param {Subscription} subscription
   * @returns {Promise<void>}
   */
  #remove(subscription) {
    const { pattern } = subscription;
    const listened = this.#patterns.get(pattern);
    if (!listened?.handlers.delete(subscription) || listened.handlers.size > 0) return Promise.resolve();
    listened.refuse(new EnckeError("disconnected", `${pattern} was left before the server acknowledged it`));
    this.#patterns.delete(pattern);
    return new Promise((resolve) => {
      // Refused, or void with its session: either way the server does not send it any more.
      this.#outbox.meta("/meta/unsubscribe", pattern, () => resolve(), () => resolve());
    });
  }
}

/**
 * @param {Listened} listened
 * @param {Error} error
 * @param {number} mark newer ones stay
 */
function leave({ handlers }, error, mark) {
  for (const subscription of [...handlers]) {
    if (subscription.born > mark) continue;
    handlers.delete(subscription);
    subscription.unsubscribe().catch(() => {}); // takes its listener off the signal
    subscription.onend(error);
  }
}

/** @returns {Listened} */
function newcomer() {
  /** @type {any} */
  const listened = { handlers: new Set() };
  listened.ready = new Promise((resolve, reject) => {
    listened.acknowledge = () => resolve(undefined);
    listened.refuse = reject;
  });
  // Whoever does not look at `ready` hears of a refusal by the client's "error" event.
  listened.ready.catch(() => {});
  return listened;
}
