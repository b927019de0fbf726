// What a page tells about itself: it is shown, wakes, changes its network, or goes.

/**
 * @typedef {object} Listener
 * @property {() => void} wake the page runs again, or is looked at again
 * @property {() => void} online the network came back, and may be another one
 * @property {() => void} hide the page goes: for good, or into the back-forward cache
 */

/**
 * @param {import("./surroundings.js").Surroundings} surroundings
 * @param {Listener} listener
 * @returns {() => void} ends it
 */
export function watchPage({ window, document }, { wake, online, hide }) {
  if (!window || !document) return () => {};
  const shown = () => {
    if (document.visibilityState === "visible") wake();
  };
  /** @type {[EventTarget, string, () => void][]} */
  const all = [
    [document, "visibilitychange", shown],
    [document, "resume", wake],
    [window, "pageshow", wake],
    [window, "online", online],
    [window, "pagehide", hide],
  ];
  for (const [target, name, run] of all) target.addEventListener(name, run);
  return () => {
    for (const [target, name, run] of all) target.removeEventListener(name, run);
  };
}

/**
 * Says good-bye from a page that goes, by a request that outlives it, so that the server need not wait for the grace
 * of the session to end.
 * @param {import("./surroundings.js").Surroundings} surroundings
 * @param {string} url
 * @param {string} body
 * @param {string} type the transport in use
 */
export function farewell({ fetch, document }, url, body, type) {
  if (type === "callback-polling" && document) {
    const image = document.createElement("img");
    image.src = `${url}${url.includes("?") ? "&" : "?"}jsonp=bye&message=${encodeURIComponent(body)}`;
    return;
  }
  const headers = { "Content-Type": "application/json" };
  fetch?.(url, { method: "POST", keepalive: true, credentials: "include", headers, body }).catch(() => {});
}
