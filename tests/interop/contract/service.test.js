import assert from "node:assert/strict";

import { story } from "../peer.js";

story("what is said on /service is never routed to other clients, and nobody hangs over it", async ({ join }) => {
  const [listener, publisher] = [await join("listener"), await join("publisher")];
  // The families differ: CometD's server says yes and means nothing by it, Faye's says 403. Either will do.
  await listener.call("subscribe", { pattern: "/service/x" });
  await listener.call("subscribe", { pattern: "/**" });

  const reply = await publisher.call("publish", { channel: "/service/x", data: "is anyone there?" });
  assert.equal(reply.successful, false, "no service stands behind /service/x");
  assert.match(reply.error, /^4\d\d:/);

  await publisher.call("publish", { channel: "/end", data: "end" });
  await listener.untilReceived(1);
  assert.deepEqual(listener.wire.map(({ data }) => data), ["end"]);
});
