import assert from "node:assert/strict";

import { story } from "../peer.js";

story("a publish is acknowledged, and its publisher hears it too when subscribed", async ({ join }) => {
  const peer = await join("a");
  await peer.call("subscribe", { pattern: "/echo/*" });
  const reply = await peer.call("publish", { channel: "/echo/me", data: { n: 1 } });
  assert.equal(reply.successful, true, JSON.stringify(reply));
  await peer.untilReceived(1);
  assert.deepEqual(peer.received, [{ pattern: "/echo/*", channel: "/echo/me", data: { n: 1 } }]);
});

story("a publish to a pattern is refused with a reason, and the client goes on", async ({ join }) => {
  const peer = await join("a");
  await peer.call("subscribe", { pattern: "/a/*" });
  const refused = await peer.call("publish", { channel: "/a/*", data: "to all of them" });
  assert.equal(refused.successful, false);
  assert.match(refused.error, /^4\d\d:/);
  assert.equal((await peer.call("publish", { channel: "/a/b", data: "fine" })).successful, true);
  await peer.untilReceived(1);
  assert.deepEqual(peer.wire.map(({ data }) => data), ["fine"]);
});

story("a channel with a bad name is refused with 405, and the client goes on", async ({ join }) => {
  const peer = await join("a");
  const refused = await peer.call("publish", { channel: "/bad channel", data: 1 });
  assert.equal(refused.successful, false);
  assert.match(refused.error, /^405:/);
  const unheard = await peer.call("subscribe", { pattern: "/bad channel" });
  assert.equal(unheard.successful, false);
  assert.equal((await peer.call("publish", { channel: "/good", data: 1 })).successful, true);
});

story("nobody can listen to /meta", async ({ join }) => {
  const peer = await join("a");
  const refused = await peer.call("subscribe", { pattern: "/meta/**" });
  assert.equal(refused.successful, false);
  assert.match(refused.error, /^40[35]:/);
});
