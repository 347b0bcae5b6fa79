/** The golden vectors that Rust is tested with too. */
import { readFileSync } from "node:fs";

export const vectors = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../../tests/vectors/${name}.json`, import.meta.url), "utf8"));

/** As the vectors write values: integers beyond 32 bits as decimal strings. */
export const asVector = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, member) => (typeof member === "bigint" ? member.toString() : member)));
