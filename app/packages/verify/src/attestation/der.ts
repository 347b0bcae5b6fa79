/**
 * DER (X.690) as certificates have it: elements with a tag of one byte and a definite, shortest length.
 * What is not that is refused.
 */
import { FormatError } from "../bytes.ts";

export interface Element {
  readonly tag: number;
  /** What is in it. */
  readonly content: Uint8Array;
  /** Tag, length and content: what signatures are over and names are compared by. */
  readonly whole: Uint8Array;
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const;

/** Elements one after the other. */
export class Elements {
  #at = 0;
  constructor(readonly bytes: Uint8Array) {}

  get done(): boolean {
    return this.#at === this.bytes.length;
  }

  /** The tag of the next element; nothing at the end. */
  get tag(): number | undefined {
    return this.bytes[this.#at];
  }

  #byte(): number {
    const byte = this.bytes[this.#at];
    if (byte === undefined) throw new FormatError("cut off");
    this.#at += 1;
    return byte;
  }

  /** The next element, which must be of this kind. */
  take(tag: number): Element {
    const begin = this.#at;
    if (this.#byte() !== tag) throw new FormatError("another element than expected");
    let length = this.#byte();
    if (length >= 0x80) {
      const bytes = length & 0x7f;
      if (bytes === 0 || bytes > 3) throw new FormatError("a length of no use");
      length = 0;
      for (let at = 0; at < bytes; at += 1) length = length * 256 + this.#byte();
      if (length < 0x80 || length < 2 ** (8 * (bytes - 1)))
        throw new FormatError("a length that is not the shortest");
    }
    const end = this.#at + length;
    if (end > this.bytes.length) throw new FormatError("cut off");
    const content = this.bytes.subarray(this.#at, end);
    this.#at = end;
    return { tag, content, whole: this.bytes.subarray(begin, end) };
  }

  /** The next element if it is of this kind. */
  optional(tag: number): Element | null {
    return this.tag === tag ? this.take(tag) : null;
  }

  /** Nothing may follow. */
  end(): void {
    if (!this.done) throw new FormatError("more than there should be");
  }
}

/** The elements in a sequence. */
export const inside = (element: Element): Elements => new Elements(element.content);

/** The elements of the one sequence that these bytes are. */
export function sequence(bytes: Uint8Array): Elements {
  const outer = new Elements(bytes);
  const element = outer.take(TAG.sequence);
  outer.end();
  return inside(element);
}

/** `1.2.840…` */
export function oid({ content }: Element): string {
  const parts: number[] = [];
  let value = 0;
  for (const [at, byte] of content.entries()) {
    if (value > 2 ** 40) throw new FormatError("an object identifier of no use");
    value = value * 128 + (byte & 0x7f);
    if (byte & 0x80) {
      if (at === content.length - 1) throw new FormatError("an object identifier is cut off");
      continue;
    }
    if (parts.length === 0) {
      const first = Math.min(2, Math.floor(value / 40));
      parts.push(first, value - 40 * first);
    } else parts.push(value);
    value = 0;
  }
  if (parts.length === 0) throw new FormatError("an object identifier is empty");
  return parts.join(".");
}

/** A time as milliseconds since 1970 (RFC 5280, 4.1.2.5: with seconds, in UTC). */
export function time({ tag, content }: Element): number {
  if (content.length > "YYYYMMDDhhmmssZ".length) throw new FormatError("no time");
  const text = String.fromCharCode(...content);
  const found =
    tag === TAG.utcTime
      ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
      : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!found) throw new FormatError("no time");
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found.slice(1).map(Number);
  const full = tag === TAG.utcTime ? year + (year < 50 ? 2000 : 1900) : year;
  const millis = Date.UTC(full, month - 1, day, hour, minute, second);
  const back = new Date(millis);
  if (
    back.getUTCMonth() !== month - 1 ||
    back.getUTCDate() !== day ||
    hour > 23 ||
    minute > 59 ||
    second > 59
  )
    throw new FormatError("no time");
  return millis;
}

/** The bytes of a bit string that has whole ones. */
export function wholeBytes({ content }: Element): Uint8Array {
  if (content[0] !== 0) throw new FormatError("a bit string that is not whole bytes");
  return content.subarray(1);
}
