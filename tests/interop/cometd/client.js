// npm `cometd` with `cometd-nodejs-client` in a process of its own; see ../peer.js for who drives it.

import { adapt } from "cometd-nodejs-client";

import { answer, tell } from "../peer_process.js";
import { ReplayExtension } from "./replay_extension.js";

adapt();
// After adapt(): the module looks for WebSocket and XMLHttpRequest when it is loaded.
const { CometD } = await import("cometd");
const { AckExtension } = await import("cometd/AckExtension.js");

const cometd = new CometD();
/** pattern → the subscription; a new handshake empties it on the client's side, so it is kept to subscribe again. */
const subscriptions = new Map();
let opened = false;

const reply = (send) => new Promise((resolve) => send(resolve));

function listen(pattern) {
  return reply((replied) => {
    // The client calls a listener to `/**` for replies of its own as well.
    const receive = ({ channel, data, ext }) => data !== undefined && tell("received", { pattern, channel, data, ext });
    subscriptions.set(pattern, cometd.subscribe(pattern, receive, replied));
  });
}

cometd.registerExtension("wire", {
  incoming(message) {
    if (message.data !== undefined) tell("wire", message);
    return message;
  },
});

cometd.addListener("/meta/handshake", async ({ successful, clientId, error, advice }) => {
  tell("handshake", { successful, clientId, error, advice });
  if (!successful || !opened) return;
  // CometD leaves it to the application to subscribe again after it was made to handshake again.
  await Promise.all([...subscriptions.keys()].map(listen));
  tell("resubscribed", { clientId });
});

cometd.addListener("/meta/connect", ({ successful, error, advice, ext }) => {
  tell("connect", { successful, error, advice, ext });
});

cometd.addListener("/meta/subscribe", ({ successful, subscription, ext }) => {
  tell("subscribe", { successful, subscription, ext });
});

answer({
  // `ack`: with the client's own extension. `replay`: with one as Salesforce's clients have it. `options` go to the client.
  async open({ url, transport, ack, replay, options }) {
    if (ack) cometd.registerExtension("ack", new AckExtension());
    if (replay) cometd.registerExtension("replay", new ReplayExtension(replay));
    for (const type of cometd.getTransportTypes()) {
      if (type !== transport) cometd.unregisterTransport(type);
    }
    cometd.configure({ url, logLevel: "warn", maxSendBayeuxMessageSize: 128 * 1024, ...options });
    const connected = reply((resolve) => {
      cometd.addListener("/meta/connect", ({ successful }) => successful && resolve());
    });
    const handshake = await reply((replied) => cometd.handshake(replied));
    if (!handshake.successful) throw handshake;
    await connected;
    opened = true;
    return { clientId: cometd.getClientId(), transport: cometd.getTransport().type, handshake };
  },

  subscribe: ({ pattern }) => listen(pattern),

  // The client's own call takes one name; the protocol's array goes out by hand, with local listeners for it.
  subscribeArray({ patterns }) {
    for (const pattern of patterns) {
      cometd.addListener(pattern, ({ channel, data }) => tell("received", { pattern, channel, data }));
    }
    return reply((replied) => {
      const id = "array1";
      cometd.addListener("/meta/subscribe", (message) => message.id === id && replied(message));
      cometd.send({ id, channel: "/meta/subscribe", subscription: patterns });
    });
  },

  async unsubscribe({ pattern }) {
    const answered = await reply((replied) => cometd.unsubscribe(subscriptions.get(pattern), replied));
    subscriptions.delete(pattern);
    return answered;
  },

  publish: ({ channel, data }) => reply((replied) => cometd.publish(channel, data, replied)),

  // All are sent without waiting; the client keeps their order on a socket and on a connection.
  burst({ channel, from, count }) {
    const numbers = Array.from({ length: count }, (_, index) => index);
    const sent = numbers.map((n) => reply((replied) => cometd.publish(channel, { from, n }, replied)));
    return Promise.all(sent).then((replies) => replies.filter((one) => !one.successful));
  },

  batch({ pattern, channel, count }) {
    return reply((replied) => {
      const replies = [];
      const collect = (message) => replies.push(message) === count + 1 && replied(replies);
      cometd.batch(() => {
        const receive = (message) => tell("received", { pattern, channel: message.channel, data: message.data });
        subscriptions.set(pattern, cometd.subscribe(pattern, receive, collect));
        for (let n = 0; n < count; n += 1) cometd.publish(channel, { n }, collect);
      });
    });
  },

  remoteCall: ({ target, data, timeout }) =>
    reply((replied) => cometd.remoteCall(target, data, timeout, replied)),

  async disconnect() {
    const answered = await reply((replied) => cometd.disconnect(replied));
    return { ...answered, status: cometd.getStatus() };
  },
});
