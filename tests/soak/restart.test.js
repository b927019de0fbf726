// A restart under many clients: they return to the new process evenly over the drain time, on every kind of connection.

import assert from "node:assert/strict";
import { test } from "node:test";

import { within } from "../interop/deadline.js";
import { Encke } from "../interop/encke.js";
import { Line, figure, frame, post, response, unframe, upgrade } from "./crowd.js";

const CLIENTS = Number(process.env.SOAK_CLIENTS ?? 10_000);
const DRAIN_S = 20;
/** Of ten clients. */
const KINDS = ["websocket", "websocket", "websocket", "websocket", "websocket", "websocket", "polling", "polling", "polling", "stream"];
/** Clients that are let in at once in the beginning. */
const OPENING = 200;
/** A client that was told nothing returns like this, as browsers and CometD do. */
const UNTOLD_MS = 1000;

/** Where the server is, and what becomes of its clients. */
class Crowd {
  address;
  ready = 0;
  told = 0;
  untold = 0;
  failed = 0;
  /** Since the beginning of the drain, in milliseconds: when the last client heard of it. */
  heard = 0;
  /** Since the beginning of the drain, in milliseconds: when each came back. */
  returned = [];
  stopping = 0;
  isOver = false;
  #waiting = [];

  isReady() {
    this.ready += 1;
    if (this.stopping) this.returned.push(performance.now() - this.stopping);
    this.#waiting.shift()?.();
  }

  /** Lets clients in, a few at a time. */
  async open() {
    let begun = 0;
    for (let number = 0; number < CLIENTS; number += 1) {
      if (begun - this.ready >= OPENING) await new Promise((resolve) => this.#waiting.push(resolve));
      begun += 1;
      enter(this, number, KINDS[number % KINDS.length]);
    }
    while (this.ready < CLIENTS) await new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** A client enters, stays until its connection ends, and returns when it was told to. */
function enter(crowd, number, kind) {
  if (crowd.isOver) return;
  let moment;
  const advice = (reply) => (moment = reply.advice?.interval ?? moment);
  const ends = () => {
    if (crowd.isOver) return;
    if (!crowd.stopping) throw new Error(`client ${number} (${kind}) was sent away before the end`);
    if (moment === undefined) crowd[ready ? "untold" : "failed"] += 1;
    else {
      crowd.told += 1;
      crowd.heard = performance.now() - crowd.stopping;
    }
    setTimeout(enter, moment ?? UNTOLD_MS, crowd, number, kind);
  };
  let [ready, clientId, upgraded] = [false, undefined, kind !== "websocket"];
  const connectionType = kind === "websocket" ? "websocket" : "long-polling";
  const answers = (messages) => {
    for (const reply of messages) {
      if (reply.channel === "/meta/handshake") {
        assert.equal(reply.successful, true, JSON.stringify(reply));
        clientId = reply.clientId;
        say([{ channel: "/meta/subscribe", clientId, subscription: "/news" }, { channel: "/meta/connect", clientId, connectionType, advice: { timeout: 0 } }]);
      } else if (reply.channel === "/meta/connect") {
        if (ready) {
          advice(reply);
          if (kind === "polling") line.end();
          continue;
        }
        say([{ channel: "/meta/connect", clientId, connectionType }]);
        ready = true;
        crowd.isReady();
      }
    }
  };
  const say = (messages) => line.write(kind === "websocket" ? frame(messages) : post("/bayeux", messages));
  const read = {
    websocket(bytes) {
      for (let found; (found = unframe(bytes)); bytes = found[2]) if (found[0] === 1) answers(JSON.parse(found[1]));
      return bytes;
    },
    polling(bytes) {
      for (let found; (found = response(bytes)); bytes = found[2]) answers(JSON.parse(found[1]));
      return bytes;
    },
    stream(bytes) {
      const text = bytes.toString();
      for (const [, retry] of text.matchAll(/^retry: (\d+)$/gm)) if (ready) moment = Number(retry);
      if (!ready && text.includes("retry: ")) {
        ready = true;
        crowd.isReady();
      }
      return text.endsWith("\n") ? Buffer.alloc(0) : bytes;
    },
  }[kind];
  const line = new Line(crowd.address, number, {
    ends,
    reads(bytes) {
      if (upgraded) return read(bytes);
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return bytes;
      upgraded = true;
      say([{ channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: [connectionType] }]);
      return read(bytes.subarray(end + 4));
    },
  });
  if (kind === "stream") line.write("GET /channels/news HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
  else if (kind === "websocket") line.write(upgrade("/bayeux"));
  else say([{ channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: [connectionType] }]);
}

test(`${CLIENTS} clients return evenly over ${DRAIN_S} s`, { timeout: 300_000 }, async () => {
  const encke = await Encke.start({ config: `drain = "${DRAIN_S}s"\n[rights]\nopen = true\n` });
  const crowd = new Crowd();
  try {
    crowd.address = encke.address;
    await within(120_000, crowd.open(), () => `only ${crowd.ready} clients are there`);
    assert.equal(await figure(encke, "encke_sessions"), CLIENTS);
    crowd.stopping = performance.now();
    await encke.restart("SIGTERM");
    const down = performance.now() - crowd.stopping;

    const sessions = [];
    for (let second = Math.ceil(down / 1000); second <= DRAIN_S; second += 1) {
      const left = crowd.stopping + second * 1000 - performance.now();
      await new Promise((resolve) => setTimeout(resolve, left));
      sessions.push(await figure(encke, "encke_sessions"));
    }
    await within(10_000, (async () => {
      while ((await figure(encke, "encke_sessions")) < CLIENTS) await new Promise((resolve) => setTimeout(resolve, 100));
    })(), () => `only ${crowd.returned.length} clients have returned`);

    // A client counts from the moment at which it hears, so both edges are as blurred as the hearing of all took long.
    const [first, last] = [Math.min(...crowd.returned), Math.max(...crowd.returned)];
    const rates = Array(Math.floor((last - first) / 1000) + 1).fill(0);
    for (const moment of crowd.returned) rates[Math.floor((moment - first) / 1000)] += 1;
    const blurred = Math.ceil(crowd.heard / 1000);
    const inside = rates.slice(blurred, -blurred);
    const [least, most] = [Math.min(...inside), Math.max(...rates)];
    console.log(`the old process took ${(down / 1000).toFixed(2)} s to end and the new one to begin; all had heard after ${(crowd.heard / 1000).toFixed(2)} s; told ${crowd.told}, untold ${crowd.untold}, in vain ${crowd.failed}`);
    console.log(`returned in each second from the first one (at ${(first / 1000).toFixed(2)} s) on: ${rates.join(" ")}; most / least = ${(most / least).toFixed(2)}`);
    console.log(`sessions of the new process at the end of each second: ${sessions.join(" ")}`);
    assert.ok(inside.length >= DRAIN_S * 0.6, "the machine is too busy to tell");
    assert.ok(most <= 2 * least, `${least} to ${most} clients a second`);
    assert.ok(last <= DRAIN_S * 1000 + crowd.heard + 500, "all return within the drain time");
    assert.equal(crowd.untold + crowd.failed, 0, "each was told its own moment");
  } finally {
    crowd.isOver = true;
    await encke.stop("SIGKILL");
  }
});
