import assert from "node:assert/strict";

import { story } from "../peer.js";

story("one copy travels however many of a session's patterns match", async ({ join }) => {
  const [listener, publisher] = [await join("listener"), await join("publisher")];
  const patterns = ["/a/b/c", "/a/b/*", "/a/**", "/**"];
  for (const pattern of patterns) {
    assert.equal((await listener.call("subscribe", { pattern })).successful, true, pattern);
  }
  await publisher.call("publish", { channel: "/a/b/c", data: "once" });
  await publisher.call("publish", { channel: "/z", data: "end" });
  await listener.until("the end", () => listener.wire.some(({ data }) => data === "end"));

  assert.deepEqual(listener.wire.map(({ data }) => data), ["once", "end"]);
  // The client fans out by itself: each callback once, which it could not do if the server had sent more.
  const called = listener.received.filter(({ data }) => data === "once").map(({ pattern }) => pattern);
  assert.deepEqual(called.sort(), [...patterns].sort());
});

story("the narrower pattern goes on when the wider one is given up", async ({ join }) => {
  const [listener, publisher] = [await join("listener"), await join("publisher")];
  await listener.call("subscribe", { pattern: "/a/**" });
  await listener.call("subscribe", { pattern: "/a/b" });
  assert.equal((await listener.call("unsubscribe", { pattern: "/a/**" })).successful, true);

  await publisher.call("publish", { channel: "/a/c", data: "no longer" });
  await publisher.call("publish", { channel: "/a/b", data: "still" });
  await listener.untilReceived(1);
  assert.deepEqual(listener.wire.map(({ data }) => data), ["still"]);
});

story("a delivery carries its channel and data, and nobody's clientId", async ({ join }) => {
  const [listener, publisher] = [await join("listener"), await join("publisher")];
  await listener.call("subscribe", { pattern: "/a/*" });
  const data = { text: "héllo \u2028 </script>", deep: [[{ n: 1.5e300 }]], empty: "", nil: null };
  await publisher.call("publish", { channel: "/a/b", data });
  await listener.untilReceived(1);

  const [delivery] = listener.wire;
  assert.equal(delivery.channel, "/a/b");
  assert.deepEqual(delivery.data, data);
  assert.equal(delivery.clientId, undefined, "a clientId is a secret between one client and the server");
  assert.equal(delivery.successful, undefined, "a delivery must not look like a reply");
});
