// Our own client in a process of its own; see ../interop/peer.js for who drives it.

import { WebSocket } from "ws";

import { Encke } from "../../client/src/index.js";
import { answer, tell } from "../interop/peer_process.js";

let comet;

answer({
  async open({ url, transport }) {
    comet = new Encke(url, { WebSocket, transports: [transport] });
    comet.addEventListener("recovery", ({ detail }) => tell("recovery", detail));
    comet.addEventListener("state", ({ detail }) => tell("state", detail));
    await comet.connect();
    return { handshake: {} };
  },

  async subscribe({ pattern }) {
    await comet.subscribe(pattern, ({ channel, data }) => tell("received", { pattern, channel, data })).ready;
    return { successful: true };
  },
});
