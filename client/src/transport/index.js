// The transports, in order of preference.
//
// Each is a class with a `type` (its Bayeux connection type), whether it `polls`, so that messages come with answers,
// `limits`, `usable(surroundings)`, and five members:
//
//   open()      a promise: the transport can send
//   send(text, ticket)  sends a JSON array of messages; their answers come by `onmessage`. A ticket says who sends them,
//               where they stand in a URL, and a token must not
//   onmessage   (messages: unknown) => void
//   onerror     (error: TransportError) => void: it is dead; called at most once, never after `close`
//   close()     ends it, at once and silently

import { CallbackPolling } from "./callback_polling.js";
import { LongPolling } from "./long_polling.js";
import { WebSocketTransport } from "./websocket.js";

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
export const transports = [WebSocketTransport, LongPolling, CallbackPolling];
