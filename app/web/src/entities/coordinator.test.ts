// @vitest-environment node
import { JsonNumber } from "@pinaivu/verify";
import { afterEach, expect, test, vi } from "vitest";
import { ApiFailure, boundedBytes, fetchAttestation, fetchAuction, fetchReceipts } from "./coordinator.ts";
import { coordinatorAnswers } from "./served.fixture.ts";

afterEach(() => vi.unstubAllGlobals());

const auction = { book: 2, book_version: 5, terms: "AAAA" };
const entry = (version: number) => ({ version, entry: `entry ${version}` });

/** The book in these pages, by where they begin. */
const book = (pages: Readonly<Record<number, { data: object[]; next: number | null }>>) =>
  coordinatorAnswers((path) =>
    path.endsWith("/auction") ? auction : pages[Number(new URL(path, "http://x").searchParams.get("from"))],
  );

test("a book is read page by page, and no further than the clearing", async () => {
  const asked = book({
    1: { data: [entry(1), entry(2)], next: 3 },
    3: { data: [entry(3), entry(4)], next: 5 },
    5: { data: [entry(5), entry(6)], next: 7 },
  });
  expect(await fetchAuction("req_x")).toEqual({
    entries: [1, 2, 3, 4, 5].map((version) => `entry ${version}`),
    terms: "AAAA",
  });
  expect(asked.slice(1)).toEqual(["/v1/book/2?from=1", "/v1/book/2?from=3", "/v1/book/2?from=5"]);
});

test.each([
  ["an empty page that names another", { data: [], next: 3 }, /does not go on after entry 2/],
  ["an empty page that names itself", { data: [], next: 1 }, /does not go on after entry 2/],
  ["a page that leads back", { data: [entry(3)], next: 3 }, /does not go on after entry 2/],
  ["a page that leaves entries out", { data: [entry(3)], next: 5 }, /does not go on after entry 2/],
  ["entries with gaps", { data: [entry(4)], next: 5 }, /has gaps after entry 2/],
  ["entries from the beginning again", { data: [entry(1), entry(2)], next: 3 }, /has gaps after entry 2/],
  ["an end that comes too early", { data: [entry(3)], next: null }, /ends after 3 of 5 entries/],
])("a book with %s is refused, and not waited for", async (_, second, why) => {
  const asked = book({ 1: { data: [entry(1), entry(2)], next: 3 }, 3: second });
  await expect(fetchAuction("req_x")).rejects.toThrow(why);
  expect(asked).toHaveLength(3);
});

test("a book that goes on for ever, one entry at a time, is given up", async () => {
  const asked = coordinatorAnswers((path) => {
    if (path.endsWith("/auction")) return { ...auction, book_version: Number.MAX_SAFE_INTEGER };
    const from = Number(new URL(path, "http://x").searchParams.get("from"));
    return { data: [entry(from)], next: from + 1 };
  });
  await expect(fetchAuction("req_x")).rejects.toThrow(/does not end within 2000 pages/);
  expect(asked).toHaveLength(2_001);
});

test("an answer is read as far as it may be long, and no further", async () => {
  let given = 0;
  let cancelled = false;
  const endless = () =>
    new Response(
      new ReadableStream({
        pull(controller) {
          given += 1;
          controller.enqueue(new Uint8Array(1_000));
        },
        cancel() {
          cancelled = true;
        },
      }),
    );
  await expect(boundedBytes(endless(), 10_000)).rejects.toMatchObject({ kind: "shape" });
  expect(given).toBeLessThan(20);
  expect(cancelled).toBe(true);
  expect(await boundedBytes(new Response("12345"), 5)).toEqual(new TextEncoder().encode("12345"));
  expect(await boundedBytes(new Response(null), 5)).toHaveLength(0);
});

test("an answer that is no JSON, or of another shape, is said to be", async () => {
  for (const answer of ["<html>", "", "[]", '{"status":"later"}']) {
    coordinatorAnswers(() => answer);
    await expect(fetchReceipts("req_x", null), answer).rejects.toMatchObject({ kind: "shape" });
  }
});

test("the configuration that is shown keeps every digit, and has one meaning", async () => {
  coordinatorAnswers(
    () =>
      '{"object":"attestation","state":"unattested","kind":"development","configuration":{"least":9007199254740993},"evidence":{"kind":"development"}}',
  );
  const found = await fetchAttestation("00");
  expect(found?.configuration).toEqual(new Map([["least", new JsonNumber("9007199254740993")]]));
  expect(found?.evidence).toEqual({ kind: "development" });
  coordinatorAnswers(() => '{"state":"evidence","configuration":{},"configuration":[],"evidence":null}');
  await expect(fetchAttestation("00")).rejects.toBeInstanceOf(ApiFailure);
  coordinatorAnswers(() => undefined);
  expect(await fetchAttestation("00")).toBeNull();
});
