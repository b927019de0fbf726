// Chromium for one test file, and pages that remember what they complained about.

import { chromium } from "playwright-core";

import { Encke } from "../interop/encke.js";
import { run } from "./shell.js";

const ARGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
  // A page whose headers a test has changed belongs to no network, and Chromium would keep it from loopback.
  "--disable-features=LocalNetworkAccessChecks",
];

/** A policy without `unsafe-…` under which every page of the demos works. The client's timer is a worker made of a blob. */
export const STRICT = "default-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'";

/** The widths and colour schemes in which every page is looked at. */
export const FORMS = [1280, 390].flatMap((width) => ["light", "dark"].map((scheme) => ({ width, scheme })));

/** Chromium, and the windows that a test opens in it. */
export class Browser {
  #chromium;
  #contexts = [];

  static async open() {
    const browser = new Browser();
    browser.#chromium = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGS });
    return browser;
  }

  /**
   * Opens `url` in a window of its own. The page's `complaints` are what it wrote to the console as error or warning
   * and what it threw; `before` may prepare it. `policy` takes the place of the pages' own, if there is one.
   */
  async visit(url, { width = 1280, scheme = "light", policy = STRICT, scripting = true, before = () => {} } = {}) {
    const viewport = { width, height: width < 600 ? 844 : 860 };
    const context = await this.#chromium.newContext({ viewport, colorScheme: scheme, reducedMotion: "reduce", javaScriptEnabled: scripting });
    this.#contexts.push(context);
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.complaints = [];
    page.on("console", (line) => {
      if (["error", "warning"].includes(line.type())) page.complaints.push(`${line.text()} (${line.location().url})`);
    });
    page.on("pageerror", (error) => page.complaints.push(String(error)));
    if (policy) {
      await page.route((url) => url.pathname.endsWith("/") || url.pathname.endsWith(".html"), async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, headers: { ...response.headers(), "content-security-policy": policy } });
      });
    }
    await before(page);
    // A page that grows is never loaded to its end.
    await page.goto(url, { waitUntil: scripting ? "load" : "commit" });
    return page;
  }

  async close() {
    for (const context of this.#contexts) await context.close();
    await this.#chromium.close();
  }
}

/** Encke in development mode and a browser. */
export class Site {
  #browser;

  /** Starts Encke in development mode, below `base` when there is one, and a browser. */
  static async open({ base = "" } = {}) {
    const site = new Site();
    // Every flag of the binary has a variable.
    if (base) process.env.ENCKE_BASE = base;
    site.base = base;
    site.encke = await Encke.start();
    try {
      site.#browser = await Browser.open();
    } catch (failed) {
      await site.encke.stop("SIGKILL");
      throw failed;
    }
    return site;
  }

  /** The URL of `path` below the base, as a reader types it. */
  url(path) {
    return this.encke.url(`${this.base}/${path}`);
  }

  /** Opens `path` below the base in a window of its own. */
  visit(path, options) {
    return this.#browser.visit(this.url(path), options);
  }

  /** Publishes `data` on `channel` as `curl -d` does; answers with what Encke says. */
  async curl(channel, data) {
    const answer = await run("curl", ["-sS", "-m", "10", "--data-binary", "@-", this.url(`channels${channel}`)], JSON.stringify(data));
    return JSON.parse(answer);
  }

  async close() {
    await this.#browser?.close();
    await this.encke.stop("SIGKILL");
  }
}
