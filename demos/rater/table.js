// The table of talks: counts the votes it is told of, and shows them.

import { plural, Talk } from "./talk.js";
import { day } from "./talks.js";

/** Devices counted for a talk: anybody may invent as many as there are numbers. */
const DEVICES = 2000;
/** With fewer votes a talk is not ahead of others: one friend is no audience. */
const ENOUGH = 2;
/** News is told no faster than one can listen to it, in milliseconds. */
const NEWS_EVERY = 2500;

const put = (name, text) => (document.querySelector(`[data-number="${name}"]`).textContent = text);

/** Of two with the same average, the one that more have voted for. */
const rank = ({ votes, average }) => (votes.size < ENOUGH ? 0 : average + votes.size / 1e6);

export class Table {
  #device;
  #vote;
  #talks = new Map();
  /** The talks to draw anew, and whether to mark them. */
  #changed = new Map();
  #news = "";
  #telling;

  /** The radios are those of `device`; `vote` sends what is chosen there, and may fail. */
  constructor(device, vote) {
    this.#device = device;
    this.#vote = vote;
    document.querySelector(".day").append(...day.map((slot) => this.#slot(slot)));
    this.#draw();
  }

  /** Counts a vote; 0 stars take one back. What is no vote changes nothing. */
  count(id, device, stars, quiet = false) {
    const talk = this.#talks.get(id);
    if (!talk || !device || ![0, 1, 2, 3, 4, 5].includes(stars)) return;
    // Whoever walks over the stars by keyboard is not called back by the first of them.
    if (device === this.#device && talk.waiting === 0) talk.choose(stars);
    const before = talk.votes.get(device) ?? 0;
    if (stars === before || (before === 0 && talk.votes.size >= DEVICES)) return;
    if (stars > 0) talk.votes.set(device, stars);
    else talk.votes.delete(device);
    this.#redraw(talk, !quiet);
    if (!quiet) this.#tell(stars > 0 ? `${plural(stars, "star")} for “${talk.title}”` : `Taken back: a vote for “${talk.title}”`);
  }

  /** Begins at nothing. */
  forget() {
    for (const talk of this.#talks.values()) {
      talk.votes.clear();
      if (talk.waiting === 0) talk.choose(0);
      this.#redraw(talk, false);
    }
    this.#tell("The server has begun anew, and the table with it");
  }

  #slot({ at, pause = "", talks = [] }) {
    const slot = document.querySelector("#slot").content.firstElementChild.cloneNode(true);
    slot.querySelector("time").textContent = at;
    slot.querySelector(".pause").textContent = pause;
    const rooms = talks.length === 1 ? ["Both rooms"] : ["Nucleus", "Tail"];
    for (const [index, what] of talks.entries()) {
      const talk = new Talk(what, rooms[index], (stars) => this.#send(talk, stars));
      this.#talks.set(talk.id, talk);
      slot.querySelector(".talks").append(talk.card);
    }
    return slot;
  }

  async #send(talk, stars) {
    talk.waiting += 1;
    try {
      await this.#vote(talk.id, stars);
    } catch (error) {
      this.#tell(`Your vote was not counted: ${error.message}`);
      talk.choose(talk.votes.get(this.#device) ?? 0);
    } finally {
      talk.waiting -= 1;
    }
  }

  /** However many votes come, a talk is drawn once for each picture of the screen. */
  #redraw(talk, marked) {
    if (this.#changed.size === 0) requestAnimationFrame(() => this.#draw());
    this.#changed.set(talk, marked || this.#changed.get(talk));
  }

  #draw() {
    for (const [talk, marked] of this.#changed) {
      talk.draw();
      if (marked) talk.mark();
    }
    this.#changed.clear();
    const talks = [...this.#talks.values()];
    const total = (number) => talks.reduce((sum, talk) => sum + number(talk), 0);
    const votes = total(({ votes }) => votes.size);
    put("people", new Set(talks.flatMap(({ votes }) => [...votes.keys()])).size.toLocaleString("en"));
    put("votes", votes.toLocaleString("en"));
    put("average", votes ? (total(({ sum }) => sum) / votes).toFixed(1) : "–");
    const best = Math.max(...talks.map(rank));
    for (const talk of talks) talk.card.classList.toggle("ahead", best > 0 && rank(talk) === best);
  }

  #tell(news) {
    this.#news = news;
    if (this.#telling) return;
    const tell = () => {
      this.#telling = this.#news && setTimeout(tell, NEWS_EVERY);
      if (this.#news) document.querySelector(".news").textContent = this.#news;
      this.#news = "";
    };
    tell();
  }
}
