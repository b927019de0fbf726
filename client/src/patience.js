// What a connection waits for, and for how long. When the connection is lost, all of it fails at once.

import { TransportError } from "./transport/error.js";

/** A timer this late means that the page was asleep and not that the server is. */
const SLEPT_MS = 2_000;
/** After a sleep, what has come meanwhile is heard before anybody is judged. */
const WAKING_MS = 250;
/** A reply may wait behind data that is still coming in, up to this. */
const BUSY_MS = 60_000;

/** The page slept through a deadline: nobody's fault, and no reason to wait. */
export class Slept extends TransportError {}

/** @typedef {{ resolve: (value: any) => void, reject: (error: Error) => void }} Awaited */

export class Patience {
  #timers;
  /** @type {Map<unknown, Awaited>} */
  #awaited = new Map();

  /** @param {import("./timers.js").Timers} timers */
  constructor(timers) {
    this.#timers = timers;
    /** When anything came in last. */
    this.heard = 0;
  }

  /**
   * A promise that `settle(key, …)` fulfils and `fail` rejects. When `ms` have passed, `late` hears of it, once.
   * @param {unknown} key
   * @param {number} ms
   * @param {string} what
   * @param {(error: TransportError) => void} late
   * @returns {Promise<any>}
   */
  expect(key, ms, what, late) {
    return new Promise((resolve, reject) => {
      const cancel = this.watch(ms, what, late);
      const end = () => {
        cancel();
        if (this.#awaited.get(key) === awaited) this.#awaited.delete(key);
      };
      const awaited = {
        resolve: (/** @type {any} */ value) => (end(), resolve(value)),
        reject: (/** @type {Error} */ error) => (end(), reject(error)),
      };
      this.#awaited.set(key, awaited);
    });
  }

  /**
   * A pause that `settle("pause")` ends early.
   * @param {number} ms
   * @returns {Promise<void>}
   */
  pause(ms) {
    return new Promise((resolve, reject) => {
      const timer = this.#timers.set(ms, () => this.settle("pause", undefined));
      const end = () => {
        this.#timers.clear(timer);
        this.#awaited.delete("pause");
      };
      this.#awaited.set("pause", { resolve: () => (end(), resolve()), reject: (error) => (end(), reject(error)) });
    });
  }

  /**
   * @param {unknown} key
   * @param {any} value
   * @returns {boolean} whether anybody waited for it
   */
  settle(key, value) {
    const awaited = this.#awaited.get(key);
    awaited?.resolve(value);
    return awaited !== undefined;
  }

  /**
   * @param {unknown} key
   * @param {Error} error
   */
  refuse(key, error) {
    this.#awaited.get(key)?.reject(error);
  }

  /** Everything awaited fails. @param {Error} error */
  fail(error) {
    for (const awaited of [...this.#awaited.values()]) awaited.reject(error);
  }

  /**
   * Calls `late` when `ms` have passed, unless the returned function is called before.
   * @param {number} ms
   * @param {string} what
   * @param {(error: TransportError) => void} late
   * @returns {() => void}
   */
  watch(ms, what, late) {
    const start = this.#timers.now();
    const set = (/** @type {number} */ wait, /** @type {(late: number) => void} */ run) => {
      timer = this.#timers.set(wait, run);
    };
    const ring = (/** @type {number} */ lateBy) => {
      const now = this.#timers.now();
      const slept = Math.round((now - start) / 1000);
      if (lateBy > SLEPT_MS) {
        return set(WAKING_MS, () => late(new Slept(`the page was asleep: ${what} has been awaited for ${slept} s`)));
      }
      if (this.heard > start && now - this.heard < ms && now - start < BUSY_MS) {
        // A difference of such numbers can be too small to change the time that it is added to.
        return set(Math.max(1, Math.min(ms, BUSY_MS) - (now - this.heard)), ring);
      }
      late(new TransportError(`${what} did not come within ${Math.round((now - start) / 100) / 10} s`));
    };
    /** @type {import("./timers.js").Timer} */
    let timer;
    set(ms, ring);
    return () => this.#timers.clear(timer);
  }
}
