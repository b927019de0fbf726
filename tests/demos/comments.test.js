// Comments: the application publishes, and whoever imitates it is refused at every door, in the page's words and in the
// server's log.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { within } from "../interop/deadline.js";
import { Encke } from "../interop/encke.js";
import { Browser, FORMS } from "./browser.js";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const screenshots = process.env.ENCKE_SCREENSHOTS;
const APP = fileURLToPath(new URL("../../demos/comments/app.py", import.meta.url));
const WAYS = ["websocket", "long-polling", "callback-polling"];

/** A port that nobody listens on. */
async function freePort() {
  const server = net.createServer();
  const port = await new Promise((listens) => server.listen(0, "127.0.0.1", () => listens(server.address().port)));
  await new Promise((closed) => server.close(closed));
  return port;
}

let folder, application, encke, browser, origin;
before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "encke-comments-"));
  const port = await freePort();
  const config = path.join(folder, "encke.toml");
  const args = [APP, "--port", "0", "--encke", `http://127.0.0.1:${port}`, "--config", config];
  application = spawn("python3", args, { stdio: ["ignore", "pipe", "pipe"] });
  application.said = "";
  const started = new Promise((listens, fails) => {
    for (const stream of [application.stdout, application.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        application.said += text;
        const [, url] = /^comments {2}(http:\S+)\/$/m.exec(application.said) ?? [];
        if (url && application.said.includes("now run")) listens(url);
      });
    }
    application.once("exit", (code) => fails(new Error(`the application ended with ${code}: ${application.said}`)));
  });
  origin = await within(10_000, started, () => `the application does not start: ${application.said}`);
  encke = await Encke.start({ config: await readFile(config, "utf8"), port });
  browser = await Browser.open();
});
after(async () => {
  await browser?.close();
  await encke?.stop("SIGKILL");
  application?.kill();
  rmSync(folder, { recursive: true, force: true });
});

const visit = async (hash, options) => {
  const page = await browser.visit(`${origin}/#${hash}`, { policy: null, ...options });
  await page.locator('.state[data-state="connected"]').waitFor();
  return page;
};
const comment = async (page, name, text) => {
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("Comment", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
};
const said = (page, text) => page.locator(".log .said").filter({ hasText: text });

/** The lines of the server's log that tell of a refusal on a channel. */
const refusals = (channel) => encke.output.split("\n").filter((line) => line.startsWith("{"))
  .map((line) => JSON.parse(line).fields)
  .filter((fields) => fields.message === "refused" && fields.channel === channel);

test("a comment reaches every reader, those who come later too, and only of its page", async () => {
  const [ada, grace, elsewhere] = await Promise.all(["first", "first", "second"].map((name) => visit(name)));
  await comment(ada, "Ada", "I was here");
  for (const page of [ada, grace]) await said(page, "I was here").waitFor();
  assert.equal(await ada.getByLabel("Comment", { exact: true }).inputValue(), "");
  const late = await visit("first");
  await said(late, "I was here").waitFor();
  await comment(elsewhere, "<b>Eve</b>", `<img src=x onerror="document.body.textContent = ''">`);
  await said(elsewhere, "onerror").waitFor();
  assert.equal(await said(ada, "onerror").count(), 0);
  assert.equal(await said(late, "I was here").count(), 1);
  assert.equal(application.said.includes("not published"), false, application.said);
  for (const page of [ada, grace, elsewhere, late]) assert.deepEqual(page.complaints, []);
});

test("who imitates the application is refused at every door, and the log says who, what, where and why", async () => {
  const [victim, imitator] = [await visit("attacked"), await visit("attacked")];
  await imitator.getByRole("button", { name: "Publish without the application" }).click();
  await imitator.getByText("4 of 4 refused. Nobody has seen it.").waitFor();
  const tries = await imitator.locator(".tries li").allTextContents();
  const doors = [...WAYS, "POST /channels/comments/attacked"];
  assert.deepEqual(tries, doors.map((door) => `${door} refused: no rule lets this page publish here 403:/comments/attacked,no_rule:publish_denied`));

  const lines = refusals("/comments/attacked");
  assert.deepEqual(lines.map(({ who, what, why }) => [who, what, why]), doors.map(() => ["anonymous", "publish", "no_rule"]));

  // What comes next is the first that anybody sees.
  await comment(imitator, "Ada", "An honest one");
  for (const page of [victim, imitator]) {
    await said(page, "An honest one").waitFor();
    assert.equal(await page.locator(".log .said").count(), 1);
  }
  assert.deepEqual(victim.complaints, []);
});

test("without a browser, the same", async () => {
  const forged = { method: "POST", body: '{"text":"Believe me"}', headers: { "Content-Type": "application/json" } };
  const answer = await fetch(encke.url("/channels/comments/bare"), forged);
  assert.deepEqual([answer.status, (await answer.json()).error], [403, "403:/comments/bare,no_rule:publish_denied"]);
  // A key of the right look is no key.
  const headers = { ...forged.headers, Authorization: "Bearer encke_0000000000000000000000000000000000000000000" };
  assert.equal((await fetch(encke.url("/channels/comments/bare"), { ...forged, headers })).status, 401);
  // The name of the application is not what makes it one, and its own hash opens nothing.
  const { sha256 } = /sha256 = "(?<sha256>\w+)"/.exec(await readFile(path.join(folder, "encke.toml"), "utf8")).groups;
  for (const token of [sha256, `encke_${sha256}`, "comments-application"]) {
    assert.equal((await fetch(encke.url("/channels/comments/bare"), { ...forged, headers: { ...headers, Authorization: `Bearer ${token}` } })).status, 401);
  }
  // Not on the application's word for elsewhere, either, nor by listening to everything.
  assert.equal((await fetch(encke.url("/channels/**?as=lines"))).status, 403);
});

test("the application takes what it can use, and says what it cannot", async () => {
  const send = async (body, type = "application/json", where = "on/limits") => {
    const answer = await fetch(`${origin}/demos/comments/${where}`, { method: "POST", body, headers: { "Content-Type": type } });
    return [answer.status, await answer.json()];
  };
  const good = JSON.stringify({ name: "Ada", text: "hello" });
  assert.equal((await send(good))[0], 201);
  for (const [body, type, where] of [
    [good, "text/plain"], [good, undefined, "on/a/b"], [good, undefined, "on/"], ["{"], ["[]"], ["7"], ['{"name":"Ada"}'],
    [JSON.stringify({ name: "n".repeat(41), text: "hello" })], [JSON.stringify({ name: "Ada", text: " " })],
  ]) {
    const [status, { error }] = await send(body, type, where);
    assert.equal(status, 400, body);
    assert.match(error, /^a (comment|name)/);
  }
  assert.equal((await send(JSON.stringify({ name: "Ada", text: "t".repeat(10_000) })))[0], 413);
  const { comments } = await (await fetch(`${origin}/demos/comments/on/limits`)).json();
  assert.deepEqual(comments.map(({ text }) => text), ["hello"]);
});

test("the application is short, and its files are all that it serves", async () => {
  const lines = (await readFile(APP, "utf8")).split("\n").length - 1;
  assert.ok(lines < 150, `${lines} lines`);
  assert.equal((await fetch(`${origin}/demos/comments/app.py`)).status, 200);
  for (const path of ["/demos/comments/encke.toml", "/demos/comments/../../README.md", "/demos/%2e%2e/README.md", "/demos"]) {
    assert.equal((await fetch(origin + path)).status, 404, path);
  }
});

for (const form of FORMS) {
  test(`at ${form.width} pixels, ${form.scheme}: accessible and inside its width`, async () => {
    const name = `form${form.width}${form.scheme}`;
    const page = await visit(name, form);
    await comment(page, "Caroline", "I have found another one tonight.");
    await said(page, "another one").waitFor();
    await comment(page, "Johann", "It is back after three years and a third, exactly as computed. Nobody has to look for it any more.");
    await said(page, "exactly as computed").waitFor();
    await page.getByRole("button", { name: "Publish without the application" }).click();
    await page.getByText("4 of 4 refused.").waitFor();
    await page.locator(".source code").filter({ hasText: "subscribe" }).waitFor();
    if (screenshots) await page.screenshot({ path: path.join(screenshots, `comments-${form.width}-${form.scheme}.png`), fullPage: true });
    const [scroll, client] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(scroll <= client, `${scroll} pixels of content in a window of ${client}`);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => axe.run());
    assert.deepEqual(violations.map(({ id, help, nodes }) => `${id}: ${help} ${nodes.map(({ html }) => html)}`), []);
    await page.context().close();
  });
}
