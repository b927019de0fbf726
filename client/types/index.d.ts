export { Encke } from "./client.js";
export { EnckeError } from "./errors.js";
export type Options = import("./client.js").Options;
export type State = import("./client.js").State;
export type StateEvent = import("./client.js").StateEvent;
export type RefusalEvent = import("./client.js").RefusalEvent;
export type Delivery = import("./subscription.js").Delivery;
export type Subscription = import("./subscription.js").Subscription;
