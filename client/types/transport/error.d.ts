/**
 * What the server sent, parsed; throws with a sentence that shows its beginning.
 * @param {string} text
 * @param {string} from
 * @returns {unknown}
 */
export function parse(text: string, from: string): unknown;
/**
 * Bytes of `text` in UTF-8.
 * @param {string} text
 */
export function utf8(text: string): number;
export class TransportError extends EnckeError {
    /**
     * @param {string} message
     * @param {number} [closeCode] the close code of a WebSocket
     */
    constructor(message: string, closeCode?: number);
    closeCode: number | undefined;
    /** Whether the transport was left for it. */
    left: boolean;
}
import { EnckeError } from "../errors.js";
