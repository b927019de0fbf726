// Debian's Chromium, as users have it; nothing is downloaded.

import { chromium } from "playwright-core";

const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

/** A page that the test makes up belongs to no network, and Chromium would keep it from loopback. */
export const OWN_PAGE = ["--disable-features=LocalNetworkAccessChecks"];

/** Starts one; `close()` it. */
export function start(args = []) {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: [...ARGS, ...args] });
}

/** A fresh page at `url`, with the actor in it; `errors` are the errors that nobody caught there. */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(url);
  await page.waitForFunction(() => globalThis.actor);
  const drive = (method, args) => page.evaluate(([name, given]) => globalThis.actor[name](...given), [method, args]);
  return { page, context, drive, errors };
}
