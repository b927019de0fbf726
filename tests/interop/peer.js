// A foreign Bayeux client in a process of its own, driven from the test.
//
// A process each, because the clients of cometd-nodejs-client share their cookies inside one process and would
// look to the server like two tabs of one browser; and because a client that leaves must let its process end.

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { within } from "./deadline.js";
import { Encke } from "./encke.js";

/** A client's own patience for one answer (`maxNetworkDelay` of npm `cometd`) plus a moment. */
const ANSWER_MS = 12_000;

/** Where each kind of client would look for its own server. */
const MOUNT = { cometd: "/cometd", faye: "/faye" };

export class Peer {
  /** Every message with data as it came off the wire, before the client's own fan-out. */
  wire = [];
  /** Every call of a subscription's callback: `{ pattern, channel, data }`. */
  received = [];
  /** What the client said about itself: handshakes, connects, transport up and down. */
  events = [];
  /** The server's reply to the first handshake. */
  handshake;

  #name;
  #child;
  #exited;
  #calls = new Map();
  #lastCall = 0;
  #stderr = "";
  #watchers = new Set();

  /**
   * Starts a process with a client of `kind` (`cometd` or `faye`) in it, not connected yet. `script` is another file to
   * run; `within` is a command before it, such as one that enters a network namespace.
   */
  constructor(kind, name, { script = new URL(`./${kind}/client.js`, import.meta.url), within = [] } = {}) {
    this.#name = `${kind} client ${name}`;
    const [execPath, ...execArgv] = [...within, process.execPath];
    this.#child = fork(fileURLToPath(script), { stdio: ["ignore", "ignore", "pipe", "ipc"], execPath, execArgv });
    this.#child.stderr.setEncoding("utf8").on("data", (text) => (this.#stderr += text));
    this.#child.on("message", (message) => this.#hear(message));
    this.#exited = new Promise((resolve) => this.#child.once("exit", (code, signal) => resolve(signal ?? code)));
    this.#exited.then((how) => {
      for (const { reject } of this.#calls.values()) {
        reject(new Error(`${this.#name} ended (${how}) with a call unanswered: ${this.#stderr}`));
      }
    });
  }

  /** Asks the client to do `operation` and answers with what came of it. */
  call(operation, args = {}, ms = ANSWER_MS) {
    const call = ++this.#lastCall;
    const answer = new Promise((resolve, reject) => this.#calls.set(call, { resolve, reject }));
    this.#child.send({ call, operation, args });
    return within(ms, answer, () => `${this.#name} hangs in ${operation} ${JSON.stringify(args).slice(0, 200)}`)
      .finally(() => this.#calls.delete(call));
  }

  /** Waits until `condition` gives something true, looking again whenever the client reports anything. */
  until(what, condition, ms = ANSWER_MS) {
    const met = new Promise((resolve) => {
      const look = () => {
        const found = condition();
        if (!found) return;
        this.#watchers.delete(look);
        resolve(found);
      };
      this.#watchers.add(look);
      look();
    });
    return within(ms, met, () => `${this.#name} still waits for ${what}; ${this.#summary()}`);
  }

  /** Waits until subscriptions were called `count` times in all. */
  untilReceived(count, ms) {
    return this.until(`${count} messages`, () => this.received.length >= count, ms);
  }

  /** Drops the wire to the test and expects the process to end by itself: nothing may keep a client that left. */
  async ends(ms = 5_000) {
    this.#child.disconnect();
    const how = await within(ms, this.#exited, () => `${this.#name} has left and its process does not end`);
    assert.equal(how, 0, `${this.#name} ended with ${how}: ${this.#stderr}`);
  }

  /** Sends the process a signal. */
  signal(name) {
    this.#child.kill(name);
  }

  /** Ends the process whatever it does. */
  kill() {
    this.#child.kill("SIGKILL");
    return this.#exited;
  }

  #hear(message) {
    if (message.call) {
      const call = this.#calls.get(message.call);
      if (message.error) call?.reject(new Error(`${this.#name}: ${message.error}`));
      else call?.resolve(message.answer);
    } else {
      if (message.event === "received") this.received.push(message.details);
      else if (message.event === "wire") this.wire.push(message.details);
      else this.events.push({ event: message.event, ...message.details });
    }
    for (const look of [...this.#watchers]) look();
  }

  #summary() {
    const last = JSON.stringify(this.events.slice(-3));
    return `it has ${this.received.length} messages, its last events are ${last} ${this.#stderr}`;
  }
}

/** The kind of client that this run is about, from `PEER`: each story of the contract is told for one kind. */
export function kindOfPeer() {
  const kind = process.env.PEER;
  if (!(kind in MOUNT)) throw new Error("set PEER=cometd or PEER=faye: whose client shall tell these stories?");
  return kind;
}

/**
 * Tells one story over WebSocket and over long-polling, against an Encke of its own each time. `story` gets
 * `{ encke, transport, join }`; `await join("a")` is a connected client, ended afterwards whatever happens.
 */
export function story(title, tell, kind = kindOfPeer()) {
  for (const transport of ["websocket", "long-polling"]) {
    test(`${kind} over ${transport}: ${title}`, async () => {
      const encke = await Encke.start();
      const peers = [];
      const join = async (name) => {
        const peer = new Peer(kind, name);
        peers.push(peer);
        ({ handshake: peer.handshake } = await peer.call("open", { url: encke.url(MOUNT[kind]), transport }));
        return peer;
      };
      try {
        await tell({ encke, transport, join });
      } finally {
        await Promise.all(peers.map((peer) => peer.kill()));
        await encke.stop("SIGKILL");
      }
    });
  }
}
