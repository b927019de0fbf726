import assert from "node:assert/strict";

import { story } from "../peer.js";

story("Faye notices that its server is gone, and that it is back", async ({ encke, join }) => {
  const peer = await join("a");
  const happened = (name) => peer.events.filter(({ event }) => event === name).length;
  assert.equal(happened("transport:up"), 1);

  await encke.stop("SIGKILL");
  await peer.until("transport:down", () => happened("transport:down") === 1);
  await encke.restart();
  await peer.until("transport:up", () => happened("transport:up") === 2, 30_000);
  const reply = await peer.call("publish", { channel: "/a", data: 1 }, 30_000);
  assert.equal(reply.successful, true, JSON.stringify(reply));
});
