// The `curl` of this machine: whole exchanges, streams that are read as they come, and lines run by a shell.

import { execFile, spawn } from "node:child_process";
import { promisify } from "node:util";

import { within } from "../deadline.js";

const execute = promisify(execFile);
/** curl gives up by itself, so that no test leaves one behind. */
const LIMITS = ["--silent", "--show-error", "--max-time", "20"];

/** Splits what `curl --include` wrote into status, headers (lower-case names) and body. */
function parse(output) {
  const end = output.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [first, ...lines] = output.slice(0, end).split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  return { status: Number(first.split(" ")[1]), headers, body: output.slice(end + 4) };
}

/** One exchange: `{ status, headers, body, json }`, `json` undefined where the body is none. */
export async function curl(...args) {
  const { stdout } = await execute("curl", [...LIMITS, "--include", "--header", "Expect:", ...args]);
  const answer = parse(stdout);
  if (!answer) throw new Error(`curl ${args.join(" ")} got no HTTP answer: ${stdout}`);
  try {
    answer.json = JSON.parse(answer.body);
  } catch {
    answer.json = undefined;
  }
  return answer;
}

/** A command whose standard output is read while it runs. */
export class Running {
  output = "";
  #process;
  #title;
  #watchers = new Set();

  constructor(command, args, options = {}) {
    this.#title = [command, ...args].join(" ");
    this.#process = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        this.output += text;
        for (const look of [...this.#watchers]) look();
      });
    }
  }

  /** Waits until `condition` gives something true of what has come so far. */
  until(what, condition, ms = 10_000) {
    const met = new Promise((resolve) => {
      const look = () => {
        const found = condition();
        if (found) resolve(found);
      };
      this.#watchers.add(look);
      look();
    });
    return within(ms, met, () => `no ${what} from ${this.#title}; so far: ${this.output}`);
  }

  stop() {
    this.#process.kill("SIGKILL");
  }
}

/** A stream that curl reads; ready once its head has come. */
export class Stream extends Running {
  /** Opens `url` with more curl arguments and waits for the head. */
  static async open(url, ...args) {
    // Not --include: curl keeps a head back until a body follows it.
    const stream = new Stream("curl", [...LIMITS, "--no-buffer", "--dump-header", "-", ...args, url]);
    await stream.until("head", () => stream.head);
    return stream;
  }

  /** `{ status, headers, body }`, the body as far as it has come. */
  get head() {
    return parse(this.output);
  }

  /** The complete lines of the body that are not empty. */
  get lines() {
    return this.head.body.split("\n").slice(0, -1).filter((line) => line.trim() !== "");
  }

  /** The complete events of an event stream, comments left out: `{ data, id, event }`. */
  get events() {
    const blocks = this.head.body.split(/\r?\n\r?\n/).slice(0, -1);
    const events = blocks.map((block) => {
      const fields = {};
      for (const line of block.split(/\r?\n/)) {
        const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
        if (name === "data" && "data" in fields) fields.data += `\n${value}`;
        else if (name !== "") fields[name] = value;
      }
      return fields;
    });
    return events.filter((fields) => "data" in fields);
  }
}
