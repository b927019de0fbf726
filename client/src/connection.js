// The life of the client: handshake, the cycle of connects, advice, and what follows a failure. What is said in it is
// `session.js`.

import { NO_ADVICE, heed } from "./advice.js";
import { EnckeError, refusal } from "./errors.js";
import { Line } from "./line.js";
import { isUnknownSession } from "./outbox.js";
import { Patience, Slept } from "./patience.js";
import { delay } from "./retry.js";
import { NETWORK_MS, Session, SessionUnknown } from "./session.js";
import { Identity } from "./token.js";
import { TransportError } from "./transport/error.js";

/** @typedef {"idle" | "connecting" | "connected" | "waiting" | "disconnected"} State */

/**
 * @typedef {object} Hooks
 * @property {(state: State, transport: string | undefined, reason: string) => void} state
 * @property {(keeps: boolean) => void} session a new one began: nothing is subscribed; whether its server keeps histories
 * @property {(message: Record<string, any>) => void} deliver
 * @property {(error: EnckeError) => void} refused a newer token, while the session goes on with the one that it has
 * @property {(error: EnckeError, mark: number) => void} ended what is newer than `mark` belongs to the next run
 */

export class Connection {
  #url;
  #around;
  #timers;
  #line;
  #chooser;
  #outbox;
  #identity;
  #hooks;
  #patience;
  #session;
  /** The run in progress; what belongs to an earlier one ends by itself. @type {object | undefined} */
  #run;
  #advice = NO_ADVICE;
  /** Whether the last connect on this carrier was answered well: the next may be held. */
  #steady = false;
  /** Whether a connect of this session ever was. */
  #settled = false;
  #tries = 0;
  #notBefore = 0;
  #hidden = false;
  /** @type {Promise<void> | undefined} */
  #leaving;
  /** What is newer than this id is for the run after the one that is being left. @type {number | undefined} */
  #mark;
  /** The transport of the last event. @type {string | undefined} */
  #said;

  /** @type {State} */
  state = "idle";

  /**
   * @param {object} parts
   * @param {string} parts.url
   * @param {import("./surroundings.js").Surroundings} parts.around
   * @param {import("./timers.js").Timers} parts.timers
   * @param {import("./chooser.js").Chooser} parts.chooser
   * @param {import("./outbox.js").Outbox} parts.outbox
   * @param {import("./token.js").Token} parts.token
   * @param {Hooks} parts.hooks
   */
  constructor({ url, around, timers, chooser, outbox, token, hooks }) {
    this.#url = url;
    this.#around = around;
    this.#timers = timers;
    this.#chooser = chooser;
    this.#outbox = outbox;
    this.#hooks = hooks;
    this.#patience = new Patience(timers);
    this.#identity = new Identity(token, url, around, timers, this.#patience);
    this.#line = new Line(url, around, timers, chooser, this.#patience);
    this.#line.onlost = (error) => this.#lose(error);
    this.#session = new Session(this.#line, outbox, this.#patience, {
      running: () => this.running,
      deliver: hooks.deliver,
      advised: (advice) => this.#advised(advice),
    });
  }

  get running() {
    return this.#run !== undefined;
  }

  /** Sees every message, both ways. @param {import("./line.js").Traffic | undefined} see */
  set ontraffic(see) {
    this.#line.ontraffic = see;
  }

  /** The name of the transport in use. */
  get transport() {
    return this.#line.carrier?.type;
  }

  start() {
    if (this.#run) return;
    const run = (this.#run = {});
    this.#say("connecting", "the client was used");
    void this.#cycle(run);
  }

  /** Sends what waits, at the end of this turn of the event loop. */
  pump() {
    this.#session.pump();
  }

  /** @param {() => void} run what it publishes is sent after it, and together */
  batch(run) {
    this.#session.batch(run);
  }

  /** Sends what waits, tells the server, and ends. */
  disconnect() {
    const run = this.#run;
    if (!run) return Promise.resolve();
    this.#mark = undefined;
    // Not before it is known that the client is leaving.
    return (this.#leaving ??= Promise.resolve().then(() => this.#leave(run)));
  }

  /**
   * While a `disconnect` is under way: what is newer than this moment stays for the next run, which whoever asked has
   * to `start` when this one has ended.
   * @returns {boolean} whether one is
   */
  comeBack() {
    if (!this.#leaving) return false;
    this.#mark ??= this.#outbox.nextId();
    return true;
  }

  /** @param {object} run */
  async #leave(run) {
    const late = (/** @type {Error} */ error) => this.#patience.refuse("drained", error);
    try {
      const { known } = this.#session;
      if (known && this.#outbox.size > 0) await this.#patience.expect("drained", NETWORK_MS, "the rest", late);
      if (this.#session.known && this.#line.carrier?.open) await this.#session.disconnect();
    } catch {
      // The session ends by its grace.
    }
    // Whoever heard of the end may have begun anew.
    if (this.#run === run) this.#end("disconnect() was called");
  }

  /** The page runs again: what is overdue is looked at now, and nobody waits longer. */
  wake() {
    this.#hidden = false;
    this.#timers.check();
    if (this.#line.carrier && this.#identity.isOver) {
      // The session has ended with it, and the page may have slept through the word of that.
      this.#forget("the token has ended");
      this.#line.drop(this.#line.carrier, new Slept("the token has ended"), false);
    }
    if (this.#line.carrier) return;
    this.#tries = 0;
    this.#patience.settle("pause", undefined);
  }

  /** The network came back: what was connected over the old one is not waited for. */
  online() {
    this.#chooser.forget();
    if (this.#line.carrier) this.#line.drop(this.#line.carrier, new Slept("the network has changed"), false);
    else this.wake();
  }

  /** The page goes. If it comes back, it begins anew. */
  hide() {
    this.#hidden = true;
    this.#session.farewell(this.#around, this.#url);
    this.#line.drop(this.#line.carrier, new TransportError("the page was hidden"), false);
  }

  /** @param {object} run */
  async #cycle(run) {
    while (this.#run === run) {
      try {
        await this.#turn();
      } catch (error) {
        if (this.#run === run) await this.#recover(/** @type {Error} */ (error)).catch(() => {});
      }
    }
  }

  async #turn() {
    if (!this.#line.carrier) {
      await this.#line.open();
      this.pump();
    }
    if (!this.#session.known) await this.#handshake();
    if (this.#line.carrier && this.#session.known) await this.#connect();
  }

  async #handshake() {
    const reply = await this.#ask();
    if (reply.successful !== true && this.#identity.asksAgain(reply)) return;
    if (reply.advice) this.#advice = heed(reply.advice);
    if (reply.successful !== true) {
      const refused = refusal(reply, "the handshake");
      if (this.#advice.reconnect === "none") return this.#end(refused.message, refused);
      throw refused;
    }
    this.#settled = false;
    this.#steady = false;
    this.#chooser.offered(reply.supportedConnectionTypes);
    this.#hooks.session(reply.ext?.encke !== undefined);
    const { carrier } = this.#line;
    if (carrier && !this.#chooser.speaks(carrier.type)) {
      this.#line.drop(carrier, new TransportError(`the server does not speak ${carrier.type}`), false);
    }
    this.pump();
  }

  /** A handshake's reply, or what stands for it. */
  async #ask() {
    try {
      return await this.#session.handshake(this.#chooser.names, await this.#identity.show(this.transport));
    } catch (error) {
      const { reply } = /** @type {Partial<EnckeError>} */ (error);
      if (reply) return reply;
      throw error;
    }
  }

  /** A newer token, when it is time for one; it is the page's, and may fail without harm. */
  async #renewal() {
    const { carrier } = this.#line;
    try {
      return await this.#identity.renewal(carrier?.type);
    } catch (error) {
      if (!carrier || this.#line.carrier !== carrier) throw error;
      const { reply } = /** @type {EnckeError} */ (error);
      this.#hooks.refused(reply ? refusal(reply, "a newer token") : /** @type {EnckeError} */ (error));
      return {};
    }
  }

  async #connect() {
    const { transport: type } = this;
    const shown = await this.#renewal();
    // Meanwhile the server may have forgotten it.
    if (!this.#session.known) return;
    // Held at once, a first connect would leave the page for 30 s without knowing whether it is connected; and one without
    // the token that is due would be answered when it is too late.
    const waits = this.#steady && !this.#identity.isDue;
    const fields = { connectionType: type, ...(waits ? {} : { advice: { timeout: 0 } }) };
    const reply = await this.#session.connect(fields, shown, waits ? this.#advice.timeout : 0);
    if (reply.advice) this.#advice = heed(reply.advice);
    const { reconnect, interval } = this.#advice;
    this.#notBefore = this.#timers.now() + interval;
    if (reply.successful === true) {
      this.#tries = 0;
      this.#settled = true;
      this.#steady = true;
      this.#identity.heard(reply.ext);
      this.#say("connected", "the server answered");
    } else {
      this.#steady = false;
      const refused = refusal(reply, "a connect");
      if (reconnect === "none") return this.#end(refused.message, refused);
      if (reconnect === "handshake" || isUnknownSession(reply)) throw this.#forget(refused.message);
      if (/:authentication_failed$/.test(reply.error)) {
        this.#identity.refused();
        this.#hooks.refused(refused);
      } else {
        this.#say("waiting", refused.message);
      }
    }
    if (reconnect === "none") return this.#end("the server said not to come back");
    if (reply.successful === true && reconnect === "handshake") throw this.#forget("the server asked for a handshake");
    const tries = reply.successful === true ? this.#identity.misses : ++this.#tries;
    const wait = tries > 0 ? Math.max(interval, delay(tries, this.#around.random)) : interval;
    if (wait > 0) await this.#patience.pause(wait);
    const { carrier } = this.#line;
    if (carrier && carrier.type === type && this.#session.idle && this.#chooser.hasBetterThan(type)) {
      this.#line.drop(carrier, new TransportError(`${type} gives way to a better transport`), false);
      this.#say("connecting", "a better transport may work again");
    }
  }

  /**
   * What to do after a failure: at once with another transport, or after a pause.
   * @param {Error} error
   */
  async #recover(error) {
    const isUnknown = error instanceof SessionUnknown;
    if (!isUnknown) this.#line.drop(this.#line.carrier, error, false);
    if (this.#hidden) {
      this.#say("waiting", error.message);
      return this.#patience.pause(Infinity);
    }
    const atOnce = isUnknown
      ? this.#settled
      : error instanceof Slept || (error instanceof TransportError && error.left) || this.#chooser.hasUntried;
    const wait = Math.max(this.#notBefore - this.#timers.now(), atOnce ? 0 : delay(++this.#tries, this.#around.random));
    if (!this.#chooser.hasUntried || error instanceof Slept) this.#chooser.again();
    if (wait <= 0) return this.#say("connecting", error.message);
    this.#say("waiting", error.message);
    await this.#patience.pause(wait);
    this.#say("connecting", error.message);
  }

  /** @param {string} why */
  #forget(why) {
    this.#steady = false;
    return this.#session.forget(why);
  }

  /**
   * @param {string} why
   * @param {EnckeError} [refused]
   */
  #end(why, refused) {
    if (!this.#run) return;
    // The server answers a disconnect by telling the held connect not to come back.
    const reason = this.#leaving ? "disconnect() was called" : why;
    const error = refused ?? new EnckeError("disconnected", `the client is disconnected: ${reason}`);
    const mark = this.#mark ?? Infinity;
    this.#run = this.#leaving = this.#mark = undefined;
    this.#session.forget(reason);
    this.#advice = NO_ADVICE;
    this.#tries = this.#notBefore = 0;
    this.#outbox.clear(error, mark);
    this.#line.drop(this.#line.carrier, error, false);
    this.#patience.fail(error);
    this.#hooks.ended(error, mark);
    this.#say("disconnected", reason);
  }

  /** @param {Record<string, any>} advice */
  #advised(advice) {
    this.#advice = heed(advice);
    if (this.#advice.reconnect === "none") this.#end("the server said not to come back");
    return this.#advice.reconnect === "handshake";
  }

  /** @param {Error} error */
  #lose(error) {
    this.#steady = false;
    this.#outbox.lost(error.message);
  }

  /**
   * @param {State} state
   * @param {string} reason
   */
  #say(state, reason) {
    const { transport } = this;
    if (state === this.state && transport === this.#said) return;
    this.state = state;
    this.#said = transport;
    this.#hooks.state(state, transport, reason);
  }
}
