// One Encke process for one test file: starts the real binary on free ports, reads from its banner where it
// listens, stops it, and brings it back on the same ports.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { within } from "./deadline.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** How long a start may take; a debug build on a busy machine needs some of it. */
const START_MS = 10_000;
/** Encke drains for at most 20 s after SIGTERM; what takes longer hangs. */
const STOP_MS = 25_000;

/** The binary under test: `ENCKE_BIN`, else the release build of this tree. */
export function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? "target";
  const file = process.env.ENCKE_BIN ?? path.resolve(root, target, "release", "encke");
  if (!existsSync(file)) {
    throw new Error(`there is no Encke at ${file}: run \`cargo build --release\` or set ENCKE_BIN`);
  }
  return file;
}

export class Encke {
  #process;
  #exited;
  #output = "";
  #public;
  #internal;
  #config;

  /**
   * Starts Encke on two free ports: in development mode, or in production mode when `config`, the text of a
   * configuration, is given. `host` and `port` are where its public listener is.
   */
  static async start({ config, host = "127.0.0.1", port = 0 } = {}) {
    const encke = new Encke();
    encke.#config = config;
    await encke.#launch(`${host}:${port}`, "127.0.0.1:0");
    return encke;
  }

  /** The URL of `path` on the public listener. */
  url(path = "/") {
    return new URL(path, this.#public).href;
  }

  /** The same as a WebSocket URL. */
  socketUrl(path) {
    return this.url(path).replace(/^http/, "ws");
  }

  /** The URL of `path` on the internal listener. */
  internalUrl(path = "/") {
    return new URL(path, this.#internal).href;
  }

  /** The number of its process. */
  get pid() {
    return this.#process.pid;
  }

  /** `host:port` of the public listener. */
  get address() {
    return new URL(this.#public).host;
  }

  /** The number of its process. */
  get pid() {
    return this.#process.pid;
  }

  /** A figure at `/metrics`, by its name and labels as they stand there: 0 when there is none. */
  async metric(name) {
    const response = await fetch(this.internalUrl("/metrics"), { signal: AbortSignal.timeout(START_MS) });
    const line = (await response.text()).split("\n").find((text) => text.startsWith(`${name} `));
    return Number(line?.slice(name.length) ?? 0);
  }

  /** Everything this process wrote since its last start, standard output and error together. */
  get output() {
    return this.#output;
  }

  /** Sends `signal` and waits for the end; answers with the exit code, or the signal's name. */
  async stop(signal = "SIGTERM") {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill(signal);
    }
    try {
      return await within(STOP_MS, this.#exited, () => `Encke has not ended after ${signal}:\n${this.#output}`);
    } catch (hung) {
      this.#process.kill("SIGKILL");
      throw hung;
    }
  }

  /** Stops by `signal` and starts a new process on the same two ports. Its memory is empty. */
  async restart(signal = "SIGTERM") {
    await this.stop(signal);
    await this.#launch(new URL(this.#public).host, new URL(this.#internal).host);
  }

  async #launch(listen, internalListen) {
    this.#output = "";
    const args = ["--listen", listen, "--internal-listen", internalListen];
    let folder;
    if (this.#config !== undefined) {
      folder = mkdtempSync(path.join(tmpdir(), "encke-"));
      const file = path.join(folder, "encke.toml");
      writeFileSync(file, this.#config);
      args.unshift("serve", "--config", file);
    }
    this.#process = spawn(binary(), args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#exited = new Promise((resolve) => {
      this.#process.once("exit", (code, signal) => resolve(signal ?? code));
      this.#process.once("error", (error) => resolve(error.message));
    });

    const listening = new Promise((resolve) => {
      const read = (text) => {
        this.#output += text;
        const open = /^ {2}public +(http:\S+)$/m.exec(this.#output);
        const internal = /^ {2}internal +(http:\S+)$/m.exec(this.#output);
        if (open && internal) resolve([open[1], internal[1]]);
      };
      for (const stream of [this.#process.stdout, this.#process.stderr]) {
        stream.setEncoding("utf8").on("data", read);
      }
    });
    const ended = this.#exited.then((how) => {
      throw new Error(`Encke ended (${how}) before it said where it listens:\n${this.#output}`);
    });
    ended.catch(() => {}); // after the start nobody waits for it any more
    try {
      [this.#public, this.#internal] = await within(
        START_MS,
        Promise.race([listening, ended]),
        () => `Encke has not said where it listens; it wrote:\n${this.#output}`,
      );
    } catch (failed) {
      this.#process.kill("SIGKILL");
      throw failed;
    } finally {
      if (folder) rmSync(folder, { recursive: true });
    }
  }
}
