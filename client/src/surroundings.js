// What a client finds around it: a page, a worker, or Node; and the tests' own clock.

import { pageClock } from "./timers.js";

/**
 * @typedef {object} Surroundings
 * @property {typeof fetch} [fetch]
 * @property {typeof WebSocket} [WebSocket]
 * @property {Document} [document]
 * @property {EventTarget} [window] of a page, which hides and goes to sleep
 * @property {typeof Worker} [Worker]
 * @property {Storage} [storage]
 * @property {import("./timers.js").Clock} clock
 * @property {() => number} wall milliseconds since 1970, which may jump
 * @property {() => number} random
 */

/**
 * @param {{ fetch?: any, WebSocket?: any, clock?: any, wall?: () => number, random?: () => number }} given
 * @returns {Surroundings}
 */
export function surroundings(given) {
  const document = typeof globalThis.document === "object" ? globalThis.document : undefined;
  return {
    // Called as a method of anything else than the window, browsers refuse it.
    fetch: given.fetch ?? globalThis.fetch?.bind(globalThis),
    WebSocket: given.WebSocket ?? globalThis.WebSocket,
    document,
    window: document ? globalThis : undefined,
    Worker: document && !given.clock ? globalThis.Worker : undefined,
    storage: document ? storage() : undefined,
    clock: given.clock ?? pageClock,
    wall: given.wall ?? Date.now,
    random: given.random ?? Math.random,
  };
}

/** @returns {Storage | undefined} */
function storage() {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined; // a sandboxed frame, or a browser that was told to
  }
}

/** Where this script came from; bundled into another one, that is nothing to go by. */
const script = /** @type {HTMLScriptElement | null} */ (globalThis.document?.currentScript ?? null)?.src || import.meta.url;

/**
 * The URL of the Bayeux endpoint: `given`, resolved against the page; else beside the script; else of the page's origin.
 * @param {string | URL | undefined} given
 * @returns {string}
 */
export function endpoint(given) {
  const page = globalThis.document?.baseURI;
  let url;
  try {
    if (given !== undefined) url = new URL(given, page);
    else if (script && /^https?:.*\/encke\.m?js([?#]|$)/.test(script)) url = new URL("bayeux", script);
    else if (page) url = new URL("/bayeux", page);
  } catch {
    throw new TypeError(`${JSON.stringify(given)} is not a URL; write it like "http://127.0.0.1:8080/bayeux"`);
  }
  if (!url) throw new TypeError('outside of a page a URL is needed: new Encke("http://127.0.0.1:8080/bayeux")');
  if (url.protocol === "ws:" || url.protocol === "wss:") url.protocol = url.protocol.replace("ws", "http");
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`${url.href} is not an http or https URL, so no server can be there`);
  }
  url.hash = "";
  return url.href;
}
