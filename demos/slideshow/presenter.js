// The presenter's page: it holds the slides, sends the one that all shall see, and answers those who come late.

import { complete, room, secret, watch } from "../page.js";
import { draw, slides } from "./slides.js";

// A slideshow has an address of its own; a page without one makes it up.
if (location.hash === "") history.replaceState(history.state, "", `#${secret()}`);
let at = Math.min(history.state?.at ?? 0, slides.length - 1);

// In short:
const comet = new Encke();
const channel = `/slideshow/${room()}`;
const send = () => comet.publish(channel, slides[at]).catch(showFailure);

comet.subscribe(`${channel}/ask`, () => answer());

function turn(to) {
  at = Math.max(0, Math.min(to, slides.length - 1));
  send();
  show();
}

// The rest is the page:

/** However many ask, one answer serves them all; no more than one in so many milliseconds. */
const ANSWER_EVERY = 250;
let answering;
let asked = 0;

function answer() {
  asked += 1;
  document.querySelector(".asked").textContent = `The audience's pages have asked for the slide ${asked === 1 ? "once" : `${asked.toLocaleString("en")} times`}.`;
  answering ??= setTimeout(() => {
    answering = undefined;
    send();
  }, ANSWER_EVERY);
}

function showFailure(error) {
  document.querySelector(".asked").textContent = `The slide was not sent: ${error.message}`;
}

const previous = document.querySelector("#previous");
const next = document.querySelector("#next");

function show() {
  // A page that is loaded again stands where it stood.
  history.replaceState({ at }, "");
  draw(slides[at], document.querySelector(".current"));
  const after = slides[at + 1] ?? { title: "The end", text: "Nothing comes after this slide." };
  draw(after, document.querySelector(".preview .slide"));
  // Not `disabled`, which would take the keyboard's focus away in the middle of a talk.
  previous.setAttribute("aria-disabled", String(at === 0));
  next.setAttribute("aria-disabled", String(at === slides.length - 1));
}

previous.addEventListener("click", () => turn(at - 1));
next.addEventListener("click", () => turn(at + 1));

addEventListener("keydown", (press) => {
  const inControl = press.target instanceof Element && press.target.closest("a, button, input, pre");
  if (press.altKey || press.ctrlKey || press.metaKey) return;
  if (inControl && (press.key === " " || inControl.matches("input, pre"))) return;
  const to = { ArrowRight: at + 1, PageDown: at + 1, " ": at + 1, ArrowLeft: at - 1, PageUp: at - 1, Home: 0, End: slides.length - 1 }[press.key];
  if (to === undefined) return;
  press.preventDefault();
  turn(to);
});

// Also after the server was away.
comet.addEventListener("state", () => comet.state === "connected" && send());

show();
complete();
watch(comet);
