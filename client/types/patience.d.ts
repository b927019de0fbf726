/** The page slept through a deadline: nobody's fault, and no reason to wait. */
export class Slept extends TransportError {
}
/** @typedef {{ resolve: (value: any) => void, reject: (error: Error) => void }} Awaited */
export class Patience {
    /** @param {import("./timers.js").Timers} timers */
    constructor(timers: import("./timers.js").Timers);
    /** When anything came in last. */
    heard: number;
    /**
     * A promise that `settle(key, …)` fulfils and `fail` rejects. When `ms` have passed, `late` hears of it, once.
     * @param {unknown} key
     * @param {number} ms
     * @param {string} what
     * @param {(error: TransportError) => void} late
     * @returns {Promise<any>}
     */
    expect(key: unknown, ms: number, what: string, late: (error: TransportError) => void): Promise<any>;
    /**
     * A pause that `settle("pause")` ends early.
     * @param {number} ms
     * @returns {Promise<void>}
     */
    pause(ms: number): Promise<void>;
    /**
     * @param {unknown} key
     * @param {any} value
     * @returns {boolean} whether anybody waited for it
     */
    settle(key: unknown, value: any): boolean;
    /**
     * @param {unknown} key
     * @param {Error} error
     */
    refuse(key: unknown, error: Error): void;
    /** Everything awaited fails. @param {Error} error */
    fail(error: Error): void;
    /**
     * Calls `late` when `ms` have passed, unless the returned function is called before.
     * @param {number} ms
     * @param {string} what
     * @param {(error: TransportError) => void} late
     * @returns {() => void}
     */
    watch(ms: number, what: string, late: (error: TransportError) => void): () => void;
    #private;
}
export type Awaited = {
    resolve: (value: any) => void;
    reject: (error: Error) => void;
};
import { TransportError } from "./transport/error.js";
