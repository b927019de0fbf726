import assert from "node:assert/strict";

import { story } from "../peer.js";

/** A drained client is told when to return, up to 20 s later; the clients' own back-off comes on top. */
const RETURN_MS = 45_000;

for (const signal of ["SIGTERM", "SIGKILL"]) {
  story(`after a restart by ${signal} a client handshakes by itself and hears again`, async ({ encke, join }) => {
    const [listener, publisher] = [await join("listener"), await join("publisher")];
    await listener.call("subscribe", { pattern: "/news/*" });
    await publisher.call("publish", { channel: "/news/a", data: "before" });
    await listener.untilReceived(1);
    await publisher.kill();
    const handshakes = () => listener.events.filter(({ event, successful }) => event === "handshake" && successful);
    assert.equal(handshakes().length, 1);

    await encke.restart(signal);
    const isBack = () => listener.events.some(({ event }) => event === "resubscribed");
    await listener.until("its own return after the restart", isBack, RETURN_MS);
    const [before, after] = handshakes();
    assert.notEqual(after.clientId, before.clientId);

    const newcomer = await join("newcomer");
    await newcomer.call("publish", { channel: "/news/a", data: "after" });
    await listener.untilReceived(2);
    assert.deepEqual(listener.wire.map(({ data }) => data), ["before", "after"]);
  });
}
