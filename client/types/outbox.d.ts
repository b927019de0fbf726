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
 * @property {(answered?: number) => string} ext the field `ext`, with a comma, as it is at the moment of sending
 * @property {number} bytes
 * @property {"publication" | "meta" | "call"} kind
 * @property {boolean} first goes before what waited already
 * @property {number} unknown sessions that ended under it
 * @property {boolean} sent may have arrived
 * @property {AbortSignal} [signal]
 * @property {Batch | undefined} batch
 * @property {(reply: Record<string, any>) => void} resolve
 * @property {(error: Error) => void} reject
 */
/** What was sent together. @typedef {{ left: number, text: string, clientId: string, done: () => void }} Batch */
export class Outbox {
    /** Messages that wait or are unanswered. */
    get size(): number;
    /** Whether something waits that may be sent now. */
    get isReady(): boolean;
    /**
     * A session begins.
     * @param {boolean} once whether its server knows repeated publications
     */
    begin(once: boolean): void;
    /** An id that no other message of this client has. */
    nextId(): number;
    /**
     * Adds a publication; the promise is that of its acknowledgement.
     * @param {string} channel
     * @param {unknown} data
     * @param {{ echo?: boolean, signal?: AbortSignal }} [options] `signal` takes it back while it is not on its way
     * @returns {Promise<{ position: string | undefined }>}
     */
    publish(channel: string, data: unknown, { echo, signal }?: {
        echo?: boolean;
        signal?: AbortSignal;
    }): Promise<{
        position: string | undefined;
    }>;
    /**
     * Adds a question to a service of the server; the promise is that of the answer.
     * @param {string} channel
     * @param {unknown} data
     * @param {AbortSignal} [signal]
     * @returns {Promise<any>}
     */
    call(channel: string, data: unknown, signal?: AbortSignal): Promise<any>;
    /**
     * Adds a subscribe or unsubscribe of `pattern`, which takes the place of one that waits: a page that often changes its
     * mind while there is no connection would have no bound otherwise.
     * @param {"/meta/subscribe" | "/meta/unsubscribe"} channel
     * @param {string} pattern
     * @param {(reply: Record<string, any>) => void} resolve
     * @param {(error: Error) => void} reject
     * @param {{ first?: boolean, ext?: () => string }} [options]
     */
    meta(channel: "/meta/subscribe" | "/meta/unsubscribe", pattern: string, resolve: (reply: Record<string, any>) => void, reject: (error: Error) => void, { first, ext }?: {
        first?: boolean;
        ext?: () => string;
    }): void;
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
    /**
     * the field `ext`, with a comma, as it is at the moment of sending
     */
    ext: (answered?: number) => string;
    bytes: number;
    kind: "publication" | "meta" | "call";
    /**
     * goes before what waited already
     */
    first: boolean;
    /**
     * sessions that ended under it
     */
    unknown: number;
    /**
     * may have arrived
     */
    sent: boolean;
    signal?: AbortSignal | undefined;
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
