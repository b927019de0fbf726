// What can go wrong, as one kind of error with a word for each case.

/**
 * An error of the client.
 *
 * `code` is one of:
 * - `channel_invalid`: not the name of a channel, or not a pattern;
 * - `data_invalid`: `data` is no JSON value, or is nested more than 128 levels deep;
 * - `too_large`: the message is larger than the server (64 KiB) or the transport takes;
 * - `outbox_full`: too much waits to be sent (see `Outbox`);
 * - `refused`: the server said no; `reply` is what it said;
 * - `unanswered`: it was sent to a server that is not Encke, and the connection was lost before the answer: it may
 *   have arrived or not;
 * - `disconnected`: the client has left, or was told to;
 * - `overflow`: a `for await` loop fell too far behind;
 * - `transport`: a connection could not be made, or was lost.
 */
export class EnckeError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ reply?: Record<string, any>, cause?: unknown }} [details]
   */
  constructor(code, message, details = {}) {
    super(message, "cause" in details ? { cause: details.cause } : undefined);
    this.name = "EnckeError";
    this.code = code;
    /** What the server answered, for `refused`. */
    this.reply = details.reply;
  }
}

/**
 * The server's refusal as an error.
 * @param {Record<string, any>} reply
 * @param {string} what what was refused, for a person
 */
export function refusal(reply, what) {
  const why = typeof reply.error === "string" ? reply.error : "without a reason";
  // A token that is not good is told apart by a word, which says all: `token_expired`.
  const [, word] = /^403:(\w+):authentication_failed$/.exec(why) ?? [];
  const sentence = word ? `${word.replaceAll("_", " ")} (${why})` : why;
  return new EnckeError("refused", `the server refused ${what}: ${sentence}`, { reply });
}

/**
 * @param {unknown} thrown
 * @returns {string}
 */
export function sentence(thrown) {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/**
 * Reports what a handler of the page threw, without stopping anything: as an uncaught error of the page where there
 * is `reportError`, on the console elsewhere.
 * @param {unknown} thrown
 */
export function report(thrown) {
  if (typeof globalThis.reportError === "function") globalThis.reportError(thrown);
  else console.error(thrown);
}

/**
 * Calls a handler of the page; whatever it throws, or its promise rejects with, is reported.
 * @template T
 * @param {(argument: T) => unknown} handler
 * @param {T} argument
 */
export function call(handler, argument) {
  try {
    const result = /** @type {any} */ (handler(argument));
    if (typeof result?.then === "function") result.then(undefined, report);
  } catch (thrown) {
    report(thrown);
  }
}
