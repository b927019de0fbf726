export class CallbackPolling {
    static type: string;
    static polls: boolean;
    static limits: {
        messages: number;
        size: number;
        measure: (text: string) => number;
        sends: number;
    };
    /** @param {import("./index.js").Surroundings} surroundings */
    static usable({ document }: import("./index.js").Surroundings): boolean;
    /**
     * @param {string} url
     * @param {import("./index.js").Surroundings} surroundings
     */
    constructor(url: string, { document, clock }: import("./index.js").Surroundings);
    /** @type {(messages: unknown) => void} */
    onmessage: (messages: unknown) => void;
    /** @type {(error: TransportError) => void} */
    onerror: (error: TransportError) => void;
    open(): Promise<void>;
    /**
     * @param {string} text
     * @param {string} [ticket]
     */
    send(text: string, ticket?: string): void;
    close(): void;
    #private;
}
import { TransportError } from "./error.js";
