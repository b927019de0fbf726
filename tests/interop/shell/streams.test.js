import assert from "node:assert/strict";

import { story } from "../story.js";
import { curl, Stream } from "./curl.js";

const publish = (encke, channel, data) =>
  curl("--header", "Content-Type: application/json", "--data", JSON.stringify(data), encke.url(`/channels${channel}`));

story("`?as=lines` gives one envelope a line", async ({ encke, later }) => {
  const stream = later(await Stream.open(encke.url("/channels/a/b?as=lines")));
  assert.equal(stream.head.status, 200);
  assert.match(stream.head.headers["content-type"], /^application\/x-ndjson/);
  await publish(encke, "/a/b", { n: 1 });
  await publish(encke, "/a/c", { n: 2 });
  await publish(encke, "/a/b", "line\nbreak");
  await stream.until("two lines", () => stream.lines.length >= 2);
  const envelopes = stream.lines.map((line) => JSON.parse(line));
  assert.deepEqual(envelopes.map(({ channel }) => channel), ["/a/b", "/a/b"]);
  assert.deepEqual(envelopes.map(({ data }) => data), [{ n: 1 }, "line\nbreak"]);
  assert.ok(envelopes.every(({ clientId }) => clientId === undefined));
});

story("`?as=event-stream` gives the payload with its position as id, and no event name", async ({ encke, later }) => {
  const stream = later(await Stream.open(encke.url("/channels/a/b?as=event-stream")));
  assert.equal(stream.head.status, 200);
  assert.match(stream.head.headers["content-type"], /^text\/event-stream/);
  const { json } = await publish(encke, "/a/b", { n: 1 });
  await stream.until("an event", () => stream.events.length >= 1);
  const [event] = stream.events;
  assert.deepEqual(JSON.parse(event.data), { n: 1 });
  assert.equal(event.event, undefined);
  // Where the histories of other channels stand comes after it.
  assert.equal(event.id.split(".")[0], json.position, "the publisher and the reader are told the same position");
});

story("wildcards stream too, and then the event is named after the channel", async ({ encke, later }) => {
  const one = later(await Stream.open(encke.url("/channels/a/*?as=event-stream")));
  const deep = later(await Stream.open(encke.url("/channels/a/**?as=lines")));
  for (const channel of ["/b", "/a", "/a/b", "/a/b/c", "/a/end"]) await publish(encke, channel, channel);
  await one.until("the end", () => one.events.some(({ event }) => event === "/a/end"));
  await deep.until("the end", () => deep.lines.some((line) => line.includes("/a/end")));
  assert.deepEqual(one.events.map(({ event }) => event), ["/a/b", "/a/end"]);
  const channels = deep.lines.map((line) => JSON.parse(line).channel);
  assert.deepEqual(channels, ["/a/b", "/a/b/c", "/a/end"]);
});

story("every stream asks proxies to keep their hands off", async ({ encke, later }) => {
  for (const as of ["lines", "event-stream"]) {
    const { headers } = later(await Stream.open(encke.url(`/channels/a?as=${as}`))).head;
    assert.equal(headers["x-accel-buffering"], "no", as);
    assert.equal(headers.connection, "close", as);
    assert.match(headers["cache-control"], /no-store/, as);
    assert.match(headers["cache-control"], /no-transform/, as);
  }
});

story("without `?as=` the Accept header chooses, and the answer says that it varies", async ({ encke, later }) => {
  const url = encke.url("/channels/a");
  const sse = later(await Stream.open(url, "--header", "Accept: text/event-stream")).head;
  assert.match(sse.headers["content-type"], /^text\/event-stream/);
  assert.match(sse.headers.vary ?? "", /accept/i);
  const lines = later(await Stream.open(url)).head; // curl's own Accept is */*
  assert.match(lines.headers["content-type"], /^application\/x-ndjson/);
  assert.match(lines.headers.vary ?? "", /accept/i);
});

story("a stream that cannot be is refused with a 4xx", async ({ encke }) => {
  for (const path of ["/channels/a?as=smoke-signals", "/channels/a/**/b?as=lines", "/channels/meta/connect?as=lines"]) {
    const answer = await curl(encke.url(path));
    assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`);
  }
});
