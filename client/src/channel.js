// Names of channels and patterns, by the server's rules: docs/protocol.md, "Names".

import { EnckeError } from "./errors.js";

const SEGMENTS = 32;
const BYTES = 512;
const NAME = /^(\/[\w\-!~()$@.]+)+$/;
const PATTERN = /^(\/[\w\-!~()$@.]+)*\/(\*\*?|[\w\-!~()$@.]+)$/;

/** @param {unknown} name */
function fits(name) {
  return typeof name === "string" && name.length <= BYTES && name.split("/").length - 1 <= SEGMENTS;
}

/**
 * `name` if one can publish there; throws otherwise.
 * @param {string} name
 */
export function channel(name) {
  const trimmed = trim(name);
  if (fits(trimmed) && NAME.test(trimmed) && !/^\/meta(\/|$)/.test(trimmed)) return trimmed;
  throw new EnckeError(
    "channel_invalid",
    `${quote(name)} is not a channel one can publish to: write it like "/chat/demo", with letters, digits and ` +
      "- _ ! ~ ( ) $ @ . between the slashes, at most 512 bytes and 32 segments",
  );
}

/**
 * `name` if one can subscribe to it; throws otherwise.
 * @param {string} name
 */
export function pattern(name) {
  const trimmed = trim(name);
  if (fits(trimmed) && PATTERN.test(trimmed) && !/^\/meta(\/|$)/.test(trimmed)) return trimmed;
  throw new EnckeError(
    "channel_invalid",
    `${quote(name)} is not a pattern one can subscribe to: it is a channel like "/chat/demo", or one whose last ` +
      'segment is "*" (one segment) or "**" (one or more)',
  );
}

/** Positions of a few dozen histories. */
const CURSOR = 1_024;

/**
 * `given` if a subscription can begin there; throws otherwise.
 * @param {string | undefined} given
 */
export function since(given) {
  if (given === undefined || (typeof given === "string" && given && given.length <= CURSOR)) return given;
  throw new TypeError('since is "now", "all", or a position or cursor that the server gave');
}

/**
 * The n + 2 patterns that match a channel of n segments.
 * @param {string} name
 * @returns {string[]}
 */
export function patternsOf(name) {
  const found = [name];
  for (let slash = name.lastIndexOf("/"), first = true; slash >= 0; first = false) {
    const above = name.slice(0, slash);
    if (first) found.push(`${above}/*`);
    found.push(`${above}/**`);
    slash = slash === 0 ? -1 : name.lastIndexOf("/", slash - 1);
  }
  return found;
}

/** @param {string} name */
function trim(name) {
  return typeof name === "string" && name.length > 1 && name.endsWith("/") ? name.slice(0, -1) : name;
}

/** @param {unknown} name */
function quote(name) {
  return typeof name === "string" ? JSON.stringify(name.slice(0, 80)) : String(name);
}
