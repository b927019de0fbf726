/** @typedef {string | (() => string | undefined | Promise<string | undefined>) | undefined} Token */
/**
 * @param {Token} token
 * @param {import("./patience.js").Patience} patience
 * @returns {Promise<string | undefined>}
 */
export function askForToken(token: Token, patience: import("./patience.js").Patience): Promise<string | undefined>;
export type Token = string | (() => string | undefined | Promise<string | undefined>) | undefined;
