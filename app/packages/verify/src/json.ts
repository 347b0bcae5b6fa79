/**
 * JSON whose meaning does not depend on the reader, and its canonical form (docs/protocol.md,
 * section 11): RFC 8785, but integers of up to 64 bits keep all their digits.
 *
 * `JSON.parse` cannot be used for a request: it rounds 64-bit integers and keeps the last of two equal
 * members. So this reads the text itself; numbers stay literals until they are printed.
 */
import { textOf, utf8 } from "./bytes.ts";

/** Why bytes are not JSON with one clear meaning. */
export type JsonProblem = "duplicate_member" | "integer_out_of_range" | "syntax";

export class JsonError extends Error {
  override readonly name = "JsonError";
  constructor(
    readonly problem: JsonProblem,
    readonly offset: number,
  ) {
    super(
      {
        duplicate_member: "an object has two members of the same name",
        integer_out_of_range: "an integer does not fit 64 bits",
        syntax: "not valid JSON",
      }[problem],
    );
  }
}

/** A number as it was written; `canonical` is what RFC 8785 (and the extension) prints for it. */
export class JsonNumber {
  constructor(readonly canonical: string) {}
}

/** A value. Objects are maps, so that no member name is special. */
export type Json = null | boolean | string | JsonNumber | Json[] | Map<string, Json>;

const MAX_DEPTH = 127;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const SPACE = /[ \t\n\r]*/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

class Parser {
  #at = 0;
  constructor(readonly text: string) {}

  fail(problem: JsonProblem = "syntax", at = this.#at): never {
    throw new JsonError(problem, at);
  }

  match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  whole(): Json {
    const value = this.value(0);
    this.match(SPACE);
    return this.#at === this.text.length ? value : this.fail();
  }

  value(depth: number): Json {
    this.match(SPACE);
    switch (this.text[this.#at]) {
      case "{":
        return this.object(depth + 1);
      case "[":
        return this.array(depth + 1);
      case '"':
        return this.string();
      case "t":
        return this.word("true", true);
      case "f":
        return this.word("false", false);
      case "n":
        return this.word("null", null);
      default:
        return this.number();
    }
  }

  word<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.#at)) this.fail();
    this.#at += word.length;
    return value;
  }

  /** Elements between brackets, with commas between them and none at the end. */
  elements(close: string, element: () => void): void {
    this.#at += 1;
    this.match(SPACE);
    if (this.text[this.#at] === close) {
      this.#at += 1;
      return;
    }
    for (;;) {
      element();
      this.match(SPACE);
      const next = this.text[this.#at];
      this.#at += 1;
      if (next === close) return;
      if (next !== ",") this.fail("syntax", this.#at - 1);
      this.match(SPACE);
    }
  }

  object(depth: number): Json {
    if (depth > MAX_DEPTH) this.fail();
    const members = new Map<string, Json>();
    this.elements("}", () => {
      if (this.text[this.#at] !== '"') this.fail();
      const at = this.#at;
      const name = this.string();
      if (members.has(name)) this.fail("duplicate_member", at);
      this.match(SPACE);
      this.word(":", null);
      members.set(name, this.value(depth));
    });
    return members;
  }

  array(depth: number): Json {
    if (depth > MAX_DEPTH) this.fail();
    const values: Json[] = [];
    this.elements("]", () => values.push(this.value(depth)));
    return values;
  }

  string(): string {
    const start = this.#at;
    this.#at += 1;
    let value = "";
    for (;;) {
      value += this.match(PLAIN);
      const next = this.text[this.#at];
      if (next === '"') {
        this.#at += 1;
        return value.isWellFormed() ? value : this.fail("syntax", start);
      }
      if (next !== "\\") this.fail();
      value += this.escape();
    }
  }

  escape(): string {
    const kind = this.text[this.#at + 1] ?? "";
    if (kind === "u") {
      const digits = this.text.slice(this.#at + 2, this.#at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.fail();
      this.#at += 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const character = ESCAPES[kind];
    if (character === undefined) this.fail();
    this.#at += 2;
    return character;
  }

  number(): JsonNumber {
    const at = this.#at;
    const literal = this.match(NUMBER);
    if (literal === "") this.fail();
    const double = Number(literal);
    if (!Number.isFinite(double)) this.fail("syntax", at);
    if (/^-?[0-9]+$/.test(literal) && literal !== "-0") {
      const integer = BigInt(literal);
      if (integer >= -(1n << 63n) && integer < 1n << 64n) return new JsonNumber(literal);
      if (printDouble(double) !== literal) this.fail("integer_out_of_range", at);
    }
    return new JsonNumber(printDouble(double));
  }
}

/** As ECMAScript prints it; both zeros are `0`. */
export const printDouble = (double: number): string => String(double === 0 ? 0 : double);

/** Reads one JSON value from UTF-8. */
export function parseJson(bytes: Uint8Array): Json {
  let text: string;
  try {
    text = textOf(bytes);
  } catch {
    throw new JsonError("syntax", 0);
  }
  return new Parser(text).whole();
}

/** The canonical text. */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value === "boolean") return String(value);
  // JSON.stringify escapes exactly what RFC 8785 wants; surrogates are well-formed here.
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof JsonNumber) return value.canonical;
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const members = [...value].sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(",")}}`;
}

/** The canonical bytes of JSON text. */
export const canonicalBytes = (bytes: Uint8Array): Uint8Array => utf8(canonicalJson(parseJson(bytes)));
