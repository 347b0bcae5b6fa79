/**
 * Intel TDX quotes, versions 4 and 5 ("Intel TDX DCAP Quoting Library API", appendix A): a report of the
 * trust domain, signed by an attestation key, which the quoting enclave reports, whose report the platform's
 * certificate signed, whose chain leads to Intel.
 *
 * What Intel says of the platform at a time (its collateral: state of updates, identity of the quoting
 * enclave, revocations) is not evaluated here. `crates/attestation` does that.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { concat, equal, FormatError, fromBase64, textOf } from "../bytes.ts";
import { hashOf } from "../hash.ts";
import { AttestationProblem } from "./problem.ts";
import { leafKey, signedBy } from "./x509.ts";

/** Longest quote that is read; real ones have about 5 KiB. */
const MAX_QUOTE = 32 * 1024;
const HEADER = 48;
const TD_REPORT = 584;
/** A report of version 1.5 has two fields more behind the same ones. */
const TD_REPORT_15 = 648;
const QE_REPORT = 384;
const TEE_TDX = 0x81;
const ECDSA_P256 = 2;
/** Longest chain that is looked at; real ones have three certificates. */
const MAX_CHAIN = 16;
/** Kinds of certification data: a report of the quoting enclave, and a chain in PEM. */
const QE_REPORT_DATA = 6;
const PEM_CHAIN = 5;

export interface TdxQuote {
  /** As the market's list on chain has it. */
  readonly measurement: string;
  readonly reportData: Uint8Array;
  readonly debug: boolean;
  /** What the attestation key signed. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  /** X and Y. */
  readonly attestationKey: Uint8Array;
  readonly enclaveReport: Uint8Array;
  readonly enclaveSignature: Uint8Array;
  readonly enclaveData: Uint8Array;
  /** Platform's certificate first, DER. */
  readonly chain: readonly Uint8Array[];
}

class Fields {
  #at = 0;
  constructor(readonly bytes: Uint8Array) {}
  take(length: number): Uint8Array {
    if (this.#at + length > this.bytes.length) throw new FormatError("cut off");
    const taken = this.bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return taken;
  }
  number(bytes: 2 | 4): number {
    return this.take(bytes).reduceRight((sum, byte) => sum * 256 + byte, 0);
  }
}

function pemChain(text: string): Uint8Array[] {
  const blocks = text.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g);
  const chain = [...blocks].map(([, body = ""]) => fromBase64(body.replaceAll(/\s/g, "")));
  if (chain.length === 0 || chain.length > MAX_CHAIN) throw new FormatError("no chain of certificates");
  return chain;
}

function parse(bytes: Uint8Array): TdxQuote {
  const fields = new Fields(bytes);
  const version = fields.number(2);
  if (version !== 4 && version !== 5) throw new AttestationProblem("NotTdx", `a quote of version ${version}`);
  const keyKind = fields.number(2);
  const tee = fields.number(4);
  if (tee !== TEE_TDX)
    throw new AttestationProblem("NotTdx", "the quote is of an SGX enclave, not of a TDX domain");
  if (keyKind !== ECDSA_P256)
    throw new AttestationProblem("Algorithm", `the quote's key is of kind ${keyKind}, not ECDSA on P-256`);
  fields.take(HEADER - 8);
  let length = TD_REPORT;
  let signedLength = HEADER + TD_REPORT;
  if (version === 5) {
    fields.take(2);
    length = fields.number(4);
    signedLength = HEADER + 6 + length;
    if (length !== TD_REPORT && length !== TD_REPORT_15) throw new FormatError("an unknown report");
  }
  const report = fields.take(length);
  fields.number(4);
  const signature = fields.take(64);
  const attestationKey = fields.take(64);
  if (fields.number(2) !== QE_REPORT_DATA) throw new FormatError("another certification");
  fields.number(4);
  const enclaveReport = fields.take(QE_REPORT);
  const enclaveSignature = fields.take(64);
  const enclaveData = fields.take(fields.number(2));
  if (fields.number(2) !== PEM_CHAIN) throw new FormatError("the chain is not with it");
  const chain = pemChain(textOf(fields.take(fields.number(4))).replaceAll("\0", ""));
  const at = (from: number, size: number) => report.subarray(from, from + size);
  const [attributes, xfam] = [at(120, 8), at(128, 8)];
  // MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG and RTMR0 to RTMR3 lie behind them, 48 bytes each.
  const register = (number: number) => at(136 + 48 * number, 48);
  return {
    measurement: hashOf(
      "pinaivu/measurement/tdx/v1",
      register(0),
      ...[4, 5, 6, 7].map(register),
      ...[1, 2, 3].map(register),
      attributes,
      xfam,
    ),
    reportData: at(520, 64),
    // TUD, the first byte: whatever is set there opens the domain to its host.
    debug: attributes[0] !== 0,
    signed: bytes.subarray(0, signedLength),
    signature,
    attestationKey,
    enclaveReport,
    enclaveSignature,
    enclaveData,
    chain,
  };
}

/** Reads a quote. Verifies nothing. */
export function readTdx(bytes: Uint8Array): TdxQuote {
  if (bytes.length > MAX_QUOTE)
    throw new AttestationProblem("TooLong", `the quote has ${bytes.length} bytes, more than any has`);
  try {
    return parse(bytes);
  } catch (error) {
    if (error instanceof FormatError) throw new AttestationProblem("Encoding", "this is not a quote");
    throw error;
  }
}

/** That the domain's memory is closed to its host. */
export function checkTdxMode(quote: TdxQuote): void {
  if (quote.debug) throw new AttestationProblem("Debug", "the trust domain is in debug mode");
}

const uncompressed = (xy: Uint8Array) => concat(Uint8Array.of(4), xy);

/** That the attestation key signed header and report. */
export function checkTdxSignature(quote: TdxQuote): void {
  if (!signedBy("P-256", uncompressed(quote.attestationKey), quote.signed, quote.signature, "compact"))
    throw new AttestationProblem("Signature", "the quote's signature does not verify");
}

/** That the platform's chain leads to `root` (DER) at `now`; gives its key. */
export function tdxKey(quote: TdxQuote, root: Uint8Array, now: number): Uint8Array {
  const [platform = new Uint8Array(), ...issuers] = quote.chain;
  return leafKey("P-256", platform, issuers, root, now);
}

/** That the platform vouches for the quoting enclave, and the enclave for the attestation key. */
export function checkTdxEnclave(quote: TdxQuote, platformKey: Uint8Array): void {
  if (!signedBy("P-256", platformKey, quote.enclaveReport, quote.enclaveSignature, "compact"))
    throw new AttestationProblem("Enclave", "the platform did not sign the quoting enclave's report");
  const reported = quote.enclaveReport.subarray(320, 352);
  if (!equal(reported, sha256(concat(quote.attestationKey, quote.enclaveData))))
    throw new AttestationProblem(
      "Enclave",
      "the quoting enclave reports another key than the one that signed",
    );
}

/** Everything that can be checked without Intel's collateral, at `now` in milliseconds since 1970. */
export function verifyTdx(bytes: Uint8Array, root: Uint8Array, now: number): TdxQuote {
  const quote = readTdx(bytes);
  checkTdxMode(quote);
  checkTdxEnclave(quote, tdxKey(quote, root, now));
  checkTdxSignature(quote);
  return quote;
}
