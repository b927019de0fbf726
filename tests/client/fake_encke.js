// An Encke in memory as far as clients see it: acknowledgement by count, histories, repeated publications. It lives by a
// clock in the hand of the test, on a network that takes its time, loses what is on its way, and dies with or without
// a word. What the real one does is told by stories with the real one; here thousands of interruptions take a second.

import { patternsOf } from "../../client/src/channel.js";

const HELD_MS = 30_000;
const WINDOW = 256;

export class FakeEncke {
  sessions = new Map();
  /** What is kept: `{ sequence, channel, data, publisher, echo }`. */
  log = [];
  epoch = 10;
  sequence = 0;
  /** The oldest that is kept no more. */
  gone = 0;
  /** Publications that were recognized as repeats. */
  repeats = 0;
  resent = 0;
  /** Channels without a history begin with this. */
  forgetful = "/none";
  #clock;
  #random;
  #published = new Map();
  #ids = 0;
  #connections = new Set();

  /**
   * @param {import("./fake_time.js").Clock} clock
   * @param {() => number} random
   */
  constructor(clock, random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Kills connections with what is on its way, each by chance; some die without a word. */
  cut({ chance = 1, silent = 0 } = {}) {
    for (const connection of [...this.#connections]) {
      if (this.#random() >= chance) continue;
      this.#connections.delete(connection);
      connection.up = false;
      for (const session of this.sessions.values()) if (session.connection === connection) session.connection = undefined;
      if (this.#random() >= silent) connection.die();
    }
  }

  /** All sessions have had their grace. */
  expire() {
    for (const session of this.sessions.values()) session.held?.end();
    this.sessions.clear();
  }

  /** Another life: nothing is kept. */
  restart() {
    this.expire();
    this.cut();
    this.epoch++;
    this.log = [];
    this.#published.clear();
    this.sequence = this.gone = 0;
  }

  /** Only the newest `count` messages are kept. */
  keep(count) {
    while (this.log.length > count) this.gone = this.log.shift().sequence;
  }

  get fetch() {
    return (_, { body, signal }) =>
      new Promise((resolve, reject) => {
        const fail = () => (this.#connections.delete(connection), reject(new TypeError("Failed to fetch")));
        const connection = { up: true, polls: true, die: fail, hear: (messages) => {
          this.#connections.delete(connection);
          resolve(new Response(JSON.stringify(messages)));
        } };
        signal.addEventListener("abort", () => ((connection.up = false), fail()));
        this.#connections.add(connection);
        this.#travel(connection, () => this.#converse(connection, JSON.parse(body)));
      });
  }

  get WebSocket() {
    const encke = this;
    return class {
      constructor() {
        this.connection = {
          up: true, polls: false, die: () => this.onclose?.({ code: 1006, reason: "" }),
          hear: (messages) => this.onmessage?.({ data: JSON.stringify(messages) }),
        };
        encke.#connections.add(this.connection);
        encke.#travel(this.connection, () => this.onopen?.());
      }
      send(text) {
        encke.#travel(this.connection, () => encke.#converse(this.connection, JSON.parse(text)));
      }
      close() {
        // What is on its way to the server arrives nevertheless.
        encke.#connections.delete(this.connection);
        this.connection.hear = () => {};
      }
    };
  }

  /** Takes up to 40 ms, in order on each connection. */
  #travel(connection, arrive) {
    const now = this.#clock.now();
    const at = Math.max(now + this.#random() * 40, connection.last ?? 0);
    connection.last = at;
    this.#clock.setTimeout(() => connection.up && arrive(), at - now);
  }

  #say(connection, messages) {
    this.#travel(connection, () => connection.hear(messages));
  }

  #converse(connection, messages) {
    const replies = [];
    for (const message of messages) {
      const reply = this.#answer(connection, message);
      if (reply) replies.push(reply);
    }
    if (replies.length > 0) this.#say(connection, replies);
  }

  #answer(connection, { channel, id, clientId, subscription, data, advice, ext }) {
    const reply = { channel, id, successful: true };
    if (channel === "/meta/handshake") {
      const session = { id: `s${++this.#ids}`, patterns: new Set(), waiting: [], count: 0, publisher: ext.encke.publisher };
      this.sessions.set(session.id, session);
      return { ...reply, clientId: session.id, supportedConnectionTypes: ["websocket", "long-polling"],
        advice: { reconnect: "retry", interval: 0, timeout: HELD_MS }, ext: { ack: true, encke: { ack: "count" } } };
    }
    const session = this.sessions.get(clientId);
    if (!session) {
      return { ...reply, successful: false, error: "402::session_unknown", advice: { reconnect: "handshake", interval: 0, timeout: HELD_MS } };
    }
    switch (channel) {
      case "/meta/connect": return this.#connect(connection, session, reply, advice?.timeout === 0, ext.ack);
      case "/meta/subscribe": return this.#subscribe(session, reply, subscription, ext?.encke?.since?.[subscription]);
      case "/meta/unsubscribe": return void session.patterns.delete(subscription) ?? reply;
      case "/meta/disconnect": return void this.sessions.delete(clientId) ?? reply;
      case "/service/history": return { ...reply, data: this.#page(session, data) };
      default: return this.#publish(session, reply, id, data, ext?.encke);
    }
  }

  #connect(connection, session, reply, atOnce, ack) {
    session.held?.end();
    session.waiting = session.waiting.filter(({ number }) => number > ack);
    const moved = session.connection !== connection;
    session.connection = connection;
    if (connection.polls) {
      const answer = () => {
        const messages = session.waiting.map(({ message }) => message);
        this.#say(connection, [...messages, reply]);
      };
      if (atOnce || session.waiting.length > 0) return void answer();
      return void this.#hold(session, answer);
    }
    if (moved && session.waiting.length > 0) {
      this.resent += session.waiting.length;
      this.#say(connection, session.waiting.map(({ message }) => message));
    }
    if (atOnce) return reply;
    return void this.#hold(session, () => this.#say(connection, [reply]));
  }

  #hold(session, answer) {
    const timer = this.#clock.setTimeout(() => held.answer(), HELD_MS);
    const end = () => (this.#clock.clearTimeout(timer), (session.held = undefined));
    const held = { end, answer: () => (end(), answer()) };
    session.held = held;
  }

  #deliver(session, message) {
    session.waiting.push({ number: ++session.count, message });
    const { connection, held } = session;
    if (connection?.polls) held?.answer();
    else if (connection?.up) this.#say(connection, [message]);
  }

  #matches(pattern, { channel, publisher, echo }, session) {
    return patternsOf(channel).includes(pattern) && !(echo === false && publisher === session.publisher);
  }

  #subscribe(session, reply, pattern, since) {
    session.patterns.add(pattern);
    if (pattern.startsWith(this.forgetful)) {
      const answer = since === "now" || since === "all" ? {} : { recovered: false, reason: "unknown" };
      return { ...reply, ext: { encke: { recovery: { [pattern]: answer } } } };
    }
    const answer = { cursor: this.#position(this.sequence) };
    const from = since === "now" ? Infinity : since === "all" ? 0 : this.#since(since, answer);
    for (const kept of this.log) {
      if (kept.sequence <= from || !this.#matches(pattern, kept, session)) continue;
      const encke = { position: this.#position(kept.sequence), subscription: pattern };
      this.#deliver(session, { channel: kept.channel, data: kept.data, ext: { encke } });
    }
    return { ...reply, ext: { encke: { recovery: { [pattern]: answer } } } };
  }

  #since(cursor, answer) {
    const own = cursor.split(".").find((position) => position.startsWith(`${this.epoch.toString(36)}-`));
    const sequence = parseInt(own?.split("-")[1], 36);
    if (sequence > this.sequence) return Object.assign(answer, { recovered: false, reason: "unknown" }) && Infinity;
    answer.recovered = sequence >= this.gone;
    if (!answer.recovered) answer.reason = own ? "too_old" : "new_epoch";
    return own ? sequence : 0;
  }

  #page(session, { channel, since, limit = 20 }) {
    const answer = {};
    const from = since === undefined || since === "all" ? 0 : this.#since(since, answer);
    const found = this.log.filter((kept) => kept.sequence > from && this.#matches(channel, kept, session));
    const shown = since === undefined ? found.slice(-limit) : found.slice(0, limit);
    const more = since !== undefined && shown.length < found.length;
    const messages = shown.map(({ sequence, channel: name, data }) =>
      ({ channel: name, data, ext: { encke: { position: this.#position(sequence) } } }));
    return { ...answer, messages, more, cursor: this.#position(more ? shown.at(-1).sequence : this.sequence) };
  }

  #publish(session, reply, id, data, { echo, answered = 0 } = {}) {
    const { channel } = reply;
    const published = this.#published.get(session.publisher) ?? Object.assign([], { answered });
    this.#published.set(session.publisher, published);
    published.answered = Math.max(published.answered, answered);
    const before = published.find((one) => one.id === id) ?? (Number(id) <= published.answered ? {} : undefined);
    if (before) this.repeats++;
    else this.post(channel, data, { publisher: session.publisher, echo, published, id });
    const { position } = before ?? published.at(-1);
    return position ? { ...reply, ext: { encke: { position } } } : reply;
  }

  /** Somebody publishes. */
  post(channel, data, { publisher, echo, published, id } = {}) {
    const keeps = !channel.startsWith(this.forgetful);
    if (keeps) this.sequence++;
    const entry = { sequence: this.sequence, channel, data, publisher, echo };
    if (keeps) this.log.push(entry);
    const position = keeps ? this.#position(entry.sequence) : undefined;
    published?.push({ id, position });
    if (published?.length > WINDOW) published.shift();
    for (const session of this.sessions.values()) {
      if (![...session.patterns].some((pattern) => this.#matches(pattern, entry, session))) continue;
      this.#deliver(session, { channel, data, ...(keeps ? { ext: { encke: { position } } } : {}) });
    }
  }

  #position(sequence) {
    return `${this.epoch.toString(36)}-${sequence.toString(36)}`;
  }
}
