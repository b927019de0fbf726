// A network that falls silent for 10 s, in a namespace of its own: no FIN, no reset, no error, as in a tunnel. Clients find out
// by themselves, and get everything.

import assert from "node:assert/strict";

import { Peer } from "../interop/peer.js";
import { Namespace } from "./namespace.js";
import { publish } from "./publisher.js";
import { Heard, channel, scene } from "./scene.js";

const SILENT_S = 10;
/** A retransmission of the kernel waits up to 6 s more by then. */
const REST_MS = 30_000;
const CLIENTS = { cometd: new URL("../interop/cometd/client.js", import.meta.url), encke: new URL("encke_client.js", import.meta.url) };
const OPTIONS = { backoffIncrement: 50, maxBackoff: 200, maxNetworkDelay: 1_500 };
/** More than an outbox holds comes from history; without history it has to be less. */
const STREAMS = [
  { pattern: "/kept/*", to: (number) => `/kept/${number % 4}`, rate: 200 },
  { pattern: "/plain/*", to: () => "/plain/a", rate: 40 },
];

let cable;
const place = async (later) => {
  cable = await Namespace.make();
  later(() => cable.stop());
  return cable.host;
};

scene("10 s without a network, and without anybody saying so", { place, config: channel(["/kept/**"]) }, async (story) => {
  const { encke, t } = story;
  const clients = await Promise.all(
    STREAMS.flatMap((stream) =>
      Object.keys(CLIENTS).flatMap((kind) => ["websocket", "long-polling"].map((transport) => join(story, stream, { kind, transport }))),
    ),
  );
  const say = (from, to) =>
    Promise.all(STREAMS.map(({ rate, to: channel }) => publish(encke, { from: from * rate, count: to * rate, rate, channel })));
  const all = (seconds) =>
    Promise.all(clients.map(({ stream, heard }) => heard.until(seconds * stream.rate, REST_MS)));
  const counts = () => clients.map(({ heard }) => heard.count);

  await say(0, 1);
  await all(1);
  await cable.fallSilent();
  const before = counts();
  await say(1, 1 + SILENT_S);
  assert.deepEqual(counts(), before, "nothing passes");
  await cable.speakAgain();
  const start = performance.now();
  await say(1 + SILENT_S, 2 + SILENT_S);
  await all(2 + SILENT_S);
  t.diagnostic(`all has come ${Math.round(performance.now() - start)} ms after the network`);
  for (const { peer, stream, heard } of clients) {
    heard.assertAll((2 + SILENT_S) * stream.rate);
    const handshakes = peer.events.filter(({ event }) => event === "handshake").length;
    const recoveries = peer.events.filter(({ event }) => event === "recovery");
    assert.ok(handshakes <= 1 && recoveries.length === 0, `one session through all of it: ${JSON.stringify(recoveries)}`);
  }
  assert.equal(await encke.metric("encke_sessions"), clients.length);
  assert.equal(await encke.metric("encke_gaps_total"), 0);
});

async function join({ encke, later }, stream, { kind, transport }) {
  const name = `of ${stream.pattern} over ${transport} in a tunnel`;
  const peer = new Peer(kind, name, { within: cable.within, script: CLIENTS[kind] });
  later(() => peer.kill());
  await peer.call("open", { url: encke.url("/bayeux"), transport, ack: true, options: OPTIONS });
  const heard = new Heard(`${kind} ${name}`);
  peer.received.push = ({ data }) => heard.push(data);
  const { successful, error } = await peer.call("subscribe", { pattern: stream.pattern });
  assert.ok(successful, error);
  return { peer, stream, heard };
}
