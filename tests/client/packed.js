// The npm package as a stranger gets it: packed, and installed into an empty project.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const client = fileURLToPath(new URL("../../client/", import.meta.url));

export class Project {
  /** Packs `client/` and installs that into a new folder. Nothing is fetched: the package depends on nothing. */
  constructor() {
    this.folder = mkdtempSync(path.join(tmpdir(), "encke-project-"));
    const npm = (args, cwd) => execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    const [{ filename }] = JSON.parse(npm(["pack", "--json", "--ignore-scripts", "--pack-destination", this.folder], client));
    writeFileSync(path.join(this.folder, "package.json"), '{ "name": "empty", "private": true, "type": "module" }\n');
    npm(["install", "--offline", "--no-audit", "--no-fund", `./${filename}`], this.folder);
    this.package = path.join(this.folder, "node_modules/encke");
    this.manifest = JSON.parse(readFileSync(path.join(this.package, "package.json"), "utf8"));
  }

  /** What `import … from "encke"` gives there. */
  import() {
    const require = createRequire(path.join(this.folder, "index.js"));
    return import(pathToFileURL(require.resolve("encke")).href);
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
