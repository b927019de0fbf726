// A shell, for the lines that the pages show.

import { spawn } from "node:child_process";

/** Runs `command` with `args`, `input` on its standard input; answers with what it wrote, or fails with it. */
export function run(command, args, input = "") {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { timeout: 15_000 });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`${command} ${args.join(" ")} ended with ${code}: ${stderr}${stdout}`));
    });
    child.stdin.end(input);
  });
}
