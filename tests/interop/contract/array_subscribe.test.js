import assert from "node:assert/strict";

import { story } from "../peer.js";

story("several names subscribed at once are all heard", async ({ join }) => {
  const [listener, publisher] = [await join("listener"), await join("publisher")];
  const patterns = ["/x/one", "/y/*", "/z/**"];
  const reply = await listener.call("subscribeArray", { patterns });
  assert.equal(reply.successful, true, JSON.stringify(reply));
  assert.deepEqual(reply.subscription, patterns);

  for (const channel of ["/x/one", "/x/two", "/y/one", "/z/one/two"]) {
    await publisher.call("publish", { channel, data: channel });
  }
  await listener.untilReceived(3);
  assert.deepEqual(listener.wire.map(({ channel }) => channel), ["/x/one", "/y/one", "/z/one/two"]);
});
