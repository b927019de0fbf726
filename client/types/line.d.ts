/**
 * A transport in use.
 * @typedef {object} Carrier
 * @property {string} type
 * @property {import("./transport/index.js").Transport} transport
 * @property {import("./transport/index.js").Limits} limits
 * @property {boolean} polls
 * @property {boolean} open
 * @property {number} born when it was open
 * @property {boolean} answered
 * @property {import("./timers.js").Timer} [proof]
 */
/** @typedef {(outgoing: boolean, messages: any[], transport: string) => void} Traffic */
export class Line {
    /**
     * @param {string} url
     * @param {import("./surroundings.js").Surroundings} around
     * @param {import("./timers.js").Timers} timers
     * @param {import("./chooser.js").Chooser} chooser
     * @param {import("./patience.js").Patience} patience
     */
    constructor(url: string, around: import("./surroundings.js").Surroundings, timers: import("./timers.js").Timers, chooser: import("./chooser.js").Chooser, patience: import("./patience.js").Patience);
    /** What came in. @type {(messages: Record<string, any>[]) => void} */
    onmessages: (messages: Record<string, any>[]) => void;
    /** Nothing more comes; what was on its way is lost. @type {(error: Error) => void} */
    onlost: (error: Error) => void;
    /** Sees everything, both ways. @type {Traffic | undefined} */
    ontraffic: Traffic | undefined;
    /** The transport in use, if any; another object each time one is opened. */
    get carrier(): Carrier | undefined;
    /** Opens the transport that the chooser names. */
    open(): Promise<void>;
    /**
     * Sends a JSON array of messages.
     * @param {string} text
     * @param {string} [ticket] who says it, where what is said stands in a URL
     */
    write(text: string, ticket?: string): void;
    /**
     * Leaves `carrier`, unless that has happened; everything awaited of it fails.
     * @param {Carrier | undefined} carrier
     * @param {Error} error
     * @param {boolean} itsFault whether to judge the transport by it
     */
    drop(carrier: Carrier | undefined, error: Error, itsFault: boolean): void;
    #private;
}
/**
 * A transport in use.
 */
export type Carrier = {
    type: string;
    transport: import("./transport/index.js").Transport;
    limits: import("./transport/index.js").Limits;
    polls: boolean;
    open: boolean;
    /**
     * when it was open
     */
    born: number;
    answered: boolean;
    proof?: import("./timers.js").Timer | undefined;
};
export type Traffic = (outgoing: boolean, messages: any[], transport: string) => void;
