import assert from "node:assert/strict";

import { story } from "../story.js";
import { curl, Stream } from "./curl.js";

const INTERNAL = ["/health/live", "/health/ready", "/metrics"];

story("health and metrics stand on the internal listener", async ({ encke, later }) => {
  for (const path of ["/health/live", "/health/ready"]) {
    assert.equal((await curl(encke.internalUrl(path))).status, 200, path);
  }
  later(await Stream.open(encke.url("/channels/a?as=lines")));
  await curl("--header", "Content-Type: application/json", "--data", "1", encke.url("/channels/a"));
  const metrics = await curl(encke.internalUrl("/metrics"));
  assert.equal(metrics.status, 200);
  assert.match(metrics.headers["content-type"], /^(text\/plain|application\/openmetrics-text)/);
  const samples = metrics.body.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  assert.ok(samples.length > 5, metrics.body);
  for (const sample of samples) {
    assert.match(sample, /^encke_[a-z0-9_]+(\{[^}]*\})? -?[0-9.e+]+$/, "Prometheus text, all names under encke_");
  }
});

story("none of them stands on the public one", async ({ encke }) => {
  for (const path of [...INTERNAL, "/admin", "/api/"]) {
    assert.equal((await curl(encke.url(path))).status, 404, path);
  }
});

story("and the internal one carries no channels", async ({ encke }) => {
  const json = ["--header", "Content-Type: application/json"];
  assert.equal((await curl(...json, "--data", "1", encke.internalUrl("/channels/a"))).status, 404);
  assert.equal((await curl(...json, "--data", "[]", encke.internalUrl("/bayeux"))).status, 404);
});
