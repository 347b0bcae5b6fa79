/** The evidence that a receipt names by its hash: checked at the receipt's own time. */
import { FormatError, textOf, toHex } from "../bytes.ts";
import { sha256 } from "../hash.ts";
import { JsonError, parseJson } from "../json.ts";
import type { Verdict } from "../verify.ts";
import { checkEvidence, type Expectation } from "./evidence.ts";

/**
 * Whether these bytes are the evidence named, hold at `expected.now`, and are about the code on chain. Nobody
 * asked for them, so no nonce is compared. Other code than what is registered now is not called wrong: it may
 * have been replaced since.
 */
export function checkReceiptEvidence(
  named: string,
  bytes: Uint8Array,
  expected: Omit<Expectation, "nonce">,
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
  const report = checkEvidence(value, { ...expected, nonce: null, measurement: null });
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
  if (report.measurement === null || report.measurement !== expected.measurement)
    return {
      verdict: "not_checked",
      detail: `the maker's signatures hold, for code ${report.measurement}, which is not what is registered on chain now`,
    };
  if (report.kind === "tdx")
    return {
      verdict: "not_checked",
      detail: `Intel's signatures hold, for the code on chain, ${report.measurement}; whether the platform lacks updates is not evaluated here`,
    };
  return {
    verdict: "passed",
    detail: `AWS vouches for the code on chain, ${report.measurement}, and for this key`,
  };
}
