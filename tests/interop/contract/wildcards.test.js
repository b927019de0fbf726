import assert from "node:assert/strict";

import { story } from "../peer.js";

const PUBLISHED = ["/a", "/a/b", "/a/c", "/a/b/c", "/a/b/c/d", "/b/a"];

story("`*` takes one segment and `**` one or more, and neither takes the bare prefix", async ({ join }) => {
  const [one, deep, exact, publisher] = [await join("one"), await join("deep"), await join("exact"), await join("p")];
  assert.equal((await one.call("subscribe", { pattern: "/a/*" })).successful, true);
  assert.equal((await deep.call("subscribe", { pattern: "/a/**" })).successful, true);
  assert.equal((await exact.call("subscribe", { pattern: "/a/b" })).successful, true);
  for (const end of ["one", "deep", "exact"]) {
    const peer = { one, deep, exact }[end];
    assert.equal((await peer.call("subscribe", { pattern: "/end" })).successful, true);
  }

  for (const channel of PUBLISHED) {
    const reply = await publisher.call("publish", { channel, data: { channel } });
    assert.equal(reply.successful, true, JSON.stringify(reply));
  }
  // The last message marks the end: whatever should not have come would have come before it.
  assert.equal((await publisher.call("publish", { channel: "/end", data: "end" })).successful, true);

  const heard = async (peer) => {
    await peer.until("the end", () => peer.received.some(({ channel }) => channel === "/end"));
    return peer.received.map(({ channel }) => channel).filter((channel) => channel !== "/end");
  };
  assert.deepEqual(await heard(one), ["/a/b", "/a/c"]);
  assert.deepEqual(await heard(deep), ["/a/b", "/a/c", "/a/b/c", "/a/b/c/d"]);
  assert.deepEqual(await heard(exact), ["/a/b"]);
});
