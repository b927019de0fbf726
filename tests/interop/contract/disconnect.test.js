import assert from "node:assert/strict";

import { connect, post } from "../bayeux.js";
import { story } from "../peer.js";

story("a client that disconnects is answered, forgotten, and its process can end", async ({ encke, join }) => {
  const peer = await join("leaver");
  await peer.call("subscribe", { pattern: "/a/*" });
  const { clientId } = peer.handshake;

  const reply = await peer.call("disconnect");
  assert.equal(reply.successful, true, JSON.stringify(reply));

  // On another mount on purpose: one session is known under every name of the endpoint.
  const late = await post(encke.url("/bayeux"), [connect(clientId, { id: "late" })]);
  assert.equal(late.replies[0].successful, false);
  assert.match(late.replies[0].error, /^402:/);
  assert.equal(late.replies[0].advice.reconnect, "handshake");

  // A poll still held, or a socket still open, would keep it.
  await peer.ends();
});
