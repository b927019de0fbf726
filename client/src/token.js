// The token of a handshake: given, or asked for anew each time.

import { sentence } from "./errors.js";
import { TransportError } from "./transport/error.js";

/** For the page's own function. */
const TOKEN_MS = 30_000;

/** @typedef {string | (() => string | undefined | Promise<string | undefined>) | undefined} Token */

/**
 * @param {Token} token
 * @param {import("./patience.js").Patience} patience
 * @returns {Promise<string | undefined>}
 */
export async function askForToken(token, patience) {
  if (typeof token !== "function") return token;
  // A key of its own: what an earlier call answers late may be the token of somebody who has left.
  const key = {};
  const given = patience.expect(key, TOKEN_MS, "the token", (error) => patience.refuse(key, error));
  Promise.resolve()
    .then(token)
    .then(
      (answer) => patience.settle(key, answer),
      (error) => patience.refuse(key, new TransportError(`no token: ${sentence(error)}`)),
    );
  return given;
}
