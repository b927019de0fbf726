// A network namespace of Linux behind a virtual cable: processes in it have a network of their own, which can fall silent.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);
/** The address of nobody: what is sent there is dropped without a word, as on a radio that is out of reach. */
const NOBODY = "02:00:00:00:00:99";

export class Namespace {
  #name = `encke-${process.pid}`;
  #cable = [`enc${process.pid}a`, `enc${process.pid}b`];
  #subnet = `198.18.${process.pid % 256}`;

  /** Makes one. It takes root, or sudo without a password, with CAP_NET_ADMIN and CAP_SYS_ADMIN. */
  static async make() {
    const namespace = new Namespace();
    try {
      await namespace.#lay();
    } catch (why) {
      await namespace.stop();
      throw new Error(
        "no network namespace can be made here, and without one nothing is lost silently: run this as root, with " +
          `CAP_NET_ADMIN and CAP_SYS_ADMIN (docker run --cap-add NET_ADMIN --cap-add SYS_ADMIN). ${why.message}`,
      );
    }
    return namespace;
  }

  /** Where servers outside are seen from inside. */
  get host() {
    return `${this.#subnet}.1`;
  }

  /** The command under which something runs inside. */
  get within() {
    return [...SUDO, "ip", "netns", "exec", this.#name];
  }

  /** From now on nothing passes, either way, and nobody is told: no FIN, no reset, no unreachable host. */
  async fallSilent() {
    await ip("neigh", "replace", `${this.#subnet}.2`, "lladdr", NOBODY, "nud", "permanent", "dev", this.#cable[0]);
    await ip("-n", this.#name, "neigh", "replace", this.host, "lladdr", NOBODY, "nud", "permanent", "dev", this.#cable[1]);
  }

  async speakAgain() {
    await ip("neigh", "del", `${this.#subnet}.2`, "dev", this.#cable[0]);
    await ip("-n", this.#name, "neigh", "del", this.host, "dev", this.#cable[1]);
  }

  async stop() {
    // The cable goes with its end in the namespace.
    await ip("netns", "del", this.#name).catch(() => {});
    await ip("link", "del", this.#cable[0]).catch(() => {});
  }

  async #lay() {
    const [outside, inside] = this.#cable;
    await ip("netns", "add", this.#name);
    await ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", this.#name);
    await ip("addr", "add", `${this.#subnet}.1/30`, "dev", outside);
    await ip("-n", this.#name, "addr", "add", `${this.#subnet}.2/30`, "dev", inside);
    await ip("link", "set", outside, "up");
    await ip("-n", this.#name, "link", "set", inside, "up");
  }
}

const SUDO = process.getuid() === 0 ? [] : ["sudo", "--non-interactive"];

function ip(...args) {
  const [command, ...rest] = [...SUDO, "ip", ...args];
  return execute(command, rest, { timeout: 10_000 });
}
