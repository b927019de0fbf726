// Makes encke.js, encke.mjs, types/ and the size in README.md from src/, or, given a folder, makes them there to be compared.
//
//   npm run build        checks the types, too

import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const into = path.resolve(process.argv[2] ?? here);

const shared = {
  bundle: true,
  minify: true,
  // Class and function names are in what errors and inspectors show.
  keepNames: false,
  target: ["es2022"],
  charset: "utf8",
  legalComments: "none",
  banner: { js: "/* Encke, Apache-2.0 */" },
  // A classic script has none, and does not ask: it has document.currentScript.
  logOverride: { "empty-import-meta": "silent" },
};
await build({ ...shared, entryPoints: [`${here}/src/classic.js`], format: "iife", outfile: `${into}/encke.js` });
await build({ ...shared, entryPoints: [`${here}/src/index.js`], format: "esm", outfile: `${into}/encke.mjs` });

rmSync(`${into}/types`, { recursive: true, force: true });
const tsc = fileURLToPath(import.meta.resolve("typescript/bin/tsc"));
execFileSync(process.execPath, [tsc, "--project", here, "--outDir", `${into}/types`], { stdio: "inherit" });

const size = (/** @type {string} */ name) => {
  const bytes = readFileSync(`${into}/${name}`);
  const kb = (/** @type {number} */ length) => (length / 1000).toFixed(1);
  return `${name}: ${kb(bytes.length)} KB, ${kb(gzipSync(bytes, { level: 9 }).length)} KB gzipped`;
};
console.log(`${size("encke.js")}\n${size("encke.mjs")}`);
if (into === here) {
  const readme = readFileSync(`${here}/README.md`, "utf8");
  writeFileSync(`${here}/README.md`, readme.replace(/^encke\.js: .* gzipped$/m, size("encke.js")));
}
