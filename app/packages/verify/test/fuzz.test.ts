/**
 * Every decoder of bytes that a server gave, over the shared vectors with thousands of changes each: what is
 * refused is refused with the package's own errors, what is accepted means those very bytes, and nothing grows
 * beyond its input. The changes are the same ones in every run; a decoder that does not end runs into the
 * limit of its test.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeCbor } from "../src/attestation/cbor.ts";
import { AttestationProblem, checkEvidence, INTEL_ROOT, NITRO_ROOT } from "../src/attestation/index.ts";
import { readNitro } from "../src/attestation/nitro.ts";
import { readTdx } from "../src/attestation/tdx.ts";
import { parseCertificate } from "../src/attestation/x509.ts";
import * as v from "../src/index.ts";
import { mutated, otherValue, pick, randomFrom } from "./mutation.ts";
import { vectors } from "./vectors.ts";

const OWN = [v.FormatError, v.JsonError, v.MerkleError, v.BookProblem, AttestationProblem] as const;
const LIMIT = 120_000;

// biome-ignore lint/suspicious/noExplicitAny: vectors are plain JSON of many shapes
type Case = any;
const records: Case = vectors("records");
const books: Case[] = vectors("auction").books;
const { nitro, evidence }: Case = vectors("attestation");
const answers: Case[] = vectors("answers").cases;
const jcs: Case = vectors("jcs");
const fixture = (name: string) =>
  new Uint8Array(
    readFileSync(
      new URL(`../../../../crates/attestation/tests/attestation/fixtures/${name}`, import.meta.url),
    ),
  );

/** What `act` gives, or `null` when it refuses with one of the package's own errors. */
function own<T>(act: () => T): { readonly value: T } | null {
  try {
    return { value: act() };
  } catch (error) {
    if (OWN.some((kind) => error instanceof kind)) return null;
    throw error;
  }
}

/** Runs `decode` over mutated seeds; gives how many it accepted. What fails says the input. */
function fuzz(seed: number, runs: number, seeds: readonly Uint8Array[], decode: (bytes: Uint8Array) => void) {
  for (const bytes of seeds)
    expect(
      own(() => decode(bytes)),
      `seed ${v.toHex(bytes)}`,
    ).not.toBeNull();
  const random = randomFrom(seed);
  let accepted = 0;
  for (let run = 0; run < runs; run += 1) {
    const bytes = mutated(random, seeds);
    try {
      if (own(() => decode(bytes))) accepted += 1;
    } catch (error) {
      throw new Error(`run ${run}, input ${v.toHex(bytes)}`, { cause: error });
    }
  }
  return accepted;
}

/** Accepted bytes are the ones that the value encodes to. */
const sameAgain =
  <T>(type: v.Type<T>) =>
  (bytes: Uint8Array) =>
    expect(v.toHex(type.write(v.decode(type, bytes)))).toBe(v.toHex(bytes));

const signedOf = (kind: string): Uint8Array[] =>
  records.signed.filter((c: Case) => c.type === kind).map((c: Case) => v.fromHex(c.borsh));
const entries = books.flatMap((book) => (book.entries as string[]).map((entry) => v.fromHex(entry)));
const terms = books.flatMap((book) => (book.cases as Case[]).map((c) => v.fromHex(c.terms)));
const receipts: Uint8Array[] = records.receipts.map((c: Case) => v.fromHex(c.borsh));

describe("borsh", () => {
  const types: [string, readonly Uint8Array[], (bytes: Uint8Array) => void][] = [
    ["ask", signedOf("ask"), sameAgain(v.Ask)],
    ["acknowledgement", signedOf("ask_acknowledgement"), sameAgain(v.AskAcknowledgement)],
    ["ticket", signedOf("ticket"), sameAgain(v.Ticket)],
    ["proof", [v.fromHex(records.proof_of_inference.borsh)], sameAgain(v.ProofOfInference)],
    ["proof root", signedOf("proof_root"), sameAgain(v.ProofRoot)],
    ["node evidence", [v.fromHex(records.node_evidence.borsh)], sameAgain(v.NodeEvidence)],
    ["receipt head", signedOf("receipt_head"), sameAgain(v.ReceiptHead)],
    ["hello", signedOf("hello"), sameAgain(v.Hello)],
    ["key command", signedOf("key_command"), sameAgain(v.KeyCommand)],
    ["book entry", entries, sameAgain(v.BookEntry)],
    ["terms", terms, sameAgain(v.Terms)],
    [
      "receipt",
      receipts,
      (bytes) => expect(v.toHex(v.encodeReceipt(v.decodeReceipt(bytes)))).toBe(v.toHex(bytes)),
    ],
  ];

  test.each(types)(
    "%s: what is accepted is what it encodes to",
    (name, seeds, decode) => {
      // Most of a record is hashes and keys, so many changes give another one that is as good.
      expect(fuzz(name.length, 3_000, seeds, decode)).toBeGreaterThan(0);
    },
    LIMIT,
  );
});

describe("what makers of machines encode", () => {
  const real = fixture("nitro/document.cose");
  const documents: Uint8Array[] = [real, ...nitro.map((c: Case) => v.fromBase64(c.document))];
  const quote = fixture("tdx/quote.bin");
  const readable = documents.filter((bytes) => own(() => readNitro(bytes)));

  test(
    "CBOR: no more values than bytes",
    () => {
      const count = (value: unknown): number => {
        if (value instanceof Map) return [...value].reduce((sum, [, member]) => sum + 1 + count(member), 1);
        return Array.isArray(value) ? value.reduce((sum, member) => sum + count(member), 1) : 1;
      };
      const cbor = documents.filter((bytes) => own(() => decodeCbor(bytes)));
      // The payload, too, is CBOR: a changed document seldom gets that far.
      const payloads = readable.map((bytes) => (decodeCbor(bytes) as Uint8Array[])[2] ?? new Uint8Array());
      const small = [v.fromHex("82a201820102206161f6"), v.fromHex("8182818240f6a10101")];
      for (const seeds of [cbor, payloads, small])
        fuzz(11, 3_000, seeds, (bytes) => expect(count(decodeCbor(bytes))).toBeLessThanOrEqual(bytes.length));
    },
    LIMIT,
  );

  test(
    "Nitro documents, to every field",
    () => {
      fuzz(12, 3_000, readable, (bytes) => {
        const { document } = readNitro(bytes);
        expect(document.certificate.length + document.chain.length).toBeLessThanOrEqual(bytes.length);
      });
    },
    LIMIT,
  );

  test(
    "certificates, as DER",
    () => {
      const { certificate, chain } = readNitro(real).document;
      const seeds = [certificate, ...chain, ...readTdx(quote).chain, NITRO_ROOT, INTEL_ROOT];
      fuzz(13, 5_000, seeds, (bytes) => {
        const { from, until, key } = parseCertificate(bytes);
        expect(Number.isSafeInteger(from) && Number.isSafeInteger(until)).toBe(true);
        expect(key.length).toBeLessThanOrEqual(bytes.length);
      });
    },
    LIMIT,
  );

  test(
    "TDX quotes",
    () => {
      fuzz(14, 3_000, [quote], (bytes) => {
        const { chain } = readTdx(bytes);
        expect(chain.length).toBeLessThanOrEqual(16);
        for (const certificate of chain) own(() => parseCertificate(certificate));
      });
    },
    LIMIT,
  );

  test(
    "evidence: a verdict for anything, and never that it is attested",
    () => {
      const random = randomFrom(15);
      const good = evidence.find((one: Case) => one.name === "good");
      const given = JSON.parse(good.evidence);
      const document = v.fromBase64(given.document);
      const known = {
        ...good.expected,
        measurement: good.measurement,
        listed: [good.measurement],
        configuration: given.binding.configuration,
        now: good.now,
        roots: { nitro: v.fromBase64(good.root) },
      };
      expect(checkEvidence(given, known).standing).toBe("attested");
      for (let run = 0; run < 1_500; run += 1) {
        const value = otherValue(random, given);
        const same = JSON.stringify(value) === JSON.stringify(given);
        if (!same) expect(checkEvidence(value, known).standing, JSON.stringify(value)).not.toBe("attested");
      }
      // Each of these is checked to its signatures, on P-384.
      for (let run = 0; run < 150; run += 1) {
        const bytes = mutated(random, [document]);
        if (v.equal(bytes, document)) continue;
        const report = checkEvidence({ ...given, document: v.toBase64(bytes) }, known);
        expect(report.standing, v.toHex(bytes)).toBe("failed");
      }
    },
    LIMIT,
  );
});

describe("text", () => {
  test(
    "JSON: what is accepted is JSON, and its canonical form is its own",
    () => {
      const seeds: Uint8Array[] = jcs.accepted.map((c: Case) => v.utf8(c.json));
      fuzz(21, 10_000, seeds, (bytes) => {
        const canonical = v.canonicalBytes(bytes);
        JSON.parse(v.textOf(bytes));
        expect(v.toHex(v.canonicalBytes(canonical))).toBe(v.toHex(canonical));
      });
    },
    LIMIT,
  );

  test(
    "answers, as JSON, as chunks and as events",
    () => {
      const events = (chunks: unknown[]) =>
        `${chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("")}data: [DONE]\n\n`;
      const texts = answers.flatMap((c) => [
        ...(c.completion ? [JSON.stringify(c.completion)] : []),
        ...(c.chunks?.length ? [JSON.stringify(c.chunks), events(c.chunks)] : []),
      ]);
      const accepted = fuzz(22, 5_000, texts.map(v.utf8), (bytes) => {
        const canonical = v.readAnswer(bytes).answer.canonical();
        expect(canonical.length).toBeLessThanOrEqual(16 * bytes.length + 1_000);
      });
      expect(accepted).toBeGreaterThan(0);
      const random = randomFrom(23);
      for (let run = 0; run < 5_000; run += 1) {
        const value = otherValue(
          random,
          JSON.parse(
            pick(
              random,
              texts.filter((text) => text[0] !== "d"),
            ),
          ),
        );
        own(() => v.readAnswer(v.utf8(JSON.stringify(value))).answer.canonical());
      }
    },
    LIMIT,
  );

  test(
    "hexadecimal, base58 and base64 have one text for each bytes",
    () => {
      const text = (bytes: Uint8Array) => v.textOf(bytes);
      fuzz(24, 3_000, [v.utf8("00ff10ab")], (bytes) =>
        expect(v.toHex(v.fromHex(text(bytes)))).toBe(text(bytes).toLowerCase()),
      );
      fuzz(
        25,
        3_000,
        [v.utf8("4zE5i3NjpxPuqmqPpAkkBkv6qEmp11ExFdj9afepYeL9"), v.utf8("1".repeat(32))],
        (bytes) => expect(v.toBase58(v.fromBase58(text(bytes), 32))).toBe(text(bytes)),
      );
      fuzz(26, 3_000, [v.utf8("AP8Qqw=="), v.utf8("AAAA"), v.utf8("/+8=")], (bytes) =>
        expect(v.toBase64(v.fromBase64(text(bytes)))).toBe(text(bytes)),
      );
    },
    LIMIT,
  );
});

describe("what is made of decoded values", () => {
  test(
    "a served document: read or refused, and then a report, never an error",
    () => {
      const random = randomFrom(31);
      const [first] = receipts;
      if (!first) throw new Error("no receipt");
      const { head } = v.decodeReceipt(first);
      const inclusion = {
        epoch: head.epoch,
        size: Number(head.index) + 1,
        index: Number(head.index),
        path: ["ab".repeat(32)],
        root: "cd".repeat(32),
      };
      const given = { request_id: head.request, receipts: [{ bytes: v.toBase64(first), inclusion }] };
      const facts = { signer: records.receipts[0].signer };
      let read = 0;
      for (let run = 0; run < 800; run += 1) {
        const bytes = random() % 2 === 0 ? first : mutated(random, receipts);
        const entry = { bytes: v.toBase64(bytes), inclusion };
        const value = random() % 2 === 0 ? otherValue(random, given) : { ...given, receipts: [entry] };
        const document = own(() => v.readDocument(value, head.request));
        if (!document) continue;
        read += 1;
        const report = v.verify(document.value, facts);
        expect(report.passed + report.failed + report.not_checked).toBe(report.checks.length);
      }
      expect(read).toBeGreaterThan(0);
    },
    LIMIT,
  );

  test(
    "a book and its terms: a replay that agrees or says why not, never an error",
    () => {
      const random = randomFrom(32);
      const [bytes] = receipts;
      if (!bytes) throw new Error("no receipt");
      const receipt = v.decodeReceipt(bytes);
      for (let run = 0; run < 600; run += 1) {
        const book: Case = pick(random, books);
        const whole = (book.entries as string[]).map((entry) => v.fromHex(entry));
        const at = random() % whole.length;
        const changed = random() % 3 === 0 ? whole : whole.with(at, mutated(random, entries));
        const asked = random() % 2 === 0 ? pick(random, terms) : mutated(random, terms);
        const built = own(() => new v.Book(changed));
        const wanted = own(() => v.decodeTerms(asked));
        if (built && wanted) {
          const { ranked } = v.clear(built.value, wanted.value);
          expect(ranked.length).toBeLessThanOrEqual(changed.length);
        }
        expect(v.replayAuction(receipt, { entries: changed, terms: asked }).problem).not.toBeNull();
      }
    },
    LIMIT,
  );
});
