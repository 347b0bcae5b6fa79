/** Deterministic mutations of bytes and of JSON values: the same seed gives the same inputs everywhere. */

/** Numbers from 0 to below 2^32, always the same ones for a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value = (value + Math.imul(value ^ (value >>> 7), value | 61)) ^ value;
    return (value ^ (value >>> 14)) >>> 0;
  };
}

export type Random = ReturnType<typeof randomFrom>;

/** One of these. */
export function pick<T>(random: Random, from: readonly T[]): T {
  const found = from[random() % from.length];
  if (found === undefined) throw new Error("nothing to pick from");
  return found;
}

const EDGES = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff, 0x18, 0x1b, 0x5f, 0x9b, 0xbb, 0x30, 0x84, 0x22, 0x7b];
const LENGTHS = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];

const joined = (...parts: readonly Uint8Array[]): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

/** One change, of the kinds that fuzzers make: bits, bytes at edges, lengths, cuts, copies, and other seeds' parts. */
function once(random: Random, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  const at = bytes.length === 0 ? 0 : random() % bytes.length;
  const end = Math.min(bytes.length, at + 1 + (random() % 48));
  const changed = bytes.slice();
  switch (random() % 8) {
    case 0:
      if (bytes.length > 0) changed[at] = (changed[at] ?? 0) ^ (1 << (random() % 8));
      return changed;
    case 1:
      if (bytes.length > 0) changed[at] = pick(random, EDGES);
      return changed;
    case 2:
      if (bytes.length >= at + 4)
        new DataView(changed.buffer).setUint32(at, pick(random, LENGTHS), random() % 2 === 0);
      return changed;
    case 3:
      return bytes.slice(0, at);
    case 4:
      return joined(bytes.subarray(0, at), bytes.subarray(end));
    case 5:
      return joined(bytes.subarray(0, end), bytes.subarray(at));
    case 6:
      return joined(bytes.subarray(0, at), Uint8Array.of(pick(random, EDGES)), bytes.subarray(at));
    default: {
      const other = pick(random, others);
      return joined(bytes.subarray(0, at), other.subarray(Math.min(at, other.length)));
    }
  }
}

/** A seed with one to four changes. */
export function mutated(random: Random, seeds: readonly Uint8Array[]): Uint8Array {
  let bytes = pick(random, seeds);
  for (let changes = 1 + (random() % 4); changes > 0; changes -= 1) bytes = once(random, bytes, seeds);
  return bytes;
}

const JUNK: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  2 ** 53,
  "",
  "x",
  "\u0000",
  "AAAA",
  "00".repeat(32),
  "1".repeat(32),
  "z".repeat(60),
  [],
  [null],
  {},
  { "": {} },
  [[[[]]]],
];

/** A JSON value with something in it replaced, left out or put in. */
export function otherValue(random: Random, value: unknown): unknown {
  if (typeof value !== "object" || value === null || random() % 6 === 0) return pick(random, JUNK);
  if (Array.isArray(value)) {
    const at = value.length === 0 ? 0 : random() % value.length;
    if (random() % 6 === 0) return value.toSpliced(at, 1);
    return value.length === 0 ? [pick(random, JUNK)] : value.with(at, otherValue(random, value[at]));
  }
  const names = Object.keys(value);
  if (names.length === 0 || random() % 10 === 0)
    return { ...value, [pick(random, ["more", "__proto__", "receipts", "pinaivu"])]: pick(random, JUNK) };
  const name = pick(random, names);
  const fields = Object.entries(value);
  if (random() % 8 === 0) return Object.fromEntries(fields.filter(([other]) => other !== name));
  return Object.fromEntries(
    fields.map(([other, field]) => [other, other === name ? otherValue(random, field) : field]),
  );
}
