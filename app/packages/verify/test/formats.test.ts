import { expect, test } from "vitest";
import * as v from "../src/index.ts";
import { printDouble } from "../src/json.ts";
import { vectors } from "./vectors.ts";

// biome-ignore lint/suspicious/noExplicitAny: the vectors are plain JSON of many shapes
type Case = Record<string, any> & { name: string };
const named = (cases: Case[]) => cases.map((c) => [c.name, c] as const);

const jcs = vectors("jcs");

test.each(named(jcs.accepted))("canonical JSON: %s", (_, c) => {
  const bytes = v.canonicalBytes(v.utf8(c["json"] as string));
  expect(v.toHex(bytes)).toBe(c["canonical_hex"]);
});

test.each<[string, string]>(
  jcs.doubles.map((c: { bits: string; canonical: string }) => [c.bits, c.canonical]),
)("double %s prints as %s", (bits, canonical) => {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(`0x${bits}`));
  expect(printDouble(view.getFloat64(0))).toBe(canonical);
});

test.each(named(jcs.refused))("refused JSON: %s", (_, c) => {
  const bytes = v.fromHex(c["json_hex"] as string);
  expect(() => v.canonicalBytes(bytes)).toThrowError(expect.objectContaining({ problem: c["error"] }));
});

test("levels beyond the limit are refused, and those at it are not", () => {
  const nested = (levels: number) => v.utf8("[".repeat(levels) + "]".repeat(levels));
  expect(v.toHex(v.canonicalBytes(nested(127)))).toBe(v.toHex(nested(127)));
  expect(() => v.canonicalBytes(nested(128))).toThrow(v.JsonError);
});

test("a member called __proto__ is one like any other", () => {
  const bytes = v.canonicalBytes(v.utf8('{"b":1,"__proto__":{"a":2}}'));
  expect(v.textOf(bytes)).toBe('{"__proto__":{"a":2},"b":1}');
});

const commitments = vectors("commitments");

test.each(named(commitments.requests))("request commitment: %s", (_, c) => {
  const bytes = v.canonicalBytes(v.utf8(c["json"] as string));
  expect(v.commitment(v.TAGS.request, c["salt"] as string, bytes)).toBe(c["commitment"]);
});

test.each<[string, Case]>(commitments.values.map((c: Case) => [c["tag"], c]))("commitment %s", (_, c) => {
  expect(v.commitment(c["tag"], c["salt"], v.fromHex(c["bytes"]))).toBe(c["commitment"]);
});

const SALT = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const answers = vectors("answers");
const deliveries: [string, Case, string][] = answers.cases.flatMap((c: Case) => [
  ...(c["completion"] ? [[`${c.name}, unary`, c, JSON.stringify(c["completion"])]] : []),
  ...(c["chunks"]?.length ? [[`${c.name}, chunks`, c, JSON.stringify(c["chunks"])]] : []),
  ...(c["chunks"]?.length
    ? [
        [
          `${c.name}, events`,
          c,
          `${(c["chunks"] as unknown[]).map((x) => `data: ${JSON.stringify(x)}\n\n`).join("")}data: [DONE]\n\n`,
        ],
      ]
    : []),
]);

test.each(deliveries)("answer: %s", (_, c, text) => {
  const held = v.readAnswer(v.utf8(text));
  const tokens = c["receipt_tokens"];
  const answer = tokens ? held.answer.withUsage(tokens.prompt_tokens, tokens.completion_tokens) : held.answer;
  expect(answer.canonical()).toBe(c["canonical"]);
  expect(v.commitment(v.TAGS.response, SALT, answer.canonicalBytes())).toBe(c["commitment"]);
});

test.each([
  ["no choices", "{}"],
  ["a vector that is none", '{"data":[{"embedding":[1,"2"]}]}'],
  ["text that is a number", '{"choices":[{"message":{"content":1}}]}'],
  ["a count beyond 32 bits", '{"choices":[],"usage":{"prompt_tokens":4294967296}}'],
  ["one index twice", '{"choices":[{"index":1},{"index":1}]}'],
  ["no JSON and no events", "hello"],
])("an answer with %s is refused", (_, text) => {
  expect(() => v.readAnswer(v.utf8(text))).toThrow(v.FormatError);
});

test("an answer of the responses endpoint is the chat answer it carries, whole or streamed", () => {
  const [first] = answers.cases as Case[];
  const pinaivu = { salt: SALT, chat_answer: first?.["canonical"] };
  const response = { object: "response", output: [], pinaivu };
  const streamed = [{ type: "response.created" }, { type: "response.completed", response }];
  for (const kept of [response, streamed]) {
    const held = v.readAnswer(v.utf8(JSON.stringify(kept)));
    expect(held.answer.canonical()).toBe(first?.["canonical"]);
    expect(held.salt).toBe(SALT);
  }
});

test("the salt is found in the last chunk", () => {
  const text = `data: {"choices":[]}\n\ndata: {"choices":[],"pinaivu":{"salt":"${SALT}"}}\n\n`;
  expect(v.readAnswer(v.utf8(text)).salt).toBe(SALT);
});

test.each([
  ["11111111111111111111111111111111", "00".repeat(32)],
  ["4zE5i3NjpxPuqmqPpAkkBkv6qEmp11ExFdj9afepYeL9", null],
])("base58 %s round-trips", (text, hex) => {
  const bytes = v.fromBase58(text, 32);
  expect(v.toBase58(bytes)).toBe(text);
  if (hex) expect(v.toHex(bytes)).toBe(hex);
});

test("base58 of another length, and what is no base58, is refused", () => {
  expect(() => v.fromBase58("1111", 32)).toThrow(v.FormatError);
  expect(() => v.fromBase58("0".repeat(32), 32)).toThrow(v.FormatError);
  expect(() => v.fromBase58("z".repeat(1_000_000), 32)).toThrow(v.FormatError);
});

test("base64 with other spare bits than zero is refused", () => {
  expect(v.toHex(v.fromBase64("AA=="))).toBe("00");
  expect(() => v.fromBase64("AB==")).toThrow(v.FormatError);
});
