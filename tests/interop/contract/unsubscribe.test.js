import assert from "node:assert/strict";

import { story } from "../peer.js";

story("after an unsubscribe nothing more comes, and the rest goes on", async ({ join }) => {
  const [listener, publisher] = [await join("listener"), await join("publisher")];
  await listener.call("subscribe", { pattern: "/left/*" });
  await listener.call("subscribe", { pattern: "/kept" });
  await publisher.call("publish", { channel: "/left/a", data: "before" });
  await listener.untilReceived(1);

  const reply = await listener.call("unsubscribe", { pattern: "/left/*" });
  assert.equal(reply.successful, true, JSON.stringify(reply));
  assert.equal(reply.subscription, "/left/*");
  await publisher.call("publish", { channel: "/left/a", data: "after" });
  await publisher.call("publish", { channel: "/kept", data: "end" });
  await listener.untilReceived(2);
  assert.deepEqual(listener.wire.map(({ data }) => data), ["before", "end"]);
});
