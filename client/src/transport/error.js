// How a transport dies.

import { EnckeError } from "../errors.js";

export class TransportError extends EnckeError {
  /**
   * @param {string} message
   * @param {number} [closeCode] the close code of a WebSocket
   */
  constructor(message, closeCode) {
    super("transport", message);
    this.closeCode = closeCode;
    /** Whether the transport was left for it. */
    this.left = false;
  }
}

/**
 * What the server sent, parsed; throws with a sentence that shows its beginning.
 * @param {string} text
 * @param {string} from
 * @returns {unknown}
 */
export function parse(text, from) {
  if (text.trim() === "") throw new TransportError(`${from} answered nothing`);
  try {
    return JSON.parse(text);
  } catch {
    const what = /^\s*</.test(text) ? "HTML" : "something that is not JSON";
    const start = JSON.stringify(text.slice(0, 40));
    throw new TransportError(`${from} answered with ${what} (${start}): is there a Bayeux server at this URL?`);
  }
}

const encoder = new TextEncoder();

/**
 * Bytes of `text` in UTF-8.
 * @param {string} text
 */
export function utf8(text) {
  return encoder.encode(text).length;
}
