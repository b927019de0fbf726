// One story against an Encke of its own, for suites without a client library.

import { test } from "node:test";

import { Encke } from "./encke.js";

/** Tells one story; `tell` gets `{ encke, later }`, and `later(thing)` is stopped at the end whatever happens. */
export function story(title, tell) {
  test(title, async () => {
    const encke = await Encke.start();
    const things = [];
    const later = (thing) => {
      things.push(thing);
      return thing;
    };
    try {
      await tell({ encke, later });
    } finally {
      for (const thing of things) thing.stop();
      await encke.stop("SIGKILL");
    }
  });
}
