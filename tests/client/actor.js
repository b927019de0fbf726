// Who uses the client, in a page or in Node, driven from the test by names of methods and JSON.

/** `find` answers with the class `Encke`; `extra` are options that cannot travel as JSON. */
export function makeActor(find, extra = {}) {
  let comet;
  const heard = [];
  const states = [];
  const watchers = new Set();
  const look = () => [...watchers].forEach((watcher) => watcher());
  const until = (met) =>
    new Promise((resolve) => {
      const watcher = () => {
        if (!met()) return;
        watchers.delete(watcher);
        resolve();
      };
      watchers.add(watcher);
      watcher();
    });

  return {
    open(url, options) {
      const Encke = find();
      comet = new Encke(url ?? undefined, { ...options, ...extra });
      comet.addEventListener("state", ({ detail }) => {
        states.push(detail);
        look();
      });
    },
    async connected() {
      await until(() => comet.state === "connected");
      return { state: comet.state, transport: comet.transport };
    },
    connect: () => comet.connect(),
    /** Fulfilled when the server has acknowledged it. */
    subscribe: (pattern) =>
      comet.subscribe(pattern, ({ channel, data }) => {
        heard.push({ channel, data });
        look();
      }).ready,
    publish: (channel, data) => comet.publish(channel, data),
    /** Publishes `count` numbers in one tick; answers when all are acknowledged. */
    async flood(channel, count) {
      await Promise.all(Array.from({ length: count }, (_, number) => comet.publish(channel, number)));
    },
    async heard(count) {
      await until(() => heard.length >= count);
      return heard;
    },
    /** What was heard on `channel`, once anything was. */
    async heardOn(channel) {
      await until(() => heard.some((message) => message.channel === channel));
      return heard.filter((message) => message.channel === channel).map(({ data }) => data);
    },
    /** Once `count` messages were heard: true when they are the numbers from 0, in order, else where they are not. */
    async inOrder(count) {
      await until(() => heard.length >= count);
      const wrong = heard.findIndex(({ data }, place) => data !== place);
      return wrong < 0 && heard.length === count ? true : `${heard.length} heard; at ${wrong}: ${heard[wrong]?.data}`;
    },
    states: () => states,
    /** Until it has been connected so often. */
    connectedTimes: (times) => until(() => states.filter(({ state }) => state === "connected").length >= times),
    untilState: (name) => until(() => comet.state === name),
    untilTransport: (transport) => until(() => comet.state === "connected" && comet.transport === transport),
    disconnect: () => comet.disconnect(),
    debug: () => comet.debug(),
    /** For what only one test does: `(comet) => …`, as text. */
    evaluate: (source) => new Function("comet", `return (${source})(comet)`)(comet),
  };
}
