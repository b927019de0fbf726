// What waits to be sent, and what was sent and waits for its answer.
//
// Bounds: 20,000 messages or 16 MiB; one more is refused with `outbox_full`. What is not answered survives the loss of
// a connection and of a session, and is sent again before anything newer, under the same id. Encke takes a repeat for
// what it is, within a window: so no more than that is unanswered at a time. Another server would deliver it twice, so
// there it is rejected with `unanswered`; only what changes nothing the second time is repeated.

import { EnckeError, refusal } from "./errors.js";
import { utf8 } from "./transport/error.js";

const MESSAGES = 20_000;
const BYTES = 16 * 1024 * 1024;
/** The server's limits of a message. */
const MESSAGE_BYTES = 64 * 1024;
/** Of a publication, at most, without its channel and data. */
const ENVELOPE = 200;
const DEPTH = 128;
/** Publications of one publisher whose repeats the server knows. */
const WINDOW = 256;
/** Sessions that may end under one message before that is its answer. */
const SESSIONS = 8;

/**
 * @typedef {object} Entry
 * @property {number} id
 * @property {string} channel
 * @property {string} rest the fields after `clientId`, from the comma
 * @property {(answered?: number) => string} ext the field `ext`, with a comma, as it is at the moment of sending
 * @property {number} bytes
 * @property {"publication" | "meta" | "call"} kind
 * @property {boolean} first goes before what waited already
 * @property {number} unknown sessions that ended under it
 * @property {boolean} sent may have arrived
 * @property {AbortSignal} [signal]
 * @property {Batch | undefined} batch
 * @property {(reply: Record<string, any>) => void} resolve
 * @property {(error: Error) => void} reject
 */

/** What was sent together. @typedef {{ left: number, text: string, clientId: string, done: () => void }} Batch */

export class Outbox {
  /** @type {Entry[]} */
  #waiting = [];
  /** @type {Map<string, Entry>} */
  #sent = new Map();
  /** The newest that asks about a pattern, by `rest`. @type {Map<string, Entry>} */
  #asking = new Map();
  #bytes = 0;
  #ids = 0;

  /** How many may be unanswered. */
  #window = Infinity;

  /** Messages that wait or are unanswered. */
  get size() {
    return this.#waiting.length + this.#sent.size;
  }

  /** Whether something waits that may be sent now. */
  get isReady() {
    return this.#waiting.length > 0 && this.#sent.size < this.#window;
  }

  /**
   * A session begins.
   * @param {boolean} once whether its server knows repeated publications
   */
  begin(once) {
    this.#window = once ? WINDOW : Infinity;
    if (once) return;
    const doubtful = this.#waiting.filter(({ sent, kind }) => sent && kind === "publication");
    this.#waiting = this.#waiting.filter((entry) => !doubtful.includes(entry));
    for (const entry of doubtful) this.#doubt(entry, "and the session is with another server now");
  }

  /** An id that no other message of this client has. */
  nextId() {
    return ++this.#ids;
  }

  /**
   * Adds a publication; the promise is that of its acknowledgement.
   * @param {string} channel
   * @param {unknown} data
   * @param {{ echo?: boolean, signal?: AbortSignal }} [options] `signal` takes it back while it is not on its way
   * @returns {Promise<{ position: string | undefined }>}
   */
  async publish(channel, data, { echo, signal } = {}) {
    const muted = echo === false ? ['"echo":false'] : [];
    const ext = (/** @type {number | undefined} */ answered) => {
      const ours = answered === undefined ? muted : [...muted, `"answered":${answered}`];
      return ours.length > 0 ? `,"ext":{"encke":{${ours}}}` : "";
    };
    const reply = await this.#add(channel, `,"data":${encode(data)}`, "publication", signal, ext);
    return { position: reply.ext?.encke?.position };
  }

  /**
   * Adds a question to a service of the server; the promise is that of the answer.
   * @param {string} channel
   * @param {unknown} data
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  async call(channel, data, signal) {
    return (await this.#add(channel, `,"data":${encode(data)}`, "call", signal)).data;
  }

  /**
   * @param {string} channel
   * @param {string} rest
   * @param {"publication" | "call"} kind
   * @param {AbortSignal} [signal]
   * @param {Entry["ext"]} [ext]
   * @returns {Promise<Record<string, any>>}
   */
  #add(channel, rest, kind, signal, ext = () => "") {
    const bytes = utf8(rest) + channel.length + ENVELOPE;
    if (bytes > MESSAGE_BYTES) {
      const error = `the message for ${channel} has ${bytes} bytes with its envelope, and the limit is ${MESSAGE_BYTES}`;
      return Promise.reject(new EnckeError("too_large", error));
    }
    if (this.size >= MESSAGES || this.#bytes + bytes > BYTES) {
      const error = `${this.size} messages (${this.#bytes} bytes) wait to be sent or answered already: await some`;
      return Promise.reject(new EnckeError("outbox_full", error));
    }
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const entry = this.#entry(channel, rest, bytes, kind, resolve, reject);
      entry.ext = ext;
      this.#waiting.push(entry);
      if (!signal) return;
      entry.signal = signal;
      const abort = () => {
        const place = this.#waiting.indexOf(entry);
        if (place < 0) return; // what is on its way may still be answered
        this.#waiting.splice(place, 1);
        this.#settle(entry).reject(signal.reason);
      };
      signal.addEventListener("abort", abort, { once: true });
      const { resolve: ok, reject: no } = entry;
      entry.resolve = (reply) => (signal.removeEventListener("abort", abort), ok(reply));
      entry.reject = (error) => (signal.removeEventListener("abort", abort), no(error));
    });
  }

  /**
   * Adds a subscribe or unsubscribe of `pattern`, which takes the place of one that waits: a page that often changes its
   * mind while there is no connection would have no bound otherwise.
   * @param {"/meta/subscribe" | "/meta/unsubscribe"} channel
   * @param {string} pattern
   * @param {(reply: Record<string, any>) => void} resolve
   * @param {(error: Error) => void} reject
   * @param {{ first?: boolean, ext?: () => string }} [options]
   */
  meta(channel, pattern, resolve, reject, { first = false, ext } = {}) {
    const rest = `,"subscription":${JSON.stringify(pattern)}`;
    const before = this.#asking.get(rest);
    const place = before ? this.#waiting.indexOf(before) : -1;
    if (before && place >= 0) {
      this.#waiting.splice(place, 1);
      this.#void(before);
    }
    const entry = this.#entry(channel, rest, rest.length + 100, "meta", resolve, reject);
    entry.first = first;
    if (ext) entry.ext = ext;
    this.#asking.set(rest, entry);
    this.#waiting.push(entry);
    if (first) this.#sort();
  }

  /**
   * Takes what fits into one `send`; undefined when nothing waits.
   * @param {import("./transport/index.js").Limits} limits
   * @param {string} clientId
   * @param {() => void} done called when the last of them is answered or given up
   * @returns {Batch | undefined}
   */
  take(limits, clientId, done) {
    /** @type {string[]} */
    const texts = [];
    const batch = { left: 0, text: "", clientId, done };
    let size = 2;
    let taken = 0;
    let answered = this.#window < Infinity ? this.#answered() : undefined;
    // A share of the window, so that the next are on their way before the first are answered.
    const most = Math.min(limits.messages, Math.ceil(this.#window / limits.sends), this.#window - this.#sent.size);
    for (; taken < this.#waiting.length && texts.length < most; taken++) {
      const entry = this.#waiting[taken];
      const { channel, id, rest, ext, kind } = entry;
      const own = ext(kind === "publication" ? answered : undefined);
      const text = `{"channel":"${channel}","id":"${id}","clientId":${JSON.stringify(clientId)}${rest}${own}}`;
      const measured = limits.measure(text) + 3;
      if (size + measured > limits.size && texts.length === 0) {
        const error = `the message for ${channel} is too large for this transport: ${measured} of ${limits.size}`;
        this.#settle(entry).reject(new EnckeError("too_large", error));
        continue;
      }
      if (size + measured > limits.size) break;
      if (kind === "publication") answered = undefined; // said once in a batch
      size += measured;
      texts.push(text);
      batch.left++;
      entry.batch = batch;
      entry.sent = true;
      this.#sent.set(String(id), entry);
    }
    this.#waiting.splice(0, taken);
    if (texts.length === 0) return undefined;
    batch.text = `[${texts.join(",")}]`;
    return batch;
  }

  /**
   * Settles what `reply` answers.
   * @param {Record<string, any>} reply
   * @returns {string | undefined} the clientId of the session that the server did not know; the message waits again
   */
  answer(reply) {
    const entry = this.#sent.get(String(reply.id));
    if (!entry) return undefined;
    // Services acknowledge a question as a publication, and answer it after that.
    const isReceipt = entry.kind === "call" && reply.successful === true && reply.data === undefined;
    if (isReceipt && this.#window < Infinity) return undefined;
    this.#sent.delete(String(reply.id));
    if (isUnknownSession(reply) && ++entry.unknown < SESSIONS) {
      const clientId = entry.batch?.clientId;
      entry.sent = false;
      this.#leaveBatch(entry);
      this.#waiting.push(entry);
      this.#sort();
      return clientId;
    }
    this.#settle(entry);
    if (reply.successful === true && !isReceipt) entry.resolve(reply);
    else entry.reject(refusal(isReceipt ? { error: "there is no such service" } : reply, describe(entry)));
    return undefined;
  }

  /**
   * The connection is lost with what was on its way.
   * @param {string} why
   */
  lost(why) {
    for (const entry of [...this.#sent.values()]) {
      this.#sent.delete(String(entry.id));
      if (entry.signal?.aborted) {
        this.#settle(entry).reject(entry.signal.reason);
      } else if (entry.kind === "publication" && this.#window === Infinity) {
        this.#doubt(entry, `(${why})`);
      } else {
        this.#leaveBatch(entry);
        this.#waiting.push(entry);
      }
    }
    this.#sort();
  }

  /** A new session begins: what the old one was asked about its subscriptions is void. */
  forgetMeta() {
    const isMeta = (/** @type {Entry} */ { kind }) => kind === "meta";
    const ended = [...this.#sent.values(), ...this.#waiting].filter(isMeta);
    this.#waiting = this.#waiting.filter((entry) => !isMeta(entry));
    for (const entry of ended) {
      this.#sent.delete(String(entry.id));
      this.#void(entry);
    }
  }

  /**
   * Gives every publication up that is not newer than `mark`.
   * @param {Error} error
   * @param {number} mark
   */
  clear(error, mark = Infinity) {
    const ended = (/** @type {Entry} */ { kind, id }) => kind !== "meta" && id <= mark;
    const all = [...this.#sent.values(), ...this.#waiting].filter(ended);
    this.#waiting = this.#waiting.filter((entry) => !ended(entry));
    for (const entry of all) {
      this.#sent.delete(String(entry.id));
      this.#settle(entry).reject(error);
    }
  }

  /**
   * @param {string} channel
   * @param {string} rest
   * @param {number} bytes
   * @param {"publication" | "meta" | "call"} kind
   * @param {(reply: Record<string, any>) => void} resolve
   * @param {(error: Error) => void} reject
   * @returns {Entry}
   */
  #entry(channel, rest, bytes, kind, resolve, reject) {
    this.#bytes += bytes;
    const fresh = { first: false, unknown: 0, sent: false, batch: undefined, ext: () => "" };
    return { id: this.nextId(), channel, rest, bytes, kind, ...fresh, resolve, reject };
  }

  /**
   * Up to which id every publication is settled: copies of those that are still on their way, on connections that were
   * lost, are then known to be copies however late they come.
   */
  #answered() {
    const waits = this.#waiting.find(({ first }) => !first)?.id ?? this.#ids;
    return Math.min(waits, ...[...this.#sent.values()].map(({ id }) => id)) - 1;
  }

  #sort() {
    this.#waiting.sort((one, other) => Number(other.first) - Number(one.first) || one.id - other.id);
  }

  /**
   * @param {Entry} entry
   * @param {string} why
   */
  #doubt(entry, why) {
    const error = `the connection was lost ${why} before the server answered ${describe(entry)}: it may have arrived`;
    this.#settle(entry).reject(new EnckeError("unanswered", error));
  }

  /** A subscribe or unsubscribe that no answer is awaited of. @param {Entry} entry */
  #void(entry) {
    this.#settle(entry);
    // Nothing is heard by it any more.
    if (entry.channel === "/meta/unsubscribe") entry.resolve({ successful: true });
  }

  /** @param {Entry} entry */
  #settle(entry) {
    if (this.#asking.get(entry.rest) === entry) this.#asking.delete(entry.rest);
    this.#bytes -= entry.bytes;
    this.#leaveBatch(entry);
    return entry;
  }

  /** @param {Entry} entry */
  #leaveBatch(entry) {
    const { batch } = entry;
    entry.batch = undefined;
    if (batch && --batch.left === 0) batch.done();
  }
}

/**
 * 402 in Bayeux 1.0, 401 from Faye.
 * @param {Record<string, any>} reply
 */
export function isUnknownSession(reply) {
  return reply.successful !== true && /^40[12]:/.test(String(reply.error));
}

/** @param {Entry} entry */
function describe({ channel, rest }) {
  if (!channel.startsWith("/meta/")) return `a message for ${channel}`;
  return `to ${channel.slice("/meta/".length)} ${rest.slice(',"subscription":'.length)}`;
}

/** @param {unknown} data */
function encode(data) {
  let json;
  try {
    json = JSON.stringify(data);
  } catch (cause) {
    throw new EnckeError("data_invalid", `the data cannot be written as JSON: ${/** @type {Error} */ (cause).message}`);
  }
  if (json === undefined) {
    throw new EnckeError("data_invalid", `${typeof data} is no JSON value; to publish nothing, publish null`);
  }
  if (json.length > 2 * DEPTH && tooDeep(json)) {
    throw new EnckeError("data_invalid", `the data is nested more than ${DEPTH} levels deep`);
  }
  return json;
}

/** One such message would have the server refuse its whole batch. @param {string} json */
function tooDeep(json) {
  let depth = 1; // the message itself
  for (const [sign] of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (sign === "[" || sign === "{") depth++;
    else if (sign === "]" || sign === "}") depth--;
    if (depth > DEPTH) return true;
  }
  return false;
}
