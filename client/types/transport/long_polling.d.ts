export class LongPolling {
    static type: string;
    static polls: boolean;
    /** Two requests at a time, so that a browser with six connections to a host has some left. */
    static limits: {
        messages: number;
        size: number;
        measure: typeof utf8;
        sends: number;
    };
    /** @param {import("./index.js").Surroundings} surroundings */
    static usable({ fetch }: import("./index.js").Surroundings): boolean;
    /**
     * @param {string} url
     * @param {import("./index.js").Surroundings} surroundings
     */
    constructor(url: string, { fetch, clock }: import("./index.js").Surroundings);
    /** @type {(messages: unknown) => void} */
    onmessage: (messages: unknown) => void;
    /** @type {(error: TransportError) => void} */
    onerror: (error: TransportError) => void;
    open(): Promise<void>;
    /** @param {string} text */
    send(text: string): void;
    close(): void;
    #private;
}
import { TransportError } from "./error.js";
import { utf8 } from "./error.js";
