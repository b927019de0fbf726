// Who listens to what. One pattern is asked of the server once, however many handlers it has here.

import { patternsOf } from "./channel.js";
import { EnckeError, call } from "./errors.js";
import { Joining } from "./ext/join.js";
import { Cursor, sinceField } from "./ext/replay.js";

/** Live messages that wait for the answer to a subscription: the oldest are those that a replay brings. */
const EARLY = 1_000;

/**
 * A message as handlers get it.
 * @typedef {object} Delivery
 * @property {any} data
 * @property {string} channel
 * @property {string} [id]
 * @property {string} [position] where it stands in the channel's history, opaque; absent without one
 * @property {true} [replayed] it came from the history, and not live
 */

/**
 * What the server keeps.
 * @typedef {object} Page
 * @property {Delivery[]} messages the oldest first
 * @property {string} [cursor] where they end, for `since`; absent where there is no history
 * @property {boolean} more whether there are newer ones
 * @property {boolean} [recovered] whether nothing is missing since `since`
 * @property {string} [reason] why something is
 */

/**
 * Whether everything was heard.
 * @typedef {object} Recovery
 * @property {string} pattern
 * @property {boolean} recovered
 * @property {string} [reason] what became of the rest: `too_old` (it is kept no more), `new_epoch` (the history is
 *   another one), `overflow` (this client was too slow), `unknown`
 */

/**
 * @typedef {object} Hooks
 * @property {(pattern: string, error: Error) => void} failed the server refused it
 * @property {(recovery: Recovery) => void} recovered
 * @property {() => void} added something waits to be sent
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
   * @param {() => Promise<void>} leave
   */
  constructor(pattern, handler, ready, leave) {
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
 * How a handler takes part in its pattern.
 * @typedef {object} Part
 * @property {number} born an id of the outbox
 * @property {boolean} late the replay that is under way was asked for by others
 * @property {Joining} [joining]
 */

/**
 * @typedef {object} Listened
 * @property {Map<Subscription, Part>} handlers
 * @property {Cursor} cursor
 * @property {string} since where it begins, as long as the cursor is empty
 * @property {boolean} known whether the server has ever acknowledged it
 * @property {Cursor} [begins] where it is live, as the answer said
 * @property {Record<string, any>[]} [unanswered] live messages that came while the answer is awaited
 * @property {Promise<void>} ready
 * @property {() => void} acknowledge
 * @property {(error: Error) => void} refuse
 */

export class Subscriptions {
  #outbox;
  #hooks;
  /** Whether the server keeps histories. */
  #keeps = false;
  /** @type {Map<string, Listened>} */
  #patterns = new Map();

  /**
   * @param {import("./outbox.js").Outbox} outbox
   * @param {Hooks} hooks
   */
  constructor(outbox, hooks) {
    this.#outbox = outbox;
    this.#hooks = hooks;
  }

  /**
   * @param {string} pattern
   * @param {Handler} handler
   * @param {{ since?: string, signal?: AbortSignal }} options
   */
  add(pattern, handler, { since = "now", signal }) {
    const known = this.#patterns.get(pattern);
    const listened = known ?? newcomer(since);
    if (!known) this.#patterns.set(pattern, listened);
    const { handlers, ready } = listened;
    const abort = () => void subscription.unsubscribe().catch(() => {});
    /** @type {Subscription} */
    const subscription = new Subscription(pattern, handler, ready, () => {
      signal?.removeEventListener("abort", abort);
      return this.#remove(subscription);
    });
    /** @type {Part} */
    const part = { born: this.#outbox.nextId(), late: known !== undefined };
    handlers.set(subscription, part);
    if (!known) this.#ask(pattern, listened, false);
    else if (since !== "now") void this.#join(subscription, part, since);
    this.#hooks.added();
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
    return subscription;
  }

  /**
   * Asks for all patterns anew: the session is another one.
   * @param {boolean} keeps whether its server keeps histories
   */
  renew(keeps) {
    this.#keeps = keeps;
    this.#outbox.forgetMeta();
    for (const [pattern, listened] of this.#patterns) {
      for (const part of listened.handlers.values()) part.late = false;
      // Before the publications that wait, or a page would miss its own.
      this.#ask(pattern, listened, true);
    }
  }

  /** @param {Record<string, any>} message */
  deliver(message) {
    const { channel, data, ext } = message;
    if (channel === "/meta/gap") return this.#miss(data);
    const { position, subscription: only } = ext?.encke ?? {};
    const isReplay = only !== undefined;
    for (const pattern of isReplay ? [only] : patternsOf(channel)) {
      const listened = this.#patterns.get(pattern);
      if (!listened) continue;
      if (!isReplay && position && listened.unanswered) keepFor(listened.unanswered, message);
      else hand(listened, message);
    }
  }

  /**
   * A page of what the server keeps.
   * @param {string} pattern
   * @param {{ since?: string, limit?: number, signal?: AbortSignal }} options
   * @returns {Promise<Page>}
   */
  async history(pattern, { since, limit, signal }) {
    const answer = this.#outbox.call("/service/history", { channel: pattern, since, limit }, signal);
    this.#hooks.added();
    const { messages, cursor, more = false, recovered, reason } = await answer;
    const kept = (/** @type {Record<string, any>} */ { channel, data, id, ext }) =>
      ({ data, channel, id, position: ext?.encke?.position });
    return { messages: (messages ?? []).map(kept), cursor, more, recovered, reason };
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
   * @param {boolean} again the session is another one
   */
  #ask(pattern, listened, again) {
    let since = "";
    const ext = () => {
      since = listened.cursor.text || listened.since;
      return this.#keeps ? sinceField(pattern, since) : "";
    };
    listened.unanswered = [];
    const answered = (/** @type {Record<string, any>} */ reply) => {
      const recovery = reply.ext?.encke?.recovery?.[pattern];
      const early = listened.unanswered ?? [];
      listened.unanswered = undefined;
      this.#recover(pattern, listened, since, again && listened.known, recovery);
      listened.begins = new Cursor(recovery?.cursor);
      for (const message of early) hand(listened, message);
      listened.known = true;
      listened.acknowledge();
    };
    const refused = (/** @type {Error} */ error) => {
      if (this.#patterns.get(pattern) === listened) this.#patterns.delete(pattern);
      else if (listened.handlers.size === 0) return; // left before the answer came
      listened.refuse(error);
      leave(listened, error, Infinity);
      this.#hooks.failed(pattern, error);
    };
    this.#outbox.meta("/meta/subscribe", pattern, answered, refused, { first: again, ext });
  }

  /**
   * @param {string} pattern
   * @param {Listened} listened
   * @param {string} since what was asked
   * @param {boolean} interrupted
   * @param {{ cursor?: string, recovered?: boolean, reason?: string }} [answer]
   */
  #recover(pattern, listened, since, interrupted, { cursor, recovered, reason } = {}) {
    if (cursor && reason === "unknown") listened.cursor.restart(cursor);
    else if (cursor) listened.cursor.begin(cursor, since !== "now");
    const asked = since !== "now" && since !== "all";
    if (recovered !== undefined) this.#hooks.recovered({ pattern, recovered, ...(recovered ? {} : { reason }) });
    else if (interrupted || asked) this.#hooks.recovered({ pattern, recovered: false, reason: "unknown" });
  }

  /** The server says what it could not keep for this client. @param {any} notice */
  #miss(notice) {
    for (const pattern of [notice?.subscription ?? []].flat()) {
      if (!this.#patterns.has(pattern)) continue;
      this.#hooks.recovered({ pattern, recovered: false, reason: String(notice.reason) });
    }
  }

  /**
   * @param {Subscription} subscription
   * @param {Part} part
   * @param {string} since
   */
  async #join(subscription, part, since) {
    const { pattern, handler } = subscription;
    const isHere = () => this.#patterns.get(pattern)?.handlers.get(subscription) === part;
    const read = (/** @type {string} */ from) => this.history(pattern, { since: from });
    const hear = (/** @type {Delivery} */ delivery) => isHere() && call(handler, delivery);
    const first = (/** @type {Page} */ { recovered = false, reason = "unknown" }) => {
      if (since !== "all") this.#hooks.recovered({ pattern, recovered, ...(recovered ? {} : { reason }) });
    };
    part.joining = new Joining();
    try {
      await part.joining.run(since, read, hear, first, () => (part.joining = undefined));
    } catch (error) {
      // It stays, with what is live.
      if (isHere()) this.#hooks.failed(pattern, /** @type {Error} */ (error));
    }
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
 * Keeps a live message until the answer to the subscription says whether it is for it. One from before must not move the
 * cursor past what is about to be replayed.
 * @param {Record<string, any>[]} unanswered
 * @param {Record<string, any>} message
 */
function keepFor(unanswered, message) {
  if (unanswered.length === EARLY) unanswered.shift();
  unanswered.push(message);
}

/**
 * Hands a message to the handlers of one pattern.
 * @param {Listened} listened
 * @param {Record<string, any>} message
 */
function hand({ handlers, cursor, begins }, { channel, data, id, ext }) {
  const { position, subscription: only } = ext?.encke ?? {};
  const isReplay = only !== undefined;
  // Of a replay that was asked for twice, because the first answer was lost.
  if (isReplay && cursor.heard(position)) return;
  // Another pattern brought it, or this one when it was subscribed earlier: a replay brings it here, or nothing should.
  if (!isReplay && position && begins?.has(position)) return;
  if (position) cursor.move(position);
  for (const [subscription, { late, joining }] of [...handlers]) {
    if (!handlers.has(subscription) || (isReplay && late)) continue; // left while another handler ran
    /** @type {Delivery} */
    const delivery = { data, channel, id, position };
    if (isReplay) delivery.replayed = true;
    if (joining && position) joining.hold(delivery);
    else call(subscription.handler, delivery);
  }
}

/**
 * @param {Listened} listened
 * @param {Error} error
 * @param {number} mark newer ones stay
 */
function leave({ handlers }, error, mark) {
  for (const [subscription, { born }] of [...handlers]) {
    if (born > mark) continue;
    handlers.delete(subscription);
    subscription.unsubscribe().catch(() => {}); // takes its listener off the signal
    subscription.onend(error);
  }
}

/**
 * @param {string} since
 * @returns {Listened}
 */
function newcomer(since) {
  /** @type {any} */
  const listened = { handlers: new Map(), cursor: new Cursor(since), since, known: false };
  listened.ready = new Promise((resolve, reject) => {
    listened.acknowledge = () => resolve(undefined);
    listened.refuse = reject;
  });
  // Whoever does not look at `ready` hears of a refusal by the client's "error" event.
  listened.ready.catch(() => {});
  return listened;
}
