// Tokens by two libraries that know nothing of Encke: Python's PyJWT and npm jose.

import { execFileSync } from "node:child_process";
import { createHmac, createPrivateKey, generateKeyPairSync } from "node:crypto";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { SignJWT } from "jose";

const venv = fileURLToPath(new URL("../.venv/bin/python", import.meta.url));
const python = existsSync(venv) ? venv : "python3";

/** Seconds since 1970. */
export const now = () => Math.floor(Date.now() / 1000);

const pem = { publicKeyEncoding: { type: "spki", format: "pem" }, privateKeyEncoding: { type: "pkcs8", format: "pem" } };
const pair = (type, options = {}) => {
  const { publicKey, privateKey } = generateKeyPairSync(type, { ...options, ...pem });
  return { signs: privateKey, verifies: publicKey };
};
const secret = (bytes) => {
  const text = "0123456789abcdef".repeat(bytes / 16);
  return { signs: text, secret: text };
};

/** A key for each algorithm that is spoken of, made anew in each run. */
export function keys() {
  const rsa = pair("rsa", { modulusLength: 2048 });
  const p256 = pair("ec", { namedCurve: "P-256" });
  return {
    HS256: secret(32), HS384: secret(48), HS512: secret(64), RS256: rsa, PS256: rsa,
    ES256: p256, ES384: pair("ec", { namedCurve: "P-384" }), EdDSA: pair("ed25519"),
  };
}

/** What `[[tokens.key]]` says of a key: one table each, its id the algorithm. */
export function tables(keys) {
  return Object.entries(keys)
    .map(([algorithm, { secret, verifies }]) =>
      `[[tokens.key]]\nid = "${algorithm}"\nalgorithm = "${algorithm}"\n` +
      (secret ? `secret = "${secret}"\n` : `public_key = """\n${verifies}"""\n`))
    .join("\n");
}

/** Tokens of PyJWT: `jobs` are `{ algorithm, key, claims, headers }`. */
export function pyjwt(jobs) {
  return JSON.parse(execFileSync(python, [fileURLToPath(new URL("mint.py", import.meta.url))], { input: JSON.stringify(jobs), encoding: "utf8" }));
}

/** A token of jose. */
export function jose({ algorithm, key, claims, headers }) {
  const signer = algorithm.startsWith("HS") ? new TextEncoder().encode(key) : createPrivateKey(key);
  return new SignJWT(claims).setProtectedHeader({ alg: algorithm, ...headers }).sign(signer);
}

const base64 = (text) => Buffer.from(text).toString("base64url");

/** A token that no library would make: any header, signed with HMAC or with nothing. */
export function forged(header, claims, key, hash = "sha256") {
  const text = `${base64(JSON.stringify(header))}.${base64(JSON.stringify(claims))}`;
  return `${text}.${key === undefined ? "" : createHmac(hash, key).update(text).digest("base64url")}`;
}
