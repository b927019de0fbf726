// The session with the server: who this client is to it, what is asked, what is answered. When to ask, and what
// follows a failure, is `connection.js`.

import { EnckeError } from "./errors.js";
import { Ack } from "./ext/ack.js";
import { farewell } from "./page.js";
import { TransportError } from "./transport/error.js";

/** For every answer, a connect's own holding aside (`maxNetworkDelay` of other clients). */
export const NETWORK_MS = 10_000;

/** The server does not know the session, and a handshake may begin another one. */
export class SessionUnknown extends EnckeError {}

/**
 * @typedef {object} Hooks
 * @property {() => boolean} running whether the client has not been ended
 * @property {(message: Record<string, any>) => void} deliver
 * @property {(advice: Record<string, any>) => boolean} advised of advice in an answer that nobody awaits; answers
 *   whether it asks for a handshake
 */

export class Session {
  #line;
  #outbox;
  #patience;
  #hooks;
  #ack = new Ack();
  /** @type {string | undefined} */
  #clientId;
  /** Of the connect that is awaited. @type {string | undefined} */
  #connectId;
  #sends = 0;
  #batches = 0;
  #pumping = false;

  /**
   * @param {import("./line.js").Line} line
   * @param {import("./outbox.js").Outbox} outbox
   * @param {import("./patience.js").Patience} patience
   * @param {Hooks} hooks
   */
  constructor(line, outbox, patience, hooks) {
    this.#line = line;
    this.#outbox = outbox;
    this.#patience = patience;
    this.#hooks = hooks;
    line.onmessages = (messages) => this.#hear(messages);
  }

  /** Whether the server has given a clientId, and has not been heard to forget it. */
  get known() {
    return this.#clientId !== undefined;
  }

  /** Whether nothing but a connect is awaited of the carrier. */
  get idle() {
    return this.#sends === 0;
  }

  /**
   * The server's reply; when it is successful, a session has begun.
   * @param {string[]} supportedConnectionTypes
   * @param {import("./token.js").Shown} shown
   */
  async handshake(supportedConnectionTypes, shown) {
    const ext = { ...this.#ack.wishes, ...shown.ext };
    const fields = { version: "1.0", minimumVersion: "1.0", supportedConnectionTypes, ext };
    const reply = await this.#ask("/meta/handshake", fields, NETWORK_MS, shown.ticket);
    if (reply.successful !== true) return reply;
    if (typeof reply.clientId !== "string") throw new TransportError("the server shook hands without a clientId");
    this.#clientId = reply.clientId;
    this.#outbox.begin(reply.ext?.encke !== undefined);
    return reply;
  }

  /**
   * @param {Record<string, unknown>} fields
   * @param {import("./token.js").Shown} shown
   * @param {number} held for how many milliseconds the server may keep it
   */
  connect(fields, shown, held) {
    const ext = { ...this.#ack.fields, ...shown.ext };
    const all = Object.keys(ext).length > 0 ? { ...fields, ext } : fields;
    return this.#ask("/meta/connect", all, held + NETWORK_MS, shown.ticket);
  }

  disconnect() {
    return this.#ask("/meta/disconnect", {}, NETWORK_MS);
  }

  /**
   * Says good-bye from a page that goes.
   * @param {import("./surroundings.js").Surroundings} around
   * @param {string} url
   */
  farewell(around, url) {
    const { carrier } = this.#line;
    if (this.known && carrier) {
      farewell(around, url, JSON.stringify([this.#message("/meta/disconnect", {}).message]), carrier.type);
    }
    this.#clientId = undefined;
  }

  /** @param {string} why */
  forget(why) {
    this.#clientId = this.#connectId = undefined;
    return new SessionUnknown("transport", why);
  }

  /** Sends what waits, at the end of this turn of the event loop. */
  pump() {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#send();
    });
  }

  /** @param {() => void} run what it publishes is sent after it, and together */
  batch(run) {
    this.#batches++;
    try {
      run();
    } finally {
      this.#batches--;
      this.pump();
    }
  }

  /** @param {Record<string, any>[]} messages */
  #hear(messages) {
    // Over polls, what does not come with the answer to this session's connect is not for it: it comes again.
    const polls = this.#ack.on && this.#line.carrier?.polls;
    const deaf = polls && !messages.some(({ id }) => String(id) === this.#connectId);
    let unknown = false;
    for (const message of messages) {
      if (!this.#hooks.running()) return; // a handler has ended it
      if (typeof message.successful === "boolean") unknown = this.#hearReply(message) || unknown;
      else if (!deaf) this.#hearDelivery(message);
    }
    if (unknown && this.known) {
      const connect = this.#connectId;
      this.#patience.refuse(connect, this.forget("the server does not know the session any more"));
    }
    if (this.#outbox.size === 0) this.#patience.settle("drained", undefined);
  }

  /** @param {Record<string, any>} message */
  #hearDelivery(message) {
    this.#ack.delivered(message);
    const { channel } = message;
    if (!channel.startsWith("/meta/") || channel === "/meta/gap") this.#hooks.deliver(message);
  }

  /**
   * @param {Record<string, any>} reply
   * @returns {boolean} whether it says that the session is no more
   */
  #hearReply(reply) {
    const { channel, ext } = reply;
    const isConnect = channel === "/meta/connect";
    const isHandshake = channel === "/meta/handshake";
    if (this.#patience.settle(String(reply.id), reply)) {
      // Now, and not when whoever asked goes on: what follows in the same array is counted already.
      if (isHandshake && reply.successful) this.#ack.begin(ext);
      if (isConnect) this.#ack.closed(ext);
      return false;
    }
    // To a connect or handshake that nobody awaits any more: of another session, perhaps.
    if (isConnect || isHandshake) return false;
    const unknown = this.#outbox.answer(reply);
    if (unknown !== undefined) return unknown === this.#clientId;
    return reply.advice ? this.#hooks.advised(reply.advice) : false;
  }

  /**
   * @param {string} channel
   * @param {Record<string, unknown>} fields
   * @param {number} ms
   * @param {string} [ticket]
   * @returns {Promise<Record<string, any>>}
   */
  #ask(channel, fields, ms, ticket) {
    const { carrier } = this.#line;
    if (!carrier) return Promise.reject(new TransportError("the connection is lost"));
    const { id, message } = this.#message(channel, fields);
    if (channel === "/meta/connect") this.#connectId = id;
    const late = (/** @type {TransportError} */ error) => this.#line.drop(carrier, error, true);
    const reply = this.#patience.expect(id, ms, `the answer to ${channel}`, late);
    this.#line.write(JSON.stringify([message]), ticket);
    return reply;
  }

  /**
   * @param {string} channel
   * @param {Record<string, unknown>} fields
   */
  #message(channel, fields) {
    const id = String(this.#outbox.nextId());
    const session = this.#clientId ? { clientId: this.#clientId } : {};
    return { id, message: { channel, id, ...session, ...fields } };
  }

  #send() {
    const carrier = this.#line.carrier;
    if (!carrier?.open || !this.#clientId || this.#batches > 0) return;
    while (this.#sends < carrier.limits.sends && this.#outbox.isReady && this.#line.carrier === carrier) {
      let cancel = () => {};
      const batch = this.#outbox.take(carrier.limits, this.#clientId, () => {
        cancel();
        this.#sends--;
        this.pump();
      });
      if (!batch) continue;
      this.#sends++;
      cancel = this.#patience.watch(NETWORK_MS, "the answer to a batch", (error) => this.#line.drop(carrier, error, true));
      this.#line.write(batch.text);
    }
  }
}
