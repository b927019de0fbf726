// Chat: a room is a channel, and so is the news that somebody is typing there.

import { address, bounded, complete, room, secret, watch } from "../page.js";

const form = document.querySelector("form");
const { name, text } = form.elements;

// Two windows are two people: a name is kept for the window, and begins as that of one who discovered comets.
const DISCOVERERS = ["Caroline", "Charles", "Edmond", "Hypatia", "Jean-Louis", "Johann", "Maria", "Pierre"];
name.value = sessionStorage.getItem("name") ?? DISCOVERERS[Math.floor(Math.random() * DISCOVERERS.length)];

// In short:
const comet = new Encke();
const channel = `/chat/${room()}`;
const say = (data) => comet
  .publish(channel, { name: name.value, ...data })
  .catch(showFailure);

comet.subscribe(channel, showLine, { since: "all" });
comet.subscribe(`${channel}/typing`, ({ data }) => showTyping(data));
say({ event: true, text: "joined" });

// A request outlives the page that goes away; a socket does not.
const url = address(`channels${channel}`);
addEventListener("pagehide", () => fetch(url, {
  method: "POST",
  keepalive: true,
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ name: name.value, event: true, text: "left" }),
}));

// The rest is the page:

/** How much of what a stranger sends is shown, in UTF-16 units. */
const NAME = 40;
const TEXT = 2000;
/** Lines kept in the page; older ones make room. */
const LINES = 200;
/** Who types says so at most this often, and is forgotten somewhat later, in milliseconds. */
const TYPING_EVERY = 2000;
const TYPING_UNTIL = 4500;
/** How many are remembered as typing; beyond that nobody could read it. */
const TYPISTS = 20;

const log = document.querySelector(".log");
const me = secret();

/** The name of an author; a curl line needs none. */
function author(data) {
  const named = typeof data?.name === "string" && data.name.trim() !== "";
  const element = document.createElement("bdi");
  element.className = named ? "name theirs" : "name theirs unnamed";
  element.textContent = named ? bounded(data.name.trim(), NAME) : "anonymous";
  if (named) element.dataset.hue = String([...element.textContent].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 4);
  return element;
}

function theirs(value, most) {
  const element = document.createElement("span");
  element.className = "text theirs";
  element.dir = "auto";
  element.textContent = bounded(value, most);
  return element;
}

function line(className, ...nodes) {
  const atTheEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const element = document.createElement("p");
  element.className = className;
  element.append(...nodes);
  log.append(element);
  while (log.children.length > LINES) log.firstElementChild.remove();
  // Whoever reads further up is left in peace.
  if (atTheEnd) log.scrollTop = log.scrollHeight;
}

function showLine({ data, replayed }) {
  // What was said before is there to be read, not to be read out.
  if (!replayed) log.setAttribute("aria-live", "polite");
  // What somebody did is told in the same words to those who read the room by curl or as a page.
  line(data?.event === true ? "event" : "said", author(data), " ", theirs(data?.text ?? data, TEXT));
}

/** Who types: a page's own name for itself → what it is called and when it is forgotten. */
const typists = new Map();

function showTyping(data) {
  const { page, name: called, stopped } = Object(data);
  if (typeof page !== "string" || page.length > NAME || page === me) return;
  clearTimeout(typists.get(page)?.timer);
  typists.delete(page);
  if (!stopped && typists.size < TYPISTS) {
    const timer = setTimeout(() => showTyping({ page, stopped: true }), TYPING_UNTIL);
    typists.set(page, { name: bounded(called ?? "somebody", NAME), timer });
  }
  const shown = [...typists.values()].slice(0, 3).map((typist) => {
    return Object.assign(document.createElement("bdi"), { className: "theirs", textContent: typist.name });
  });
  const more = typists.size - shown.length;
  const words = shown.flatMap((name, index) => (index ? [", ", name] : [name]));
  const verb = typists.size > 1 ? "are typing…" : "is typing…";
  const end = more > 0 ? ` and ${more} more ${verb}` : ` ${verb}`;
  document.querySelector(".typing").replaceChildren(...(shown.length ? [...words, end] : []));
}

function showFailure(error) {
  line("event failed", `Not sent: ${error.message}`);
}

comet.addEventListener("recovery", ({ detail }) => {
  if (detail.pattern === channel && !detail.recovered) line("event", "Something that was said may be missing here");
});

let typedAt = 0;
const typing = (data) => comet.publish(`${channel}/typing`, { page: me, name: name.value, ...data }).catch(() => {});

text.addEventListener("input", () => {
  if (Date.now() - typedAt < TYPING_EVERY) return;
  typedAt = Date.now();
  typing();
});

form.addEventListener("submit", (submission) => {
  submission.preventDefault();
  const said = text.value.trim();
  if (said === "") return;
  comet.batch(() => {
    say({ text: said });
    typing({ stopped: true });
  });
  typedAt = 0;
  text.value = "";
  text.focus();
});

let called = name.value;
name.addEventListener("change", () => {
  name.value = name.value.trim() || called;
  if (name.value === called) return;
  say({ event: true, text: `is the new name of ${called}` });
  called = name.value;
  sessionStorage.setItem("name", called);
});

// A page that comes back from the browser's memory is in the room again.
addEventListener("pageshow", ({ persisted }) => persisted && say({ event: true, text: "joined" }));

document.querySelector("#another").addEventListener("click", (click) => {
  click.preventDefault();
  location.hash = secret();
});

complete();
watch(comet);
