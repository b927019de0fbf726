import assert from "node:assert/strict";

import { story } from "../peer.js";

const EACH = 500;
const IN_ORDER = Array.from({ length: EACH }, (_, n) => n);

const numbersFrom = (peer, from) => peer.wire.filter(({ data }) => data.from === from).map(({ data }) => data.n);

story(`two clients hear each other's ${EACH} messages, each exactly once and in order`, async ({ join }) => {
  const [a, b] = [await join("a"), await join("b")];
  for (const [from, speaker, to, listener] of [["a", a, "b", b], ["b", b, "a", a]]) {
    await listener.call("subscribe", { pattern: `/to/${to}/*` });
    const refused = await speaker.call("burst", { channel: `/to/${to}/x`, from, count: EACH }, 30_000);
    assert.deepEqual(refused, []);
    await listener.untilReceived(EACH, 30_000);
    assert.deepEqual(numbersFrom(listener, from), IN_ORDER);
  }
});

story(`two clients that speak at once hear all ${2 * EACH} messages exactly once`, async ({ transport, join }) => {
  const peers = { a: await join("a"), b: await join("b") };
  for (const peer of Object.values(peers)) await peer.call("subscribe", { pattern: "/talk/*" });
  const refused = await Promise.all(
    Object.entries(peers).map(([from, peer]) =>
      peer.call("burst", { channel: `/talk/${from}`, from, count: EACH }, 30_000)),
  );
  assert.deepEqual(refused, [[], []]);

  for (const [name, peer] of Object.entries(peers)) {
    await peer.untilReceived(2 * EACH, 30_000);
    for (const from of ["a", "b"]) {
      const numbers = numbersFrom(peer, from);
      // Over HTTP messages ride on the replies to publishes too, when no poll is held, and two answers on two
      // connections may pass each other on their way. That is so with every Bayeux server without the ack extension.
      if (transport === "long-polling") numbers.sort((one, other) => one - other);
      assert.deepEqual(numbers, IN_ORDER, `what ${name} heard from ${from}`);
    }
  }
});
