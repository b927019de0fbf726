import assert from "node:assert/strict";

import { connect, post } from "../bayeux.js";
import { story } from "../story.js";

const STRANGER = "0".repeat(26);

story("a connect with an unknown clientId gets 402 and is told to handshake", async ({ encke }) => {
  const { status, replies } = await post(encke.url("/bayeux"), [connect(STRANGER, { id: "9" })]);
  assert.equal(status, 200);
  const [reply] = replies;
  assert.equal(reply.channel, "/meta/connect");
  assert.equal(reply.id, "9");
  assert.equal(reply.successful, false);
  assert.match(reply.error, /^402:/);
  assert.equal(reply.advice.reconnect, "handshake");
  assert.equal(typeof reply.advice.interval, "number");
});

story("so does a subscribe, an unsubscribe and a disconnect", async ({ encke }) => {
  for (const channel of ["/meta/subscribe", "/meta/unsubscribe", "/meta/disconnect"]) {
    const message = { channel, clientId: STRANGER, subscription: "/a", id: "1" };
    const [reply] = (await post(encke.url("/bayeux"), [message])).replies;
    assert.equal(reply.successful, false, channel);
    assert.match(reply.error, /^402:/, channel);
  }
});

story("a clientId of the wrong shape is as unknown as any other", async ({ encke }) => {
  for (const clientId of ["", "a b", "../../etc", "x".repeat(10_000), "\u0000"]) {
    const { status, replies } = await post(encke.url("/bayeux"), [connect(clientId)]);
    const refused = status === 400 || (status === 200 && replies[0].successful === false);
    assert.ok(refused, `${JSON.stringify(clientId.slice(0, 20))}: ${status}`);
  }
});
