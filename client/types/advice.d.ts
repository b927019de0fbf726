/**
 * Advice as it came, made whole: the newest replaces all that was said before, so what is missing is the default.
 * `hosts` is not heeded, as in every other client: a page talks to the server that it was given.
 * @param {any} said
 * @returns {Advice}
 */
export function heed(said: any): Advice;
/**
 * @typedef {object} Advice
 * @property {"retry" | "handshake" | "none"} reconnect what to do after the next failure, or this one
 * @property {number} interval milliseconds between a connect's answer and the next connect
 * @property {number} timeout milliseconds for which the server holds a connect
 * @property {boolean} multipleClients another page of this browser holds a connection, too
 */
/** @type {Advice} */
export const NO_ADVICE: Advice;
export type Advice = {
    /**
     * what to do after the next failure, or this one
     */
    reconnect: "retry" | "handshake" | "none";
    /**
     * milliseconds between a connect's answer and the next connect
     */
    interval: number;
    /**
     * milliseconds for which the server holds a connect
     */
    timeout: number;
    /**
     * another page of this browser holds a connection, too
     */
    multipleClients: boolean;
};
