// An Encke in production for one file: its configuration in a folder of its own, an API key, and `encke token check`.

import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { Encke, binary } from "../interop/encke.js";

/** The application's: everything, and the server API. */
export const KEY = `encke_${randomBytes(32).toString("hex")}`;
const sha256 = createHash("sha256").update(KEY).digest("hex");

export const SECRET = "a secret of at least 32 bytes, for tests";

/** One HS256 key, and no leeway, so that an end is an end. */
export const PLAIN = `[tokens]\nleeway = "0s"\ncookie = "login"\n\n[[tokens.key]]\nalgorithm = "HS256"\nsecret = "${SECRET}"\n`;

/** Users may talk, and have channels of their own; everybody hears the news. */
export const RULES = `
[[rights.rule]]
who = ["anyone"]
may = ["subscribe"]
channels = ["/news/**"]

[[rights.rule]]
who = ["user"]
may = ["publish", "subscribe", "history"]
channels = ["/chat/*", "/users/{sub}/**"]

[[channel]]
patterns = ["/**"]
[channel.history]
count = 100
`;

/** Starts one with this configuration beside its own; `stop()` removes its folder too. */
export async function guarded({ tokens = PLAIN, rules = RULES, doors = "callback_polling = true" } = {}) {
  const config = `
[doors]
${doors}

${tokens}

[[key]]
name = "application"
sha256 = "${sha256}"
may = ["publish", "subscribe", "history"]
channels = ["/**"]
admin = true

${rules}`;
  const encke = await Encke.start({ config });
  const folder = mkdtempSync(path.join(tmpdir(), "encke-auth-"));
  const file = path.join(folder, "encke.toml");
  writeFileSync(file, config);
  return Object.assign(encke, {
    /** What `encke token check` says: its exit code, and the word before the colon. */
    check(token) {
      const { status, stdout, stderr } = spawnSync(binary(), ["token", "check", "-", "--config", file], { input: token, encoding: "utf8" });
      return { status, said: `${stdout}${stderr}`, word: /\btoken_\w+/.exec(stderr)?.[0] };
    },
    async close() {
      await encke.stop("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
    /** Asks the server API. */
    async api(path, body) {
      const headers = { Authorization: `Bearer ${KEY}`, "Content-Type": "application/json" };
      const response = await fetch(encke.internalUrl(path), body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) });
      return response.json();
    },
  });
}
