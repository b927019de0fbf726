// The story of every transport: handshake, subscribe, messages both ways, a restart of the server, disconnect.

import assert from "node:assert/strict";

import { within } from "../interop/deadline.js";

/** A client tries again within a second, and an Encke takes some tenths of one to start; the machine may be busy. */
const RETURN_MS = 20_000;
const STEP_MS = 12_000;

/** Calls a method of the actor, by whatever way `drive` has, and not for ever. */
export function driver(drive) {
  return new Proxy(
    {},
    {
      get: (_, method) => (method === "then" ? undefined : (...args) =>
        within(args.at(-1)?.ms ?? STEP_MS, drive(method, args), () => `the actor hangs in ${method} ${JSON.stringify(args)}`)),
    },
  );
}

/** What everybody publishes, as a plain reader of `encke` sees it. */
export class Reader {
  lines = [];
  #abort = new AbortController();
  #watchers = new Set();

  static async open(encke, pattern) {
    const reader = new Reader();
    const signal = reader.#abort.signal;
    const ask = () => fetch(encke.url(`/channels${pattern}?as=lines`), { signal });
    // `fetch` keeps connections, and may not have noticed yet that one is to a server that was killed.
    const response = await ask().catch(ask);
    assert.equal(response.status, 200);
    reader.#read(response).catch(() => {}); // the server was stopped, or we were
    return reader;
  }

  async #read(response) {
    let rest = "";
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop();
      this.lines.push(...lines.filter(Boolean).map((line) => JSON.parse(line)));
      for (const look of [...this.#watchers]) look();
    }
  }

  until(count) {
    const met = new Promise((resolve) => {
      const look = () => this.lines.length >= count && (this.#watchers.delete(look), resolve(this.lines));
      this.#watchers.add(look);
      look();
    });
    return within(STEP_MS, met, () => `a reader has ${this.lines.length} of ${count} messages`);
  }

  stop() {
    this.#abort.abort();
  }
}

/** Publishes by the channel's URL, as any back end does, and answers with what the server says of it. */
export async function post(encke, channel, data) {
  const response = await fetch(encke.url(`/channels${channel}`), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(data),
  });
  assert.ok(response.ok, `POST ${channel}: ${response.status}`);
  return response.json();
}

/** Sessions that the server has now. */
export async function sessions(encke) {
  const metrics = await (await fetch(encke.internalUrl("/metrics"))).text();
  return Number(/^encke_sessions (\d+)$/m.exec(metrics)?.[1]);
}

/** Asks until the server has `count` sessions: it notices a closed stream a moment after its reader has left. */
async function untilSessions(encke, count) {
  const end = Date.now() + STEP_MS;
  let now;
  do now = await sessions(encke);
  while (now !== count && Date.now() < end);
  assert.equal(now, count, "sessions");
}

/** Tells the story with an actor that is driven by `actor`; `url` is what the actor is given. */
export async function tell({ encke, actor, url, transport }) {
  const options = transport ? { transports: [transport] } : {};
  let reader = await Reader.open(encke, "/to/server");
  await actor.open(url, options);
  await actor.subscribe("/to/page/*");
  const connected = await actor.connected();
  if (transport) assert.equal(connected.transport, transport);

  await post(encke, "/to/page/a", { text: "<b>one</b>" });
  assert.deepEqual(await actor.heard(1), [{ channel: "/to/page/a", data: { text: "<b>one</b>" } }]);
  await actor.publish("/to/server", ["first", 1]);
  assert.deepEqual((await reader.until(1))[0].data, ["first", 1]);
  reader.stop();

  await encke.restart("SIGKILL");
  await actor.connectedTimes(2, { ms: RETURN_MS });
  reader = await Reader.open(encke, "/to/server");
  // An acknowledged publication has waited behind the subscriptions, so that they are there as well.
  await actor.publish("/to/server", "second");
  assert.equal((await reader.until(1))[0].data, "second");
  await post(encke, "/to/page/b", 2);
  await post(encke, "/to/page/b", 3);
  const heard = await actor.heard(3);
  assert.deepEqual(heard.slice(1), [2, 3].map((data) => ({ channel: "/to/page/b", data })));
  reader.stop();

  await untilSessions(encke, 1);
  await actor.disconnect();
  await untilSessions(encke, 0);
  const states = await actor.states();
  assert.equal(states.at(-1).state, "disconnected");
  assert.equal(states.at(-1).reason, "disconnect() was called");
  assert.ok(states.every(({ reason }) => reason.length > 0));
}
