import { expect, test } from "vitest";
import * as v from "../src/index.ts";
import { vectors } from "./vectors.ts";

// biome-ignore lint/suspicious/noExplicitAny: the vectors are plain JSON of many shapes
type Json = Record<string, any>;
const books: Json[] = vectors("auction").books;
const entriesOf = (book: Json): Uint8Array[] =>
  (book["entries"] as string[]).map((entry) => v.fromHex(entry));
const named = books.map((book) => [book["name"] as string, book] as const);

const shown = ({ offer, price, score, critical, runner_up, best_losing_ask, competitors }: v.Candidate) => ({
  node: offer.node,
  ask: String(offer.ask.price),
  price: String(price),
  score: String(score),
  critical: critical === null ? null : String(critical),
  runner_up,
  best_losing_ask: best_losing_ask === null ? null : String(best_losing_ask),
  competitors,
});

test.each(named)("the %s book rebuilds to its head, and its asks are signed", (_, book) => {
  const built = new v.Book(entriesOf(book));
  expect(built.head).toBe(book["head"]);
  expect(built.version).toBe(book["entries"].length);
  expect(built.forged("model")).toEqual([]);
});

test.each(
  books.flatMap((book) =>
    (book["cases"] as Json[]).map((c) => [`${book["name"]}: ${c["name"]}`, book, c] as const),
  ),
)("clearing, %s", (_, book, c) => {
  const built = new v.Book(entriesOf(book));
  const terms = v.decode(v.Terms, v.fromHex(c["terms"]));
  expect(v.toHex(v.Terms.write(terms))).toBe(c["terms"]);
  const { ranked, excluded } = v.clear(built, terms);
  expect(ranked.map(shown)).toEqual(
    (c["ranked"] as Json[]).map(({ input_weight: _in, output_weight: _out, ...rest }) => rest),
  );
  for (const candidate of c["ranked"] as Json[])
    expect(built.weights(terms.model)).toEqual({
      input: candidate["input_weight"],
      output: candidate["output_weight"],
    });
  for (const [why, count] of Object.entries(c["excluded"] as Record<string, number>))
    expect(excluded.filter((offer) => offer.why === why).length, why).toBe(count);
});

test.each(named)("a changed bit in any entry of the %s book leads elsewhere or is refused", (_, book) => {
  const entries = entriesOf(book);
  for (const [at, entry] of entries.entries()) {
    const changed = Uint8Array.from(entry);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    const others = entries.map((other, index) => (index === at ? changed : other));
    let head: string | null = null;
    try {
      head = new v.Book(others).head;
    } catch (error) {
      expect(error).toBeInstanceOf(v.BookProblem);
    }
    expect(head, `entry ${at}`).not.toBe(book["head"]);
  }
});

test("an ask that its node did not sign is named", () => {
  const [book] = books;
  if (!book) throw new Error("no book");
  const entries = entriesOf(book);
  const at = entries.findLastIndex((entry) => entry[0] === 3);
  const entry = v.decode(v.BookEntry, entries[at] ?? new Uint8Array());
  if (entry.kind !== "ask_applied") throw new Error("no ask");
  entries[at] = v.BookEntry.write({
    kind: "ask_applied",
    value: { ...entry.value, ask: { ...entry.value.ask, price: 1n } },
  });
  const built = new v.Book(entries);
  expect(built.head).not.toBe(book["head"]);
  expect(built.forged("model")).toEqual([entry.value.ask.node]);
});

test("a book without its beginning, or with two, is none", () => {
  const entries = entriesOf(books[0] ?? {});
  expect(() => new v.Book(entries.slice(1))).toThrow(v.BookProblem);
  expect(() => new v.Book([])).toThrow(v.BookProblem);
  expect(() => new v.Book([...entries, ...entries.slice(0, 1)])).toThrow(v.BookProblem);
});

test("terms that were stored before wishes were part of them had none", () => {
  const [first] = books.flatMap((book) => (book["cases"] as Json[]).map((c) => v.fromHex(c["terms"])));
  if (!first) throw new Error("no case");
  const whole = v.decodeTerms(first);
  expect(whole.wish).toEqual({ order: "auction", first_only: false });
  expect(v.decodeTerms(first.slice(0, -2))).toEqual(whole);
  expect(() => v.decodeTerms(first.slice(0, -1))).toThrow(v.FormatError);
});

/** A receipt of the first case's winner, with what a replay looks at. */
function receiptOf(book: Json, c: Json): v.Receipt {
  const terms = v.decode(v.Terms, v.fromHex(c["terms"]));
  const built = new v.Book(entriesOf(book));
  const [winner] = v.clear(built, terms).ranked;
  if (!winner) throw new Error("nobody wins");
  const weights = built.weights(terms.model) ?? { input: 0, output: 0 };
  const { deployment, coordinator } = built;
  return {
    head: { deployment, coordinator, request: terms.request, node: winner.offer.node, segment: 0 },
    body: {
      model: terms.model,
      tariff: { price: winner.price, input_weight: weights.input, output_weight: weights.output },
      auction: {
        book_head: built.head,
        candidates: winner.competitors,
        winner_ask: winner.offer.ask.price,
        best_losing_ask: winner.best_losing_ask,
      },
    },
  } as unknown as v.Receipt;
}

test("a replay agrees with the receipt that the clearing made, and with no other", () => {
  const [book] = books;
  const c = book?.["cases"]?.[0] as Json | undefined;
  if (!book || !c) throw new Error("no case");
  const evidence = { entries: entriesOf(book), terms: v.fromHex(c["terms"]) };
  const receipt = receiptOf(book, c);
  const problem = (change: (copy: v.Receipt) => void, given = evidence) => {
    const copy = structuredClone(receipt);
    change(copy);
    return v.replayAuction(copy, given).problem;
  };
  expect(v.replayAuction(receipt, evidence)).toMatchObject({ problem: null, rank: 0 });
  const { body, head } = receipt;
  expect(problem((copy) => void (copy.body.tariff.price += 1n))).toMatch(/the price is/);
  expect(problem((copy) => void (copy.body.tariff.input_weight += 1))).toMatch(/weights/);
  expect(problem((copy) => void (copy.body.auction.winner_ask += 1n))).toMatch(/the winner asked/);
  expect(problem((copy) => void (copy.body.auction.candidates += 1))).toMatch(/offers competed/);
  expect(problem((copy) => void (copy.body.auction.best_losing_ask = 1n))).toMatch(/losing ask/);
  expect(problem((copy) => void (copy.body.model = "other"))).toMatch(/another request/);
  expect(problem((copy) => void (copy.head.request = `req_${"0".repeat(32)}`))).toMatch(/another request/);
  expect(problem((copy) => void (copy.head.node = head.coordinator))).toMatch(/does not win/);
  expect(problem((copy) => void (copy.head.coordinator = head.node))).toMatch(/another coordinator/);
  expect(problem((copy) => void (copy.body.auction.book_head = "ab".repeat(32)))).toMatch(/lead to/);
  const shorter = { ...evidence, entries: evidence.entries.slice(0, -1) };
  expect(problem(() => undefined, shorter)).toMatch(/lead to/);
  expect(problem(() => undefined, { ...evidence, terms: evidence.terms.slice(1) })).toMatch(/the terms/);
  expect(body.auction.candidates).toBeGreaterThan(1);
  const asked = `req_${"0".repeat(32)}`;
  expect(v.replayAuction(receipt, evidence, head.request).problem).toBeNull();
  expect(v.replayAuction(receipt, evidence, asked)).toMatchObject({
    problem: `the receipt is for another request, ${head.request}`,
    clearing: null,
  });
});
