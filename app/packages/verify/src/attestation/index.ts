/**
 * Checks attestation evidence in a browser or in Node. Apart from the checks of receipts, because it brings
 * two more curves.
 */
export * from "./evidence.ts";
export { type NitroDocument, nitroMeasurement, verifyNitro } from "./nitro.ts";
export { AttestationProblem } from "./problem.ts";
export { checkReceiptEvidence, type ReceiptExpectation } from "./receipt.ts";
export { INTEL_ROOT, NITRO_ROOT } from "./roots.ts";
export { type TdxQuote, verifyTdx } from "./tdx.ts";
