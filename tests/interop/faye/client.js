// npm `faye` in a process of its own; see ../peer.js for who drives it.

import { setImmediate } from "node:timers/promises";

import faye from "faye";

import { answer, tell } from "../peer_process.js";

/** How long Faye may take to go over to the socket. */
const CHOICE_MS = 5_000;

let client;
let handshakes = 0;
/** pattern → the subscription. Faye subscribes again by itself after a new handshake. */
const subscriptions = new Map();

/** A Faye promise as a plain value: `{ successful }`, with `error` as `code:params:message` when it was refused. */
const outcome = (promise) =>
  new Promise((resolve) => {
    promise.then(
      () => resolve({ successful: true }),
      (error) => resolve({ successful: false, error: String(error), code: error.code }),
    );
  });

const untilReply = (channel) => new Promise((resolve) => client.replyTo.set(channel, resolve));

function listen(pattern) {
  const subscription = client.subscribe(pattern).withChannel((channel, data) => {
    tell("received", { pattern, channel, data });
  });
  subscriptions.set(pattern, subscription);
  return outcome(subscription);
}

answer({
  // `retry`: after how many seconds what was not answered is sent again.
  async open({ url, transport, retry = 1 }) {
    client = new faye.Client(url, { retry });
    client.replyTo = new Map();
    if (transport === "long-polling") client.disable("websocket");
    client.addExtension({
      incoming(message, pass) {
        if (message.data !== undefined) tell("wire", message);
        if (message.channel === "/meta/handshake" || message.channel === "/meta/connect") {
          const { successful, clientId, error, advice } = message;
          tell(message.channel.slice("/meta/".length), { successful, clientId, error, advice });
        }
        if (message.channel === "/meta/handshake" && message.successful) handshakes += 1;
        if (message.channel === "/meta/subscribe" && message.successful && handshakes > 1) tell("resubscribed", {});
        client.replyTo.get(message.channel)?.(message);
        client.replyTo.delete(message.channel);
        pass(message);
      },
    });
    client.on("transport:up", () => tell("transport:up", {}));
    client.on("transport:down", () => tell("transport:down", {}));
    const handshaken = untilReply("/meta/handshake");
    await new Promise((resolve) => client.connect(resolve));
    const handshake = await handshaken;
    // Faye says nowhere in its public calls which transport it took. It shakes hands by long-polling, and goes over to the
    // socket when that has opened, which on a busy machine is a moment later.
    const used = () => client._dispatcher.connectionType;
    for (const end = Date.now() + CHOICE_MS; used() !== transport && Date.now() < end; ) await setImmediate();
    if (used() !== transport) throw new Error(`Faye chose ${used()} where ${transport} was asked for`);
    return { clientId: handshake.clientId, transport, handshake };
  },

  subscribe: ({ pattern }) => listen(pattern),

  // Faye sends one message for each name, together.
  async subscribeArray({ patterns }) {
    const outcomes = await Promise.all(patterns.map(listen));
    return outcomes.find((one) => !one.successful) ?? { successful: true, subscription: patterns };
  },

  async unsubscribe({ pattern }) {
    const replied = untilReply("/meta/unsubscribe");
    subscriptions.get(pattern).cancel();
    subscriptions.delete(pattern);
    return replied;
  },

  publish: ({ channel, data, options }) => outcome(client.publish(channel, data, options)),

  // Over HTTP Faye sends each full batch on a connection of its own, so only waiting keeps the order.
  async burst({ channel, from, count }) {
    const inOrder = client._dispatcher.connectionType === "websocket";
    const sent = [];
    for (let n = 0; n < count; n += 1) {
      const publication = outcome(client.publish(channel, { from, n }));
      sent.push(inOrder ? publication : await publication);
    }
    return (await Promise.all(sent)).filter((one) => !one.successful);
  },

  // Faye has no call for a batch: what is said in one turn of the event loop goes out together over HTTP.
  async batch({ pattern, channel, count }) {
    const sent = [listen(pattern)];
    for (let n = 0; n < count; n += 1) sent.push(outcome(client.publish(channel, { n })));
    return Promise.all(sent);
  },

  async disconnect() {
    return outcome(client.disconnect());
  },
});
