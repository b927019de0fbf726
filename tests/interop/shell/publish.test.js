import assert from "node:assert/strict";

import { story } from "../story.js";
import { curl, Stream } from "./curl.js";

const JSON_TYPE = ["--header", "Content-Type: application/json"];

story("a POST publishes JSON and is told channel, position and how many heard it", async ({ encke, later }) => {
  const url = encke.url("/channels/chat/demo");
  const unheard = await curl(...JSON_TYPE, "--data", '{"n":0}', url);
  assert.equal(unheard.status, 200, unheard.body);
  assert.match(unheard.headers["content-type"], /^application\/json/);
  assert.equal(unheard.json.channel, "/chat/demo");
  assert.equal(unheard.json.sessions, 0);

  later(await Stream.open(`${url}?as=lines`));
  later(await Stream.open(encke.url("/channels/chat/*?as=lines")));
  const heard = await curl(...JSON_TYPE, "--data", '{"n":1}', url);
  assert.equal(heard.json.sessions, 2);
  assert.equal(typeof heard.json.position, "string");
  assert.notEqual(heard.json.position, unheard.json.position);
});

story("JSON arrives as the value it was, said to be JSON or sent by a bare `curl -d`", async ({ encke, later }) => {
  const url = encke.url("/channels/kinds");
  const stream = later(await Stream.open(`${url}?as=lines`));
  const sent = ['{"a":[1,null,"é \\u2028"]}', "7", '"text <b>"', "null", "[]", '{"b": 1.50e300, "b2":""}'];
  for (const body of sent) {
    for (const type of [JSON_TYPE, []]) {
      const answer = await curl(...type, "--data", body, url);
      assert.equal(answer.status, 200, `${type.join(" ")} ${body}: ${answer.body}`);
    }
  }
  await stream.until("all of them", () => stream.lines.length >= 2 * sent.length);
  const heard = stream.lines.map((line) => JSON.parse(line).data);
  assert.deepEqual(heard, sent.flatMap((body) => [JSON.parse(body), JSON.parse(body)]));
});

story("what cannot be published is refused with a 4xx and a reason", async ({ encke }) => {
  const refused = async (wanted, path, ...args) => {
    const answer = await curl(...args, encke.url(path));
    const asked = `${path} ${args.join(" ").slice(0, 80)}`;
    assert.ok(wanted.includes(answer.status), `${asked}: ${answer.status} ${answer.body}`);
    assert.notEqual(answer.body.trim(), "", `${path} says no reason`);
  };
  await refused([400], "/channels/a", ...JSON_TYPE, "--data", '{"cut":');
  await refused([400, 403], "/channels/a/*", ...JSON_TYPE, "--data", "1");
  await refused([400, 403], "/channels/meta/connect", ...JSON_TYPE, "--data", "1");
  await refused([400, 404], "/channels/bad%20name", ...JSON_TYPE, "--data", "1");
  await refused([413], "/channels/a", ...JSON_TYPE, "--data", JSON.stringify("x".repeat(70_000)));
  await refused([400, 415], "/channels/a", "--header", "Content-Type: multipart/form-data", "--data", "not JSON");
  const still = await curl(...JSON_TYPE, "--data", "1", encke.url("/channels/a"));
  assert.equal(still.status, 200);
});
