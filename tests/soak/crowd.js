// Many clients on bare sockets, as cheap as they can be: for what no client library could be asked to do ten thousand times.

import { createHash, randomBytes } from "node:crypto";
import net from "node:net";

/** One source address has some 28,000 ports. */
const source = (number) => `127.0.0.${2 + (number % 8)}`;

/** A bare connection: what comes in is read by `reads(text)`, which answers with what it has not used. */
export class Line {
  #left = Buffer.alloc(0);

  constructor(address, number, { reads, ends }) {
    const [host, port] = address.split(":");
    this.socket = net.connect({ host, port: Number(port), localAddress: source(number), noDelay: true });
    this.socket.on("data", (bytes) => {
      this.#left = this.#left.length ? Buffer.concat([this.#left, bytes]) : bytes;
      this.#left = reads(this.#left);
    });
    this.socket.on("error", () => {});
    this.socket.on("close", ends);
  }

  write(bytes) {
    this.socket.write(bytes);
  }

  /** With a reset, so that no port stays in TIME_WAIT. */
  end() {
    this.socket.resetAndDestroy();
  }
}

/** One request with a JSON body. */
export function post(path, messages) {
  const body = JSON.stringify(messages);
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** The first whole response with a length in `bytes`: `[status, body, rest]`, or nothing yet. */
export function response(bytes) {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = bytes.toString("latin1", 0, end);
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
  if (bytes.length < end + 4 + length) return undefined;
  const body = bytes.toString("utf8", end + 4, end + 4 + length);
  return [Number(head.slice(9, 12)), body, bytes.subarray(end + 4 + length)];
}

/** The opening of a WebSocket. */
export function upgrade(path) {
  const key = createHash("sha1").update(randomBytes(16)).digest("base64").slice(0, 22);
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}==\r\n\r\n`;
}

/** A masked frame of text; a mask of zeros hides nothing and costs nothing. */
export function frame(messages) {
  const payload = Buffer.from(JSON.stringify(messages));
  if (payload.length > 65_535) throw new Error("too long for here");
  const head = payload.length < 126
    ? Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0])
    : Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 255, 0, 0, 0, 0]);
  return Buffer.concat([head, payload]);
}

/** The first whole frame of a server in `bytes`: `[opcode, payload, rest]`, or nothing yet. */
export function unframe(bytes) {
  if (bytes.length < 2) return undefined;
  let [length, start] = [bytes[1] & 127, 2];
  if (length === 126) {
    if (bytes.length < 4) return undefined;
    [length, start] = [bytes.readUInt16BE(2), 4];
  } else if (length === 127) {
    if (bytes.length < 10) return undefined;
    [length, start] = [Number(bytes.readBigUInt64BE(2)), 10];
  }
  if (bytes.length < start + length) return undefined;
  return [bytes[0] & 15, bytes.subarray(start, start + length), bytes.subarray(start + length)];
}

/** A figure of `/metrics`, summed over its labels. */
export async function figure(encke, name) {
  const text = await (await fetch(encke.internalUrl("/metrics"))).text();
  const lines = text.split("\n").filter((line) => line.startsWith(name) && /^[ {]/.test(line.slice(name.length)));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

/** The value below which a share of the values lies. */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
