// Takes the snippets out of a page of docs/ and runs one as a reader would, with the address of the server put
// in the place of the one that the page names.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { within } from "../interop/deadline.js";
import { binary } from "../interop/encke.js";

const read = (page) => readFileSync(fileURLToPath(new URL(`../../docs/${page}`, import.meta.url)), "utf8");

/** The addresses that snippets name. */
const PUBLIC = "http://127.0.0.1:8080";
const INTERNAL = "http://127.0.0.1:8081";

/** How each language is run, and the name of its file. */
const RUN = {
  sh: ["sh", "snippet.sh"],
  python: ["python3", "snippet.py"],
  js: ["node", "snippet.mjs"],
  ruby: ["ruby", "snippet.rb"],
  php: ["php", "snippet.php"],
};

const SNIPPET_MS = 30_000;

/** Every fence with something to run, in the order of the page: `{ section, language, text }`. */
export function snippets(page = "publishing.md") {
  const found = [];
  let section = "";
  for (const [, heading, language, text] of read(page).matchAll(/^## (.+)$|^```(\w+)\n([^]*?)^```$/gm)) {
    if (heading) section = heading;
    else if (language in RUN) found.push({ section, language, text });
  }
  return found;
}

/** Every language that has a fence on the page. */
export function languages(page = "publishing.md") {
  return new Set([...read(page).matchAll(/^```(\w+)$/gm)].map(([, language]) => language));
}

/** A snippet that runs. */
export class Running {
  output = "";
  #child;
  #ended;
  #folder;
  #watchers = new Set();

  /**
   * Starts a snippet against a server, in a folder of its own or in `cwd`, with further variables; `modules` is a folder of npm
   * packages that it may import.
   */
  constructor({ language, text }, encke, { cwd, env: more = {}, modules } = {}) {
    const [url, internal] = [encke.url(), encke.internalUrl()].map((address) => address.replace(/\/$/, ""));
    const [command, name] = RUN[language];
    this.#folder = mkdtempSync(path.join(tmpdir(), "encke-snippet-"));
    writeFileSync(path.join(this.#folder, name), text.replaceAll(PUBLIC, url).replaceAll(INTERNAL, internal));
    symlinkSync(binary(), path.join(this.#folder, "encke"));
    if (modules) symlinkSync(modules, path.join(this.#folder, "node_modules"));
    const env = { ...process.env, ...more, PATH: `${this.#folder}:${more.PATH ?? process.env.PATH}`, ENCKE_URL: url };
    // A group of its own, so that what a shell started ends with it.
    const options = { cwd: cwd ?? this.#folder, env, detached: true, stdio: ["ignore", "pipe", "pipe"] };
    this.#child = spawn(command, [path.join(this.#folder, name)], options);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (piece) => {
        this.output += piece;
        for (const look of [...this.#watchers]) look();
      });
    }
    this.#ended = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => resolve(code ?? signal));
      this.#child.once("error", (error) => resolve(error.message));
    });
  }

  /** Waits for its end; answers with its exit code. */
  ends() {
    return within(SNIPPET_MS, this.#ended, () => `it does not end, and said: ${this.output}`);
  }

  /** Waits until it has said `words`, all of them. */
  says(words) {
    const said = new Promise((resolve, reject) => {
      const look = () => {
        if (!words.every((word) => this.output.includes(word))) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
      this.#ended.then((how) => reject(new Error(`it ended (${how}) and said: ${this.output}`)));
    });
    return within(SNIPPET_MS, said, () => `it has not said ${words.join(" and ")}, but: ${this.output}`);
  }

  /** Ends it, whatever it does. */
  stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid) {
      process.kill(-this.#child.pid, "SIGKILL");
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
