// Dojo 1.6.4 where the page of 2007 looks for it: in `node_modules` beside itself.

import { access } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const packages = fileURLToPath(new URL("../node_modules", import.meta.url));
await Promise.all(["dojo/dojo.js", "dojox/cometd.js"].map((file) => access(path.join(packages, file))));

/** How to visit the page of 2007: Dojo is routed there, and evaluates the modules that it loads. */
export const dojo = {
  policy: "default-src 'self' 'unsafe-eval'",
  before: (page) =>
    page.route(/\/demos\/slideshow\/node_modules\/(dojo|dojox)\//, (route) => {
      const [, file] = new URL(route.request().url()).pathname.split("/node_modules/");
      return route.fulfill({ path: path.join(packages, path.normalize(file)) });
    }),
};
