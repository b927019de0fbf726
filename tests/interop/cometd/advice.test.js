import assert from "node:assert/strict";

import { story } from "../peer.js";

// npm `cometd` forgets all older advice when a reply carries any, so partial advice would reset the rest of it.
story("every advice is whole: reconnect, interval and timeout together", async ({ join }) => {
  const peer = await join("a");
  const advices = peer.events.map(({ advice }) => advice).filter(Boolean);
  assert.ok(advices.length > 0, "the client was never advised");
  for (const advice of advices) {
    assert.ok(["retry", "handshake", "none"].includes(advice.reconnect), JSON.stringify(advice));
    assert.equal(typeof advice.interval, "number", JSON.stringify(advice));
    assert.equal(typeof advice.timeout, "number", JSON.stringify(advice));
  }
});
