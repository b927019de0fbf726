// The audience's page: shows the slide that arrives, and asks for it when it comes late.

import { complete, room, watch } from "../page.js";
import { draw } from "./slides.js";

const slide = document.querySelector(".slide");

// In short:
const comet = new Encke();
const channel = `/slideshow/${room()}`;
const ask = () => comet.publish(`${channel}/ask`, {});
comet.subscribe(channel, ({ data }) => draw(data, slide));
ask();

// The rest is the page:

// What was shown while the server was away is asked for once more.
let away = false;
comet.addEventListener("state", () => {
  if (comet.state === "connected" && away) ask();
  away = comet.state !== "connected" && (away || comet.state === "waiting");
});

complete();
watch(comet);
