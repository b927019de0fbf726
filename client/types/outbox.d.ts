/**
 * 402 in Bayeux 1.0, 401 from Faye.
 * @param {Record<string, any>} reply
 */
export function isUnknownSession(reply: Record<string, any>): boolean;
/**
 * @typedef {object} Entry
 * @property {number} id
 * @property {string} channel
 * @property {string} rest the fields after `clientId`, from the comma
 * @property {number} bytes
 * @property {boolean} meta
 * @property {boolean} again was sent to a session that the server did not know
 * @property {Batch | undefined} batch
 * @property {(reply: Record<string, any>) => void} resolve
 * @property {(error: Error) => void} reject
 */
/** What was sent together. @typedef {{ left: number, text: string, clientId: string, done: () => void }} Batch */
export class Outbox {
    /** Messages that wait or are unanswered. */
    get size(): number;
    get hasWaiting(): boolean;
    /** An id that no other message of this client has. */
    nextId(): number;
    /**
     * Adds a publication; the promise is that of its acknowledgement.
     * @param {string} channel
     * @param {unknown} data
     * @param {AbortSignal} [signal] takes it back while it has not been sent
     * @returns {Promise<void>}
     */
    publish(channel: string, data: unknown, signal?: AbortSignal): Promise<void>;
    /**
     * Adds a subscribe or unsubscribe of `pattern`, which takes the place of one that waits: a page that often changes its
     * mind while there is no connection would have no bound otherwise.
     * @param {"/meta/subscribe" | "/meta/unsubscribe"} channel
     * @param {string} pattern
     * @param {(reply: Record<string, any>) => void} resolve
     * @param {(error: Error) => void} reject
     */
    meta(channel: "/meta/subscribe" | "/meta/unsubscribe", pattern: string, resolve: (reply: Record<string, any>) => void, reject: (error: Error) => void): void;
    /**
     * Takes what fits into one `send`; undefined when nothing waits.
     * @param {import("./transport/index.js").Limits} limits
     * @param {string} clientId
     * @param {() => void} done called when the last of them is answered or given up
     * @returns {Batch | undefined}
     */
    take(limits: import("./transport/index.js").Limits, clientId: string, done: () => void): Batch | undefined;
    /**
     * Settles what `reply` answers.
     * @param {Record<string, any>} reply
     * @returns {string | undefined} the clientId of the session that the server did not know; the message waits again
     */
    answer(reply: Record<string, any>): string | undefined;
    /**
     * The connection is lost with what was on its way.
     * @param {string} why
     */
    lost(why: string): void;
    /** A new session begins: what the old one was asked about its subscriptions is void. */
    forgetMeta(): void;
    /** Puts everything that was added since `mark` (an id) before what waited already. @param {number} mark */
    advance(mark: number): void;
    /** The newest id. */
    get mark(): number;
    /**
     * Gives every publication up that is not newer than `mark`.
     * @param {Error} error
     * @param {number} mark
     */
    clear(error: Error, mark?: number): void;
    #private;
}
export type Entry = {
    id: number;
    channel: string;
    /**
     * the fields after `clientId`, from the comma
     */
    rest: string;
    bytes: number;
    meta: boolean;
    /**
     * was sent to a session that the server did not know
     */
    again: boolean;
    batch: Batch | undefined;
    resolve: (reply: Record<string, any>) => void;
    reject: (error: Error) => void;
};
/**
 * What was sent together.
 */
export type Batch = {
    left: number;
    text: string;
    clientId: string;
    done: () => void;
};
