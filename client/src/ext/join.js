// A handler that joins others on their pattern, and wants what came before: it reads that page by page, while what
// is live waits for it. The others hear nothing of that.

import { Cursor } from "./replay.js";

/** Live messages that wait; when there are more, they are read from the history as well. */
const HELD = 1_000;

/** @typedef {import("../subscription.js").Delivery} Delivery */
/** @typedef {import("../subscription.js").Page} Page */

export class Joining {
  /** @type {Delivery[]} */
  #held = [];
  #tooMany = false;

  /** @param {Delivery} delivery a live one */
  hold(delivery) {
    if (this.#held.length < HELD) this.#held.push(delivery);
    else this.#tooMany = true;
  }

  /**
   * @param {string} since
   * @param {(since: string) => Promise<Page>} read
   * @param {(delivery: Delivery) => void} hear
   * @param {(page: Page) => void} first sees the first page
   * @param {() => void} live nothing is to be held any more
   */
  async run(since, read, hear, first, live) {
    try {
      for (let pages = 0; ; pages++) {
        if (this.#tooMany) this.#held = [];
        this.#tooMany = false;
        const page = await read(since);
        if (pages === 0) first(page);
        for (const delivery of page.messages) hear({ ...delivery, replayed: true });
        if (!page.cursor) break; // nothing is kept
        since = page.cursor;
        if (!page.more && !this.#tooMany) break;
      }
    } finally {
      live();
      const cursor = new Cursor(since);
      for (const delivery of this.#held) {
        if (!cursor.has(String(delivery.position))) hear(delivery);
      }
    }
  }
}
