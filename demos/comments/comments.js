// Comments: readers write to the application, and hear from it by a channel on which only it may speak.

import { bounded, complete, room, watch } from "../page.js";

const form = document.querySelector("form");
const said = `on/${room()}`;
const channel = `/comments/${room()}`;

complete();
// Served by the application, the page says where Encke is.
const { encke } = document.documentElement.dataset;
if (!encke) {
  for (const part of document.querySelectorAll(".absent, .two")) part.hidden = !part.hidden;
  // A module has no other way to end early.
  await new Promise(() => {});
}

// In short:
const comet = new Encke(`${encke}/bayeux`);
comet.subscribe(channel, ({ data }) => show(data));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, text } = form.elements;
  send(said, { name: name.value, text: text.value }).then(tell);
});

// What anybody can try, and nobody may: to speak there without the application.
const forged = { name: "The application", text: "Believe me" };
async function imitate(transport) {
  const imitator = new Encke(`${encke}/bayeux`, { transports: [transport] });
  await imitator.publish(channel, forged).finally(() => imitator.disconnect());
}
const imitateByPost = () => send(`${encke}/channels${channel}`, forged);

// The rest is the page:

/** How much of a name and of a text is shown, in UTF-16 units, and how many comments. */
const NAME = 40;
const TEXT = 2000;
const COMMENTS = 100;

const log = document.querySelector(".log");
const shown = new Set();

/** Sends JSON; answers with what was wrong, and nothing if nothing was. */
async function send(url, data) {
  const headers = { "Content-Type": "application/json" };
  try {
    const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(data) });
    if (answer.ok) return "";
    const { error } = await answer.json();
    return typeof error === "string" ? error : `status ${answer.status}`;
  } catch (failed) {
    return `no answer: ${failed.message}`;
  }
}

function element(tag, className, text) {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

function show(comment) {
  const { id, name, text } = Object(comment);
  // One may come by the list and by the channel.
  if (shown.has(id)) return;
  shown.add(id);
  const line = element("p", "said", "");
  const theirs = element("span", "text theirs", bounded(text, TEXT));
  theirs.dir = "auto";
  line.append(element("bdi", "name theirs", bounded(name, NAME)), " ", theirs);
  log.append(line);
  while (log.children.length > COMMENTS) log.firstElementChild.remove();
  log.scrollTop = log.scrollHeight;
}

function tell(error) {
  document.querySelector(".typing").textContent = error && `Not taken: ${error}`;
  if (!error) form.elements.text.value = "";
}

/** Bayeux's `403:/comments/demo,no_rule:publish_denied` as a sentence. */
function inWords(error) {
  if (!error) return "published: something is wrong with the rules";
  const [, reason] = /^403:[^,]*,([^:]*):publish_denied$/.exec(error) ?? [];
  const why = { no_rule: "no rule lets this page publish here", rate_exceeded: "too many, too fast" };
  return reason === undefined ? `not published: ${error}` : `refused: ${why[reason] ?? reason.replaceAll("_", " ")}`;
}

/** Each way in, and what tries it: its promise is fulfilled with what was wrong. */
const TRIES = new Map(["websocket", "long-polling", "callback-polling"].map((transport) => [
  transport,
  () => imitate(transport).then(() => "", (refused) => refused.reply?.error ?? refused.message),
]));
TRIES.set(`POST /channels${channel}`, imitateByPost);

const button = document.querySelector(".imitate");
button.addEventListener("click", async () => {
  button.disabled = true;
  const [tries, verdict] = [document.querySelector(".tries"), document.querySelector(".verdict")];
  tries.replaceChildren();
  verdict.textContent = "Trying…";
  let refused = 0;
  for (const [way, attempt] of TRIES) {
    const error = await attempt();
    refused += error.startsWith("403:");
    const line = element("li", "", "");
    line.append(element("strong", "theirs", way), ` ${inWords(error)} `, element("code", "theirs", error));
    tries.append(line);
  }
  const rest = refused === TRIES.size ? "Nobody has seen it." : "Look at the lines above.";
  verdict.textContent = `${refused} of ${TRIES.size} refused. ${rest}`;
  button.disabled = false;
});

// Now, and whenever the page was away: what was said meanwhile is in the application's list.
comet.addEventListener("state", async ({ detail }) => {
  if (detail.state !== "connected") return;
  const answer = await fetch(said);
  for (const comment of (await answer.json()).comments) show(comment);
});
watch(comet);
