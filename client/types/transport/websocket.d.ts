export class WebSocketTransport {
    static type: string;
    static polls: boolean;
    /** The server's limits of a frame. Four batches on the way keep a line of 100 ms busy with 10,000 messages a second. */
    static limits: {
        messages: number;
        size: number;
        measure: typeof utf8;
        sends: number;
    };
    /** @param {import("./index.js").Surroundings} surroundings */
    static usable({ WebSocket }: import("./index.js").Surroundings): boolean;
    /**
     * @param {string} url
     * @param {import("./index.js").Surroundings} surroundings
     */
    constructor(url: string, { WebSocket }: import("./index.js").Surroundings);
    /** @type {(messages: unknown) => void} */
    onmessage: (messages: unknown) => void;
    /** @type {(error: TransportError) => void} */
    onerror: (error: TransportError) => void;
    /** @returns {Promise<void>} */
    open(): Promise<void>;
    /** @param {string} text */
    send(text: string): void;
    close(): void;
    #private;
}
import { TransportError } from "./error.js";
import { utf8 } from "./error.js";
