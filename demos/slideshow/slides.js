// The slides of this talk, and how a slide is drawn. A page of the audience knows none of them: each arrives when the
// presenter turns to it.

import { bounded } from "../page.js";

/** @type {{ number: number, of: number, title: string, text: string }[]} */
export const slides = [
  { title: "The page that does not ask", text: "A web page asks, a server answers.\nWhat if the server knows something first?" },
  { title: "1995: pictures that change", text: "Netscape keeps a response open:\npicture after picture\nin the same place." },
  { title: "2006: it gets a name", text: "Long polls, forever frames, script tags:\none trick for each browser.\nTogether they are called Comet." },
  { title: "2007: three calls", text: "init, subscribe, publish.\nBayeux routes messages between named channels,\nand a slideshow takes five lines." },
  { title: "2011: WebSocket", text: "One connection, both ways, at last.\nProxies, trains and sleeping phones\nare still there." },
  { title: "Today: all of it, on one session", text: "Encke speaks every transport.\nA session moves from one to the next\nand is not lost." },
  { title: "This slide reached you that way", text: "Close this page, open it again:\nit asks the presenter's page where we are." },
].map((slide, index, all) => ({ number: index + 1, of: all.length, ...slide }));

/** Draws `slide` into `element`: text only, whatever was sent, cut to what fits. */
export function draw(slide, element) {
  const { number, of, title, text } = Object(slide);
  const part = (name, value, most) => {
    const paragraph = document.createElement("p");
    paragraph.className = `${name} theirs`;
    paragraph.dir = "auto";
    paragraph.textContent = bounded(value ?? "", most);
    return paragraph;
  };
  const count = Number.isSafeInteger(number) && Number.isSafeInteger(of) ? `${number} of ${of}` : "";
  element.replaceChildren(part("title", title, 120), part("text", text, 400), part("count", count, 40));
}
