import assert from "node:assert/strict";

import { connect, post, session } from "../bayeux.js";
import { within } from "../deadline.js";
import { story } from "../story.js";
import { Stream } from "./curl.js";
import { connect as held, Socket } from "./socket.js";

story("SIGTERM answers a held poll with advice, ends streams, and Encke ends by itself", async ({ encke, later }) => {
  const clientId = await session(encke.url("/bayeux"));
  later(await Stream.open(encke.url("/channels/a?as=lines")));

  // Two polls of one session: the later one replaces the earlier, so when either is answered the other is held.
  const polls = ["1", "2"].map((id) => post(encke.url("/bayeux"), [connect(clientId, { id, advice: undefined })]));
  const replaced = await within(5_000, Promise.race(polls), () => "neither of two polls was replaced");
  assert.equal(replaced.replies[0].successful, false);
  assert.equal(replaced.replies[0].advice.reconnect, "retry");
  assert.ok(replaced.replies[0].advice.interval >= 2_000, "or the two would replace each other without end");

  assert.equal(await encke.stop("SIGTERM"), 0, encke.output);
  const answers = await within(1_000, Promise.all(polls), () => "the held poll was left without an answer");
  const last = answers.find(({ replies }) => replies[0].id !== replaced.replies[0].id).replies[0];
  assert.equal(last.successful, true);
  assert.equal(last.advice.reconnect, "retry");
});

story("SIGTERM answers a socket's held connect and closes it with a code that says why", async ({ encke, later }) => {
  const socket = later(await Socket.open(encke.socketUrl("/bayeux")));
  const clientId = await socket.session();
  socket.send([held(clientId, "held")]);
  // Frames of one socket are read in order: once this is answered, the connect is held.
  await socket.ask({ channel: "/meta/subscribe", clientId, subscription: "/a", id: "after" });

  assert.equal(await encke.stop("SIGTERM"), 0, encke.output);
  const { code } = await socket.until("close", () => socket.closed);
  assert.ok([1001, 1012].includes(code), `closed with ${code}, which is neither "going away" nor "restarting"`);
  const reply = socket.heard.find(({ id }) => id === "held");
  assert.equal(reply?.successful, true, "the held connect was answered");
  assert.equal(reply.advice.reconnect, "retry");
});
