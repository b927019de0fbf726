/**
 * A message as handlers get it.
 * @typedef {object} Delivery
 * @property {any} data
 * @property {string} channel
 * @property {string} [id]
 * @property {string} [position] where it stands in the channel's history, opaque; absent without one
 * @property {true} [replayed] it came from the history, and not live
 */
/**
 * What the server keeps.
 * @typedef {object} Page
 * @property {Delivery[]} messages the oldest first
 * @property {string} [cursor] where they end, for `since`; absent where there is no history
 * @property {boolean} more whether there are newer ones
 * @property {boolean} [recovered] whether nothing is missing since `since`
 * @property {string} [reason] why something is
 */
/**
 * Whether everything was heard.
 * @typedef {object} Recovery
 * @property {string} pattern
 * @property {boolean} recovered
 * @property {string} [reason] what became of the rest: `too_old` (it is kept no more), `new_epoch` (the history is
 *   another one), `overflow` (this client was too slow), `unknown`
 */
/**
 * @typedef {object} Hooks
 * @property {(pattern: string, error: Error) => void} failed the server refused it
 * @property {(recovery: Recovery) => void} recovered
 * @property {() => void} added something waits to be sent
 */
/** @typedef {(delivery: Delivery) => unknown} Handler */
/** One handler on one pattern. */
export class Subscription {
    /**
     * @param {string} pattern
     * @param {Handler} handler
     * @param {Promise<void>} ready
     * @param {() => Promise<void>} leave
     */
    constructor(pattern: string, handler: Handler, ready: Promise<void>, leave: () => Promise<void>);
    pattern: string;
    handler: Handler;
    /** Fulfilled when the server has acknowledged it for the first time; rejected when it refused. */
    ready: Promise<void>;
    /** Hears when it ends otherwise than by `unsubscribe`. @type {(error: Error) => void} */
    onend: (error: Error) => void;
    /**
     * No message reaches the handler from now on. The promise is that of the server's acknowledgement.
     * @returns {Promise<void>}
     */
    unsubscribe(): Promise<void>;
    #private;
}
/**
 * How a handler takes part in its pattern.
 * @typedef {object} Part
 * @property {number} born an id of the outbox
 * @property {boolean} late the replay that is under way was asked for by others
 * @property {Joining} [joining]
 */
/**
 * @typedef {object} Listened
 * @property {Map<Subscription, Part>} handlers
 * @property {Cursor} cursor
 * @property {string} since where it begins, as long as the cursor is empty
 * @property {boolean} known whether the server has ever acknowledged it
 * @property {Cursor} [begins] where it is live, as the answer said
 * @property {Record<string, any>[]} [unanswered] live messages that came while the answer is awaited
 * @property {Promise<void>} ready
 * @property {() => void} acknowledge
 * @property {(error: Error) => void} refuse
 */
export class Subscriptions {
    /**
     * @param {import("./outbox.js").Outbox} outbox
     * @param {Hooks} hooks
     */
    constructor(outbox: import("./outbox.js").Outbox, hooks: Hooks);
    /**
     * @param {string} pattern
     * @param {Handler} handler
     * @param {{ since?: string, signal?: AbortSignal }} options
     */
    add(pattern: string, handler: Handler, { since, signal }: {
        since?: string;
        signal?: AbortSignal;
    }): Subscription;
    /**
     * Asks for all patterns anew: the session is another one.
     * @param {boolean} keeps whether its server keeps histories
     */
    renew(keeps: boolean): void;
    /** @param {Record<string, any>} message */
    deliver(message: Record<string, any>): void;
    /**
     * A page of what the server keeps.
     * @param {string} pattern
     * @param {{ since?: string, limit?: number, signal?: AbortSignal }} options
     * @returns {Promise<Page>}
     */
    history(pattern: string, { since, limit, signal }: {
        since?: string;
        limit?: number;
        signal?: AbortSignal;
    }): Promise<Page>;
    /**
     * Ends all that are not newer than `mark`.
     * @param {Error} error for those that never became ready
     * @param {number} mark
     */
    clear(error: Error, mark: number): void;
    #private;
}
/**
 * A message as handlers get it.
 */
export type Delivery = {
    data: any;
    channel: string;
    id?: string | undefined;
    /**
     * where it stands in the channel's history, opaque; absent without one
     */
    position?: string | undefined;
    /**
     * it came from the history, and not live
     */
    replayed?: true | undefined;
};
/**
 * What the server keeps.
 */
export type Page = {
    /**
     * the oldest first
     */
    messages: Delivery[];
    /**
     * where they end, for `since`; absent where there is no history
     */
    cursor?: string | undefined;
    /**
     * whether there are newer ones
     */
    more: boolean;
    /**
     * whether nothing is missing since `since`
     */
    recovered?: boolean | undefined;
    /**
     * why something is
     */
    reason?: string | undefined;
};
/**
 * Whether everything was heard.
 */
export type Recovery = {
    pattern: string;
    recovered: boolean;
    /**
     * what became of the rest: `too_old` (it is kept no more), `new_epoch` (the history is
     * another one), `overflow` (this client was too slow), `unknown`
     */
    reason?: string | undefined;
};
export type Hooks = {
    /**
     * the server refused it
     */
    failed: (pattern: string, error: Error) => void;
    recovered: (recovery: Recovery) => void;
    /**
     * something waits to be sent
     */
    added: () => void;
};
export type Handler = (delivery: Delivery) => unknown;
/**
 * How a handler takes part in its pattern.
 */
export type Part = {
    /**
     * an id of the outbox
     */
    born: number;
    /**
     * the replay that is under way was asked for by others
     */
    late: boolean;
    joining?: Joining | undefined;
};
export type Listened = {
    handlers: Map<Subscription, Part>;
    cursor: Cursor;
    /**
     * where it begins, as long as the cursor is empty
     */
    since: string;
    /**
     * whether the server has ever acknowledged it
     */
    known: boolean;
    /**
     * where it is live, as the answer said
     */
    begins?: Cursor | undefined;
    /**
     * live messages that came while the answer is awaited
     */
    unanswered?: Record<string, any>[] | undefined;
    ready: Promise<void>;
    acknowledge: () => void;
    refuse: (error: Error) => void;
};
import { Joining } from "./ext/join.js";
import { Cursor } from "./ext/replay.js";
