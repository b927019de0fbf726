/**
 * `name` if one can publish there; throws otherwise.
 * @param {string} name
 */
export function channel(name: string): string;
/**
 * `name` if one can subscribe to it; throws otherwise.
 * @param {string} name
 */
export function pattern(name: string): string;
/**
 * `given` if a subscription can begin there; throws otherwise.
 * @param {string | undefined} given
 */
export function since(given: string | undefined): string | undefined;
/**
 * The n + 2 patterns that match a channel of n segments.
 * @param {string} name
 * @returns {string[]}
 */
export function patternsOf(name: string): string[];
