import assert from "node:assert/strict";

import { story } from "../peer.js";

story("a batch is carried out in its order: what is published after the subscribe is heard", async ({ join }) => {
  const peer = await join("a");
  const replies = await peer.call("batch", { pattern: "/batch/*", channel: "/batch/a", count: 5 });
  assert.equal(replies.length, 6);
  assert.ok(replies.every(({ successful }) => successful), JSON.stringify(replies));
  await peer.untilReceived(5);
  assert.deepEqual(peer.wire.map(({ data }) => data.n), [0, 1, 2, 3, 4]);
});
