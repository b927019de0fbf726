// The client as a module.

export { Encke } from "./client.js";
export { EnckeError } from "./errors.js";

/** @typedef {import("./client.js").Options} Options */
/** @typedef {import("./client.js").State} State */
/** @typedef {import("./client.js").StateEvent} StateEvent */
/** @typedef {import("./client.js").RefusalEvent} RefusalEvent */
/** @typedef {import("./client.js").RecoveryEvent} RecoveryEvent */
/** @typedef {import("./subscription.js").Delivery} Delivery */
/** @typedef {import("./subscription.js").Page} Page */
/** @typedef {import("./subscription.js").Recovery} Recovery */
/** @typedef {import("./subscription.js").Subscription} Subscription */
