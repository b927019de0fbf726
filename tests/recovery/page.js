// npm `cometd` with its ack extension in a page of Debian's Chromium: the only place where callback-polling has the
// <script> that it is made of.

import path from "node:path";
import { fileURLToPath } from "node:url";

import { OWN_PAGE, start } from "../client/browsers/chromium.js";

const packages = fileURLToPath(new URL("../node_modules", import.meta.url));

/** Opens a page of the origin of `url`, and in it a client of `transport` that listens to `pattern` and tells `heard`. */
export async function open({ url, transport, pattern, heard, options }) {
  const browser = await start(OWN_PAGE);
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(15_000);
  await page.route(/\/page$/, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>cometd</title>" }));
  await page.route(/\/packages\//, (route) => {
    const [, file] = new URL(route.request().url()).pathname.split("/packages/");
    return route.fulfill({ path: path.join(packages, path.normalize(file)) });
  });
  await page.goto(new URL("/page", url).href);
  await page.exposeFunction("tell", (data) => heard.push(data));
  const handshake = await page.evaluate(
    async ([url, transport, pattern, options]) => {
      const { CometD } = await import("/packages/cometd/cometd.js");
      const { AckExtension } = await import("/packages/cometd/AckExtension.js");
      const cometd = (window.cometd = new CometD());
      cometd.registerExtension("ack", new AckExtension());
      for (const type of cometd.getTransportTypes()) if (type !== transport) cometd.unregisterTransport(type);
      cometd.configure({ url, logLevel: "warn", ...options });
      const reply = await new Promise((resolve) => cometd.handshake(resolve));
      if (!reply.successful) throw new Error(JSON.stringify(reply));
      await new Promise((resolve) => cometd.subscribe(pattern, ({ data }) => window.tell(data), resolve));
      return reply;
    },
    [url, transport, pattern, options],
  );
  return { handshake, page, stop: () => browser.close() };
}
