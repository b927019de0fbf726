/**
 * A message as handlers get it.
 * @typedef {object} Delivery
 * @property {any} data
 * @property {string} channel
 * @property {string} [id]
 * @property {string} [position] where it stands in the channel's history, opaque; absent without one
 */
/** @typedef {(delivery: Delivery) => unknown} Handler */
/** One handler on one pattern. */
export class Subscription {
    /**
     * @param {string} pattern
     * @param {Handler} handler
     * @param {Promise<void>} ready
     * @param {number} born
     * @param {() => Promise<void>} leave
     */
    constructor(pattern: string, handler: Handler, ready: Promise<void>, born: number, leave: () => Promise<void>);
    /** @internal */
    born: number;
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
 * @typedef {object} Listened
 * @property {Set<Subscription>} handlers
 * @property {Promise<void>} ready
 * @property {() => void} acknowledge
 * @property {(error: Error) => void} refuse
 */
export class Subscriptions {
    /**
     * @param {import("./outbox.js").Outbox} outbox
     * @param {(pattern: string, error: Error) => void} failed hears of a pattern that the server refused
     */
    constructor(outbox: import("./outbox.js").Outbox, failed: (pattern: string, error: Error) => void);
    get patterns(): string[];
    /**
     * @param {string} pattern
     * @param {Handler} handler
     * @param {AbortSignal} [signal]
     */
    add(pattern: string, handler: Handler, signal?: AbortSignal): Subscription;
    /** Asks for all patterns anew: the session is another one. */
    renew(): void;
    /** @param {Record<string, any>} message */
    deliver({ channel, data, id, ext }: Record<string, any>): void;
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
};
export type Handler = (delivery: Delivery) => unknown;
export type Listened = {
    handlers: Set<Subscription>;
    ready: Promise<void>;
    acknowledge: () => void;
    refuse: (error: Error) => void;
};
