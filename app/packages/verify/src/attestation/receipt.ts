/** The evidence that a receipt names by its hash: checked at the receipt's own time. */
import { FormatError, textOf, toHex } from "../bytes.ts";
import { sha256 } from "../hash.ts";
import { JsonError, parseJson } from "../json.ts";
import type { Verdict } from "../verify.ts";
import { checkEvidence, type Expectation } from "./evidence.ts";

/** What a receipt's evidence is held against: no nonce and no configuration, since nobody asked for it. */
export type ReceiptExpectation = Omit<Expectation, "nonce" | "configuration">;

/** Why code is accepted: the account names it today, or the market's list has it today. */
function acceptedBy(measurement: string, { measurement: named, listed }: ReceiptExpectation): string | null {
  if (measurement === named) return "the coordinator's account names";
  return listed?.includes(measurement) ? "the market's list has" : null;
}

/** Code that neither names today, in words: it may have been replaced since, so nothing is called wrong. */
function notAccepted(measurement: string | null, { measurement: named, listed }: ReceiptExpectation): string {
  const account =
    named === null
      ? "the coordinator's account was not read"
      : "the coordinator's account does not name it today";
  const list =
    listed === null ? "the market's list was not read" : "the market's list does not have it today";
  return `the maker's signatures hold, for code ${measurement}: ${account}, and ${list}`;
}

/**
 * Whether these bytes are the evidence named, hold at `expected.now`, and are about code that is accepted
 * today: what the coordinator's account names, or what the market's list has. Evidence that does not verify
 * is failed; evidence of other code is not checked, and says which.
 */
export function checkReceiptEvidence(
  named: string,
  bytes: Uint8Array,
  expected: ReceiptExpectation,
): { readonly verdict: Verdict; readonly detail: string } {
  if (toHex(sha256(bytes)) !== named)
    return {
      verdict: "failed",
      detail: "the bytes that were served are not the evidence that the receipt names",
    };
  let value: unknown;
  try {
    // Refuses what readers of JSON disagree about, such as a name twice.
    parseJson(bytes);
    value = JSON.parse(textOf(bytes));
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof JsonError)) throw error;
    return { verdict: "failed", detail: "the evidence is not JSON" };
  }
  // For which code is judged below, by another rule than for fresh evidence.
  const report = checkEvidence(value, {
    ...expected,
    nonce: null,
    measurement: null,
    listed: null,
    configuration: null,
  });
  const wrong = report.checks.find(({ verdict }) => verdict === "failed");
  if (wrong) return { verdict: "failed", detail: wrong.detail };
  if (report.kind === "development")
    return { verdict: "not_checked", detail: "development evidence, which proves nothing" };
  const party = report.checks.find(({ id }) => id === "party");
  if (party?.verdict !== "passed")
    return {
      verdict: "not_checked",
      detail: `the maker's signatures hold; ${party?.detail ?? "the chain was not read"}`,
    };
  const { measurement } = report;
  const accepted = measurement && acceptedBy(measurement, expected);
  if (!accepted) return { verdict: "not_checked", detail: notAccepted(measurement, expected) };
  if (report.kind === "tdx")
    return {
      verdict: "not_checked",
      detail: `Intel's signatures hold, for code that ${accepted}, ${measurement}; whether the platform lacks updates is not evaluated here`,
    };
  return {
    verdict: "passed",
    detail: `AWS vouches for code that ${accepted}, ${measurement}, and for this key`,
  };
}
