// Bayeux by hand over HTTP: what no client library would send, and what the wire really answers.

import { within } from "./deadline.js";

/** POSTs `body` (a string as it is, anything else as JSON) and answers `{ status, headers, text, replies }`. */
export async function post(url, body, headers = { "content-type": "application/json" }) {
  const text = typeof body === "string" || body instanceof URLSearchParams ? body : JSON.stringify(body);
  const request = fetch(url, { method: "POST", headers, body: text, signal: AbortSignal.timeout(40_000) });
  const response = await within(10_000, request, () => `no answer from ${url} to ${String(text).slice(0, 200)}`);
  const answer = await within(10_000, response.text(), () => `${url} does not finish its answer`);
  let replies;
  try {
    replies = JSON.parse(answer);
  } catch {
    replies = undefined;
  }
  return { status: response.status, headers: response.headers, text: answer, replies };
}

/** A handshake as the specification's example has it. */
export const handshake = (more = {}) => ({
  channel: "/meta/handshake",
  version: "1.0",
  supportedConnectionTypes: ["long-polling", "websocket"],
  ...more,
});

/** A connect that wants its answer at once. */
export const connect = (clientId, more = {}) => ({
  channel: "/meta/connect",
  clientId,
  connectionType: "long-polling",
  advice: { timeout: 0 },
  ...more,
});

/** A session over long-polling with its first connect answered; gives its clientId. */
export async function session(url) {
  const greeted = await post(url, [handshake({ id: "h" })]);
  const clientId = greeted.replies?.[0]?.clientId;
  if (!clientId) throw new Error(`no clientId in the handshake reply: ${greeted.status} ${greeted.text}`);
  await post(url, [connect(clientId, { id: "c" })]);
  return clientId;
}
