// The line to the server: the transport in use, opened, judged and left.

import { PROVED_MS } from "./chooser.js";
import { sentence } from "./errors.js";
import { Slept } from "./patience.js";
import { TransportError } from "./transport/error.js";

/** For a transport to open, while another one might do. */
const OPEN_MS = 5_000;

/**
 * A transport in use.
 * @typedef {object} Carrier
 * @property {string} type
 * @property {import("./transport/index.js").Transport} transport
 * @property {import("./transport/index.js").Limits} limits
 * @property {boolean} polls
 * @property {boolean} open
 * @property {number} born when it was open
 * @property {boolean} answered
 * @property {import("./timers.js").Timer} [proof]
 */

/** @typedef {(outgoing: boolean, messages: any[], transport: string) => void} Traffic */

export class Line {
  #url;
  #around;
  #timers;
  #chooser;
  #patience;
  /** @type {Carrier | undefined} */
  #carrier;

  /** What came in. @type {(messages: Record<string, any>[]) => void} */
  onmessages = () => {};
  /** Nothing more comes; what was on its way is lost. @type {(error: Error) => void} */
  onlost = () => {};
  /** Sees everything, both ways. @type {Traffic | undefined} */
  ontraffic = undefined;

  /**
   * @param {string} url
   * @param {import("./surroundings.js").Surroundings} around
   * @param {import("./timers.js").Timers} timers
   * @param {import("./chooser.js").Chooser} chooser
   * @param {import("./patience.js").Patience} patience
   */
  constructor(url, around, timers, chooser, patience) {
    this.#url = url;
    this.#around = around;
    this.#timers = timers;
    this.#chooser = chooser;
    this.#patience = patience;
  }

  /** The transport in use, if any; another object each time one is opened. */
  get carrier() {
    return this.#carrier;
  }

  /** Opens the transport that the chooser names. */
  async open() {
    const Transport = this.#chooser.next();
    if (!Transport) throw new TransportError("no transport can be used here");
    const { type, limits, polls } = Transport;
    const transport = new Transport(this.#url, this.#around);
    /** @type {Carrier} */
    const carrier = { type, limits, polls, transport, open: false, born: this.#timers.now(), answered: false };
    this.#carrier = carrier;
    const fail = (/** @type {Error} */ error) => this.drop(carrier, error, true);
    transport.onmessage = (messages) => this.#hear(carrier, messages);
    transport.onerror = fail;
    const opened = this.#patience.expect("open", OPEN_MS, `the opening of ${type}`, fail);
    transport.open().then(() => {
      if (this.#carrier === carrier) this.#patience.settle("open", undefined);
    }, fail);
    await opened;
    carrier.open = true;
    carrier.born = this.#timers.now();
  }

  /**
   * Sends a JSON array of messages.
   * @param {string} text
   * @param {string} [ticket] who says it, where what is said stands in a URL
   */
  write(text, ticket) {
    const carrier = this.#carrier;
    if (!carrier) return;
    this.ontraffic?.(true, JSON.parse(text), carrier.type);
    try {
      carrier.transport.send(text, ticket);
    } catch (error) {
      this.drop(carrier, new TransportError(sentence(error)), true);
    }
  }

  /**
   * Leaves `carrier`, unless that has happened; everything awaited of it fails.
   * @param {Carrier | undefined} carrier
   * @param {Error} error
   * @param {boolean} itsFault whether to judge the transport by it
   */
  drop(carrier, error, itsFault) {
    if (!carrier || this.#carrier !== carrier) return;
    this.#carrier = undefined;
    carrier.transport.close();
    this.#timers.clear(carrier.proof);
    if (itsFault && error instanceof TransportError && !(error instanceof Slept)) {
      const { answered, type, born } = carrier;
      error.left = this.#chooser.died(type, { answered, age: this.#timers.now() - born, code: error.closeCode });
    }
    this.onlost(error);
    this.#patience.fail(error);
  }

  /**
   * @param {Carrier} carrier
   * @param {unknown} said
   */
  #hear(carrier, said) {
    if (this.#carrier !== carrier) return;
    const messages = Array.isArray(said) ? said : [said];
    if (messages.some((message) => typeof message?.channel !== "string")) {
      return this.drop(carrier, new TransportError("the server answered with JSON that is not Bayeux"), true);
    }
    this.#patience.heard = this.#timers.now();
    if (!carrier.answered && messages.length > 0) {
      carrier.answered = true;
      this.#chooser.answered(carrier.type);
      carrier.proof = this.#timers.set(PROVED_MS, () => this.#chooser.proved(carrier.type));
    }
    this.ontraffic?.(false, messages, carrier.type);
    this.onmessages(messages);
  }
}
