/** @type {Clock} */
export const pageClock: Clock;
export class Timers {
    /**
     * @param {Clock} clock
     * @param {typeof Worker} [WorkerClass] absent where there is no page that could be hidden
     */
    constructor(clock: Clock, WorkerClass?: typeof Worker);
    /** Milliseconds on a clock that only grows. */
    now(): number;
    /** How many are set. */
    get size(): number;
    /**
     * Calls `run` once, `ms` from now, with how many milliseconds late that is.
     * @param {number} ms
     * @param {(late: number) => void} run
     * @returns {Timer}
     */
    set(ms: number, run: (late: number) => void): Timer;
    /** @param {Timer | undefined} timer */
    clear(timer: Timer | undefined): void;
    /** Rings what is overdue: after a sleep the timers themselves may come much later than the page. */
    check(): void;
    /** Clears all, and ends the worker. */
    stop(): void;
    #private;
}
export type Clock = {
    /**
     * milliseconds that only grow, whatever the wall clock does
     */
    now: () => number;
    setTimeout: (run: () => void, ms: number) => any;
    clearTimeout: (handle: any) => void;
};
export type Timer = {
    id: number;
    at: number;
    native: any;
    run: (late: number) => void;
};
