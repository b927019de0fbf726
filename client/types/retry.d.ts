/**
 * Full jitter: anything from 0 to a bound that doubles with each try. When a server comes back, its clients come
 * spread over the bound and not in a wave each second.
 * @param {number} tries failures in a row, from 1
 * @param {() => number} random
 * @returns {number} milliseconds
 */
export function delay(tries: number, random: () => number): number;
