/** For every answer, a connect's own holding aside (`maxNetworkDelay` of other clients). */
export const NETWORK_MS: 10000;
/** The server does not know the session, and a handshake may begin another one. */
export class SessionUnknown extends EnckeError {
}
/**
 * @typedef {object} Hooks
 * @property {() => boolean} running whether the client has not been ended
 * @property {(message: Record<string, any>) => void} deliver
 * @property {(advice: Record<string, any>) => boolean} advised of advice in an answer that nobody awaits; answers
 *   whether it asks for a handshake
 */
export class Session {
    /**
     * @param {import("./line.js").Line} line
     * @param {import("./outbox.js").Outbox} outbox
     * @param {import("./patience.js").Patience} patience
     * @param {Hooks} hooks
     */
    constructor(line: import("./line.js").Line, outbox: import("./outbox.js").Outbox, patience: import("./patience.js").Patience, hooks: Hooks);
    /** Whether the server has given a clientId, and has not been heard to forget it. */
    get known(): boolean;
    /** Whether nothing but a connect is awaited of the carrier. */
    get idle(): boolean;
    /**
     * The server's reply; when it is successful, a session has begun.
     * @param {string[]} supportedConnectionTypes
     * @param {import("./token.js").Shown} shown
     */
    handshake(supportedConnectionTypes: string[], shown: import("./token.js").Shown): Promise<Record<string, any>>;
    /**
     * @param {Record<string, unknown>} fields
     * @param {import("./token.js").Shown} shown
     * @param {number} held for how many milliseconds the server may keep it
     */
    connect(fields: Record<string, unknown>, shown: import("./token.js").Shown, held: number): Promise<Record<string, any>>;
    disconnect(): Promise<Record<string, any>>;
    /**
     * Says good-bye from a page that goes.
     * @param {import("./surroundings.js").Surroundings} around
     * @param {string} url
     */
    farewell(around: import("./surroundings.js").Surroundings, url: string): void;
    /** @param {string} why */
    forget(why: string): SessionUnknown;
    /** Sends what waits, at the end of this turn of the event loop. */
    pump(): void;
    /** @param {() => void} run what it publishes is sent after it, and together */
    batch(run: () => void): void;
    #private;
}
export type Hooks = {
    /**
     * whether the client has not been ended
     */
    running: () => boolean;
    deliver: (message: Record<string, any>) => void;
    /**
     * of advice in an answer that nobody awaits; answers
     * whether it asks for a handshake
     */
    advised: (advice: Record<string, any>) => boolean;
};
import { EnckeError } from "./errors.js";
