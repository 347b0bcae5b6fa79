/**
 * Evidence that a coordinator runs known code (docs/attestation.md), checked step by step: what the maker of
 * the machine signed, what that is about, and whether it is the code on chain. Each step says what was found;
 * what could not be looked at is said to be not checked, with the reason, and never counts as passed.
 */
import { concat, equal, FormatError, fromBase58, fromBase64, fromHex, toHex, utf8 } from "../bytes.ts";
import { hashOf } from "../hash.ts";
import { canonicalJson, type Json } from "../json.ts";
import type { Verdict } from "../verify.ts";
import {
  checkNitroMode,
  checkNitroSignature,
  checkNitroTime,
  nitroKey,
  nitroMeasurement,
  readNitro,
} from "./nitro.ts";
import { AttestationProblem } from "./problem.ts";
import { INTEL_ROOT, NITRO_ROOT } from "./roots.ts";
import { checkTdxEnclave, checkTdxMode, checkTdxSignature, readTdx, tdxKey } from "./tdx.ts";

const FORMAT = "pinaivu-attestation/v1";

/** The steps, in the order they are made. */
export const EVIDENCE_CHECKS = {
  form: "Document",
  chain: "Certificate chain",
  signature: "Maker's signature",
  enclave: "Quoting enclave",
  time: "Time",
  mode: "Debug mode",
  platform: "Platform's updates",
  fresh: "Nonce",
  party: "Identity",
  bound: "Binding",
  code: "Measurement",
  listed: "Market's list",
  tls: "TLS key",
  configuration: "Configuration",
} as const;
export type EvidenceCheckId = keyof typeof EVIDENCE_CHECKS;

export interface EvidenceCheck {
  readonly id: EvidenceCheckId;
  readonly verdict: Verdict;
  /** In words, with what was compared. */
  readonly detail: string;
  /** Of a failure, as the vectors call it. */
  readonly code: string | null;
}

/** What the verifier knows; `null` for what it does not. */
export interface Expectation {
  /** Hexadecimal. */
  readonly nonce: string | null;
  readonly deployment: string | null;
  /** Base58. */
  readonly coordinator: string | null;
  readonly signer: string | null;
  /** What the coordinator's account names, hexadecimal; zeros when it names nothing, `null` when it was not read. */
  readonly measurement: string | null;
  /** The market's list of today, hexadecimal; `null` when it was not read. */
  readonly listed: readonly string[] | null;
  /** Hash of the configuration that is shown with the evidence, see `configurationHash`; `null` when none is. */
  readonly configuration: string | null;
  /** When it is looked at, in milliseconds since 1970. */
  readonly now: number;
  /** Other roots than the makers', for tests. */
  readonly roots?: { readonly nitro?: Uint8Array; readonly intel?: Uint8Array };
}

export interface EvidenceReport {
  readonly kind: "nitro" | "tdx" | "development" | null;
  readonly checks: readonly EvidenceCheck[];
  /** Of the code, when the document could be read. */
  readonly measurement: string | null;
  readonly failed: number;
  /**
   * `attested`: the maker's signatures hold, and are about the key on chain, the configuration that is shown,
   * and code that the account names and the market's list has. With TDX the state of the platform stays open
   * all the same, which its check says. `open`: nothing failed, and something of that could not be looked at.
   */
  readonly standing: "attested" | "open" | "unattested" | "failed";
}

interface Binding {
  readonly deployment: string;
  readonly coordinator: string;
  readonly signer: string;
  readonly tls_key: string;
  readonly configuration: string;
}
interface Read {
  readonly kind: "nitro" | "tdx" | "development";
  readonly binding: Binding;
  readonly nonce: string;
  readonly document: Uint8Array;
}

const form = (message: string) => new AttestationProblem("Form", message);

function textsOf<K extends string>(value: unknown, names: readonly K[], optional: readonly string[] = []) {
  if (typeof value !== "object" || value === null) throw form("this is not attestation evidence");
  const fields = value as Record<string, unknown>;
  const strange = Object.keys(fields).find((name) => !names.includes(name as K) && !optional.includes(name));
  if (strange !== undefined)
    throw form(`the evidence has a field '${strange}' that its format does not have`);
  return fields as Record<K, unknown>;
}

function readEvidence(value: unknown): Read {
  const outer = textsOf(value, ["format", "kind", "binding", "nonce", "document"] as const, ["collateral"]);
  if (outer.format !== FORMAT) throw form(`the evidence's format is not '${FORMAT}'`);
  const { kind } = outer;
  if (kind !== "nitro" && kind !== "tdx" && kind !== "development") throw form("no known kind of machine");
  const names = ["deployment", "coordinator", "signer", "tls_key", "configuration"] as const;
  const inner = textsOf(outer.binding, names);
  const text = (field: unknown): string => {
    if (typeof field !== "string") throw form("a field of the evidence is no text");
    return field;
  };
  try {
    return {
      kind,
      binding: {
        deployment: toHex(fromHex(text(inner.deployment), 32)),
        coordinator: text(inner.coordinator),
        signer: text(inner.signer),
        tls_key: toHex(fromHex(text(inner.tls_key), 32)),
        configuration: toHex(fromHex(text(inner.configuration), 32)),
      },
      nonce: toHex(fromHex(text(outer.nonce), 32)),
      document: fromBase64(text(outer.document)),
    };
  } catch (error) {
    if (error instanceof FormatError) throw form(`the evidence cannot be read: ${error.message}`);
    throw error;
  }
}

/** What goes into the maker's document. */
export const bindingDigest = (binding: Binding): string =>
  hashOf(
    "pinaivu/attestation-binding/v1",
    concat(
      fromHex(binding.deployment, 32),
      fromBase58(binding.coordinator, 32),
      fromBase58(binding.signer, 32),
      fromHex(binding.tls_key, 32),
      fromHex(binding.configuration, 32),
    ),
  );

/** What evidence binds of the configuration that is shown: the hash of its canonical JSON. */
export const configurationHash = (configuration: Json): string =>
  hashOf("pinaivu/coordinator-configuration/v1", utf8(canonicalJson(configuration)));

class Steps {
  readonly checks: EvidenceCheck[] = [];

  note(id: EvidenceCheckId, verdict: Verdict, detail: string, code: string | null = null): void {
    this.checks.push({ id, verdict, detail, code });
  }

  /** Passed with what `check` says, failed with why it threw; what it gave, if it did. */
  run<T>(id: EvidenceCheckId, check: () => readonly [T, string]): T | null {
    const found = this.find(id, check);
    if (found) this.note(id, "passed", found[1]);
    return found ? found[0] : null;
  }

  /** What `look` finds, for another to judge; failed with why it threw. */
  find<T>(id: EvidenceCheckId, look: () => T): T | null {
    try {
      return look();
    } catch (error) {
      if (!(error instanceof AttestationProblem || error instanceof FormatError)) throw error;
      this.note(id, "failed", error.message, error instanceof AttestationProblem ? error.code : "Form");
      return null;
    }
  }

  skip(id: EvidenceCheckId, why: string): void {
    this.note(id, "not_checked", why);
  }
}

const when = (millis: number) => `${new Date(millis).toISOString().slice(0, 19).replace("T", " ")} UTC`;
const nothing = new Uint8Array();
const same = (a: Uint8Array | null, b: Uint8Array) => equal(a ?? nothing, b);

/** A maker's part: gives the measurement, or nothing when the document could not be read. */
function checkNitro(steps: Steps, { document, binding, nonce }: Read, expected: Expectation): string | null {
  const { now, roots } = expected;
  const envelope = steps.run("form", () => {
    const read = readNitro(document);
    return [read, `AWS Nitro, COSE_Sign1 with ES384, enclave ${read.document.module}`];
  });
  if (!envelope) return null;
  const key = steps.run("chain", () => {
    const found = nitroKey(envelope, roots?.nitro ?? NITRO_ROOT, now);
    const { length } = envelope.document.chain;
    return [found, `${length + 1} certificates lead to AWS's root, which is built into this page`];
  });
  if (key)
    steps.run("signature", () => {
      checkNitroSignature(envelope, key);
      return [true, "the certificate's key signed this document"];
    });
  else steps.skip("signature", "the key that should have signed is not vouched for");
  steps.run("time", () => {
    checkNitroTime(envelope, now);
    return [true, when(envelope.document.made)];
  });
  steps.run("mode", () => {
    checkNitroMode(envelope);
    return [true, "not in debug mode: its registers are not zero"];
  });
  steps.run("bound", () => {
    const { userData, nonce: signed, publicKey } = envelope.document;
    const holds =
      same(userData, fromHex(bindingDigest(binding))) &&
      same(signed, fromHex(nonce)) &&
      same(publicKey, fromBase58(binding.signer, 32));
    if (!holds) throw new AttestationProblem("Mismatch:Document", "the document is about something else");
    return [true, "the document carries the hash of what the evidence is about, the nonce and the key"];
  });
  return steps.find("code", () => nitroMeasurement(envelope.document));
}

function checkTdx(steps: Steps, { document, binding, nonce }: Read, expected: Expectation): string | null {
  const { now, roots } = expected;
  const quote = steps.run("form", () => [readTdx(document), "Intel TDX quote, ECDSA on P-256"]);
  if (!quote) return null;
  const key = steps.run("chain", () => {
    const found = tdxKey(quote, roots?.intel ?? INTEL_ROOT, now);
    return [found, `${quote.chain.length} certificates lead to Intel's root, which is built into this page`];
  });
  if (key)
    steps.run("enclave", () => {
      checkTdxEnclave(quote, key);
      return [true, "the platform's key signed its report, which names the key that signed the quote"];
    });
  else steps.skip("enclave", "the platform's key is not vouched for");
  steps.run("signature", () => {
    checkTdxSignature(quote);
    return [true, "the attestation key signed the quote"];
  });
  steps.skip(
    "time",
    "a quote does not say when it was made; the nonce shows that it is not older than our question",
  );
  steps.run("mode", () => {
    checkTdxMode(quote);
    return [true, "not in debug mode"];
  });
  steps.skip(
    "platform",
    "whether Intel knows of missing updates or of a revoked platform (TCB status) is not evaluated in the browser",
  );
  steps.run("bound", () => {
    if (!equal(quote.reportData, concat(fromHex(bindingDigest(binding)), fromHex(nonce))))
      throw new AttestationProblem("Mismatch:Document", "the quote is about something else");
    return [true, "the quote carries the hash of what the evidence is about, and the nonce"];
  });
  return quote.measurement;
}

/** What the evidence says to be about, against what is known. */
function checkClaims(steps: Steps, { binding, nonce }: Read, expected: Expectation): void {
  if (expected.nonce === null) steps.skip("fresh", "it was not made for us; nobody asked it anything");
  else if (nonce !== expected.nonce)
    steps.note("fresh", "failed", "it answers another nonce than the one made here", "Mismatch:Nonce");
  else steps.note("fresh", "passed", "it names the nonce that was made in this browser");
  const parties = [
    ["signer", "Mismatch:Signer", "another key than the one on chain", "key"],
    ["coordinator", "Mismatch:Coordinator", "another coordinator", "account"],
    ["deployment", "Mismatch:Deployment", "another cluster or program", "cluster and program"],
  ] as const;
  const wrong = parties.find(([name]) => expected[name] !== null && expected[name] !== binding[name]);
  const unknown = parties.filter(([name]) => expected[name] === null).map(([, , , words]) => words);
  if (wrong) steps.note("party", "failed", `it is for ${wrong[2]}`, wrong[1]);
  else if (unknown.length > 0)
    steps.skip("party", `the chain was not read: ${unknown.join(", ")} not compared`);
  else
    steps.note(
      "party",
      "passed",
      `it names cluster, program, account and the key on chain, ${binding.signer}`,
    );
}

const NO_CODE = "00".repeat(32);

/** The code that the document is about, against the account and the market's list. */
function checkCode(steps: Steps, measurement: string, { measurement: named, listed }: Expectation): void {
  if (named === null) steps.skip("code", `${measurement}; the coordinator's account was not read`);
  else if (named === measurement) steps.note("code", "passed", `the account names it, ${measurement}`);
  else {
    const instead = named === NO_CODE ? "the account names no code" : `the account names ${named}`;
    steps.note("code", "failed", `${instead}, it runs ${measurement}`, "Measurement");
  }
  if (listed === null) steps.skip("listed", "the market's list was not read");
  else if (listed.includes(measurement)) steps.note("listed", "passed", "the market's list has it");
  else steps.note("listed", "failed", "the market's list does not have it", "Measurement");
}

/** The configuration that is shown, against the one that is bound. */
function checkConfiguration(steps: Steps, { binding }: Read, { configuration }: Expectation): void {
  if (configuration === null)
    steps.skip("configuration", `bound as ${binding.configuration}; none is shown here to compare`);
  else if (configuration === binding.configuration)
    steps.note("configuration", "passed", `the one that is shown is the one that is bound, ${configuration}`);
  else steps.note("configuration", "failed", "another one is bound than is shown", "Mismatch:Configuration");
}

const NEEDED: readonly EvidenceCheckId[] = [
  "form",
  "chain",
  "signature",
  "mode",
  "fresh",
  "party",
  "bound",
  "code",
  "listed",
  "configuration",
];

/** All steps for evidence as a coordinator gives it: the JSON value, unread. */
export function checkEvidence(value: unknown, expected: Expectation): EvidenceReport {
  const steps = new Steps();
  let read: Read;
  try {
    read = readEvidence(value);
  } catch (error) {
    if (!(error instanceof AttestationProblem)) throw error;
    steps.note("form", "failed", error.message, error.code);
    return { kind: null, checks: steps.checks, measurement: null, failed: 1, standing: "failed" };
  }
  let measurement: string | null = null;
  if (read.kind === "development")
    steps.skip("form", "development evidence, which proves nothing: it says so itself");
  else measurement = (read.kind === "nitro" ? checkNitro : checkTdx)(steps, read, expected);
  if (measurement !== null) checkCode(steps, measurement, expected);
  checkClaims(steps, read, expected);
  steps.skip("tls", "browsers do not show a page the certificate that it came with");
  checkConfiguration(steps, read, expected);
  const order = Object.keys(EVIDENCE_CHECKS);
  const checks = [...steps.checks].sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
  const failed = checks.filter(({ verdict }) => verdict === "failed").length;
  const passed = new Set(checks.filter(({ verdict }) => verdict === "passed").map(({ id }) => id));
  const needed: readonly EvidenceCheckId[] = read.kind === "tdx" ? [...NEEDED, "enclave"] : NEEDED;
  const standing =
    failed > 0
      ? "failed"
      : read.kind === "development"
        ? "unattested"
        : needed.every((id) => passed.has(id))
          ? "attested"
          : "open";
  return { kind: read.kind, checks, measurement, failed, standing };
}
