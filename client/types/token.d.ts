/** @typedef {string | (() => string | undefined | Promise<string | undefined>) | undefined} Token */
/**
 * What is said of it: in a message's `ext` or, where messages stand in URLs, by a ticket beside them.
 * @typedef {{ ext?: Record<string, any>, ticket?: string }} Shown
 */
export class Identity {
    /**
     * @param {Token} token
     * @param {string} url
     * @param {import("./surroundings.js").Surroundings} around
     * @param {import("./timers.js").Timers} timers
     * @param {import("./patience.js").Patience} patience
     */
    constructor(token: Token, url: string, around: import("./surroundings.js").Surroundings, timers: import("./timers.js").Timers, patience: import("./patience.js").Patience);
    /** How often a newer token was due and could not be had. */
    misses: number;
    /** Whether the session's token ends soon, and there may be a newer one. */
    get isDue(): boolean;
    /** Whether the session's token has ended, and the session with it. */
    get isOver(): boolean;
    /**
     * For a handshake.
     * @param {string | undefined} type the transport
     * @returns {Promise<Shown>}
     */
    show(type: string | undefined): Promise<Shown>;
    /**
     * For a connect: a newer token, when one is due and there is one.
     * @param {string | undefined} type
     * @returns {Promise<Shown>}
     */
    renewal(type: string | undefined): Promise<Shown>;
    /**
     * A connect was answered well.
     * @param {any} ext
     */
    heard(ext: any): void;
    /** What was shown with a connect is not good; the session lives on until the token before it ends. */
    refused(): void;
    /**
     * Whether a handshake that was refused is worth another one: a function may have had its token for long.
     * @param {Record<string, any>} reply
     */
    asksAgain({ error }: Record<string, any>): boolean;
    #private;
}
export type Token = string | (() => string | undefined | Promise<string | undefined>) | undefined;
/**
 * What is said of it: in a message's `ext` or, where messages stand in URLs, by a ticket beside them.
 */
export type Shown = {
    ext?: Record<string, any>;
    ticket?: string;
};
