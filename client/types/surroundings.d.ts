/**
 * @typedef {object} Surroundings
 * @property {typeof fetch} [fetch]
 * @property {typeof WebSocket} [WebSocket]
 * @property {Document} [document]
 * @property {EventTarget} [window] of a page, which hides and goes to sleep
 * @property {typeof Worker} [Worker]
 * @property {Storage} [storage]
 * @property {import("./timers.js").Clock} clock
 * @property {() => number} wall milliseconds since 1970, which may jump
 * @property {() => number} random
 */
/**
 * @param {{ fetch?: any, WebSocket?: any, clock?: any, wall?: () => number, random?: () => number }} given
 * @returns {Surroundings}
 */
export function surroundings(given: {
    fetch?: any;
    WebSocket?: any;
    clock?: any;
    wall?: () => number;
    random?: () => number;
}): Surroundings;
/**
 * The URL of the Bayeux endpoint: `given`, resolved against the page; else beside the script; else of the page's origin.
 * @param {string | URL | undefined} given
 * @returns {string}
 */
export function endpoint(given: string | URL | undefined): string;
export type Surroundings = {
    fetch?: typeof fetch | undefined;
    WebSocket?: {
        new (url: string | URL, protocols?: string | string[]): WebSocket;
        prototype: WebSocket;
        readonly CONNECTING: 0;
        readonly OPEN: 1;
        readonly CLOSING: 2;
        readonly CLOSED: 3;
    } | undefined;
    document?: Document | undefined;
    /**
     * of a page, which hides and goes to sleep
     */
    window?: EventTarget | undefined;
    Worker?: {
        new (scriptURL: string | URL, options?: WorkerOptions): Worker;
        prototype: Worker;
    } | undefined;
    storage?: Storage | undefined;
    clock: import("./timers.js").Clock;
    /**
     * milliseconds since 1970, which may jump
     */
    wall: () => number;
    random: () => number;
};
