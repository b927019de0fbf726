// Pages of foreign clients in Debian's Chromium, served from any origin of this machine by the browser itself.

import path from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const packages = fileURLToPath(new URL("../node_modules", import.meta.url));
const ARGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
  // A page that the test makes up belongs to no network, and Chromium would keep it from loopback.
  "--disable-features=LocalNetworkAccessChecks",
];

/** Starts a browser; `close()` it. */
export function browser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGS });
}

/**
 * Opens a page at `origin` that loads `scripts` of npm packages (`faye/client/faye-browser.js`). Answers with the page and
 * the requests it makes to Encke, as they are made.
 */
export async function open(browser, origin, scripts) {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(15_000);
  const requests = [];
  page.on("request", (request) => requests.push(request));
  const html = scripts.map((script) => `<script src="/packages/${script}"></script>`).join("");
  await page.route(`${origin}/page`, (route) => route.fulfill({ contentType: "text/html", body: `<!doctype html>${html}` }));
  await page.route(/\/packages\//, (route) => {
    const [, file] = new URL(route.request().url()).pathname.split("/packages/");
    return route.fulfill({ path: path.join(packages, path.normalize(file)) });
  });
  await page.goto(`${origin}/page`);
  return { page, requests };
}

/** The origin of the same server under the other name of this machine. */
export function elsewhere(url) {
  const { port } = new URL(url);
  return `http://localhost:${port}`;
}
