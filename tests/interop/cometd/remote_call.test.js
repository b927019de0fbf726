import assert from "node:assert/strict";

import { story } from "../peer.js";

story("a remote call that nobody serves is refused at once, not left to time out", async ({ join }) => {
  const peer = await join("a");
  const reply = await peer.call("remoteCall", { target: "nobody/here", data: { question: 1 }, timeout: 8_000 });
  assert.equal(reply.successful, false);
  assert.match(reply.error, /^4\d\d:/);
  assert.notEqual(reply.error, "406::timeout", "that is the client's own clock: the server never answered");
  assert.equal((await peer.call("publish", { channel: "/after", data: 1 })).successful, true);
});
