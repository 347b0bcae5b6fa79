import { expect, test } from "vitest";
import { type ApiKey, bareId, limitLines, unlimited } from "../../entities/keys.ts";
import { statement } from "../../entities/signed-text.ts";
import { boundsOf } from "./keys.tsx";
import { byDay, servedHours } from "./operator.tsx";
import { debitedWords } from "./usage.tsx";

test("a key command is the text that the protocol describes, line by line", () => {
  const parties = { deployment: "ab".repeat(32), coordinator: "C" };
  const limits = {
    label: 'my "laptop"',
    budget: 5_000_000n,
    expires: 99,
    models: ["a", "b"],
    requestsPerMinute: 7,
    tokensPerMinute: null,
  };
  const lines = ["allowance: A", ...limitLines(limits)];
  const text = statement(
    "pinaivu/key-command-text/v1",
    "Create an API key.",
    parties,
    "O",
    17,
    "0f".repeat(16),
    lines,
  );
  expect(text).toBe(
    [
      "pinaivu/key-command-text/v1",
      "Create an API key.",
      `deployment: ${"ab".repeat(32)}`,
      "coordinator: C",
      "owner: O",
      "issued: 17",
      `nonce: ${"0f".repeat(16)}`,
      "allowance: A",
      'label: "my \\"laptop\\""',
      "budget: 5000000",
      "expires: 99",
      'models: ["a","b"]',
      "requests-per-minute: 7",
      "tokens-per-minute: none",
    ].join("\n"),
  );
  expect(bareId(`key_${"0f".repeat(16)}`)).toBe("0f".repeat(16));
  expect(limitLines(unlimited("k"))).toEqual([
    'label: "k"',
    "budget: none",
    "expires: none",
    "models: none",
    "requests-per-minute: none",
    "tokens-per-minute: none",
  ]);
});

test("the bounds of a key are said, and nothing for one without", () => {
  const key: ApiKey = { id: "i", label: "l", allowance: "a", created: 0, revoked: null };
  expect(boundsOf(key, 5)).toEqual([]);
  expect(boundsOf({ ...key, expires: 1, models: ["m"], requests_per_minute: 3 }, 5)).toEqual([
    expect.stringMatching(/^ended /),
    "m",
    "3 requests a minute",
  ]);
});

test("debits are compared with what receipts add up to, rounded up", () => {
  expect(debitedWords(1_000_001n, 2n)).toMatch(/all your receipts/);
  expect(debitedWords(1_000_001n, 1n)).toMatch(/the rest follows/);
  expect(debitedWords(1_000_001n, 3n)).toMatch(/more than/);
});

const bucket = (at: number, requests: number, earned: bigint) => ({
  at,
  requests,
  failed: 0,
  earned,
  first_token_ms_p50: null,
  tokens_per_second_p50: null,
});

test("hours are counted from the first one that was served", () => {
  const hours = [0, 0, 2, 0, 1].map((requests, at) => bucket(at, requests, 0n));
  expect(servedHours(hours)).toEqual({ served: 2, since: 3 });
  expect(servedHours(hours.slice(0, 2))).toEqual({ served: 0, since: 0 });
});

test("earnings of a day are added up", () => {
  const noon = new Date(2026, 4, 3, 12).getTime();
  const hour = 3_600_000;
  const days = byDay([bucket(noon, 1, 5n), bucket(noon + hour, 1, 6n), bucket(noon + 24 * hour, 1, 7n)]);
  expect(days.map(({ value }) => value)).toEqual([11, 7]);
});
