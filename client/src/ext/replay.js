// Where this client stands in the history of what it listens to, so that it can have what it missed:
// docs/protocol.md, "Replay".

const POSITION = /^([0-9a-z]+)-([0-9a-z]+)$/;

/**
 * A place in one or more histories: for each, its epoch and the sequence of the newest message that was heard. A
 * replay is never ahead of what is live, so the newest is all there is to know.
 */
export class Cursor {
  /** By epoch. @type {Map<string, string>} */
  #sequences = new Map();
  /** Epochs of which nothing was heard yet: the server said where it stands. @type {Set<string>} */
  #told = new Set();

  /** @param {string} [text] positions joined by dots; what is none is as if it were absent */
  constructor(text = "") {
    for (const position of text.split(".")) this.move(position);
  }

  /** Empty when it stands nowhere. */
  get text() {
    return [...this.#sequences].map(([epoch, sequence]) => `${epoch}-${sequence}`).join(".");
  }

  /**
   * Whether `position` is not after it.
   * @param {string} position
   */
  has(position) {
    const [, epoch, sequence] = POSITION.exec(position) ?? [];
    const newest = this.#sequences.get(epoch);
    // Numbers of base 36 without leading zeros.
    return newest !== undefined && (sequence.length - newest.length || (sequence > newest ? 1 : 0)) <= 0;
  }

  /**
   * Whether the message there, or a newer one, was heard. The newest value of a channel may be older than the
   * subscription that gets it.
   * @param {string} position
   */
  heard(position) {
    return this.has(position) && !this.#told.has(position.split("-")[0]);
  }

  /**
   * A message was heard.
   * @param {string} position
   */
  move(position) {
    const [, epoch, sequence] = POSITION.exec(position) ?? [];
    if (!epoch || this.has(position)) return;
    this.#sequences.set(epoch, sequence);
    this.#told.delete(epoch);
  }

  /**
   * A subscription begins to be live at `text`. Epochs that are not named there are over.
   * @param {string} text
   * @param {boolean} follows whether what is missing until then follows
   */
  begin(text, follows) {
    const live = new Cursor(text);
    for (const [epoch, sequence] of live.#sequences) {
      const own = this.#sequences.get(epoch);
      if (!own) this.#told.add(epoch);
      // Not at the end of the replay before it has come: it may be interrupted, too.
      live.#sequences.set(epoch, own ?? (follows ? "0" : sequence));
    }
    this.#sequences = live.#sequences;
  }

  /**
   * The same, where the server has not understood where this stood: nothing follows of what it does not know.
   * @param {string} text
   */
  restart(text) {
    const live = new Cursor(text);
    live.#told = new Set(live.#sequences.keys());
    for (const [epoch, sequence] of this.#sequences) {
      // From the future, or of an epoch that is over.
      if (!live.has(`${epoch}-${sequence}`)) continue;
      live.#sequences.set(epoch, sequence);
      live.#told.delete(epoch);
    }
    this.#sequences = live.#sequences;
    this.#told = live.#told;
  }
}

/**
 * The field `ext` of a subscribe.
 * @param {string} pattern
 * @param {string} since
 */
export function sinceField(pattern, since) {
  return `,"ext":{"encke":{"since":{${JSON.stringify(pattern)}:${JSON.stringify(since)}}}}`;
}
