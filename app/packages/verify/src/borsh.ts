/**
 * Borsh for the protocol's records, driven by a description of their fields (docs/protocol.md,
 * section 1). Decoding accepts exactly one value; what decodes encodes to the same bytes.
 */
import { concat, FormatError, fromBase58, fromHex, textOf, toBase58, toHex, utf8 } from "./bytes.ts";

/** How a value is laid out, and how it is shown. */
export interface Type<T> {
  write(value: T): Uint8Array;
  read(from: Reader): T;
}

/** What a type holds. */
export type Of<Y> = Y extends Type<infer T> ? T : never;

/** Takes bytes from the front. */
export class Reader {
  #at = 0;
  constructor(readonly bytes: Uint8Array) {}

  get position(): number {
    return this.#at;
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.bytes.length) throw new FormatError("the bytes end too early");
    const taken = this.bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  uint(size: number): bigint {
    return this.take(size).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  end(): void {
    if (this.#at !== this.bytes.length) throw new FormatError("bytes are left over");
  }
}

function uintBytes(value: bigint, size: number): Uint8Array {
  if (value < 0n || value >= 1n << BigInt(8 * size)) throw new FormatError(`beyond ${8 * size} bits`);
  return Uint8Array.from({ length: size }, (_, at) => Number((value >> BigInt(8 * at)) & 255n));
}

const small = (size: number): Type<number> => ({
  write: (value) => {
    if (!Number.isSafeInteger(value)) throw new FormatError("not an integer");
    return uintBytes(BigInt(value), size);
  },
  read: (from) => Number(from.uint(size)),
});

const large = (size: number): Type<bigint> => ({
  write: (value) => uintBytes(value, size),
  read: (from) => from.uint(size),
});

export const u16 = small(2);
export const u32 = small(4);
export const u64 = large(8);
export const u128 = large(16);

const fixed = (
  size: number,
  show: (bytes: Uint8Array) => string,
  parse: (text: string) => Uint8Array,
): Type<string> => ({
  write: (value) => {
    const bytes = parse(value);
    if (bytes.length !== size) throw new FormatError(`expected ${size} bytes`);
    return bytes;
  },
  read: (from) => show(from.take(size)),
});

/** 32 bytes as 64 hexadecimal digits. */
export const hash = fixed(32, toHex, (text) => fromHex(text, 32));
/** 16 bytes as 32 hexadecimal digits. */
export const bytes16 = fixed(16, toHex, (text) => fromHex(text, 16));
/** An address or a key, in base58. */
export const address = fixed(32, toBase58, (text) => fromBase58(text, 32));
/** A signature, in base58. */
export const signature = fixed(64, toBase58, (text) => fromBase58(text, 64));
/** A request's id: `req_` and 32 hexadecimal digits. */
export const requestId = fixed(
  16,
  (bytes) => `req_${toHex(bytes)}`,
  (text) => {
    if (!/^req_[0-9a-f]{32}$/.test(text)) throw new FormatError("not a request's id");
    return fromHex(text.slice(4));
  },
);

export const string: Type<string> = {
  write: (value) => concat(u32.write(utf8(value).length), utf8(value)),
  read: (from) => textOf(from.take(u32.read(from))),
};

export const bool: Type<boolean> = {
  write: (value) => Uint8Array.of(value ? 1 : 0),
  read: (from) => {
    const byte = from.take(1)[0];
    if (byte !== 0 && byte !== 1) throw new FormatError("not a boolean");
    return byte === 1;
  },
};

export const option = <T>(inner: Type<T>): Type<T | null> => ({
  write: (value) => (value === null ? Uint8Array.of(0) : concat(Uint8Array.of(1), inner.write(value))),
  read: (from) => {
    const tag = from.take(1)[0];
    if (tag === 0) return null;
    if (tag === 1) return inner.read(from);
    throw new FormatError("not an option");
  },
});

export const list = <T>(inner: Type<T>): Type<T[]> => ({
  write: (values) => concat(u32.write(values.length), ...values.map((value) => inner.write(value))),
  read: (from) => {
    const length = u32.read(from);
    const values: T[] = [];
    // Grows as bytes are really there, so a length alone allocates nothing.
    for (let at = 0; at < length; at++) values.push(inner.read(from));
    return values;
  },
});

/** One of these records, by number, under its name. */
export const union = <const V extends Record<string, Type<never> | Type<unknown>>>(
  variants: V,
): Type<{ [K in keyof V]: { readonly kind: K; readonly value: Of<V[K]> } }[keyof V]> => {
  const entries = Object.entries(variants) as [string, Type<unknown>][];
  return {
    write: ({ kind, value }) => {
      const number = entries.findIndex(([name]) => name === kind);
      const type = entries[number]?.[1];
      if (!type) throw new FormatError("an unknown variant");
      return concat(Uint8Array.of(number), type.write(value));
    },
    read: (from) => {
      const [kind, type] = entries[from.take(1)[0] ?? -1] ?? [];
      if (kind === undefined || type === undefined) throw new FormatError("an unknown variant");
      return { kind, value: type.read(from) } as never;
    },
  };
};

/** One of these names, by number. */
export const variant = <const N extends readonly string[]>(...names: N): Type<N[number]> => ({
  write: (value) => {
    const number = names.indexOf(value);
    if (number === -1) throw new FormatError("an unknown variant");
    return Uint8Array.of(number);
  },
  read: (from) => {
    const name = names[from.take(1)[0] ?? -1];
    if (name === undefined) throw new FormatError("an unknown variant");
    return name;
  },
});

/** Fields in order. */
export const record = <const F extends Record<string, Type<never> | Type<unknown>>>(
  fields: F,
): Type<{ -readonly [K in keyof F]: Of<F[K]> }> => {
  const entries = Object.entries(fields) as [string, Type<unknown>][];
  return {
    write: (value) =>
      concat(...entries.map(([name, type]) => type.write((value as Record<string, unknown>)[name]))),
    read: (from) =>
      Object.fromEntries(entries.map(([name, type]) => [name, type.read(from)])) as {
        -readonly [K in keyof F]: Of<F[K]>;
      },
  };
};

/** Exactly one value. */
export function decode<T>(type: Type<T>, bytes: Uint8Array): T {
  const from = new Reader(bytes);
  const value = type.read(from);
  from.end();
  return value;
}
