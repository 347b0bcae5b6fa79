/**
 * Reads borsh by a layout that was taken from the IDL: for the program's events, which the generated
 * client does not cover. Reads exactly one value; too few or too many bytes are an error.
 */
import { getBase58Decoder } from "@solana/kit";

/** The shape of a value. */
export type Layout =
  | "u8"
  | "u16"
  | "u32"
  | "u64"
  | "u128"
  | "i64"
  | "bool"
  | "pubkey"
  | "string"
  | "bytes"
  | { readonly option: Layout }
  | { readonly vec: Layout }
  | { readonly array: readonly [Layout, number] }
  | { readonly struct: readonly (readonly [string, Layout])[] }
  | { readonly enum: readonly string[] };

/** A value as read: addresses and names are strings, 64 bits and more bigints, bytes hexadecimal. */
export type Value = number | bigint | boolean | string | null | Value[] | { [name: string]: Value };

class Reader {
  #at = 0;
  readonly #view: DataView;
  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.bytes.length) throw new RangeError("the bytes end too early");
    const taken = this.bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
  int(size: 1 | 2 | 4): number {
    const at = this.#at;
    this.take(size);
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at, true) : this.#view.getUint32(at, true);
  }
  big(signed: boolean): bigint {
    const at = this.#at;
    this.take(8);
    return signed ? this.#view.getBigInt64(at, true) : this.#view.getBigUint64(at, true);
  }
  end(): void {
    if (this.#at !== this.bytes.length) throw new RangeError("bytes are left over");
  }
}

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function read(from: Reader, layout: Layout): Value {
  if (typeof layout === "string") {
    switch (layout) {
      case "u8":
        return from.int(1);
      case "u16":
        return from.int(2);
      case "u32":
        return from.int(4);
      case "u64":
        return from.big(false);
      case "i64":
        return from.big(true);
      case "u128": {
        const low = from.big(false);
        return low + (from.big(false) << 64n);
      }
      case "bool": {
        const byte = from.int(1);
        if (byte > 1) throw new RangeError("not a boolean");
        return byte === 1;
      }
      case "pubkey":
        return getBase58Decoder().decode(from.take(32));
      case "string":
        return new TextDecoder("utf-8", { fatal: true }).decode(from.take(from.int(4)));
      case "bytes":
        return hex(from.take(from.int(4)));
    }
  }
  if ("option" in layout) {
    const some = from.int(1);
    if (some > 1) throw new RangeError("not an option");
    return some === 0 ? null : read(from, layout.option);
  }
  if ("vec" in layout) {
    const length = from.int(4);
    if (length > from.bytes.length) throw new RangeError("the bytes end too early");
    return Array.from({ length }, () => read(from, layout.vec));
  }
  if ("array" in layout) {
    const [element, length] = layout.array;
    if (element === "u8") return hex(from.take(length));
    return Array.from({ length }, () => read(from, element));
  }
  if ("enum" in layout) {
    const name = layout.enum[from.int(1)];
    if (name === undefined) throw new RangeError("an unknown variant");
    return name;
  }
  return readFields(from, layout.struct);
}

function readFields(from: Reader, fields: readonly (readonly [string, Layout])[]): { [name: string]: Value } {
  return Object.fromEntries(fields.map(([name, layout]) => [name, read(from, layout)]));
}

/** Reads exactly these fields. */
export function readStruct(
  bytes: Uint8Array,
  fields: readonly (readonly [string, Layout])[],
): { [name: string]: Value } {
  const from = new Reader(bytes);
  const value = readFields(from, fields);
  from.end();
  return value;
}
