import assert from "node:assert/strict";

import { post, session } from "../bayeux.js";
import { story } from "../story.js";
import { connect, Socket } from "./socket.js";

const publish = (encke, channel, data) => post(encke.url("/bayeux"), { channel, data });

story("messages flow on a socket without a connect and before the first one", async ({ encke, later }) => {
  const socket = later(await Socket.open(encke.socketUrl("/bayeux")));
  const greeting = { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["websocket"], id: "h" };
  const { clientId } = await socket.ask(greeting);
  await socket.ask({ channel: "/meta/subscribe", clientId, subscription: "/a", id: "s" });
  await publish(encke, "/a", 1);
  const delivery = await socket.until("delivery", () => socket.heard.find(({ data }) => data === 1));
  assert.equal(delivery.channel, "/a");
});

story("a text message in many fragments, with a ping in between, is one message", async ({ encke, later }) => {
  const socket = later(await Socket.open(encke.socketUrl("/bayeux")));
  const clientId = await socket.session();
  const subscribe = { channel: "/meta/subscribe", clientId, subscription: "/a/b", id: "frag" };
  const text = JSON.stringify([subscribe]);
  const ponged = new Promise((resolve) => socket.bare.once("pong", (data) => resolve(data.toString())));
  for (let at = 0; at < text.length; at += 1) {
    socket.send(text[at], { fin: at === text.length - 1 });
    if (at === 10) socket.bare.ping("between");
  }
  const reply = await socket.until("reply", () => socket.heard.find(({ id }) => id === "frag"));
  assert.equal(reply.successful, true);
  assert.equal(await ponged, "between");
});

story("a socket adopts a session by its clientId", async ({ encke, later }) => {
  const clientId = await session(encke.url("/bayeux"));
  const subscribe = { channel: "/meta/subscribe", clientId, subscription: "/a" };
  await post(encke.url("/bayeux"), [subscribe]);

  const socket = later(await Socket.open(encke.socketUrl("/bayeux")));
  const reply = await socket.ask(connect(clientId, "1", { advice: { timeout: 0 } }));
  assert.equal(reply.successful, true);
  socket.send([connect(clientId, "2")]);
  await publish(encke, "/a", "adopted");
  await socket.until("delivery", () => socket.heard.find(({ data }) => data === "adopted"));
});

story("another live clientId on a socket that has a session gets 402", async ({ encke, later }) => {
  const other = await session(encke.url("/bayeux"));
  const socket = later(await Socket.open(encke.socketUrl("/bayeux")));
  const own = await socket.session();
  const reply = await socket.ask({ channel: "/meta/subscribe", clientId: other, subscription: "/a", id: "theirs" });
  assert.equal(reply.successful, false);
  assert.match(reply.error, /^402:/);
  const still = await socket.ask({ channel: "/meta/subscribe", clientId: own, subscription: "/a", id: "mine" });
  assert.equal(still.successful, true);
});

story("a duplicate connect leaves neither of the two unanswered", async ({ encke, later }) => {
  const socket = later(await Socket.open(encke.socketUrl("/bayeux")));
  const clientId = await socket.session();
  socket.send([connect(clientId, "first")]);
  socket.send([connect(clientId, "second")]);
  const answer = (wanted) => () => socket.heard.find(({ id }) => id === wanted);
  const first = await socket.until("reply to the first", answer("first"));
  assert.equal(first.successful, true);
  const bye = await socket.ask({ channel: "/meta/disconnect", clientId, id: "bye" });
  assert.equal(bye.successful, true);
  const second = await socket.until("reply to the second", answer("second"));
  assert.ok(socket.heard.indexOf(second) < socket.heard.indexOf(bye), "the held connect is answered first");
  assert.equal(second.advice.reconnect, "none");
});

story("`[]` on a socket is somebody's keep-alive and does not end it", async ({ encke, later }) => {
  const socket = later(await Socket.open(encke.socketUrl("/faye")));
  const clientId = await socket.session();
  socket.send("[]");
  const reply = await socket.ask({ channel: "/meta/subscribe", clientId, subscription: "/a", id: "after" });
  assert.equal(reply.successful, true);
  assert.equal(socket.closed, undefined);
});
