// The first minute: one file copied somewhere else, no other file, and a message appears in a page.

import assert from "node:assert/strict";
import { copyFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { Encke, binary } from "../interop/encke.js";
import { browser } from "./pages.js";

test("the binary alone, in an empty folder, shows a message in a page", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "encke-"));
  const before = process.env.ENCKE_BIN;
  const chromium = await browser();
  let encke;
  try {
    await copyFile(binary(), path.join(folder, "encke"));
    process.env.ENCKE_BIN = path.join(folder, "encke");
    encke = await Encke.start();
    const page = await (await chromium.newContext()).newPage();
    page.setDefaultTimeout(15_000);
    await page.goto(encke.url("/"));
    await page.getByText("connected by websocket").waitFor();
    const words = "the first message";
    await fetch(encke.url("/channels/chat/demo"), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ text: words }),
    });
    await page.getByText(words).first().waitFor();
    assert.deepEqual(await readdir(folder), ["encke"], "it needs no file and leaves none");
  } finally {
    if (before === undefined) delete process.env.ENCKE_BIN;
    else process.env.ENCKE_BIN = before;
    await chromium.close();
    await encke?.stop("SIGKILL");
    await rm(folder, { recursive: true });
  }
});
