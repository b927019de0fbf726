/**
 * What a client finds around it; see `surroundings.js`.
 * @typedef {import("../surroundings.js").Surroundings} Surroundings
 */
/**
 * @typedef {object} Limits
 * @property {number} messages in one `send`
 * @property {number} size of one `send`, as `measure` counts
 * @property {(text: string) => number} measure
 * @property {number} sends how many may be unanswered at a time, a connect aside
 */
/**
 * @typedef {object} Transport
 * @property {() => Promise<void>} open
 * @property {(text: string, ticket?: string) => void} send
 * @property {(messages: unknown) => void} onmessage
 * @property {(error: import("./error.js").TransportError) => void} onerror
 * @property {() => void} close
 */
/**
 * @typedef {{
 *   type: string,
 *   polls: boolean,
 *   limits: Limits,
 *   usable: (surroundings: Surroundings) => boolean,
 *   new (url: string, surroundings: Surroundings): Transport,
 * }} TransportClass
 */
/** @type {TransportClass[]} */
export const transports: TransportClass[];
/**
 * What a client finds around it; see `surroundings.js`.
 */
export type Surroundings = import("../surroundings.js").Surroundings;
export type Limits = {
    /**
     * in one `send`
     */
    messages: number;
    /**
     * of one `send`, as `measure` counts
     */
    size: number;
    measure: (text: string) => number;
    /**
     * how many may be unanswered at a time, a connect aside
     */
    sends: number;
};
export type Transport = {
    open: () => Promise<void>;
    send: (text: string, ticket?: string) => void;
    onmessage: (messages: unknown) => void;
    onerror: (error: import("./error.js").TransportError) => void;
    close: () => void;
};
export type TransportClass = {
    type: string;
    polls: boolean;
    limits: Limits;
    usable: (surroundings: Surroundings) => boolean;
    new (url: string, surroundings: Surroundings): Transport;
};
