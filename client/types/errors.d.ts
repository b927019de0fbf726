/**
 * The server's refusal as an error.
 * @param {Record<string, any>} reply
 * @param {string} what what was refused, for a person
 */
export function refusal(reply: Record<string, any>, what: string): EnckeError;
/**
 * @param {unknown} thrown
 * @returns {string}
 */
export function sentence(thrown: unknown): string;
/**
 * Reports what a handler of the page threw, without stopping anything: as an uncaught error of the page where there
 * is `reportError`, on the console elsewhere.
 * @param {unknown} thrown
 */
export function report(thrown: unknown): void;
/**
 * Calls a handler of the page; whatever it throws, or its promise rejects with, is reported.
 * @template T
 * @param {(argument: T) => unknown} handler
 * @param {T} argument
 */
export function call<T>(handler: (argument: T) => unknown, argument: T): void;
/**
 * An error of the client.
 *
 * `code` is one of:
 * - `channel_invalid`: not the name of a channel, or not a pattern;
 * - `data_invalid`: `data` is no JSON value, or is nested more than 128 levels deep;
 * - `too_large`: the message is larger than the server (64 KiB) or the transport takes;
 * - `outbox_full`: too much waits to be sent (see `Outbox`);
 * - `refused`: the server said no; `reply` is what it said;
 * - `unanswered`: it was sent to a server that is not Encke, and the connection was lost before the answer: it may
 *   have arrived or not;
 * - `disconnected`: the client has left, or was told to;
 * - `overflow`: a `for await` loop fell too far behind;
 * - `transport`: a connection could not be made, or was lost.
 */
export class EnckeError extends Error {
    /**
     * @param {string} code
     * @param {string} message
     * @param {{ reply?: Record<string, any>, cause?: unknown }} [details]
     */
    constructor(code: string, message: string, details?: {
        reply?: Record<string, any>;
        cause?: unknown;
    });
    code: string;
    /** What the server answered, for `refused`. */
    reply: Record<string, any> | undefined;
}
