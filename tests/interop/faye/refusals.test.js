import assert from "node:assert/strict";

import { story } from "../peer.js";

// Faye takes an error apart by its grammar, `NNN:args:text`; what does not fit it arrives without a code.
story("Faye reads code and arguments out of every refusal", async ({ join }) => {
  const peer = await join("a");
  const refusals = {
    "a bad name": await peer.call("publish", { channel: "/bad channel", data: 1 }),
    "a pattern": await peer.call("publish", { channel: "/a/**", data: 1 }),
    "a service nobody offers": await peer.call("publish", { channel: "/service/x", data: 1 }),
    "a subscription to /meta": await peer.call("subscribe", { pattern: "/meta/connect" }),
    "a subscription to a bad name": await peer.call("subscribe", { pattern: "/a/**/b" }),
  };
  for (const [what, reply] of Object.entries(refusals)) {
    assert.equal(reply.successful, false, what);
    assert.ok(reply.code >= 400 && reply.code < 500, `${what} was refused as ${reply.error}`);
  }
  assert.equal(refusals["a bad name"].code, 405);
});
