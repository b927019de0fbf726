// Every door at which somebody shows who they are. Each answers `{ ok, error }`: whether it let them in, or why not.

import { WebSocket } from "ws";

import { within } from "../interop/deadline.js";

const MS = 10_000;
const CONNECTION_TYPES = ["websocket", "long-polling", "callback-polling"];

/** A handshake, with a token in its `ext` if there is one. */
export function handshake(token) {
  const message = { channel: "/meta/handshake", id: "h", version: "1.0", supportedConnectionTypes: CONNECTION_TYPES };
  return token === undefined ? message : { ...message, ext: { authentication: { token } } };
}

/** A socket at the endpoint, and what is answered on it. */
export class Socket {
  /** By id, who waits for a reply. */
  #asked = new Map();
  #ws;

  static open(encke, protocols = [], options = {}) {
    const socket = new Socket();
    socket.#ws = new WebSocket(encke.socketUrl("/bayeux"), protocols, options);
    socket.closed = new Promise((resolve) => socket.#ws.on("close", (code, reason) => resolve({ code, reason: String(reason) })));
    socket.#ws.on("message", (data) => {
      for (const message of JSON.parse(data)) socket.#asked.get(message.id)?.(message);
    });
    const opened = new Promise((resolve, reject) => {
      socket.#ws.on("open", () => resolve(socket));
      socket.#ws.on("unexpected-response", (_, response) => {
        response.setEncoding("utf8");
        let body = "";
        response.on("data", (text) => (body += text));
        response.on("end", () => reject(Object.assign(new Error(`HTTP ${response.statusCode}`), { status: response.statusCode, body })));
      });
      socket.#ws.on("error", reject);
    });
    return within(MS, opened, () => "the socket does not open");
  }

  get protocol() {
    return this.#ws.protocol;
  }

  say(...messages) {
    this.#ws.send(JSON.stringify(messages));
  }

  async ask(message) {
    const [reply] = await this.askAll([message]);
    return reply;
  }

  /** The replies to messages that go together. */
  askAll(messages) {
    const replies = messages.map(({ id }) => new Promise((resolve) => {
      this.#asked.set(id, (message) => message.successful !== undefined && this.#asked.delete(id) && resolve(message));
    }));
    this.say(...messages);
    return this.#within(MS, Promise.all(replies), () => `${this.#asked.size} answers, one to ${messages[0].channel}, did not come`);
  }

  #within(ms, met, what) {
    const closed = this.closed.then(({ code, reason }) => Promise.reject(new Error(`the socket closed: ${code} ${reason}`)));
    return within(ms, Promise.race([met, closed]), what);
  }

  close() {
    this.#ws.terminate();
  }
}

/** Posts messages to the endpoint. */
export async function poll(encke, messages, headers = {}, signal = undefined) {
  const response = await fetch(encke.url("/bayeux"), {
    method: "POST", signal, headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(messages),
  });
  return response.status === 200 ? response.json() : [await response.json()];
}

/** The same by a script, with a ticket if there is one. */
export async function script(encke, messages, ticket = undefined, signal = undefined) {
  const query = new URLSearchParams({ jsonp: "call", message: JSON.stringify(messages), ...(ticket ? { ticket } : {}) });
  const response = await fetch(encke.url(`/bayeux?${query}`), { signal });
  const text = await response.text();
  if (response.status !== 200) return [JSON.parse(text)];
  let said;
  new Function("call", text)((messages) => (said = messages));
  return said;
}

/** A ticket, or why there is none. */
export async function ticketFor(encke, token) {
  const response = await fetch(encke.url("/ticket"), { method: "POST", headers: { Authorization: `Bearer ${token}` } });
  return response.json();
}

const verdict = ({ successful, error }) => ({ ok: successful === true, error });

/** By its name, how a token is shown there. Channels are those of user alice. */
export const doors = {
  async "a handshake over websocket"(encke, token) {
    const socket = await Socket.open(encke);
    const reply = await socket.ask(handshake(token));
    socket.close();
    return verdict(reply);
  },
  async "a handshake over long-polling"(encke, token) {
    return verdict((await poll(encke, [handshake(token)]))[0]);
  },
  async "a handshake over callback-polling, with a ticket"(encke, token) {
    const { ticket, error } = await ticketFor(encke, token);
    if (!ticket) return { ok: false, error };
    return verdict((await script(encke, [handshake()], ticket))[0]);
  },
  async "the header of a long-poll"(encke, token) {
    return verdict((await poll(encke, [handshake()], { Authorization: `Bearer ${token}` }))[0]);
  },
  async "a cookie"(encke, token) {
    return verdict((await poll(encke, [handshake()], { Cookie: `other=1; login=${token}` }))[0]);
  },
  async "a sub-protocol"(encke, token) {
    try {
      const socket = await Socket.open(encke, ["bearer", token]);
      const reply = await socket.ask(handshake());
      socket.close();
      return socket.protocol === "bearer" ? verdict(reply) : { ok: false, error: `chose ${socket.protocol}` };
    } catch (refused) {
      if (!refused.body) throw refused;
      return { ok: false, error: JSON.parse(refused.body).error };
    }
  },
  async "POST of a channel"(encke, token) {
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    const response = await fetch(encke.url("/channels/users/alice/x"), { method: "POST", headers, body: "1" });
    const { error } = await response.json();
    return { ok: response.status === 200, error };
  },
  ...Object.fromEntries(["event-stream", "lines", "messages"].map((form) => [`GET of a channel as ${form}`, async (encke, token) => {
    const stop = new AbortController();
    const headers = { Authorization: `Bearer ${token}` };
    const response = await fetch(encke.url(`/channels/users/alice/x?as=${form}`), { headers, signal: stop.signal });
    const error = response.status === 200 ? undefined : (await response.json()).error;
    stop.abort();
    return { ok: response.status === 200, error };
  }])),
};
