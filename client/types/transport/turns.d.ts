/** @typedef {{ isConnect: boolean, ticket?: string, after?: () => void }} Turn */
export class Turns {
    /**
     * @param {import("../timers.js").Clock} clock
     * @param {(text: string, turn: Turn) => void} write
     */
    constructor(clock: import("../timers.js").Clock, write: (text: string, turn: Turn) => void);
    /**
     * @param {string} text
     * @param {string} [ticket]
     */
    send(text: string, ticket?: string): void;
    /**
     * Calls `hear` when it is the answer's turn.
     * @param {Turn} turn
     * @param {unknown} messages
     * @param {() => void} hear
     */
    answer(turn: Turn, messages: unknown, hear: () => void): void;
    close(): void;
    #private;
}
export type Turn = {
    isConnect: boolean;
    ticket?: string;
    after?: () => void;
};
