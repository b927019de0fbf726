import assert from "node:assert/strict";

import { story } from "../story.js";
import { within } from "../deadline.js";
import { Socket } from "./socket.js";

story("/echo returns every message with its type and its boundaries", async ({ encke, later }) => {
  const { bare } = later(await Socket.open(encke.socketUrl("/echo")));
  bare.removeAllListeners("message");
  const sent = ["", "one", Buffer.from([0, 255]), "é".repeat(40_000), Buffer.alloc(100_000, 7)];
  const echoed = new Promise((resolve) => {
    const came = [];
    bare.on("message", (data, isBinary) => {
      if (came.push(isBinary ? data : data.toString()) === sent.length) resolve(came);
    });
  });
  for (const message of sent) bare.send(message);
  assert.deepEqual(await within(10_000, echoed, () => "the echo is not complete"), sent);
});
