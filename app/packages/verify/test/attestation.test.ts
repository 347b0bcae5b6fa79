/** Attestation, over the documents and the broken variants that Rust is tested with. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  AttestationProblem,
  checkEvidence,
  checkReceiptEvidence,
  configurationHash,
  type EvidenceReport,
  INTEL_ROOT,
  NITRO_ROOT,
  nitroMeasurement,
  verifyNitro,
  verifyTdx,
} from "../src/attestation/index.ts";
import { fromBase64, parseJson, sha256, toBase64, toHex, utf8 } from "../src/index.ts";
import { vectors } from "./vectors.ts";

const fixture = (name: string) =>
  new Uint8Array(
    readFileSync(
      new URL(`../../../../crates/attestation/tests/attestation/fixtures/${name}`, import.meta.url),
    ),
  );
const { nitro, evidence } = vectors("attestation");
const HOUR = 3_600_000;
// biome-ignore lint/suspicious/noExplicitAny: vectors are plain JSON, and what they hold is what is tested
type Case = any;

const codeOf = (act: () => unknown): string | null => {
  try {
    act();
    return null;
  } catch (error) {
    if (error instanceof AttestationProblem) return error.code;
    throw error;
  }
};

test("the pinned roots are the published ones", () => {
  expect(toHex(sha256(NITRO_ROOT))).toBe("641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b");
  expect(toHex(sha256(INTEL_ROOT))).toBe("44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3");
});

describe("Nitro documents", () => {
  test.each<Case>(nitro)("$name comes to what Rust says", (one) => {
    const act = () => verifyNitro(fromBase64(one.document), fromBase64(one.root), one.now);
    if (typeof one.outcome === "string") return expect(codeOf(act)).toBe(one.outcome);
    const read = act();
    expect([read.module, read.made, read.chain.length]).toEqual([
      one.outcome.module,
      one.outcome.made,
      one.outcome.chain,
    ]);
    expect(nitroMeasurement(read)).toBe(one.outcome.measurement);
  });

  const good = nitro.find((one: { name: string }) => one.name === "good");
  const real = fixture("nitro/document.cose");
  const made = 1_743_806_208_770;

  test("the real document holds under AWS's root, and with any bit changed does not", () => {
    expect(verifyNitro(real, NITRO_ROOT, made).module).toBe("i-080f3de1bac3c7c31-enc019602f27b875927");
    for (let at = 0; at < real.length; at += 61) {
      const flipped = real.slice();
      flipped[at] = (flipped[at] ?? 0) ^ 0x10;
      expect(
        codeOf(() => verifyNitro(flipped, NITRO_ROOT, made)),
        `byte ${at}`,
      ).not.toBeNull();
    }
  }, 60_000);

  test("a good document with a flipped bit anywhere is refused", () => {
    const document = fromBase64(good.document);
    for (let at = 0; at < document.length; at += 53) {
      const flipped = document.slice();
      flipped[at] = (flipped[at] ?? 0) ^ 0x01;
      expect(
        codeOf(() => verifyNitro(flipped, fromBase64(good.root), good.now)),
        `byte ${at}`,
      ).not.toBeNull();
    }
  }, 60_000);

  test("a document that is cut off anywhere is none", () => {
    const document = fromBase64(good.document);
    for (let end = 0; end < document.length; end += 1)
      expect(codeOf(() => verifyNitro(document.slice(0, end), fromBase64(good.root), good.now))).toBe("Cose");
    expect(codeOf(() => verifyNitro(new Uint8Array(0x3001), NITRO_ROOT, made))).toBe("TooLong");
  });
});

describe("TDX quotes", () => {
  const quote = fixture("tdx/quote.bin");
  const then = Date.UTC(2025, 6, 1);
  const flipped = (at: number, bit = 1) => {
    const changed = quote.slice();
    changed[at] = (changed[at] ?? 0) ^ bit;
    return changed;
  };
  const attributes = 48 + 16 + 48 + 48 + 8;
  const mrtd = attributes + 16;

  test("a real quote holds under Intel's root", () => {
    const read = verifyTdx(quote, INTEL_ROOT, then);
    expect(read.chain).toHaveLength(3);
    expect(read.debug).toBe(false);
    expect(read.measurement).toBe(vectors("attestation").tdx.measurement);
    expect(toHex(read.reportData)).toBe(toHex(quote.slice(568, 632)));
  });

  test("what is wrong with it is said", () => {
    const code = (bytes: Uint8Array, now = then, root = INTEL_ROOT) =>
      codeOf(() => verifyTdx(bytes, root, now));
    expect(code(flipped(mrtd))).toBe("Signature");
    expect(code(flipped(attributes))).toBe("Debug");
    expect(code(fixture("tdx/sgx.bin"))).toBe("NotTdx");
    expect(code(flipped(2))).toBe("Algorithm");
    expect(code(quote, then, NITRO_ROOT)).toBe("Certificate:Root");
    expect(code(quote, then - 10 * 365 * 24 * HOUR)).toBe("Certificate:NotYet");
    expect(code(quote, then + 30 * 365 * 24 * HOUR)).toBe("Certificate:Expired");
    // Behind the report: length, signature, the attestation key, the enclave's report, its signature.
    const behind = 48 + 584 + 4;
    expect(code(flipped(behind + 5))).toBe("Signature");
    expect(code(flipped(behind + 64 + 5))).toBe("Enclave");
    expect(code(flipped(behind + 128 + 6 + 64))).toBe("Enclave");
    expect(code(flipped(behind + 128 + 6 + 384 + 3))).toBe("Enclave");
    for (let end = 0; end < quote.length / 2; end += 97)
      expect(code(quote.slice(0, end)), `${end} bytes`).toBe("Encoding");
    expect(code(new Uint8Array(32 * 1024 + 1))).toBe("TooLong");
  });

  test("its steps say what was checked and that the platform's state was not", () => {
    const binding = JSON.parse(evidence[0].evidence).binding;
    const given = {
      format: "pinaivu-attestation/v1",
      kind: "tdx",
      binding,
      nonce: "07".repeat(32),
      document: toBase64(quote),
    };
    const report = checkEvidence(given, {
      nonce: "07".repeat(32),
      deployment: binding.deployment,
      coordinator: binding.coordinator,
      signer: binding.signer,
      measurement: vectors("attestation").tdx.measurement,
      listed: [],
      configuration: null,
      now: then,
    });
    const verdicts = Object.fromEntries(report.checks.map(({ id, verdict }) => [id, verdict]));
    expect(verdicts).toEqual({
      form: "passed",
      chain: "passed",
      signature: "passed",
      enclave: "passed",
      time: "not_checked",
      mode: "passed",
      platform: "not_checked",
      fresh: "passed",
      party: "passed",
      // It was made for something else than our binding.
      bound: "failed",
      code: "passed",
      listed: "failed",
      tls: "not_checked",
      configuration: "not_checked",
    });
    expect(report.standing).toBe("failed");
  });
});

describe("evidence", () => {
  const judged = (one: Case, changes: object = {}): EvidenceReport =>
    checkEvidence(JSON.parse(one.evidence), {
      ...one.expected,
      measurement: one.measurement,
      listed: [one.measurement],
      configuration: JSON.parse(one.evidence)?.binding?.configuration ?? null,
      now: one.now,
      roots: { nitro: fromBase64(one.root) },
      ...changes,
    });
  const good = evidence.find((one: Case) => one.name === "good");

  test.each<Case>(evidence)("$name comes to what Rust says", (one) => {
    const report = judged(one);
    if (one.outcome === "Development") return expect(report.standing).toBe("unattested");
    if (typeof one.outcome !== "string") {
      expect(report.standing).toBe("attested");
      return expect(report.measurement).toBe(one.outcome.measurement);
    }
    expect(report.standing).toBe("failed");
    expect(report.checks.filter(({ verdict }) => verdict === "failed").map(({ code }) => code)).toContain(
      one.outcome,
    );
  });

  test("what is not known is not checked, and then nothing is called attested", () => {
    for (const unknown of [
      { nonce: null },
      { signer: null },
      { coordinator: null },
      { deployment: null },
      { measurement: null },
      { listed: null },
      { configuration: null },
    ]) {
      const report = judged(good, unknown);
      expect([report.failed, report.standing], JSON.stringify(unknown)).toEqual([0, "open"]);
    }
  });

  test("code that the account does not name, or the list does not have, is refused with what is named", () => {
    const wrong = (changes: object) => {
      const report = judged(good, changes);
      expect(report.standing).toBe("failed");
      return report.checks.flatMap(({ id, verdict, detail }) => (verdict === "failed" ? [[id, detail]] : []));
    };
    const other = "09".repeat(32);
    expect(wrong({ measurement: other })).toEqual([
      ["code", `the account names ${other}, it runs ${good.measurement}`],
    ]);
    expect(wrong({ measurement: "00".repeat(32) })).toEqual([
      ["code", `the account names no code, it runs ${good.measurement}`],
    ]);
    expect(wrong({ listed: [other] })).toEqual([["listed", "the market's list does not have it"]]);
    expect(wrong({ configuration: other })).toEqual([
      ["configuration", "another one is bound than is shown"],
    ]);
  });

  test("a configuration hashes by its canonical form, whatever it is written as", () => {
    // Computed with Python's json and hashlib over the sorted members.
    const hash = "9200ab518b3a728f31ad19bb443cbdae2dfbfcf426877f5046333941736199ce";
    const text =
      '{ "web": {"local": true}, "share": 1e-1, "receipts": {"keep_hot": 1000000, "archive": null}, "models": [{"weights": [1, 4], "id": "gr\\u00f6\\u00dfe/1"}], "fees": {"priority": 18446744073709551615}, "chain": {"confirm_timeout_ms": 60000, "cluster": "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"} }';
    expect(configurationHash(parseJson(utf8(text)))).toBe(hash);
    // A reader that rounds to doubles would not tell it from its neighbour.
    const next = text.replace("18446744073709551615", "18446744073709551614");
    expect(configurationHash(parseJson(utf8(next)))).not.toBe(hash);
  });

  test("what a receipt names is checked at its own time, and its bytes are the ones named", () => {
    const bytes = utf8(good.evidence);
    const named = toHex(sha256(bytes));
    const known = {
      ...good.expected,
      measurement: good.measurement,
      listed: [],
      now: good.now,
      roots: { nitro: fromBase64(good.root) },
    };
    const verdict = (changes: object = {}, given = bytes) =>
      checkReceiptEvidence(named, given, { ...known, ...changes }).verdict;
    expect(verdict()).toBe("passed");
    expect(verdict({}, utf8(`${good.evidence} `))).toBe("failed");
    expect(verdict({ now: good.now + 4 * HOUR })).toBe("failed");
    expect(verdict({ signer: known.coordinator })).toBe("failed");
    expect(verdict({ signer: null })).toBe("not_checked");
    const twice = utf8(good.evidence.replace("{", '{"kind":"nitro",'));
    expect(checkReceiptEvidence(toHex(sha256(twice)), twice, known)).toEqual({
      verdict: "failed",
      detail: "the evidence is not JSON",
    });
    const development = utf8(evidence.find((one: Case) => one.outcome === "Development").evidence);
    expect(checkReceiptEvidence(toHex(sha256(development)), development, known).verdict).toBe("not_checked");
  });

  test("a receipt's code passes when the account names it or the list has it, and is named otherwise", () => {
    const bytes = utf8(good.evidence);
    const other = "09".repeat(32);
    const found = (measurement: string | null, listed: string[] | null) => {
      const known = { ...good.expected, now: good.now, roots: { nitro: fromBase64(good.root) } };
      return checkReceiptEvidence(toHex(sha256(bytes)), bytes, { ...known, measurement, listed });
    };
    expect(found(good.measurement, [])).toEqual({
      verdict: "passed",
      detail: `AWS vouches for code that the coordinator's account names, ${good.measurement}, and for this key`,
    });
    // The coordinator has moved on to other code since; its old code is still on the list.
    expect(found(other, [other, good.measurement])).toEqual({
      verdict: "passed",
      detail: `AWS vouches for code that the market's list has, ${good.measurement}, and for this key`,
    });
    expect(found(null, [good.measurement]).verdict).toBe("passed");
    expect(found(good.measurement, null).verdict).toBe("passed");
    expect(found(other, [other])).toEqual({
      verdict: "not_checked",
      detail: `the maker's signatures hold, for code ${good.measurement}: the coordinator's account does not name it today, and the market's list does not have it today`,
    });
    expect(found(null, null)).toEqual({
      verdict: "not_checked",
      detail: `the maker's signatures hold, for code ${good.measurement}: the coordinator's account was not read, and the market's list was not read`,
    });
  });

  test("under AWS's own root nothing of the tests' is accepted", () => {
    const report = judged(good, { roots: {} });
    expect(report.checks.find(({ id }) => id === "chain")?.code).toBe("Certificate:Root");
    expect(report.checks.find(({ id }) => id === "signature")?.verdict).toBe("not_checked");
    expect(report.standing).toBe("failed");
  });

  test("other formats and fields that nobody knows are refused", () => {
    const text = JSON.parse(good.evidence);
    for (const wrong of [
      null,
      "text",
      { ...text, format: "pinaivu-attestation/v2" },
      { ...text, more: 1 },
      { ...text, kind: "abacus" },
      { ...text, nonce: "00" },
      { ...text, document: "?" },
      { ...text, binding: { ...text.binding, signer: 1 } },
    ]) {
      const report = judged({ ...good, evidence: JSON.stringify(wrong) });
      expect([report.standing, report.checks[0]?.id], JSON.stringify(wrong)?.slice(0, 80)).toEqual([
        "failed",
        "form",
      ]);
    }
  });
});
