/**
 * Checks Pinaivu receipts without trusting whoever served them.
 *
 * ```ts
 * const report = verify(readDocument(json), facts, { request, answer, salt });
 * ```
 */
export { AnswerAssembler, type HeldAnswer, readAnswer } from "./answer.ts";
export * from "./auction.ts";
export { Book, BookProblem, nextHead, type Offer, tieBreak } from "./book.ts";
export { decode, type Type } from "./borsh.ts";
export * from "./bytes.ts";
export { commitment, deploymentId, hashOf, sha256, tagged, verifySignature } from "./hash.ts";
export { canonicalBytes, canonicalJson, type Json, JsonError, JsonNumber, parseJson } from "./json.ts";
export * from "./merkle.ts";
export {
  amountOf,
  bodyHash,
  decodeReceipt,
  encodeReceipt,
  evidenceProblem,
  feeOf,
  headSignedBy,
  headSigningBytes,
  priceWithinRule,
  proofLeaf,
  type Receipt,
  receiptLeaf,
  statementProblem,
} from "./receipt.ts";
export * from "./records.ts";
export * from "./verify.ts";
