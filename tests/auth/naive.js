// Who may what where, found out the slow way: rules are read for one channel at a time, and a right to a pattern is a right to every
// channel that it matches. Nothing here is taken from the server; the two agree, or one is wrong.

/** Names of segments; the last one stands in no rule, as most names do. */
export const NAMES = ["a", "b", "alice", "bob", "carol", "red", "zz"];

/** Every channel below a prefix that can tell patterns of up to two further segments apart. */
export function channelsBelow(prefix) {
  const one = NAMES.map((name) => `${prefix}/${name}`);
  const two = one.flatMap((channel) => NAMES.map((name) => `${channel}/${name}`));
  return [...one, ...two, ...two.flatMap((channel) => NAMES.map((name) => `${channel}/${name}`))];
}

const known = new Map();

/** The channels of a pattern as an expression. */
export function matcher(pattern) {
  if (!known.has(pattern)) known.set(pattern, expression(pattern));
  return known.get(pattern);
}

function expression(pattern) {
  const parts = pattern.split("/").slice(1).map((part) => (part === "*" ? "/[^/]+" : part === "**" ? "/.+" : `/${part.replace(/[^\w]/g, "\\$&")}`));
  return new RegExp(`^${parts.join("")}$`);
}

/** Whether a rule is about somebody: `{ sub, groups, claims, key }`. */
function isAbout(who, { sub, groups = [], claims = {}, key }) {
  const [kind, rest] = who.split(/:(.*)/);
  switch (kind) {
    case "anyone": return true;
    case "user": return sub !== undefined && (rest === undefined || sub === rest);
    case "group": return groups.includes(rest);
    case "key": return key === rest;
    default: {
      const [name, value] = rest.split("=");
      return claims[name] === value;
    }
  }
}

/** What a rule's pattern is for somebody; undefined where a name is missing or is more than a part of a segment. */
function filled(template, { sub, claims = {} }) {
  let whole = true;
  const text = template.replace(/\{(\w+)\}/g, (_, name) => {
    const value = name === "sub" ? sub : claims[name];
    if (typeof value !== "string" || !/^[\w.-]+$/.test(value)) whole = false;
    return value;
  });
  return whole ? text : undefined;
}

/** For one policy and one somebody: which of `channels` they may `verb`. */
export function allowed({ rules }, somebody, verb, channels) {
  const may = [];
  const mayNot = [];
  for (const { who, may: allows, may_not: denies, channels: templates } of rules) {
    if (!who.some((one) => isAbout(one, somebody))) continue;
    for (const template of templates) {
      const pattern = filled(template, somebody);
      if (pattern === undefined) continue;
      if (allows.includes(verb)) may.push(matcher(pattern));
      if (denies.includes(verb)) mayNot.push(matcher(pattern));
    }
  }
  for (const { verbs, pattern } of somebody.grants ?? []) if (verbs.includes(verb)) may.push(matcher(pattern));
  return new Set(channels.filter((channel) => may.some((one) => one.test(channel)) && !mayNot.some((one) => one.test(channel))));
}
