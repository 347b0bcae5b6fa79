/** Bytes and their text forms. Every decoder is strict: one text for each byte string, or an error. */

/** Bytes or text are not what they should be. */
export class FormatError extends Error {
  override readonly name = "FormatError";
}

const encoder = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** Text of UTF-8 bytes; refuses anything else. */
export function textOf(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw new FormatError("not UTF-8");
  }
}

/** All parts in order. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Whether both are the same. Not constant in time: nothing compared here is secret. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** Lower-case hexadecimal. */
export const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Bytes of hexadecimal digits of either case; of exactly `length` bytes when given. */
export function fromHex(text: string, length?: number): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) throw new FormatError("not hexadecimal");
  if (length !== undefined && text.length !== 2 * length) {
    throw new FormatError(`expected ${2 * length} hexadecimal digits`);
  }
  return Uint8Array.from({ length: text.length / 2 }, (_, at) =>
    Number.parseInt(text.slice(2 * at, 2 * at + 2), 16),
  );
}

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** Base58 with Bitcoin's alphabet, as Solana writes addresses. */
export function toBase58(bytes: Uint8Array): string {
  const zeros = bytes.findIndex((byte) => byte !== 0);
  const leading = zeros === -1 ? bytes.length : zeros;
  let value = bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`);
  let digits = "";
  while (value > 0n) {
    digits = ALPHABET.charAt(Number(value % 58n)) + digits;
    value /= 58n;
  }
  return "1".repeat(leading) + digits;
}

/** Bytes of base58; exactly `length` of them. */
export function fromBase58(text: string, length: number): Uint8Array {
  // Refused before the arithmetic, whose cost grows with the square of the length.
  if (text.length > 2 * length) throw new FormatError(`not ${length} bytes in base58`);
  let value = 0n;
  for (const character of text) {
    const digit = ALPHABET.indexOf(character);
    if (digit === -1) throw new FormatError("not base58");
    value = value * 58n + BigInt(digit);
  }
  const hex = value === 0n ? "" : value.toString(16);
  const significant = fromHex(hex.length % 2 === 0 ? hex : `0${hex}`);
  const leading = /^1*/.exec(text)?.[0].length ?? 0;
  if (leading + significant.length !== length) throw new FormatError(`not ${length} bytes in base58`);
  return concat(new Uint8Array(leading), significant);
}

/** Base64, standard alphabet, padded. */
export const toBase64 = (bytes: Uint8Array): string => {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
};

/** Bytes of base64, standard alphabet, padded. */
export function fromBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new FormatError("not base64");
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  if (toBase64(bytes) !== text) throw new FormatError("not canonical base64");
  return bytes;
}
