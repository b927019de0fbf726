// `for await (const message of comet.messages(…))`.

import { EnckeError } from "./errors.js";

/** Messages that wait for a loop, unless it asks for another number. */
const BUFFER = 1_000;

/**
 * An endless iteration of what `subscribe` delivers. A loop that falls more than `buffer` messages behind gets those
 * that wait and then an error with the code `overflow`; to leave the loop, or to abort `signal`, unsubscribes.
 * @param {(handler: import("./subscription.js").Handler) => import("./subscription.js").Subscription} subscribe
 * @param {{ signal?: AbortSignal, buffer?: number }} options
 * @returns {AsyncGenerator<import("./subscription.js").Delivery, void, void>}
 */
export function messages(subscribe, options) {
  const leave = { now: () => {} };
  const loop = iterate(subscribe, options, leave);
  const finish = loop.return.bind(loop);
  // By itself it would only be heard when the next message has come.
  loop.return = (value) => {
    leave.now();
    return finish(value);
  };
  return loop;
}

/**
 * @param {(handler: import("./subscription.js").Handler) => import("./subscription.js").Subscription} subscribe
 * @param {{ signal?: AbortSignal, buffer?: number }} options
 * @param {{ now: () => void }} leave
 * @returns {AsyncGenerator<import("./subscription.js").Delivery, void, void>}
 */
async function* iterate(subscribe, { signal, buffer = BUFFER }, leave) {
  if (signal?.aborted) return;
  /** @type {import("./subscription.js").Delivery[]} */
  const waiting = [];
  /** @type {Error | undefined} */
  let failure;
  let ended = false;
  let wake = () => {};
  const end = () => {
    ended = true;
    wake();
  };
  const fail = (/** @type {EnckeError} */ error) => {
    if (error.code !== "disconnected") failure = error;
    end();
  };
  leave.now = end;
  const subscription = subscribe((delivery) => {
    if (ended) return;
    if (waiting.length < buffer) waiting.push(delivery);
    else fail(new EnckeError("overflow", `the loop over ${subscription.pattern} fell ${buffer} messages behind`));
    wake();
  });
  subscription.onend = (error) => fail(/** @type {EnckeError} */ (error));
  signal?.addEventListener("abort", end, { once: true });
  try {
    for (;;) {
      const next = signal?.aborted ? undefined : waiting.shift();
      if (next) yield next;
      else if (failure) throw failure;
      else if (ended || signal?.aborted) return;
      else await new Promise((resolve) => (wake = () => resolve(undefined)));
    }
  } finally {
    ended = true;
    signal?.removeEventListener("abort", end);
    subscription.unsubscribe().catch(() => {});
  }
}
