// What the server advises: docs/protocol.md, "Replies".

/**
 * @typedef {object} Advice
 * @property {"retry" | "handshake" | "none"} reconnect what to do after the next failure, or this one
 * @property {number} interval milliseconds between a connect's answer and the next connect
 * @property {number} timeout milliseconds for which the server holds a connect
 * @property {boolean} multipleClients another page of this browser holds a connection, too
 */

/** @type {Advice} */
export const NO_ADVICE = { reconnect: "retry", interval: 0, timeout: 30_000, multipleClients: false };

/** No server asks for more on purpose. */
const LONGEST_MS = 3_600_000;

/**
 * Advice as it came, made whole: the newest replaces all that was said before, so what is missing is the default.
 * `hosts` is not heeded, as in every other client: a page talks to the server that it was given.
 * @param {any} said
 * @returns {Advice}
 */
export function heed(said) {
  const { reconnect, interval, timeout } = said;
  return {
    // A negative interval means: do not come back (Bayeux 1.0, section 4.5).
    reconnect: interval < 0 ? "none" : ["handshake", "none"].includes(reconnect) ? reconnect : "retry",
    interval: milliseconds(interval, NO_ADVICE.interval),
    timeout: milliseconds(timeout, NO_ADVICE.timeout),
    multipleClients: said["multiple-clients"] === true,
  };
}

/**
 * @param {unknown} value
 * @param {number} otherwise
 */
function milliseconds(value, otherwise) {
  return typeof value === "number" && value >= 0 ? Math.min(value, LONGEST_MS) : otherwise;
}
