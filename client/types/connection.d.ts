/** @typedef {"idle" | "connecting" | "connected" | "waiting" | "disconnected"} State */
/**
 * @typedef {object} Hooks
 * @property {(state: State, transport: string | undefined, reason: string) => void} state
 * @property {(keeps: boolean) => void} session a new one began: nothing is subscribed; whether its server keeps histories
 * @property {(message: Record<string, any>) => void} deliver
 * @property {(error: EnckeError) => void} refused a newer token, while the session goes on with the one that it has
 * @property {(error: EnckeError, mark: number) => void} ended what is newer than `mark` belongs to the next run
 */
export class Connection {
    /**
     * @param {object} parts
     * @param {string} parts.url
     * @param {import("./surroundings.js").Surroundings} parts.around
     * @param {import("./timers.js").Timers} parts.timers
     * @param {import("./chooser.js").Chooser} parts.chooser
     * @param {import("./outbox.js").Outbox} parts.outbox
     * @param {import("./token.js").Token} parts.token
     * @param {Hooks} parts.hooks
     */
    constructor({ url, around, timers, chooser, outbox, token, hooks }: {
        url: string;
        around: import("./surroundings.js").Surroundings;
        timers: import("./timers.js").Timers;
        chooser: import("./chooser.js").Chooser;
        outbox: import("./outbox.js").Outbox;
        token: import("./token.js").Token;
        hooks: Hooks;
    });
    /** @type {State} */
    state: State;
    get running(): boolean;
    /** Sees every message, both ways. @param {import("./line.js").Traffic | undefined} see */
    set ontraffic(see: import("./line.js").Traffic | undefined);
    /** The name of the transport in use. */
    get transport(): string | undefined;
    start(): void;
    /** Sends what waits, at the end of this turn of the event loop. */
    pump(): void;
    /** @param {() => void} run what it publishes is sent after it, and together */
    batch(run: () => void): void;
    /** Sends what waits, tells the server, and ends. */
    disconnect(): Promise<void>;
    /**
     * While a `disconnect` is under way: what is newer than this moment stays for the next run, which whoever asked has
     * to `start` when this one has ended.
     * @returns {boolean} whether one is
     */
    comeBack(): boolean;
    /** The page runs again: what is overdue is looked at now, and nobody waits longer. */
    wake(): void;
    /** The network came back: what was connected over the old one is not waited for. */
    online(): void;
    /** The page goes. If it comes back, it begins anew. */
    hide(): void;
    #private;
}
export type State = "idle" | "connecting" | "connected" | "waiting" | "disconnected";
export type Hooks = {
    state: (state: State, transport: string | undefined, reason: string) => void;
    /**
     * a new one began: nothing is subscribed; whether its server keeps histories
     */
    session: (keeps: boolean) => void;
    deliver: (message: Record<string, any>) => void;
    /**
     * a newer token, while the session goes on with the one that it has
     */
    refused: (error: EnckeError) => void;
    /**
     * what is newer than `mark` belongs to the next run
     */
    ended: (error: EnckeError, mark: number) => void;
};
import { EnckeError } from "./errors.js";
