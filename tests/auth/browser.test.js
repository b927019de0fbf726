// What pages can do, in Chromium: from the server's own origin, from one that is listed, and from those that only look like it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { browser } from "../foreign/pages.js";
import { within } from "../interop/deadline.js";
import { KEY, SECRET, guarded } from "./guarded.js";
import { jose, now } from "./mint.js";

const MS = 20_000;
const APP = "http://app.example";
const bundle = fileURLToPath(new URL("../../client/encke.js", import.meta.url));

let chromium;
let encke;

before(async () => {
  encke = await guarded({ doors: `callback_polling = true\norigins = ["${APP}"]` });
  chromium = await browser();
});
after(async () => {
  await chromium?.close();
  await encke?.close();
});

const token = (sub, exp = now() + 600) => jose({ algorithm: "HS256", key: SECRET, claims: { sub, exp } });

const publish = async (channel, data) => {
  const headers = { Authorization: `Bearer ${KEY}`, "Content-Type": "application/json" };
  return (await fetch(encke.url(`/channels${channel}`), { method: "POST", headers, body: JSON.stringify(data) })).json();
};

/** A page at `origin` with encke.js in it, which has come from nowhere; and every URL and header that it sends to Encke. */
async function visit(context, origin) {
  const sent = [];
  const page = await context.newPage();
  page.setDefaultTimeout(MS);
  page.on("request", (request) => {
    if (request.url().startsWith(encke.url())) sent.push(request);
  });
  page.on("websocket", (socket) => sent.push({ url: () => socket.url() }));
  await page.route(`${origin}/page`, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>.</title>" }));
  await page.goto(`${origin}/page`);
  await page.addScriptTag({ path: bundle });
  return { page, sent };
}

async function story(run) {
  const context = await chromium.newContext();
  try {
    await run(context);
  } finally {
    await context.close();
  }
}

/** Opens encke.js in a page; `window.heard` is what it hears on its user's channel. */
const listen = (page, sub, transport, first, next = first) =>
  page.evaluate(async ([url, pattern, type, tokens]) => {
    window.heard = [];
    window.states = [];
    window.asked = 0;
    const comet = (window.comet = new Encke(url, { transports: [type], token: () => tokens[Math.min(window.asked++, 1)] }));
    comet.addEventListener("state", ({ detail }) => window.states.push(detail.state));
    await comet.subscribe(pattern, ({ data }) => window.heard.push(data)).ready;
    return comet.transport;
  }, [encke.url("/bayeux"), `/users/${sub}/*`, transport, [first, next]]);

describe("in place", { concurrency: true }, () => {
  for (const transport of ["websocket", "long-polling", "callback-polling"]) {
    test(`a page of a listed origin speaks over ${transport}, renews its token in place, and no URL has one`, () => story(async (context) => {
      const { page, sent } = await visit(context, APP);
      const sub = `page-${transport}`;
      const end = now() + 4;
      const [first, next] = await Promise.all([token(sub, end), token(sub, end + 600)]);
      assert.equal(await listen(page, sub, transport, first, next), transport);
      const [{ session }] = (await encke.api(`/api/sessions?subject=${sub}`)).sessions;
      assert.equal((await publish(`/users/${sub}/x`, 1)).sessions, 1);
      await page.waitForFunction(() => window.heard.length === 1);
      // Until the first one is over, by some time.
      const later = async () => {
        for (;;) {
          const { sessions } = await encke.api(`/api/sessions?subject=${sub}`);
          assert.deepEqual(sessions.map((one) => one.session), [session]);
          if (now() > end + 1) return sessions[0].expires;
        }
      };
      assert.equal(await within(MS, later(), () => "the token has no end"), end + 600);
      assert.equal((await publish(`/users/${sub}/x`, 2)).sessions, 1);
      await page.waitForFunction(() => window.heard.length === 2);
      assert.deepEqual(await page.evaluate(() => [window.asked, window.states]), [2, ["connecting", "connected"]]);
      const urls = sent.map((request) => request.url());
      assert.ok(urls.length > 0);
      for (const url of urls) assert.ok(!url.includes(first) && !url.includes(next) && !url.includes("eyJ"), url);
      const tickets = urls.filter((url) => url.includes("ticket="));
      assert.equal(tickets.length, transport === "callback-polling" ? 2 : 0, "one for the handshake, one for the renewal");
      await page.evaluate(() => window.comet.disconnect());
    }));
  }
});

test("a page whose token is refused is told why, also where it asked for a ticket", () => story(async (context) => {
  const { page } = await visit(context, APP);
  const expired = await token("late", now() - 60);
  for (const transport of ["websocket", "long-polling", "callback-polling"]) {
    const why = await page.evaluate(([url, type, text]) => new Encke(url, { transports: [type], token: text }).connect().then(() => "", ({ message }) => message),
      [encke.url("/bayeux"), transport, expired]);
    assert.equal(why, "the server refused the handshake: token expired (403:token_expired:authentication_failed)", transport);
  }
}));

test("pages of origins that only look like a listed one, and of none, are refused at every door", () => story(async (context) => {
  const good = await token("alice");
  const refused = ["http://app.example.evil.test", "http://evil-app.example", "http://app.example:8080", "http://xapp.example", "http://app.examples",
    "https://app.example", "http://app.example.", "http://xn--pp-gia.example", "null"];
  for (const origin of refused) {
    const { page } = await visit(context, origin === "null" ? APP : origin);
    const tries = await page.evaluate(async ([url, text, inside]) => {
      const attempt = async (url, token) => {
        const headers = { "Content-Type": "application/json" };
        const handshake = JSON.stringify([{ channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["long-polling"], ext: { authentication: { token } } }]);
        const fetched = (path, options) => fetch(new URL(path, url), options).then(({ status }) => `HTTP ${status}`, () => "refused");
        return {
          poll: await fetched("bayeux", { method: "POST", headers, body: handshake }),
          // Without a preflight.
          simple: await fetched("bayeux", { method: "POST", body: handshake }),
          publication: await fetched("channels/users/alice/x", { method: "POST", headers: { ...headers, Authorization: `Bearer ${token}` }, body: "1" }),
          stream: await fetched("channels/users/alice/x?as=lines", { headers: { Authorization: `Bearer ${token}` } }),
          ticket: await fetched("ticket", { method: "POST", headers: { Authorization: `Bearer ${token}` } }),
          socket: await new Promise((resolve) => {
            const socket = new WebSocket(new URL("bayeux", url).href.replace("http", "ws"), ["bearer", token]);
            socket.onopen = () => resolve("open");
            socket.onclose = () => resolve("refused");
          }),
          script: await new Promise((resolve) => {
            const script = document.createElement("script");
            globalThis.jsonp = () => {};
            script.onload = () => resolve("loaded");
            script.onerror = () => resolve("refused");
            script.src = new URL(`bayeux?jsonp=jsonp&message=${encodeURIComponent(handshake.replace(/,"ext".*}}/, ""))}`, url).href;
            document.head.append(script);
          }),
        };
      };
      if (!inside) return attempt(url, text);
      // A frame without an origin of its own.
      const frame = document.createElement("iframe");
      frame.sandbox = "allow-scripts";
      frame.srcdoc = `<script>(${attempt})(${JSON.stringify(url)}, ${JSON.stringify(text)}).then((tries) => parent.postMessage(tries, "*"))<\/script>`;
      const told = new Promise((resolve) => addEventListener("message", ({ data }) => resolve(data)));
      document.body.append(frame);
      return told;
    }, [encke.url(), good, origin === "null"]);
    const names = ["poll", "simple", "publication", "stream", "ticket", "socket"];
    // A script of a sandboxed frame is told by its Referer, which is its page's; it is a stranger there, without a cookie or a token.
    if (origin !== "null") names.push("script");
    assert.deepEqual(Object.fromEntries(names.map((name) => [name, tries[name]])), Object.fromEntries(names.map((name) => [name, "refused"])), origin);
    await page.close();
  }
  const { sessions } = await encke.api("/api/sessions?subject=alice");
  assert.deepEqual(sessions, []);
}));

test("a page brings its token as a sub-protocol of its WebSocket", () => story(async (context) => {
  const { page } = await visit(context, APP);
  const good = await token("sub-protocol");
  const said = await page.evaluate(([url, text]) => new Promise((resolve, reject) => {
    const socket = new WebSocket(url, ["bearer", text]);
    socket.onerror = () => reject(new Error("it did not open"));
    socket.onopen = () => socket.send(JSON.stringify([{ channel: "/users/sub-protocol/x", id: "1", data: 1 }]));
    socket.onmessage = ({ data }) => resolve([socket.protocol, JSON.parse(data)[0].successful]);
  }), [encke.socketUrl("/bayeux"), good]);
  assert.deepEqual(said, ["bearer", true]);
  const refused = await page.evaluate(([url, text]) => new Promise((resolve) => {
    const socket = new WebSocket(url, ["bearer", text]);
    socket.onopen = () => resolve("open");
    socket.onclose = () => resolve("refused");
  }), [encke.socketUrl("/bayeux"), `${good}x`]);
  assert.equal(refused, "refused");
}));

test("an EventSource comes in with a ticket, once", () => story(async (context) => {
  const { page } = await visit(context, APP);
  const good = await token("events");
  await page.evaluate(async ([url, text]) => {
    const { ticket } = await (await fetch(new URL("ticket", url), { method: "POST", headers: { Authorization: `Bearer ${text}` } })).json();
    window.listen = () => new Promise((resolve, reject) => {
      const events = new EventSource(new URL(`channels/users/events/x?ticket=${ticket}`, url));
      window.heard = [];
      events.onmessage = ({ data }) => window.heard.push(data);
      events.onopen = () => resolve("open");
      events.onerror = () => resolve(events.readyState === EventSource.CLOSED ? "refused" : "again");
    });
  }, [encke.url(), good]);
  assert.equal(await page.evaluate(() => window.listen()), "open");
  assert.equal((await publish("/users/events/x", "hello")).sessions, 1);
  await page.waitForFunction(() => window.heard.length === 1);
  assert.equal(await page.evaluate(() => window.listen()), "refused");
}));

test("a login by cookie counts for the server's own pages, and not for what pages elsewhere have the browser ask for", () => story(async (context) => {
  const good = await token("cookie");
  const { hostname } = new URL(encke.url());
  // The most careless cookie there is: it goes along with everything.
  await context.addCookies([{ name: "login", value: good, domain: hostname, path: "/", httpOnly: true, secure: true, sameSite: "None" }]);

  const own = new URL(encke.url()).origin;
  const { page } = await visit(context, own);
  for (const transport of ["websocket", "long-polling", "callback-polling"]) {
    const heard = await page.evaluate(async ([url, type]) => {
      const comet = new Encke(url, { transports: [type] });
      const heard = new Promise((resolve) => comet.subscribe("/users/cookie/*", ({ data }) => resolve(data)));
      await comet.publish("/users/cookie/x", type);
      const data = await heard;
      await comet.disconnect();
      return data;
    }, [encke.url("/bayeux"), transport]);
    assert.equal(heard, transport);
  }

  // Elsewhere: images, scripts, forms and plain requests, to which the browser adds the cookie.
  for (const origin of ["http://evil.test", APP]) {
    const { page: elsewhere, sent } = await visit(context, origin);
    const message = encodeURIComponent(JSON.stringify([{ channel: "/users/cookie/x", id: "1", data: "forged" }]));
    await elsewhere.evaluate(async ([url, text]) => {
      const load = (name, attributes) => new Promise((resolve) => {
        const element = Object.assign(document.createElement(name), attributes);
        element.onload = element.onerror = resolve;
        document.body.append(element);
      });
      await load("img", { src: new URL("channels/users/cookie/x?as=messages", url).href });
      await load("img", { src: new URL(`bayeux?jsonp=a&message=${text}`, url).href });
      await load("script", { src: new URL(`bayeux?jsonp=String&message=${text}`, url).href });
      await load("link", { rel: "stylesheet", href: new URL("channels/users/cookie/x?as=lines", url).href });
    }, [encke.url(), message]);
    const answered = await Promise.all(sent.map(async (request) => {
      const [headers, response] = await Promise.all([request.allHeaders(), request.response()]);
      return { url: request.url(), cookie: headers.cookie ?? "", status: response?.status(), text: await response?.text().catch(() => "") };
    }));
    assert.equal(answered.length, 4);
    for (const { url, cookie, status, text } of answered) {
      assert.ok(cookie.includes("login="), `the browser sends the cookie along to ${url}`);
      // Where the browser keeps an answer from everybody (opaque response blocking), the log and the history have to tell.
      if (text) assert.ok(status === 403 || /no_rule:publish_denied/.test(text), `${origin} ${url}: ${status} ${text}`);
    }
    assert.match(encke.output, /"who":"anonymous","what":"history","channel":"\/users\/cookie\/x"/);
    assert.doesNotMatch(encke.output, /"who":"cookie"/);
    if (origin === APP) continue; // whose forms come with an Origin, and are let in
    // A form, in a frame that takes the answer.
    const form = await elsewhere.evaluate(([url]) => new Promise((resolve) => {
      document.body.insertAdjacentHTML("beforeend", `<iframe name="answer"></iframe><form method="post" target="answer" action="${url}channels/users/cookie/x"><input name="text" value="forged"></form>`);
      document.querySelector("iframe").onload = () => resolve("answered");
      document.querySelector("form").submit();
    }), [encke.url()]);
    assert.equal(form, "answered");
  }
  const { messages } = await (await fetch(encke.url("/channels/users/cookie/x?as=messages"), { headers: { Authorization: `Bearer ${KEY}` } })).json();
  assert.deepEqual(messages.map(({ data }) => data), ["websocket", "long-polling", "callback-polling"]);
}));
