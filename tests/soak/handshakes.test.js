// Twice as many handshakes as are allowed, on kept connections: those that are let in do not notice, the others are told
// when to return, and memory stays where it is.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Encke } from "../interop/encke.js";
import { Line, figure, frame, post, quantile, response, unframe, upgrade } from "./crowd.js";

const RATE = Number(process.env.SOAK_HANDSHAKES ?? 500);
const SECONDS = Number(process.env.SOAK_SECONDS ?? 30);
/** So many that one is free whenever a handshake is due: nothing waits here for the server. */
const CONNECTIONS = 500;
/** Sessions that were there before, and what they hear a second. */
const STANDING = 100;
const PULSES = 50;
/** Calm and busy stretches come in turns. What else this machine does only ever adds, so the least disturbed of each counts. */
const ROUNDS = 6;
const CALM_S = 3;
/** A p99 without load that is worse than this, in milliseconds, is not the server's. */
const QUIET_MS = 2;
/** What a stretch has to settle in before it counts. */
const WARM_S = 1;

/** A kept connection that asks one thing at a time. */
class Asking {
  #answered;
  #hasEnded = false;

  constructor(address, number) {
    const ends = () => {
      this.#hasEnded = true;
      this.#answered?.(new Error("a kept connection was closed"));
    };
    this.line = new Line(address, number, { ends, reads: (bytes) => this.#read(bytes) });
  }

  #read(bytes) {
    const found = response(bytes);
    if (!found) return bytes;
    this.#answered(JSON.parse(found[1]));
    return found[2];
  }

  async ask(messages, path = "/bayeux") {
    if (this.#hasEnded) throw new Error("a kept connection was not kept");
    const answered = new Promise((resolve) => (this.#answered = resolve));
    this.line.write(post(path, messages));
    const answer = await answered;
    if (answer instanceof Error) throw answer;
    return answer;
  }
}

/** Opens a session on a WebSocket that calls `hears(data)`. */
function listen(address, number, hears) {
  return new Promise((resolve, reject) => {
    let [isOpen, clientId] = [false];
    const heard = ({ channel, successful, clientId: id, data }) => {
      if (channel === "/pulse") return hears(data);
      if (!successful) return reject(new Error(`${channel} was refused`));
      if (channel === "/meta/handshake") {
        clientId = id;
        return line.write(frame([{ channel: "/meta/subscribe", clientId, subscription: "/pulse" }]));
      }
      line.write(frame([{ channel: "/meta/connect", clientId, connectionType: "websocket" }]));
      resolve(line);
    };
    const line = new Line(address, number, {
      ends: () => reject(new Error("a standing session ended")),
      reads(bytes) {
        if (!isOpen) {
          const end = bytes.indexOf("\r\n\r\n");
          if (end < 0) return bytes;
          isOpen = true;
          bytes = bytes.subarray(end + 4);
          line.write(frame([{ channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["websocket"] }]));
        }
        for (let found; (found = unframe(bytes)); bytes = found[2]) if (found[0] === 1) JSON.parse(found[1]).forEach(heard);
        return bytes;
      },
    });
    line.write(upgrade("/bayeux"));
  });
}

const memory = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;

/** Calls `does()` so often a second for so many seconds, in open loop. */
async function paced(rate, seconds, does) {
  const begin = performance.now();
  const under = new Set();
  for (let number = 0; number < rate * seconds; ) {
    const due = Math.min(rate * seconds, Math.floor(((performance.now() - begin) / 1000) * rate) + 1);
    for (; number < due; number += 1) {
      const running = does().finally(() => under.delete(running));
      under.add(running);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(under);
}

/** Offers handshakes for a while. What counts begins after a warm-up. */
async function offer(server, rate, seconds) {
  const { encke, asking, publishing } = server;
  const seen = { handshakes: [], publishes: [], deliveries: [], memory: [], accepted: 0, refused: 0, late: 0, waits: [] };
  const end = performance.now() + (WARM_S + seconds) * 1000;
  const counts = () => performance.now() > end - seconds * 1000;
  server.hears = (data) => counts() && seen.deliveries.push(performance.now() - data);
  const handshake = async () => {
    // The one that has rested longest: none rests so long that it is closed.
    const free = asking.shift();
    if (!free) return void (seen.late += 1);
    await shake(free);
    asking.push(free);
  };
  const shake = async (free) => {
    const asked = performance.now();
    const [reply] = await free.ask([{ channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["long-polling"] }]);
    const answered = performance.now();
    if (!reply.successful) {
      assert.equal(reply.advice.reconnect, "handshake", JSON.stringify(reply));
      assert.ok(reply.advice.interval >= 1000, JSON.stringify(reply));
      if (counts()) (seen.refused += 1), seen.waits.push(reply.advice.interval);
      return;
    }
    const { clientId } = reply;
    const replies = await free.ask([
      { channel: "/meta/subscribe", clientId, subscription: `/own/${clientId}` },
      { channel: `/own/${clientId}`, clientId, data: 1 },
    ]);
    assert.ok(replies.some(({ data }) => data === 1), JSON.stringify(replies));
    if (counts()) {
      seen.accepted += 1;
      seen.handshakes.push(answered - asked);
      seen.publishes.push(performance.now() - answered);
    }
    await free.ask([{ channel: "/meta/disconnect", clientId }]);
  };
  const pulse = async () => {
    const free = publishing.shift();
    if (!free) return void (seen.late += 1);
    await free.ask(performance.now(), "/channels/pulse");
    publishing.push(free);
  };
  const sampling = setInterval(() => counts() && seen.memory.push(memory(encke.pid)), 250);
  await Promise.all([paced(rate, WARM_S + seconds, handshake), paced(PULSES, WARM_S + seconds, pulse)]);
  clearInterval(sampling);
  return seen;
}

test(`${2 * RATE} handshakes a second where ${RATE} are allowed`, { timeout: 300_000 }, async () => {
  const encke = await Encke.start({ config: `[rights]\nopen = true\n[rates]\nhandshakes = ${RATE}\n` });
  const server = { encke, hears() {} };
  try {
    const { address } = encke;
    server.asking = Array.from({ length: CONNECTIONS }, (_, number) => new Asking(address, number));
    server.publishing = Array.from({ length: 10 }, (_, number) => new Asking(address, number));
    const standing = await Promise.all(Array.from({ length: STANDING }, (_, number) => listen(address, number, (data) => server.hears(data))));
    const [calm, busy] = [[], []];
    for (let round = 0; round < ROUNDS; round += 1) {
      calm.push(await offer(server, RATE / 2, CALM_S));
      busy.push(await offer(server, 2 * RATE, SECONDS / ROUNDS));
    }

    const sum = (stretches, what) => stretches.reduce((all, seen) => all + seen[what], 0);
    const lines = [];
    const failures = [];
    for (const what of ["handshakes", "publishes", "deliveries"]) {
      for (const [name, share] of [["p50", 0.5], ["p95", 0.95], ["p99", 0.99]]) {
        const [half, twice] = [calm, busy].map((stretches) => Math.min(...stretches.map((seen) => quantile(seen[what], share))));
        lines.push(`${what} ${name}: ${half.toFixed(2)} ms with half of the rate offered, ${twice.toFixed(2)} ms with twice the rate`);
        // Where even the calm stretches have such tails, they are those of something else on this machine.
        if (name === "p99" && half > QUIET_MS) console.log(`${what}: too much else runs here to judge the p99`);
        else if (twice > 1.5 * half && twice > half + 3) failures.push(lines.at(-1));
      }
    }
    const mean = (values) => values.reduce((all, value) => all + value, 0) / values.length;
    const memories = busy.map((seen) => mean(seen.memory));
    const waits = busy.flatMap((seen) => seen.waits);
    const [accepted, refused, late] = ["accepted", "refused", "late"].map((what) => sum(busy, what));
    console.log(lines.join("\n"));
    console.log(`accepted ${(accepted / SECONDS).toFixed(0)}/s, refused ${(refused / SECONDS).toFixed(0)}/s, told to wait ${Math.min(...waits)} to ${Math.max(...waits)} ms`);
    console.log(`memory in each of the busy stretches: ${memories.map((value) => value.toFixed(1)).join(" ")} MB`);
    assert.equal(sum(calm, "refused"), 0, "below the rate nobody is refused");
    assert.ok(late <= refused / 100, `${late} were not offered: the machine is too busy to tell`);
    assert.deepEqual(failures, []);
    assert.ok(Math.abs(accepted / SECONDS - RATE) < RATE / 20, "as many as are allowed are let in");
    assert.ok(refused > 0.9 * RATE * SECONDS, "the others are refused");
    assert.ok(Math.max(...waits) - Math.min(...waits) > 5000, "not all are told the same moment");
    assert.ok(memories.at(-1) < 1.05 * memories[1] + 1, "memory grows");
    assert.ok((await figure(encke, "encke_refused_total")) >= refused);
    for (const line of standing) line.end();
    for (const { line } of [...server.asking, ...server.publishing]) line.end();
  } finally {
    await encke.stop("SIGKILL");
  }
});
