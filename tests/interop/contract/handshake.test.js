import assert from "node:assert/strict";

import { story } from "../peer.js";

story("a handshake gives each client a secret of its own that nobody can guess", async ({ join }) => {
  const peers = [await join("a"), await join("b")];
  const ids = peers.map(({ events }) => events.find(({ event }) => event === "handshake").clientId);
  for (const id of ids) {
    // 128 random bits are 22 characters when all letters and digits are used.
    assert.match(id, /^[A-Za-z0-9]{22,}$/);
  }
  assert.notEqual(ids[0], ids[1]);
});

story("the client finds its transport among the types the server names", async ({ transport, join }) => {
  const { handshake } = await join("a");
  assert.ok(handshake.supportedConnectionTypes.includes("websocket"), JSON.stringify(handshake));
  assert.ok(handshake.supportedConnectionTypes.includes("long-polling"), JSON.stringify(handshake));
  assert.ok(handshake.supportedConnectionTypes.includes(transport));
  assert.equal(handshake.version, "1.0");
});
