/** Hashes and signatures with domain tags (docs/protocol.md, section 4). */
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { concat, fromBase58, fromHex, toHex, utf8 } from "./bytes.ts";
import { TAGS } from "./records.ts";

export const sha256 = (bytes: Uint8Array): Uint8Array => nobleSha256(bytes);

/** `tag ‖ 00 ‖ parts`. */
export const tagged = (tag: string, ...parts: readonly Uint8Array[]): Uint8Array =>
  concat(utf8(tag), Uint8Array.of(0), ...parts);

/** `SHA-256(tag ‖ 00 ‖ parts)` in hexadecimal. */
export const hashOf = (tag: string, ...parts: readonly Uint8Array[]): string =>
  toHex(sha256(tagged(tag, ...parts)));

/** `SHA-256(tag ‖ 00 ‖ salt ‖ bytes)`: what a commitment is. */
export const commitment = (tag: string, salt: string, bytes: Uint8Array): string =>
  hashOf(tag, fromHex(salt, 32), bytes);

/** Names program and cluster together; every signed record begins with it. */
export const deploymentId = (cluster: string, program: string): string =>
  hashOf(TAGS.deployment, fromBase58(cluster, 32), fromBase58(program, 32));

/** Whether it is a signature of `message` under `key`, by RFC 8032's strict rules (no small-order keys' laxer ones). */
export function verifySignature(signature: Uint8Array, message: Uint8Array, key: string): boolean {
  try {
    return ed25519.verify(signature, message, fromBase58(key, 32), { zip215: false });
  } catch {
    return false;
  }
}
