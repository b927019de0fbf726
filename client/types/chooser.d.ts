/** A transport of this age has proved itself. */
export const PROVED_MS: 60000;
/** @typedef {import("./transport/index.js").TransportClass} TransportClass */
export class Chooser {
    /**
     * @param {TransportClass[]} classes in order of preference
     * @param {{ key: string, storage?: Storage, wall: () => number }} memory
     */
    constructor(classes: TransportClass[], { key, storage, wall }: {
        key: string;
        storage?: Storage;
        wall: () => number;
    });
    /** All names, for a handshake. */
    get names(): string[];
    /**
     * The transport to try now; undefined when all were tried since the last answer: then is the time to wait.
     * @returns {TransportClass | undefined}
     */
    next(): TransportClass | undefined;
    /**
     * Whether one that is preferred to `type` is worth a try now: the verdict on it is over.
     * @param {string} type
     */
    hasBetterThan(type: string): boolean;
    /** Whether another transport remains to be tried at once, after one that brought no answer. */
    get hasUntried(): boolean;
    /** Begins again with the preferred one. */
    again(): void;
    /** @param {unknown} types `supportedConnectionTypes` of a handshake reply */
    offered(types: unknown): void;
    /** @param {string} type */
    speaks(type: string): boolean;
    /**
     * `type` brought its first answer. What was tried before it and was silent is left.
     * @param {string} type
     */
    answered(type: string): void;
    /**
     * `type` has lived for `PROVED_MS`.
     * @param {string} type
     */
    proved(type: string): void;
    /**
     * `type` is gone.
     * @param {string} type
     * @param {{ answered: boolean, age: number, code?: number }} life
     * @returns {boolean} whether it was left for that
     */
    died(type: string, { answered, age, code }: {
        answered: boolean;
        age: number;
        code?: number;
    }): boolean;
    /** The network is another one: every verdict is void. */
    forget(): void;
    #private;
}
export type TransportClass = import("./transport/index.js").TransportClass;
