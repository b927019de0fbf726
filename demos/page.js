// What every page of the demos needs: the server's own address in the lines to copy, copy buttons, the page's real
// source shown in the page, the state of the connection, and text by strangers cut to a bound.

/** Where this server's paths begin, its base included: `http://127.0.0.1:8080/live/`. */
const home = new URL("../", import.meta.url);

/** The address of `path` (`channels/chat/demo`) on this server. */
export const address = (path) => new URL(path, home).href;

/** The room in this page's URL, `#letters-and-digits` and at most 40 of them, else `demo`. */
export function room() {
  const name = location.hash.slice(1);
  return /^[A-Za-z0-9_-]{1,40}$/.test(name) ? name : "demo";
}

/** A name nobody guesses: 12 letters and digits, 60 bits. */
export function secret() {
  const alphabet = "abcdefghijkmnpqrstuvwxyz23456789";
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => alphabet[byte % 32]).join("");
}

/** `value` as text of at most `most` UTF-16 units, and how much is missing. What is no text is shown as JSON. */
export function bounded(value, most) {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  if (text.length <= most) return text;
  // Half of a surrogate pair is no character.
  const cut = text.slice(0, most).replace(/[\uD800-\uDBFF]$/, "");
  return `${cut}… (${(text.length - cut.length).toLocaleString("en")} more characters)`;
}

/** Says in the page's bar how `comet` is connected. */
export function watch(comet) {
  const element = document.querySelector(".state");
  const show = () => {
    const { state, transport } = comet;
    const words = { idle: "not connected yet", connected: `connected by ${transport}`, waiting: "waiting to reconnect" };
    element.dataset.state = state;
    element.textContent = words[state] ?? state;
  };
  comet.addEventListener("state", show);
  show();
  const inspect = document.querySelector(".inspect");
  inspect.addEventListener("click", () => comet.debug());
  inspect.hidden = false;
}

/** Tells those who do not see the page. */
function announce(text) {
  let region = document.querySelector("#announced");
  if (!region) {
    region = Object.assign(document.createElement("p"), { id: "announced", className: "apart" });
    region.setAttribute("role", "status");
    document.querySelector("main").append(region);
  }
  region.textContent = text;
}

async function copy(button, code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
    announce("Copied");
  } catch {
    // Browsers keep the clipboard from pages without TLS, except on this machine.
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
    announce("Selected: copy it with the keyboard");
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

/** The part of a demo's file between "In short:" and "The rest is the page:". */
const few = (file) => /^\/\/ In short:.*\n([^]*?)\n+\/\/ The rest is the page:/m.exec(file)?.[1] ?? file;

/** `code` as nodes, its comments and strings marked. */
function coloured(code) {
  return code.split(/((?<!:)\/\/.*|"[^"\n]*"|`[^`]*`)/).map((piece, index) => {
    if (index % 2 === 0) return piece;
    const span = document.createElement("span");
    span.className = piece.startsWith("//") ? "comment" : "string";
    span.textContent = piece;
    return span;
  });
}

/** Completes the page: call it once, when the room is known. */
export function complete() {
  for (const element of document.querySelectorAll("[data-room]")) element.textContent = room();
  for (const element of document.querySelectorAll("[data-path]")) element.textContent = home.pathname + element.textContent.slice(1);
  for (const link of document.querySelectorAll("a[data-href]")) link.href = link.dataset.href.replace("ROOM", room());
  for (const span of document.querySelectorAll("[data-address]")) {
    span.textContent = address(span.dataset.address.replace("ROOM", room()));
  }
  for (const line of document.querySelectorAll(".line")) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "Copy" });
    button.setAttribute("aria-label", `Copy ${line.dataset.what}`);
    button.addEventListener("click", () => copy(button, line.querySelector("code")));
    const acts = line.querySelector(".acts") ?? line.appendChild(Object.assign(document.createElement("span"), { className: "acts" }));
    acts.append(button);
  }
  for (const figure of document.querySelectorAll(".source[data-file]")) {
    const code = figure.querySelector("code");
    fetch(figure.dataset.file)
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(`status ${answer.status}`))))
      .then((file) => code.replaceChildren(...coloured(few(file).trim())))
      .catch((error) => (code.textContent = `${figure.dataset.file} could not be read: ${error.message}`));
  }
  addEventListener("hashchange", () => location.reload());
}
