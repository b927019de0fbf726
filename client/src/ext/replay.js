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
   * A message was heard.
   * @param {string} position
   */
  move(position) {
    const [, epoch, sequence] = POSITION.exec(position) ?? [];
    if (epoch && !this.has(position)) this.#sequences.set(epoch, sequence);
  }

  /**
   * A subscription begins to be live at `text`. Epochs that are not named there are over.
   * @param {string} text
   * @param {"now" | "replay" | "astray"} what whether nothing, or what is missing follows, or the server did not
   *   understand where this stood, and nothing follows
   */
  begin(text, what) {
    const live = new Cursor(text).#sequences;
    for (const [epoch, sequence] of live) {
      const own = what === "astray" ? undefined : this.#sequences.get(epoch);
      // Not at the end of the replay before it has come: it may be interrupted, too.
      live.set(epoch, own ?? (what === "replay" ? "0" : sequence));
    }
    this.#sequences = live;
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
