/**
 * The part of CBOR (RFC 8949) that security modules write: unsigned and negative integers, byte and text
 * strings, arrays, maps, null, all of definite length. Anything else is refused, as are bytes behind the
 * value, a key twice in a map, and nesting without end.
 */
import { FormatError, textOf } from "../bytes.ts";

export type Cbor = bigint | string | Uint8Array | null | readonly Cbor[] | CborMap;
export type CborMap = ReadonlyMap<bigint | string, Cbor>;

const DEEPEST = 8;

class Reader {
  #at = 0;
  constructor(readonly bytes: Uint8Array) {}

  get done(): boolean {
    return this.#at === this.bytes.length;
  }

  #take(length: number): Uint8Array {
    if (length > this.bytes.length - this.#at) throw new FormatError("cut off");
    const taken = this.bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return taken;
  }

  /** Major type and argument. */
  #head(): { major: number; argument: bigint } {
    const [first = 0] = this.#take(1);
    const low = first & 0x1f;
    if (low > 27) throw new FormatError("a length is not definite");
    let argument = BigInt(low);
    if (low >= 24) {
      argument = 0n;
      for (const byte of this.#take(1 << (low - 24))) argument = (argument << 8n) | BigInt(byte);
    }
    return { major: first >> 5, argument };
  }

  value(depth = 0): Cbor {
    if (depth > DEEPEST) throw new FormatError("nested too deeply");
    const { major, argument } = this.#head();
    // Nothing here is longer than what is left.
    const length = Number(argument > BigInt(this.bytes.length) ? BigInt(this.bytes.length) + 1n : argument);
    switch (major) {
      case 0:
        return argument;
      case 1:
        return -1n - argument;
      case 2:
        return this.#take(length).slice();
      case 3:
        return textOf(this.#take(length));
      case 4:
        return this.#many(length, () => this.value(depth + 1));
      case 5: {
        const map = new Map<bigint | string, Cbor>();
        this.#many(length, () => {
          const key = this.value(depth + 1);
          if (typeof key !== "bigint" && typeof key !== "string")
            throw new FormatError("a key is neither number nor text");
          if (map.has(key)) throw new FormatError("a key is there twice");
          map.set(key, this.value(depth + 1));
        });
        return map;
      }
      case 7:
        if (argument === 22n) return null;
        throw new FormatError("a simple value other than null");
      default:
        throw new FormatError("a tag");
    }
  }

  #many<T>(length: number, each: () => T): T[] {
    if (length > this.bytes.length - this.#at) throw new FormatError("cut off");
    return Array.from({ length }, each);
  }
}

/** The one value that these bytes are. */
export function decodeCbor(bytes: Uint8Array): Cbor {
  const reader = new Reader(bytes);
  const value = reader.value();
  if (!reader.done) throw new FormatError("bytes behind the value");
  return value;
}

export const isMap = (value: Cbor | undefined): value is CborMap => value instanceof Map;
export const isBytes = (value: Cbor | undefined): value is Uint8Array => value instanceof Uint8Array;
export const isList = (value: Cbor | undefined): value is readonly Cbor[] => Array.isArray(value);

/** A byte string's head and bytes. */
export function encodeBytes(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const head =
    length < 24
      ? [0x40 | length]
      : length < 0x100
        ? [0x58, length]
        : length < 0x10000
          ? [0x59, length >> 8, length & 0xff]
          : [0x5a, length >>> 24, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff];
  const whole = new Uint8Array(head.length + length);
  whole.set(head);
  whole.set(bytes, head.length);
  return whole;
}
