// The day: what is on when, in the rooms Nucleus and Tail. Titles and speakers are invented.

const talk = (id, title, speaker) => ({ id, title, speaker });

/** @type {{ at: string, pause?: string, talks?: { id: string, title: string, speaker: string }[] }[]} */
export const day = [
  { at: "09:00", talks: [talk("ask", "The page that does not ask, twenty years on", "Ines Havelaar")] },
  { at: "09:45", talks: [
    talk("hack", "Long polling was never a hack", "Tomasz Brandvold"),
    talk("forms", "Forms first, then live", "Yuki Almeida"),
  ] },
  { at: "10:30", pause: "Coffee" },
  { at: "11:00", talks: [
    talk("write", "One write for ten thousand readers", "Priya Osterberg"),
    talk("shout", "Live regions that do not shout", "Beatriz Lindholt"),
  ] },
  { at: "11:45", talks: [
    talk("proxies", "What proxies do to your socket", "Halvard Njoroge"),
    talk("back", "The back button is a feature", "Owen Darvish"),
  ] },
  { at: "12:30", pause: "Lunch" },
  { at: "13:30", talks: [
    talk("lost", "Nothing lost: cursors, gaps and honesty", "Mei Castellan"),
    talk("optimist", "Optimistic until the server answers", "Sami Okoye-Reyes"),
  ] },
  { at: "14:15", talks: [
    talk("kettle", "Two million idle connections and a kettle", "Zofia Marchetti"),
    talk("forty", "A chat in forty lines, and the forty after that", "Kofi Bergwall"),
  ] },
  { at: "15:00", talks: [
    talk("slow", "The slow consumer is somebody you know", "Leila Fontaine"),
    talk("offline", "Offline is a state, not an error", "Arjun Vesterholm"),
  ] },
  { at: "15:45", talks: [talk("order", "Every bug we had was about order", "Nadia Whitlow")] },
];
