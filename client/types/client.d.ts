/**
 * @typedef {object} Options
 * @property {import("./token.js").Token} [token] who this is, shown with each handshake; a function is asked anew each time,
 *   and when the token of a session ends soon
 * @property {("websocket" | "long-polling" | "callback-polling")[]} [transports] which may be used, in order of
 *   preference; all that work here unless given
 * @property {any} [WebSocket] a WebSocket class, where there is none (Node before 22: that of npm `ws`)
 * @property {any} [fetch] another `fetch`
 * @property {import("./timers.js").Clock} [clock] for tests: other timers
 * @property {() => number} [wall] for tests: another `Date.now`
 * @property {() => number} [random] for tests: another `Math.random`
 */
/** @typedef {import("./connection.js").State} State */
/** @typedef {import("./subscription.js").Handler} Handler */
/** @typedef {import("./subscription.js").Subscription} Subscription */
/** @typedef {import("./subscription.js").Page} Page */
/** @typedef {CustomEvent<{ state: State, transport: string | undefined, reason: string }>} StateEvent */
/** @typedef {CustomEvent<{ pattern: string | undefined, error: EnckeError }>} RefusalEvent */
/** @typedef {CustomEvent<import("./subscription.js").Recovery>} RecoveryEvent */
/**
 * A client of a Comet server. It connects when it is first used, and stays connected until `disconnect`.
 *
 * Events: `state` with `detail` `{ state, transport, reason }` whenever one of the first two changes; `recovery` with
 * `{ pattern, recovered, reason }` after each interruption that may have cost messages, and when this client was too
 * slow: `recovered` says whether every message came nevertheless; `error` with `{ pattern, error }` when the server
 * refuses a subscription, or, without a pattern, when a newer token is refused or cannot be had; it is also written to the
 * console unless a listener calls `preventDefault()`.
 */
export class Encke extends EventTarget {
    /**
     * @param {string | URL} [url] of the Bayeux endpoint, relative to the page; unless given, `bayeux` beside the script
     *   `encke.js` that the page has loaded
     * @param {Options} [options]
     */
    constructor(url?: string | URL, options?: Options);
    /** Where the server is. */
    url: string;
    /**
     * @overload
     * @param {"state"} type
     * @param {(event: StateEvent) => void} listener
     * @param {boolean | AddEventListenerOptions} [options]
     * @returns {void}
     */
    addEventListener(type: "state", listener: (event: StateEvent) => void, options?: boolean | AddEventListenerOptions | undefined): void;
    /**
     * @overload
     * @param {"error"} type
     * @param {(event: RefusalEvent) => void} listener
     * @param {boolean | AddEventListenerOptions} [options]
     * @returns {void}
     */
    addEventListener(type: "error", listener: (event: RefusalEvent) => void, options?: boolean | AddEventListenerOptions | undefined): void;
    /**
     * @overload
     * @param {"recovery"} type
     * @param {(event: RecoveryEvent) => void} listener
     * @param {boolean | AddEventListenerOptions} [options]
     * @returns {void}
     */
    addEventListener(type: "recovery", listener: (event: RecoveryEvent) => void, options?: boolean | AddEventListenerOptions | undefined): void;
    /**
     * @overload
     * @param {string} type
     * @param {EventListenerOrEventListenerObject | null} listener
     * @param {boolean | AddEventListenerOptions} [options]
     * @returns {void}
     */
    addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions | undefined): void;
    /** `idle` before the first use, `waiting` between two tries, `disconnected` for good. @returns {State} */
    get state(): State;
    /** The transport in use: `websocket`, `long-polling`, `callback-polling`, or undefined while there is none. */
    get transport(): string | undefined;
    /**
     * Connects, also after `disconnect`. The promise is fulfilled when the server has answered, however long that
     * takes, and rejected when the client is disconnected before.
     * @returns {Promise<void>}
     */
    connect(): Promise<void>;
    /**
     * Calls `handler` with `{ data, channel, id, position, replayed }` for every message that matches `pattern`. It stays
     * subscribed over reconnects and new sessions, and hears what it missed where the server keeps it. What a handler
     * throws is reported as an uncaught error and stops nothing.
     * @param {string} pattern a channel, or one that ends in `*` (one segment) or `**` (one or more)
     * @param {Handler} handler
     * @param {{ since?: string, signal?: AbortSignal }} [options] `since` is where to begin: `"now"`, `"all"` that is kept,
     *   or after a `position` or `cursor`; aborting `signal` unsubscribes
     * @returns {Subscription}
     */
    subscribe(pattern: string, handler: Handler, { since, signal }?: {
        since?: string;
        signal?: AbortSignal;
    }): Subscription;
    /**
     * Publishes `data`, any JSON value, as it is at the moment of the call. What cannot be sent now waits until it can, and
     * what is not answered is sent again; Encke delivers it once. The promise is fulfilled when the server has
     * acknowledged the message, with its place in the history if there is one, and rejected with an `EnckeError` otherwise.
     * @param {string} channel
     * @param {unknown} data
     * @param {{ echo?: boolean, signal?: AbortSignal }} [options] with `echo: false` this client does not hear it, even if
     *   it listens; aborting `signal` takes the message back while it is not on its way
     * @returns {Promise<{ position: string | undefined }>}
     */
    publish(channel: string, data: unknown, { echo, signal }?: {
        echo?: boolean;
        signal?: AbortSignal;
    }): Promise<{
        position: string | undefined;
    }>;
    /**
     * A page of what the server keeps of the channels that match `pattern`: the newest messages, or those after `since`.
     * @param {string} pattern
     * @param {{ since?: string, limit?: number, signal?: AbortSignal }} [options]
     * @returns {Promise<Page>}
     */
    history(pattern: string, { since, limit, signal }?: {
        since?: string;
        limit?: number;
        signal?: AbortSignal;
    }): Promise<Page>;
    /**
     * What `run` publishes and subscribes is sent together when it returns. (What happens in one turn of the event loop
     * is sent together anyway.)
     * @param {() => void} run
     */
    batch(run: () => void): void;
    /**
     * The messages that match `pattern`, for `for await`, from the moment the loop begins. A loop that falls more than
     * `buffer` (1,000) messages behind ends with an `EnckeError` (`overflow`); leaving the loop unsubscribes.
     * @param {string} pattern
     * @param {{ since?: string, signal?: AbortSignal, buffer?: number }} [options]
     */
    messages(pattern: string, options?: {
        since?: string;
        signal?: AbortSignal;
        buffer?: number;
    }): AsyncGenerator<import("./subscription.js").Delivery, void, void>;
    /**
     * Sends what waits (for at most 10 s), ends the session and every subscription. `connect` begins anew.
     * @returns {Promise<void>}
     */
    disconnect(): Promise<void>;
    /**
     * Opens the inspector, a drawer in the page that lists every message both ways. Again, it closes it.
     */
    debug(): void;
    #private;
}
export type Options = {
    /**
     * who this is, shown with each handshake; a function is asked anew each time,
     * and when the token of a session ends soon
     */
    token?: import("./token.js").Token;
    /**
     * which may be used, in order of
     * preference; all that work here unless given
     */
    transports?: ("callback-polling" | "long-polling" | "websocket")[] | undefined;
    /**
     * a WebSocket class, where there is none (Node before 22: that of npm `ws`)
     */
    WebSocket?: any;
    /**
     * another `fetch`
     */
    fetch?: any;
    /**
     * for tests: other timers
     */
    clock?: import("./timers.js").Clock | undefined;
    /**
     * for tests: another `Date.now`
     */
    wall?: (() => number) | undefined;
    /**
     * for tests: another `Math.random`
     */
    random?: (() => number) | undefined;
};
export type State = import("./connection.js").State;
export type Handler = import("./subscription.js").Handler;
export type Subscription = import("./subscription.js").Subscription;
export type Page = import("./subscription.js").Page;
export type StateEvent = CustomEvent<{
    state: State;
    transport: string | undefined;
    reason: string;
}>;
export type RefusalEvent = CustomEvent<{
    pattern: string | undefined;
    error: EnckeError;
}>;
export type RecoveryEvent = CustomEvent<import("./subscription.js").Recovery>;
import { EnckeError } from "./errors.js";
