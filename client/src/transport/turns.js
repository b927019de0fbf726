// In which order answers are heard that are on their way at the same time: two connections keep none by themselves.
//
// A server puts messages into the answer of any request while no connect is held. So a connect is not sent while the
// answer to something else is awaited, and each request is younger than the connect that is awaited beside it. When
// its answer carries messages nevertheless, the connect was answered before, and that answer comes first.
//
// A server that is told what has arrived puts messages into the answers of connects only, so a connect that says it need not wait.
// It must not: the server may keep the answer to a publication until the publisher has heard what it published before.

/** For the connect's answer to arrive; it is on its way. */
const LATE_MS = 100;

/** Stands in a connect that says what has arrived. */
const ACKNOWLEDGES = '"ext":{"ack":';

/** @typedef {{ isConnect: boolean, ticket?: string, after?: () => void }} Turn */

export class Turns {
  #clock;
  #write;
  /** @type {Turn | undefined} */
  #connect;
  /** Other requests that are unanswered. */
  #others = 0;
  /** A connect that waits for them. @type {(() => void) | undefined} */
  #deferred;
  /** @type {any} */
  #timer;

  /**
   * @param {import("../timers.js").Clock} clock
   * @param {(text: string, turn: Turn) => void} write
   */
  constructor(clock, write) {
    this.#clock = clock;
    this.#write = write;
  }

  /**
   * @param {string} text
   * @param {string} [ticket]
   */
  send(text, ticket) {
    /** @type {Turn} */
    const turn = { isConnect: text.startsWith('[{"channel":"/meta/connect"'), ticket };
    if (!turn.isConnect) {
      this.#others++;
      return this.#write(text, turn);
    }
    this.#deferred = () => {
      this.#deferred = undefined;
      this.#connect = turn;
      this.#write(text, turn);
    };
    if (this.#others === 0 || text.includes(ACKNOWLEDGES)) this.#deferred();
  }

  /**
   * Calls `hear` when it is the answer's turn.
   * @param {Turn} turn
   * @param {unknown} messages
   * @param {() => void} hear
   */
  answer(turn, messages, hear) {
    const connect = this.#connect;
    if (turn.isConnect || !connect || !carries(messages)) return this.#end(turn, hear);
    connect.after = () => {
      this.#clock.clearTimeout(this.#timer);
      connect.after = undefined;
      this.#end(turn, hear);
    };
    this.#timer = this.#clock.setTimeout(connect.after, LATE_MS);
  }

  close() {
    this.#clock.clearTimeout(this.#timer);
    this.#deferred = undefined;
  }

  /**
   * @param {Turn} turn
   * @param {() => void} hear
   */
  #end(turn, hear) {
    if (this.#connect === turn) this.#connect = undefined;
    if (!turn.isConnect) this.#others--;
    hear();
    turn.after?.();
    if (this.#others === 0) this.#deferred?.();
  }
}

/** Whether there is a message among the replies. @param {unknown} messages */
function carries(messages) {
  return Array.isArray(messages) && messages.some((message) => typeof message?.successful !== "boolean");
}
