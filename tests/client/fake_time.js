// A clock in the hand of the test, and a Bayeux server in memory that lives by it.

/** Timers that ring when the test says so. */
export class Clock {
  #now = 1_000;
  #timers = new Map();
  #last = 0;
  now = () => this.#now;
  setTimeout = (run, ms) => {
    this.#timers.set(++this.#last, { at: this.#now + ms, run });
    return this.#last;
  };
  clearTimeout = (handle) => void this.#timers.delete(handle);

  get size() {
    return this.#timers.size;
  }

  /** Lets `ms` pass, each timer at its time. */
  async pass(ms) {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const [next] = [...this.#timers].sort(([, one], [, other]) => one.at - other.at);
      if (!next || next[1].at > end) break;
      this.#now = Math.max(this.#now, next[1].at);
      this.#timers.delete(next[0]);
      next[1].run();
    }
    this.#now = end;
    await settle();
  }

  /** Lets `ms` pass without a timer, as in a page that is frozen. They ring, late, by the next `pass`. */
  freeze(ms) {
    this.#now += ms;
  }
}

/** Lets promises, streams and messages that are under way arrive. */
async function settle() {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Bayeux as far as one client needs it, over `fetch` and `WebSocket`, on a network that comes and goes. */
export class World {
  /** Whether anything passes. */
  up = true;
  requests = 0;
  opened = 0;
  /** Listeners that clients have on abort signals and did not take back. */
  listeners = 0;
  sessions = new Map();
  /** The server's own timers. */
  timers = 0;
  /** Connects that came. */
  connects = 0;
  /** Changes the reply to a connect before it is sent. @type {(reply: object, message: object) => void} */
  onconnect = () => {};
  /** The same for a handshake, which begins a session only if it is successful still. @type {(reply: object, message: object) => void} */
  onhandshake = () => {};
  /** For how long a connect of a session is held, and what is changed in its reply then. */
  holds = () => 30_000;
  onheld = () => {};
  #sessions = 0;
  #held = new Set();
  #sockets = new Set();
  /** The connect that each session had held last. */
  #polls = new Map();

  constructor(clock) {
    this.clock = clock;
  }

  /** The network goes away with all that it held, or comes back; a server that restarts has lost its sessions. */
  set(up, { forget = false } = {}) {
    this.up = up;
    if (forget) this.sessions.clear();
    if (up) return;
    for (const { fail } of [...this.#held]) fail();
    for (const socket of [...this.#sockets]) socket.die();
  }

  /** What is connected now is never heard of again: a network that went without a word. */
  muffle() {
    this.#sockets.clear();
  }

  fetch = (_, { body, signal }) => {
    this.requests++;
    return new Promise((resolve, reject) => {
      const end = () => {
        if (!this.#held.delete(held)) return;
        signal.removeEventListener("abort", held.fail);
        this.listeners--;
      };
      const held = {
        fail: () => (end(), reject(new TypeError("Failed to fetch"))),
        answer: (messages) => (end(), resolve(new Response(JSON.stringify(messages)))),
      };
      this.#held.add(held);
      this.listeners++;
      signal.addEventListener("abort", held.fail);
      if (!this.up) return held.fail();
      this.#converse(JSON.parse(body), held.answer);
    });
  };

  get WebSocket() {
    const world = this;
    return class {
      constructor() {
        world.opened++;
        world.#sockets.add(this);
        queueMicrotask(() => (world.up ? this.onopen?.() : this.die()));
      }
      send(text) {
        world.requests++;
        if (!world.up) return;
        world.#converse(JSON.parse(text), (messages) => {
          if (world.#sockets.has(this)) queueMicrotask(() => this.onmessage?.({ data: JSON.stringify(messages) }));
        });
      }
      die() {
        world.#sockets.delete(this);
        queueMicrotask(() => this.onclose?.({ code: 1006, reason: "" }));
      }
      close() {
        world.#sockets.delete(this);
      }
    };
  }

  #converse(messages, answer) {
    const replies = [];
    for (const message of messages) {
      const { channel, id, clientId, subscription, data, advice } = message;
      const reply = { channel, id, successful: true };
      const session = this.sessions.get(clientId);
      if (channel === "/meta/handshake") {
        reply.clientId = `s${++this.#sessions}`;
        reply.supportedConnectionTypes = ["websocket", "long-polling"];
        reply.advice = { reconnect: "retry", interval: 0, timeout: 30_000 };
        this.onhandshake(reply, message);
        if (reply.successful) this.sessions.set(reply.clientId, []);
      } else if (!session) {
        Object.assign(reply, { successful: false, error: "402::session_unknown", advice: { reconnect: "handshake" } });
      } else if (channel === "/meta/subscribe") {
        session.push(subscription);
      } else if (channel === "/meta/connect") {
        this.connects++;
        this.onconnect(reply, message);
        if (advice?.timeout !== 0 && reply.successful) {
          this.#polls.set(clientId, id);
          this.timers++;
          this.clock.setTimeout(() => {
            this.timers--;
            this.onheld(reply, message);
            answer([reply]);
          }, this.holds(message));
          continue;
        }
      } else if (channel === "/meta/disconnect") {
        this.sessions.delete(clientId);
        // As Encke does: what is held is told before not to come back.
        const poll = this.#polls.get(clientId);
        if (poll) replies.push({ ...reply, channel: "/meta/connect", id: poll, advice: { reconnect: "none" } });
      } else if (!channel.startsWith("/meta/") && session.includes(channel)) {
        replies.push({ channel, data });
      }
      replies.push(reply);
    }
    if (replies.length > 0) answer(replies);
  }
}
