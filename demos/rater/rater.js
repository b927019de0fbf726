// Session rater: a vote is a message on a channel of its own, so the newest message of each channel is all there is to know.

import { complete, secret, watch } from "../page.js";
import { Table } from "./table.js";

const device = localStorage.getItem("rater.device") ?? secret();
localStorage.setItem("rater.device", device);

// In short:
const comet = new Encke();
const table = new Table(device, (talk, stars) =>
  comet.publish(`/rating/${talk}/${device}`, { stars }));

// What each device said last comes first, then what is said from now on.
const listen = () => comet.subscribe("/rating/**", (message) => {
  const [talk, device] = message.channel.split("/").slice(2);
  table.count(talk, device, message.data?.stars, message.replayed);
});
let votes = listen();

// A server that was started anew knows other votes: begin at nothing.
comet.addEventListener("recovery", async ({ detail }) => {
  if (detail.reason !== "new_epoch") return;
  await votes.unsubscribe();
  table.forget();
  votes = listen();
});

// The rest is the page: a table that counts, in table.js.

complete();
watch(comet);
