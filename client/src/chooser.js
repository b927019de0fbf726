// Which transport to use, judged by what became of it here.
//
// A transport is left
// - for 30 s, when it brought no answer and another one then did; for 10 min, when that happens again;
// - for 10 min, when it died twice in a row after it had brought an answer, each time before it was 60 s old: the proxy
//   that lets a WebSocket open and kills it.
// The server's own farewell (it drains, restarts, or is busy) is nobody's fault and does not count.
// A verdict holds for one server on one network: it is kept in localStorage under the server's origin until it
// expires, and forgotten when the browser says that the network has changed.

/** A transport of this age has proved itself. */
export const PROVED_MS = 60_000;
const DEATHS = 2;
const SHORT_MS = 30_000;
const LONG_MS = 600_000;

/** Close codes by which a server says farewell: going away, its own rules (a token that has ended), restarting, busy. */
const FAREWELLS = [1001, 1008, 1012, 1013];

/** @typedef {import("./transport/index.js").TransportClass} TransportClass */

export class Chooser {
  #classes;
  #storage;
  #wall;
  #key;
  /** Brought no answer since the last one that did. @type {Set<string>} */
  #silent = new Set();
  /** @type {Map<string, number>} */
  #deaths = new Map();
  /** @type {Map<string, number>} */
  #suspicions = new Map();
  /** Until when each is left, by the wall clock, because other pages read it too. @type {Map<string, number>} */
  #left = new Map();
  /** What the server speaks, once it said so. @type {string[] | undefined} */
  #offered;

  /**
   * @param {TransportClass[]} classes in order of preference
   * @param {{ key: string, storage?: Storage, wall: () => number }} memory
   */
  constructor(classes, { key, storage, wall }) {
    this.#classes = classes;
    this.#storage = storage;
    this.#key = key;
    this.#wall = wall;
    this.#remember();
  }

  /** All names, for a handshake. */
  get names() {
    return this.#classes.map(({ type }) => type);
  }

  /**
   * The transport to try now; undefined when all were tried since the last answer: then is the time to wait.
   * @returns {TransportClass | undefined}
   */
  next() {
    return this.#ranked().find(({ type }) => !this.#silent.has(type));
  }

  /**
   * Whether one that is preferred to `type` is worth a try now: the verdict on it is over.
   * @param {string} type
   */
  hasBetterThan(type) {
    const now = this.#wall();
    const [first] = this.#classes.filter((one) => this.speaks(one.type) && !this.#isLeft(one.type, now));
    return first !== undefined && this.names.indexOf(first.type) < this.names.indexOf(type);
  }

  /** Whether another transport remains to be tried at once, after one that brought no answer. */
  get hasUntried() {
    return this.#silent.size > 0 && this.next() !== undefined;
  }

  /** Begins again with the preferred one. */
  again() {
    this.#silent.clear();
  }

  /** @param {unknown} types `supportedConnectionTypes` of a handshake reply */
  offered(types) {
    this.#offered = Array.isArray(types) && types.length > 0 ? types : undefined;
  }

  /** @param {string} type */
  speaks(type) {
    return !this.#offered || this.#offered.includes(type);
  }

  /**
   * `type` brought its first answer. What was tried before it and was silent is left.
   * @param {string} type
   */
  answered(type) {
    for (const silent of this.#silent) {
      const times = (this.#suspicions.get(silent) ?? 0) + 1;
      this.#suspicions.set(silent, times);
      this.#leave(silent, times > 1 ? LONG_MS : SHORT_MS);
    }
    this.#silent.clear();
    this.#suspicions.delete(type);
  }

  /**
   * `type` has lived for `PROVED_MS`.
   * @param {string} type
   */
  proved(type) {
    this.#deaths.delete(type);
  }

  /**
   * `type` is gone.
   * @param {string} type
   * @param {{ answered: boolean, age: number, code?: number }} life
   * @returns {boolean} whether it was left for that
   */
  died(type, { answered, age, code }) {
    if (!answered) {
      this.#silent.add(type);
      return false;
    }
    if (age >= PROVED_MS || (code !== undefined && FAREWELLS.includes(code))) {
      this.#deaths.delete(type);
      return false;
    }
    const deaths = (this.#deaths.get(type) ?? 0) + 1;
    this.#deaths.set(type, deaths);
    if (deaths < DEATHS || this.#classes.length < 2) return false;
    this.#deaths.delete(type);
    this.#leave(type, LONG_MS);
    return true;
  }

  /** The network is another one: every verdict is void. */
  forget() {
    this.#left.clear();
    this.#silent.clear();
    this.#deaths.clear();
    this.#suspicions.clear();
    this.#save();
  }

  /** Those that are not left; when all are, all. */
  #ranked() {
    const spoken = this.#classes.filter(({ type }) => this.speaks(type));
    const now = this.#wall();
    const good = spoken.filter(({ type }) => !this.#isLeft(type, now));
    return good.length > 0 ? good : spoken.length > 0 ? spoken : this.#classes;
  }

  /**
   * @param {string} type
   * @param {number} now
   */
  #isLeft(type, now) {
    const until = this.#left.get(type);
    if (until === undefined) return false;
    // A time further away than any verdict was written by a clock that has been put right since.
    if (until > now && until <= now + LONG_MS) return true;
    this.#left.delete(type);
    return false;
  }

  /**
   * @param {string} type
   * @param {number} ms
   */
  #leave(type, ms) {
    this.#left.set(type, this.#wall() + ms);
    this.#save();
  }

  #remember() {
    try {
      const kept = JSON.parse(this.#storage?.getItem(this.#key) ?? "{}");
      for (const [type, until] of Object.entries(kept)) {
        if (this.names.includes(type) && typeof until === "number") this.#left.set(type, until);
      }
    } catch {
      // Storage may be forbidden, and what stands there may be anybody's.
    }
  }

  #save() {
    try {
      if (this.#left.size > 0) this.#storage?.setItem(this.#key, JSON.stringify(Object.fromEntries(this.#left)));
      else this.#storage?.removeItem(this.#key);
    } catch {
      // Full or forbidden: the verdict lives as long as the page.
    }
  }
}
