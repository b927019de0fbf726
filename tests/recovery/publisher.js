// Publishes 0, 1, 2 … as a back end does, on a connection that nobody cuts.

import http from "node:http";
import { setTimeout as pause } from "node:timers/promises";

/** Between two batches: a publisher's pace, not a wait for something. */
const TICK_MS = 20;
/** A batch that a server takes by default. */
const BATCH = 250;

/**
 * Publishes the numbers below `count` to `channel(number)`, about `rate` a second, as `data(number)`, at most `batch` of
 * them in one request. It waits while `may(number)` says no, so that a story need not depend on how fast the machine is.
 */
export async function publish(encke, { count, rate, channel, data = (number) => number, may = () => true, from = 0, batch: most = BATCH }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const start = performance.now();
  let next = from;
  try {
    while (next < count) {
      const due = Math.min(count, from + Math.ceil(((performance.now() - start) / 1000) * rate));
      const batch = [];
      while (next < due && batch.length < most && may(next)) {
        batch.push({ channel: channel(next), data: data(next) });
        next++;
      }
      if (batch.length > 0) await post(encke, agent, batch);
      // Who is behind its pace goes on at once.
      if (next < count && batch.length < most) await pause(TICK_MS);
    }
  } finally {
    agent.destroy();
  }
  return performance.now() - start;
}

function post(encke, agent, batch) {
  return new Promise((resolve, reject) => {
    const request = http.request(encke.url("/bayeux"), { agent, method: "POST", headers: { "content-type": "application/json" } });
    request.on("error", reject).on("response", async (response) => {
      try {
        let text = "";
        for await (const chunk of response.setEncoding("utf8")) text += chunk;
        const refused = JSON.parse(text).find(({ successful }) => !successful);
        if (response.statusCode !== 200 || refused) throw new Error(`publish: ${response.statusCode} ${JSON.stringify(refused)}`);
        resolve();
      } catch (error) {
        reject(error);
      }
    });
    request.end(JSON.stringify(batch));
  });
}
