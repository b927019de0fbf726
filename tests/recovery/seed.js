// Chance that can be had again: every story says its seed, and ENCKE_SEED gives it.

/** Numbers of mulberry32, one sequence for each `title`; the seed stands in the output of the test. */
export class Chance {
  #state;

  constructor(t) {
    const seed = Number(process.env.ENCKE_SEED ?? Date.now() % 2 ** 31);
    t.diagnostic(`ENCKE_SEED=${seed}`);
    this.#state = seed;
    for (const character of t.name) this.#state = Math.imul(this.#state ^ character.codePointAt(0), 0x01000193) >>> 0;
  }

  /** From 0, included, to 1, excluded. */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, `low` and `high` included. */
  between(low, high) {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick(things) {
    return things[this.between(0, things.length - 1)];
  }
}
