// One talk: the votes for it, and its card.

/** How long a card stays marked after a vote, in milliseconds. */
const FRESH = 1200;

export const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

export class Talk {
  /** Who voted → how many stars. */
  votes = new Map();
  /** Votes of this page that are on their way. */
  waiting = 0;

  /** `onvote` is called with the stars that the reader chooses; 0 take a vote back. */
  constructor({ id, title, speaker }, room, onvote) {
    this.id = id;
    this.title = title;
    this.card = document.querySelector("#talk").content.firstElementChild.cloneNode(true);
    const words = { title, speaker, room, of: title };
    for (const [part, text] of Object.entries(words)) this.#part(part).textContent = text;
    this.radios = [...this.card.querySelectorAll("input")];
    for (const radio of this.radios) radio.name = id;
    this.card.addEventListener("change", ({ target }) => onvote(Number(target.value)));
  }

  get sum() {
    return [...this.votes.values()].reduce((sum, stars) => sum + stars, 0);
  }

  get average() {
    return this.votes.size && this.sum / this.votes.size;
  }

  /** Shows `stars` as what this device said. */
  choose(stars) {
    this.radios.find(({ value }) => Number(value) === stars).checked = true;
  }

  draw() {
    this.#part("average").textContent = this.votes.size ? this.average.toFixed(1) : "–";
    this.#part("votes").textContent = this.votes.size ? plural(this.votes.size, "vote") : "no votes yet";
    const counts = [1, 2, 3, 4, 5].map((stars) => [...this.votes.values()].filter((vote) => vote === stars).length);
    const most = Math.max(1, ...counts);
    const bars = this.#part("bars");
    bars.setAttribute("aria-label", counts.map((count, index) => `${plural(count, "vote")} of ${plural(index + 1, "star")}`).join(", "));
    for (const [index, bar] of [...bars.children].entries()) bar.style.setProperty("--part", counts[index] / most);
  }

  /** Marks the card for a moment: a vote came in. */
  mark() {
    clearTimeout(this.fresh);
    this.card.classList.add("fresh");
    this.fresh = setTimeout(() => this.card.classList.remove("fresh"), FRESH);
  }

  #part = (name) => this.card.querySelector(`.${name}`);
}
