// A client over WebSocket in a process of its own, which can be stopped: see sleep.test.js.

import { answer, tell } from "../interop/peer_process.js";
import { Nomad } from "./nomad.js";

let nomad;

answer({
  async open({ url, ack, pattern }) {
    nomad = new Nomad(url, ack);
    nomad.ondelivery = ({ channel, data }) => tell("received", { channel, data: data.n ?? data });
    nomad.onclose = (code) => tell("closed", { code });
    nomad.onerror = (error) => tell("error", { error: error.message });
    const { handshake } = await nomad.open(pattern);
    nomad.move("websocket", { cuts: false });
    return handshake;
  },
});
