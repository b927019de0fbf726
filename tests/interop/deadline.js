// Nothing here sleeps: a test waits for an event, and for no longer than it says.

/** `promise`, or an error with the sentence that `sentence()` makes once `ms` have passed. */
export function within(ms, promise, sentence) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`after ${ms} ms: ${sentence()}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
