// How long to wait before the next try.

/** The first wait is at most this long. */
const FIRST_MS = 1_000;
/** No wait is longer: what a minute of errors costs a client after it. */
const LONGEST_MS = 30_000;

/**
 * Full jitter: anything from 0 to a bound that doubles with each try. When a server comes back, its clients come
 * spread over the bound and not in a wave each second.
 * @param {number} tries failures in a row, from 1
 * @param {() => number} random
 * @returns {number} milliseconds
 */
export function delay(tries, random) {
  return random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(tries - 1, 16));
}
