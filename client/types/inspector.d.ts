/**
 * @typedef {object} Row
 * @property {boolean} outgoing
 * @property {any} message
 * @property {string} transport
 * @property {Date} when
 * @property {number} [took] milliseconds from the request to this answer
 */
/**
 * @param {Document} document
 * @param {import("./client.js").Encke} comet
 * @param {() => void} closed
 */
export function openInspector(document: Document, comet: import("./client.js").Encke, closed: () => void): {
    show: (outgoing: boolean, messages: any[], transport: string) => void;
    close: () => void;
};
export type Row = {
    outgoing: boolean;
    message: any;
    transport: string;
    when: Date;
    /**
     * milliseconds from the request to this answer
     */
    took?: number | undefined;
};
