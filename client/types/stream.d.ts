/**
 * An endless iteration of what `subscribe` delivers. A loop that falls more than `buffer` messages behind gets those
 * that wait and then an error with the code `overflow`; to leave the loop, or to abort `signal`, unsubscribes.
 * @param {(handler: import("./subscription.js").Handler) => import("./subscription.js").Subscription} subscribe
 * @param {{ signal?: AbortSignal, buffer?: number }} options
 * @returns {AsyncGenerator<import("./subscription.js").Delivery, void, void>}
 */
export function messages(subscribe: (handler: import("./subscription.js").Handler) => import("./subscription.js").Subscription, options: {
    signal?: AbortSignal;
    buffer?: number;
}): AsyncGenerator<import("./subscription.js").Delivery, void, void>;
