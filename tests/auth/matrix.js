// Random policies, and every question that can be asked of them, at every door.

import { createHash, randomBytes } from "node:crypto";

import { Socket, handshake, poll, script, ticketFor } from "./doors.js";
import { PLAIN, SECRET, guarded } from "./guarded.js";
import { jose, now } from "./mint.js";
import { NAMES, allowed, channelsBelow, matcher } from "./naive.js";

/** Policies of one server: each below a prefix of its own, so that none has to do with another. */
export const AT_ONCE = 100;
const VERBS = ["publish", "subscribe", "history"];

/** Numbers between 0 and 1 that are the same for a seed. */
export function dice(seed) {
  let state = seed % 2147483647 || 1;
  const roll = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const one = (list) => list[Math.floor(roll() * list.length)];
  const some = (list, chance) => list.filter(() => roll() < chance);
  return { roll, one, some };
}

const WHO = ["anyone", "user", "user:alice", "user:bob", "user:carol", "group:staff", "group:ops", "claim:plan=pro", "claim:team=red", "key:shop", "key:other"];
const SEGMENTS = ["a", "b", "alice", "{sub}", "{team}"];

function policy(prefix, { roll, one, some }) {
  const template = () => prefix + one([
    () => `/${one(SEGMENTS)}`, () => `/${one(SEGMENTS)}/${one(SEGMENTS)}`, () => `/${one(SEGMENTS)}/*`, () => `/${one(SEGMENTS)}/**`, () => "/*", () => "/**",
  ])();
  const rules = Array.from({ length: 1 + Math.floor(roll() * 5) }, () => {
    const may = some(VERBS, 0.5);
    const may_not = some(VERBS, 0.15);
    if (may.length + may_not.length === 0) may.push(one(VERBS));
    return { who: [one(WHO), ...some([one(WHO)], 0.3)], may, may_not, channels: [template(), ...some([template()], 0.4)] };
  });
  const own = (chance) => (roll() < chance ? [{ verbs: some(VERBS, 0.6), pattern: template().replace(/\{\w+\}/g, "b") }] : []);
  return { prefix, rules, ofKey: own(0.3), ofToken: own(0.3) };
}

/** Channels and patterns to ask about, with the rules' own among them. */
function places({ prefix, rules }, verb, { one }) {
  const near = rules.flatMap(({ channels }) => channels)
    .map((template) => template.replace(/\{\w+\}/g, () => one(NAMES)))
    .map((pattern) => (verb === "publish" ? pattern.replace("/**", `/${one(NAMES)}/${one(NAMES)}`).replace("/*", `/${one(NAMES)}`) : pattern));
  const channel = () => `${prefix}${Array.from({ length: one([1, 2, 3]) }, () => `/${one(NAMES)}`).join("")}`;
  if (verb === "publish") return [...new Set([...near, channel(), channel(), channel()])];
  const up = near.map((pattern) => `${pattern.split("/").slice(0, -1).join("/")}/${one(["*", "**"])}`).filter((pattern) => pattern.startsWith(`${prefix}/`));
  return [...new Set([...near, one(up), channel(), `${channel()}/*`, `${prefix}/*`, `${prefix}/**`])].filter((pattern) => pattern.split("/").length <= prefix.split("/").length + 3);
}

/** Everybody who asks; what a token and a key carry themselves depends on the policies. */
function everybody(policies) {
  const grants = (of) => policies.flatMap((policy) => policy[of]);
  return {
    nobody: {},
    alice: { sub: "alice", groups: ["staff"], claims: { plan: "pro", team: "red" } },
    bob: { sub: "bob", groups: ["ops", "staff"], claims: { plan: "free" } },
    carol: { sub: "carol", grants: grants("ofToken") },
    stars: { sub: "**", claims: { team: "a/b", plan: "pro" } },
    unnamed: { groups: ["ops"], claims: { team: "red" } },
    shop: { key: "shop", grants: grants("ofKey") },
  };
}

async function secretOf({ sub, groups, claims, key, grants = [] }, keyText) {
  if (key) return keyText;
  if (sub === undefined && !groups) return undefined;
  const rights = Object.fromEntries(VERBS.map((verb) => [verb, grants.filter(({ verbs }) => verbs.includes(verb)).map(({ pattern }) => pattern)]));
  const encke = grants.length > 0 ? { encke: rights } : {};
  return jose({ algorithm: "HS256", key: SECRET, claims: { sub, groups, exp: now() + 3600, ...claims, ...encke } });
}

const list = (texts) => `[${texts.map((text) => JSON.stringify(text)).join(", ")}]`;

function tables(policies, sha256) {
  const rules = policies.flatMap(({ rules }) => rules).map(({ who, may, may_not, channels }) =>
    `[[rights.rule]]\nwho = ${list(who)}\nmay = ${list(may)}\nmay_not = ${list(may_not)}\nchannels = ${list(channels)}\n`);
  return `${rules.join("\n")}\n[[channel]]\npatterns = ["/**"]\n[channel.history]\ncount = 1\n`;
}

/** By transport, a way to ask one somebody's questions: `{ verb, place }` each; answers with an error or undefined for each. */
const transports = {
  async websocket(encke, secret) {
    const socket = await Socket.open(encke);
    const { clientId } = await socket.ask(handshake(secret));
    return {
      ask: (questions) => inBatches(questions, 200, clientId, (messages) => socket.askAll(messages)),
      close: () => socket.close(),
    };
  },
  async "long-polling"(encke, secret) {
    const [{ clientId }] = await poll(encke, [handshake(secret)]);
    return { ask: (questions) => inBatches(questions, 200, clientId, (messages) => poll(encke, messages)), close: () => {} };
  },
  async "callback-polling"(encke, secret) {
    const { ticket } = secret ? await ticketFor(encke, secret) : {};
    const [{ clientId }] = await script(encke, [handshake()], ticket);
    return { ask: (questions) => inBatches(questions, 20, clientId, (messages) => script(encke, messages)), close: () => {} };
  },
  async channels(encke, secret) {
    const who = secret ? { Authorization: `Bearer ${secret}` } : {};
    const ask = async ({ verb, place }) => {
      const stop = new AbortController();
      const form = { publish: "", subscribe: "?as=lines", history: "?as=messages" }[verb];
      const request = verb === "publish"
        ? { method: "POST", headers: { ...who, "Content-Type": "application/json" }, body: "1" }
        : { headers: who, signal: stop.signal };
      const response = await fetch(encke.url(`/channels${place}${form}`), request);
      const error = response.status === 200 ? undefined : (await response.json()).error;
      stop.abort();
      return error;
    };
    return {
      async ask(questions) {
        const answers = [];
        for (const question of questions) answers.push(await ask(question));
        return answers;
      },
      close: () => {},
    };
  },
};

let ids = 0;

async function inBatches(questions, size, clientId, say) {
  const errors = [];
  for (let from = 0; from < questions.length; from += size) {
    const messages = questions.slice(from, from + size).map(({ verb, place }) => {
      const id = `q${++ids}`;
      if (verb === "publish") return { channel: place, id, clientId, data: 1 };
      if (verb === "subscribe") return { channel: "/meta/subscribe", id, clientId, subscription: place };
      return { channel: "/service/history", id, clientId, data: { channel: place, limit: 1 } };
    });
    const replies = new Map((await say(messages)).map((reply) => [reply.id, reply]));
    errors.push(...messages.map(({ id }) => {
      const reply = replies.get(id);
      return reply?.successful ? undefined : (reply?.error ?? "no answer");
    }));
  }
  return errors;
}

/** What is wrong with a refusal's explanation, if anything. */
function misled(error, { rules }, first, { place, verb }, set, all) {
  const [, where, why] = /^403:([^,]+),(.+):(?:publish|subscribe)_denied$/.exec(error) ?? [];
  if (where !== place) return "it is not about that place";
  const [, within] = /^no_rule_but_for_(.+)$/.exec(why) ?? [];
  if (within) {
    const inside = all.filter((channel) => matcher(within).test(channel));
    const wide = matcher(place);
    return inside.length > 0 && inside.every((channel) => set.has(channel) && wide.test(channel)) ? undefined : `${within} is not allowed, or not within`;
  }
  const [, number, denied] = /^rule_(\d+)_denies_(.+)$/.exec(why) ?? [];
  if (number === undefined) return why === "no_rule" ? undefined : "it is no reason";
  const rule = rules[number - 1 - first];
  const overlaps = all.some((channel) => matcher(denied).test(channel) && matcher(place).test(channel));
  return rule?.may_not.includes(verb) && overlaps ? undefined : `rule ${number} does not deny that`;
}

/** Asks everything of `count` random policies in one server. Answers with how much was asked and allowed, and what was answered wrong. */
export async function matrix(seed, count = AT_ONCE) {
  const random = dice(seed);
  const policies = Array.from({ length: count }, (_, number) => policy(`/p${number}`, random));
  const key = `encke_${randomBytes(32).toString("hex")}`;
  const sha256 = createHash("sha256").update(key).digest("hex");
  const people = everybody(policies);
  // What the key may do itself is one table of verbs and channels, so it is one key for each set of verbs: they go into rules instead.
  for (const { pattern, verbs } of people.shop.grants) {
    const own = policies.find(({ prefix }) => pattern.startsWith(`${prefix}/`));
    own.rules.push({ who: ["key:shop"], may: verbs, may_not: [], channels: [pattern] });
  }
  people.shop.grants = [];
  for (const own of policies) own.rules = own.rules.filter(({ may, may_not }) => may.length + may_not.length > 0);

  const encke = await guarded({
    tokens: `${PLAIN}\n[[key]]\nname = "shop"\nsha256 = "${sha256}"\n[[key]]\nname = "other"\nsha256 = "${"0".repeat(64)}"\n`, rules: tables(policies), doors: "callback_polling = true",
  });
  const wrong = [];
  let asked = 0;
  let granted = 0;
  try {
    for (const [name, somebody] of Object.entries(people)) {
      const secret = await secretOf(somebody, key);
      const questions = [];
      let first = 0;
      for (const policy of policies) {
        const all = channelsBelow(policy.prefix);
        for (const verb of VERBS) {
          const set = allowed(policy, somebody, verb, all);
          for (const place of places(policy, verb, random)) {
            const matched = verb === "publish" ? [place] : all.filter((channel) => matcher(place).test(channel));
            const expected = matched.length > 0 && matched.every((channel) => set.has(channel));
            questions.push({ verb, place, expected, policy, first, set, all });
          }
        }
        first += policy.rules.length;
      }
      // Subscriptions last, so that nothing is delivered that nobody reads.
      questions.sort((one, other) => (one.verb === "subscribe") - (other.verb === "subscribe"));
      const by = new Map();
      for (const question of questions) {
        const transport = pick(random);
        if (!by.has(transport)) by.set(transport, []);
        by.get(transport).push(question);
      }
      for (const [transport, some] of by) {
        const session = await transports[transport](encke, secret);
        const errors = await session.ask(some);
        session.close();
        for (const [index, error] of errors.entries()) {
          const { verb, place, expected, policy, first, set, all } = some[index];
          asked++;
          if (expected) granted++;
          const lie = error === undefined ? undefined : misled(error, policy, first, { place, verb }, set, all);
          if ((error === undefined) !== expected || lie) {
            wrong.push({ name, transport, verb, place, expected, error, lie, rules: policy.rules });
          }
        }
      }
    }
  } finally {
    await encke.close();
  }
  return { asked, granted, wrong };
}

const pick = ({ roll }) => {
  const at = roll();
  return at < 0.4 ? "websocket" : at < 0.8 ? "long-polling" : at < 0.96 ? "callback-polling" : "channels";
};
