// `comet.debug()`: a drawer in the page that lists every message, both ways.
//
// It lives in a shadow root with a style sheet of its own, so that page and drawer leave each other alone, and a
// content security policy without inline styles does not matter. All text is text: messages are anybody's.

import { SHEET } from "./inspector_sheet.js";
import { utf8 } from "./transport/error.js";

/** Rows; the oldest go. */
const ROWS = 500;
/** Requests whose answers are being timed. */
const TIMED = 2_000;
/** Of a message, in a row; all of it is shown when the row is opened. */
const PREVIEW = 160;

/**
 * @typedef {object} Row
 * @property {boolean} outgoing
 * @property {any} message
 * @property {string} transport
 * @property {Date} when
 * @property {number} [took] milliseconds from the request to this answer
 */

/**
 * @param {Document} document
 * @param {import("./client.js").Encke} comet
 * @param {() => void} closed
 */
export function openInspector(document, comet, closed) {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const host = document.createElement("div");
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(SHEET);
  root.adoptedStyleSheets = [sheet];

  /** @type {Map<string, number>} */
  const asked = new Map();
  /** @type {Row[]} */
  let arrived = [];
  let counted = 0;
  let paused = false;
  let frame = 0;

  const list = element("ol", { tabIndex: 0, ariaLabel: "Messages, the newest last" });
  const state = element("span", { className: "state" });
  const count = element("span", { className: "count" });
  const filter = element("input", { type: "search", placeholder: "Filter", ariaLabel: "Show only messages that contain" });
  const pause = element("button", { type: "button", textContent: "Pause" });
  const clear = element("button", { type: "button", textContent: "Clear" });
  const close = element("button", { type: "button", textContent: "Close", title: "Close (Esc)" });
  const head = element("header", {}, [element("strong", { textContent: "Encke" }), state, count, filter, pause, clear, close]);
  const drawer = element("section", { ariaLabel: "Encke inspector" }, [head, list]);

  filter.addEventListener("input", () => {
    for (const row of list.children) hide(/** @type {HTMLElement} */ (row));
  });
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    pause.ariaPressed = String(paused);
  });
  clear.addEventListener("click", () => {
    list.replaceChildren();
    arrived = [];
  });
  close.addEventListener("click", end);
  drawer.addEventListener("keydown", (event) => {
    if (event.key === "Escape") end();
  });
  comet.addEventListener("state", showState);
  showState();
  root.append(drawer);
  document.body.append(host);
  filter.focus({ preventScroll: true });

  return { show, close: end };

  /**
   * @param {boolean} outgoing
   * @param {any[]} messages
   * @param {string} transport
   */
  function show(outgoing, messages, transport) {
    const now = performance.now();
    for (const message of messages) {
      /** @type {Row} */
      const row = { outgoing, message, transport, when: new Date() };
      const id = message.id === undefined ? undefined : String(message.id);
      if (outgoing && id !== undefined) {
        asked.set(id, now);
        if (asked.size > TIMED) asked.delete(/** @type {string} */ (asked.keys().next().value));
      } else if (id !== undefined && asked.has(id)) {
        row.took = now - /** @type {number} */ (asked.get(id));
        asked.delete(id);
      }
      counted++;
      if (!paused) arrived.push(row);
    }
    arrived = arrived.slice(-ROWS);
    // A page that hears 10,000 messages a second still paints once a frame.
    frame ||= requestAnimationFrame(paint);
  }

  function paint() {
    frame = 0;
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
    list.append(...arrived.map(line));
    arrived = [];
    while (list.children.length > ROWS) list.firstElementChild?.remove();
    const shown = list.children.length;
    count.textContent = counted > shown ? `${counted} messages, the last ${shown} shown` : `${counted} messages`;
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  /** @param {Row} row */
  function line({ outgoing, message, transport, when, took }) {
    const { channel, ...rest } = mask(message);
    const json = JSON.stringify(rest);
    const bytes = utf8(JSON.stringify(message));
    const cells = [
      element("time", { textContent: clock(when) }),
      element("b", { className: outgoing ? "out" : "in", textContent: outgoing ? "sent" : arrival(message) }),
      element("span", { className: "transport", textContent: transport }),
      element("span", { className: "channel", textContent: channel }),
      element("span", { className: "bytes", textContent: `${bytes} B` }),
      element("span", { className: "took", textContent: took === undefined ? "" : `${took.toFixed(took < 10 ? 1 : 0)} ms` }),
      element("code", { textContent: json.slice(0, PREVIEW) + (json.length > PREVIEW ? "…" : "") }),
    ];
    const details = element("details", {}, [element("summary", {}, cells)]);
    details.addEventListener("toggle", () => {
      if (!details.open || details.childElementCount > 1) return;
      details.append(element("pre", { textContent: JSON.stringify(mask(message), null, 2), tabIndex: 0 }));
    });
    const item = element("li", {}, [details]);
    item.dataset.text = `${channel} ${json}`.toLowerCase();
    if (message.successful === false || channel === "/meta/gap" || isLoss(message)) item.className = "refused";
    hide(item);
    return item;
  }

  /** @param {HTMLElement} item */
  function hide(item) {
    item.hidden = !String(item.dataset.text).includes(filter.value.trim().toLowerCase());
  }

  function showState() {
    state.textContent = comet.transport ? `${comet.state} by ${comet.transport}` : comet.state;
    state.dataset.state = comet.state;
  }

  function end() {
    if (!host.isConnected) return;
    cancelAnimationFrame(frame);
    comet.removeEventListener("state", showState);
    host.remove();
    closed();
    before?.focus?.({ preventScroll: true });
  }

  /**
   * @template {keyof HTMLElementTagNameMap} K
   * @param {K} name
   * @param {Partial<HTMLElementTagNameMap[K]> & Record<string, unknown>} properties
   * @param {Node[]} children
   * @returns {HTMLElementTagNameMap[K]}
   */
  function element(name, properties, children = []) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }
}

/** @param {any} message */
function arrival({ channel, ext }) {
  return channel === "/meta/gap" ? "gap" : ext?.encke?.subscription ? "replayed" : "received";
}

/** Whether it says that some subscription could not have everything. @param {any} message */
function isLoss({ ext }) {
  return Object.values(ext?.encke?.recovery ?? {}).some((one) => one?.recovered === false);
}

/** Without what would let a reader of the screen act as the session. @param {any} message */
function mask(message) {
  const masked = { ...message };
  if (typeof masked.clientId === "string") masked.clientId = `${masked.clientId.slice(0, 4)}…`;
  for (const [field, secret] of [["encke", "publisher"], ["authentication", "token"]]) {
    const said = masked.ext?.[field];
    if (said && secret in said) masked.ext = { ...masked.ext, [field]: { ...said, [secret]: "…" } };
  }
  return masked;
}

/** @param {Date} when */
function clock(when) {
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const ms = String(when.getMilliseconds()).padStart(3, "0");
  return `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}.${ms}`;
}
