// A client without a library that moves between connections all the time: frames by `ws`, HTTP by hand.

import http from "node:http";
import vm from "node:vm";

import { WebSocket } from "ws";

const HANDSHAKE = { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["websocket", "long-polling", "callback-polling"] };

const WISHES = { count: { ack: true, encke: { ack: "count" } }, batch: { ack: true }, none: undefined };

/** What the server closes a socket with whose session has gone on elsewhere. */
const REPLACED = 1000;

export class Nomad {
  /** Every message and notice, in the order of arrival: `({ channel, data, ext }) => …`. */
  ondelivery = () => {};
  /** What the server said that no story expects. */
  onerror = (error) => {
    throw error;
  };
  /** The server has closed a socket that was in use. */
  onclose = (code) => this.onerror(new Error(`a socket was closed by the server: ${code}`));
  /** The newest place in a history that it has heard of. */
  position;
  /** Moves to another connection, and connections that were cut. */
  moves = 0;
  /** Messages that came, by connection type. */
  heard = { websocket: 0, "long-polling": 0, "callback-polling": 0 };

  #url;
  #counts;
  #wish;
  #acknowledged = 0;
  #leg;
  #id = 0;

  /** `ack` is `"count"` for our way, `"batch"` for CometD's, `"none"` for a client that knows of neither. */
  constructor(url, ack) {
    this.#url = url;
    this.#counts = ack === "count";
    this.#wish = WISHES[ack];
  }

  /** Handshakes, subscribes to `pattern` and connects once; answers with the two replies. */
  async open(pattern, ext) {
    const [handshake] = await this.#post([{ ...HANDSHAKE, ext: this.#wish, id: "h" }]);
    if (!handshake.successful) throw new Error(JSON.stringify(handshake));
    this.clientId = handshake.clientId;
    const subscribe = { channel: "/meta/subscribe", clientId: this.clientId, subscription: pattern, id: "s", ext };
    const replies = await this.#post([subscribe]);
    const subscription = replies.find(({ id }) => id === "s");
    if (!subscription.successful) throw new Error(JSON.stringify(subscription));
    this.#hear(replies);
    this.#hear(await this.#post([this.#connect("long-polling", { advice: { timeout: 0 } })]));
    return { handshake, subscription };
  }

  /** Goes on over `type`. What was used until now is cut, or left to the server to finish. */
  move(type, { cuts }) {
    this.moves++;
    this.#leave(cuts);
    const leg = (this.#leg = { type, left: false, drop: () => {} });
    if (type === "websocket") this.#socket(leg);
    else this.#poll(leg);
  }

  stop() {
    this.#leave(true);
  }

  /** What an abandoned connection still brings is not ours any more: the server says it again on the new one. */
  #leave(cuts) {
    if (!this.#leg) return;
    this.#leg.left = true;
    if (cuts) this.#leg.drop();
  }

  #connect(connectionType, more) {
    return {
      channel: "/meta/connect", clientId: this.clientId, connectionType, id: String(this.#id++),
      ext: this.#wish && { ack: this.#acknowledged }, ...more,
    };
  }

  #socket(leg) {
    const socket = new WebSocket(this.#url.replace(/^http/, "ws"), { perMessageDeflate: false });
    leg.drop = () => socket.terminate();
    const say = () => socket.send(JSON.stringify([this.#connect("websocket")]));
    socket.on("error", () => {}); // cut while it was being opened
    socket.on("open", () => !leg.left && say());
    socket.on("message", (frame) => {
      if (leg.left) return;
      if (this.#hear(JSON.parse(frame), leg)) say();
    });
    socket.on("close", (code) => {
      if (leg.left) return;
      if (code === REPLACED) this.#socket(leg);
      else this.onclose(code);
    });
  }

  async #poll(leg) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    leg.drop = () => agent.destroy();
    try {
      while (!leg.left) {
        const connect = [this.#connect(leg.type)];
        const replies = leg.type === "long-polling" ? await this.#post(connect, agent) : await this.#script(connect, agent);
        if (!leg.left) this.#hear(replies, leg);
      }
    } catch (error) {
      if (!leg.left) this.onerror(error);
    }
    agent.destroy();
  }

  /** Takes in what has come; true when a connect was answered. */
  #hear(messages, leg) {
    let answered = false;
    let ack;
    for (const message of messages) {
      const { channel, successful, ext } = message;
      if (successful === undefined) {
        if (this.#counts) this.#acknowledged++;
        if (channel === "/meta/gap" && message.data.count !== undefined) this.#acknowledged = message.data.count;
        if (leg) this.heard[leg.type]++;
        this.position = ext?.encke?.position ?? this.position;
        this.ondelivery(message);
      } else if (channel === "/meta/connect") {
        // A request on the connection that we left may overtake ours. It has taken our place, and we take it again.
        if (!successful && !message.error.startsWith("409:")) this.onerror(new Error(JSON.stringify(message)));
        answered = true;
        ack = ext?.ack;
      }
    }
    if (answered && ack !== undefined) {
      if (!this.#counts) this.#acknowledged = ack;
      // On a socket a message may overtake a reply that is being written.
      else if (leg?.type === "websocket" ? ack > this.#acknowledged : ack !== this.#acknowledged) {
        this.onerror(new Error(`${this.#acknowledged} deliveries have come, and the server says ${ack}`));
      }
    }
    return answered;
  }

  async #post(messages, agent) {
    const body = JSON.stringify(messages);
    return JSON.parse(await request(this.#url, { agent, method: "POST", headers: { "content-type": "application/json" } }, body));
  }

  async #script(messages, agent) {
    const url = `${this.#url}?jsonp=called&message=${encodeURIComponent(JSON.stringify(messages))}`;
    const script = await request(url, { agent, method: "GET" });
    let said;
    vm.runInNewContext(script, { called: (messages) => (said = messages) });
    return said;
  }
}

/** The whole body of a 200; a response that was cut is an error. */
function request(url, options, body) {
  return new Promise((resolve, reject) => {
    const asked = http.request(url, { ...options, agent: options.agent ?? false });
    asked.on("error", reject).on("response", async (response) => {
      try {
        let text = "";
        for await (const chunk of response.setEncoding("utf8")) text += chunk;
        if (!response.complete) throw new Error("the response was cut");
        if (response.statusCode !== 200) throw new Error(`${response.statusCode}: ${text}`);
        resolve(text);
      } catch (error) {
        reject(error);
      }
    });
    asked.end(body);
  });
}
