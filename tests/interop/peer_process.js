// The child's half of peer.js: answers calls, reports events.

/** Tells the test that something happened. */
export function tell(event, details) {
  if (process.connected) process.send({ event, details });
}

/** Answers the test's calls with `operations`, each a function of its arguments that may be async. */
export function answer(operations) {
  process.on("message", async ({ call, operation, args }) => {
    try {
      const result = await operations[operation](args);
      if (process.connected) process.send({ call, answer: result ?? null });
    } catch (error) {
      const text = error instanceof Error ? error.stack : JSON.stringify(error);
      if (process.connected) process.send({ call, error: `${operation} failed: ${text}` });
    }
  });
}
