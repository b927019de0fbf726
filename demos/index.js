// The index: live numbers, and what is said in the rooms of the chat.

import { bounded, complete, watch } from "./page.js";

// In short:
const comet = new Encke();

comet.subscribe("/encke/numbers", ({ data }) => showNumbers(data));
comet.subscribe("/chat/*", ({ channel, data }) => showHeard(channel, data));

// The rest is the page:

const SECONDS = 60;
const perSecond = [];
let before;

/** Anything may arrive on a channel that is open to everybody; only counts are shown. */
const count = (value) => (Number.isSafeInteger(value) && value >= 0 ? value : undefined);
const put = (name, text) => (document.querySelector(`[data-number="${name}"]`).textContent = text);

function showNumbers(data) {
  for (const name of ["sessions", "connections", "published", "delivered"]) {
    put(name, count(data?.[name])?.toLocaleString("en") ?? "–");
  }
  const delivered = count(data?.delivered);
  if (delivered === undefined) return;
  // A server that was restarted counts from nothing.
  if (before !== undefined && delivered >= before) show(delivered - before);
  before = delivered;
  beat();
}

function show(rate) {
  perSecond.push(rate);
  if (perSecond.length > SECONDS) perSecond.shift();
  put("rate", `${rate.toLocaleString("en")} a second`);
  // A quiet server draws a low line: the scale never goes below eight.
  const top = Math.max(8, ...perSecond);
  const points = perSecond.map((rate, index) => `${SECONDS - perSecond.length + index},${(19 - (rate / top) * 17).toFixed(2)}`);
  document.querySelector(".spark .stroke").setAttribute("points", points.join(" "));
  document.querySelector(".spark .area").setAttribute("d", `M${SECONDS - perSecond.length},20L${points.join("L")}L${SECONDS - 1},20z`);
}

function beat() {
  const halo = document.querySelector(".halo");
  halo.classList.remove("beat");
  void halo.getBoundingClientRect(); // starts the animation over
  halo.classList.add("beat");
}

function showHeard(channel, data) {
  const what = Object.assign(document.createElement("code"), { className: "theirs", textContent: bounded(data, 160) });
  document.querySelector(".heard").replaceChildren(`Heard on ${bounded(channel, 60)}`, " ", what);
}

complete();
watch(comet);
