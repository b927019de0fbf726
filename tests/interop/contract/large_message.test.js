import assert from "node:assert/strict";

import { story } from "../peer.js";

// The limit is 64 KiB for a message with its envelope.
const TEXT = "0123456789abcdef".repeat(60 * 64);

story("a message of 60 KiB passes whole", async ({ join }) => {
  const [listener, publisher] = [await join("listener"), await join("publisher")];
  await listener.call("subscribe", { pattern: "/large" });
  const reply = await publisher.call("publish", { channel: "/large", data: TEXT });
  assert.equal(reply.successful, true, JSON.stringify(reply));
  await listener.untilReceived(1);
  assert.equal(listener.wire.length, 1);
  assert.ok(listener.wire[0].data === TEXT, "the text came out changed");
});
