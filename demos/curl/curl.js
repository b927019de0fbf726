// Curl moves the page: what arrives on the stage's channel becomes colour, words and place.

import { address, bounded, complete, room, watch } from "../page.js";

const stage = document.querySelector(".stage");
const words = document.querySelector(".words");

// In short:
const comet = new Encke();
const channel = `/stage/${room()}`;

comet.subscribe(channel, ({ data }) => {
  const { text, color, x, y, turn, size } = Object(data);
  if (text !== undefined) words.textContent = bounded(text, 200);
  if (CSS.supports("color", color)) set("--color", color);
  if (isFinite(x)) set("--x", between(0, x, 100));
  if (isFinite(y)) set("--y", between(0, y, 100));
  if (isFinite(turn)) set("--turn", between(-360, turn, 360));
  if (isFinite(size)) set("--size", between(0.25, size, 3));
});

// The rest is the page:

const between = (least, value, most) => Math.min(most, Math.max(least, Number(value)));

/** What changed since the last turn of the event loop, for those who do not see it. */
let changed = [];

function set(property, value) {
  stage.style.setProperty(property, value);
  if (changed.length === 0) queueMicrotask(tell);
  changed.push(`${property.slice(2)} ${value}`);
}

function tell() {
  document.querySelector("#happened").textContent = `Now ${changed.join(", ")}`;
  changed = [];
}

/** A button that sends what the line beside it would send. */
function sender(line) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "Send" });
  button.setAttribute("aria-label", `Send what ${line.dataset.what} sends`);
  button.addEventListener("click", async () => {
    const body = line.querySelector(".body").textContent;
    try {
      const answer = await fetch(address(`channels${channel}`), { method: "POST", headers: { "Content-Type": "application/json" }, body });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
    } catch (error) {
      words.textContent = `Not sent: ${error.message}`;
    }
  });
  return button;
}

for (const line of document.querySelectorAll(".line:has(.body)")) line.querySelector(".acts").append(sender(line));

complete();
watch(comet);
