// A wire between a client and Encke that knows nothing of what it carries, and breaks after any byte of it.

import net from "node:net";

export class Cut {
  /**
   * What becomes of the next connection: `{ down, up, writes, swallow }`. It is killed when so many bytes have passed to
   * the client (`down`) or to the server (`up`), or instead of what the server says after so many `writes`; after
   * `swallow` bytes to the client it stays open, and nothing arrives. `retry` is put in the
   * place of that of an event stream.
   */
  plan = () => ({});
  /** Connections that came, those of them that were killed by plan, and those whose bytes were swallowed. */
  connections = 0;
  kills = 0;
  swallowed = 0;

  #server;
  #pairs = new Set();
  #target;

  /** Starts one before `address`, `host:port`. */
  static async start(address) {
    const cut = new Cut();
    const [host, port] = address.split(":");
    cut.#target = { host, port: Number(port) };
    cut.#server = net.createServer({ noDelay: true }, (client) => cut.#join(client));
    await new Promise((resolve) => cut.#server.listen(0, "127.0.0.1", resolve));
    return cut;
  }

  get address() {
    return `127.0.0.1:${this.#server.address().port}`;
  }

  url(path = "/") {
    return `http://${this.address}${path}`;
  }

  /** Connections that are open now. */
  get open() {
    return this.#pairs.size;
  }

  /** Kills what is open now. */
  cut() {
    this.kills += this.#pairs.size;
    for (const pair of this.#pairs) kill(pair);
  }

  stop() {
    for (const pair of this.#pairs) kill(pair);
    this.#server.close();
  }

  #join(client) {
    this.connections++;
    const { down = Infinity, up = Infinity, writes = Infinity, swallow = Infinity, retry } = this.plan(this.connections);
    const server = net.connect({ ...this.#target, noDelay: true });
    const pair = [client, server];
    this.#pairs.add(pair);
    for (const socket of pair) {
      socket.on("error", () => {}).on("close", () => {
        this.#pairs.delete(pair);
        // What was said before the end is still to be heard.
        for (const end of pair) end.destroySoon();
      });
    }
    const carry = (from, to, limit, silent, pause) => {
      let passed = 0;
      from.on("data", (bytes) => {
        if (pause !== undefined) bytes = hasten(bytes, pause);
        if (passed >= silent || to.destroyed) return;
        const room = Math.min(limit, silent) - passed;
        passed += bytes.length;
        if (bytes.length < room) return void to.write(bytes);
        const rest = bytes.subarray(0, room);
        if (silent < limit) {
          this.swallowed++;
          return void to.write(rest);
        }
        this.kills++;
        // The last byte is handed over before the end, else no frame would ever be cut in its midst.
        to.write(rest, () => kill(pair));
      });
    };
    let said = 0;
    server.on("data", () => {
      if (said++ !== writes) return;
      this.kills++;
      kill(pair);
    });
    carry(server, client, down, swallow, retry);
    carry(client, server, up, Infinity);
  }
}

/** Half of all networks end by a reset, and half by a FIN. */
function kill([client, server]) {
  for (const socket of [client, server]) {
    if (client.remotePort % 2) socket.resetAndDestroy();
    else socket.destroy();
  }
}

/** With as many digits as before, or the chunk would have another length. */
function hasten(bytes, pause) {
  const text = bytes.toString("latin1").replace(/^retry: (\d+)$/m, (_, digits) => `retry: ${String(pause).padStart(digits.length, "0")}`);
  return Buffer.from(text, "latin1");
}
