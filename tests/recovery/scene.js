// One story against an Encke of its own in production mode, with a wire before it that can be cut.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { within } from "../interop/deadline.js";
import { Encke } from "../interop/encke.js";
import { Cut } from "./cut.js";
import { Chance } from "./seed.js";

/** What operators show to the server API. */
export const OPERATOR = `encke_${"0".repeat(64)}`;

/** Polls and sockets are held for a moment only, so that a client notices soon that nothing comes any more. */
const CONFIG = `
[doors]
callback_polling = true
[sessions]
timeout = "1500ms"
[rights]
open = true
[[key]]
name = "operator"
sha256 = "${createHash("sha256").update(OPERATOR).digest("hex")}"
admin = true
`;

/** A `[[channel]]` table. */
export function channel(patterns, keys = "", history = "count = 20000\nbytes = 67108864\nage = \"10m\"") {
  const kept = history ? `[channel.history]\n${history}\n` : "";
  return `[[channel]]\npatterns = ${JSON.stringify(patterns)}\n${keys}\n${kept}`;
}

/**
 * Tells one story; `play` gets `{ encke, cut, chance, t, later }`, and `later(stop)` is called at the end whatever
 * happens. `config` comes behind the suite's own, `sessions` into its table; Encke listens at the address that `place`
 * finds, or on loopback.
 */
export function scene(title, { config = "", sessions = "", place = async () => undefined } = {}, play) {
  test(title, async (t) => {
    const chance = new Chance(t);
    const stops = [];
    const later = (stop) => stops.push(stop);
    const host = await place(later);
    const encke = await Encke.start({ host, config: CONFIG.replace("[sessions]\n", `[sessions]\n${sessions}\n`) + config });
    try {
      const cut = await Cut.start(encke.address);
      stops.push(() => cut.stop());
      await play({ encke, cut, chance, t, later });
    } finally {
      for (const stop of stops.reverse()) await stop();
      await encke.stop("SIGKILL");
    }
  });
}

/** What a subscriber has got, and whether it is the numbers from 0, each once and in order. */
export class Heard {
  numbers = [];
  #watchers = new Set();

  constructor(name) {
    this.name = name;
  }

  push(number) {
    this.numbers.push(number);
    for (const look of [...this.#watchers]) look();
  }

  get count() {
    return this.numbers.length;
  }

  /** Waits until `condition` holds; it is looked at with each message. */
  when(ms, condition, what) {
    const met = new Promise((resolve) => {
      const look = () => condition() && (this.#watchers.delete(look), resolve());
      this.#watchers.add(look);
      look();
    });
    return within(ms, met, () => `${this.name} still waits for ${what()}: ${this.summary()}`);
  }

  /** Waits until `count` have come. */
  until(count, ms) {
    return this.when(ms, () => this.count >= count, () => `${count} messages`);
  }

  /** The numbers below `count`, each once, in order, and nothing else. */
  assertAll(count) {
    const wrong = this.numbers.findIndex((number, place) => number !== place);
    assert.ok(wrong < 0, `${this.name}: out of order or twice: ${this.summary()}`);
    assert.equal(this.count, count, this.summary());
  }

  summary() {
    const wrong = this.numbers.findIndex((number, place) => number !== place);
    const around = wrong < 0 ? this.numbers.slice(-3) : this.numbers.slice(Math.max(0, wrong - 3), wrong + 4);
    return `${this.count} messages, ${wrong < 0 ? "in order, the last" : `wrong at ${wrong}, around it`} ${around}`;
  }
}
