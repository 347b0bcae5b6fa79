/** A receipt: from its bytes, and the checks that need nothing but the bytes. */
import { Reader, signature as signatureType } from "./borsh.ts";
import { concat, fromBase58 } from "./bytes.ts";
import { hashOf, tagged, verifySignature } from "./hash.ts";
import { leafHash, MerkleError, verifyInclusion } from "./merkle.ts";
import {
  type NodeEvidence,
  ProofOfInference,
  ProofRoot,
  ReceiptBody,
  ReceiptHead,
  TAGS,
  type Tariff,
} from "./records.ts";

/** Most proofs that a node signs at once. */
export const MAX_BATCH = 64;

/** A receipt and the bytes it came from. */
export interface Receipt {
  readonly head: ReceiptHead;
  /** Of the head, base58. */
  readonly signature: string;
  readonly body: ReceiptBody;
  readonly bytes: Uint8Array;
}

/** Exactly one receipt: `borsh(head) ‖ signature ‖ borsh(body)`. */
export function decodeReceipt(bytes: Uint8Array): Receipt {
  const from = new Reader(bytes);
  const head = ReceiptHead.read(from);
  const signature = signatureType.read(from);
  const body = ReceiptBody.read(from);
  from.end();
  return { head, signature, body, bytes };
}

export const encodeReceipt = (receipt: Omit<Receipt, "bytes">): Uint8Array =>
  concat(ReceiptHead.write(receipt.head), fromBase58(receipt.signature, 64), ReceiptBody.write(receipt.body));

/** What the coordinator signed. */
export const headSigningBytes = (head: ReceiptHead): Uint8Array =>
  tagged(TAGS.receipt, ReceiptHead.write(head));
export const bodyHash = (body: ReceiptBody): string => hashOf(TAGS.receiptBody, ReceiptBody.write(body));

/** The receipt's leaf in the log. */
export const receiptLeaf = ({ head, body }: Pick<Receipt, "head" | "body">): string =>
  leafHash(concat(headSigningBytes(head), ReceiptBody.write(body)));

/** The coordinator's signature over the head, under this key. */
export const headSignedBy = ({ head, signature }: Receipt, key: string): boolean =>
  verifySignature(fromBase58(signature, 64), headSigningBytes(head), key);

/** `price × weighted tokens`, in the fine unit. Exact. */
export const amountOf = (tariff: Tariff, input: number, output: number): bigint =>
  tariff.price *
  (BigInt(input) * BigInt(tariff.input_weight) + BigInt(output) * BigInt(tariff.output_weight));

/** The fee on an amount, rounded down in the fine unit. */
export const feeOf = (amount: bigint, rate: number): bigint | null =>
  rate > 10_000 ? null : (amount * BigInt(rate)) / 10_000n;

/** Whether the price is one that the auction's rule allows: from the ask to a tenth above it, rounded down. */
export function priceWithinRule(body: ReceiptBody): boolean {
  const { winner_ask } = body.auction;
  return winner_ask <= body.tariff.price && body.tariff.price <= (winner_ask * 11n) / 10n;
}

export const proofLeaf = (proof: ProofOfInference): string =>
  leafHash(tagged(TAGS.proof, ProofOfInference.write(proof)));

/** Why the node's evidence does not cover its proof; `null` when it does. */
export function evidenceProblem(proof: ProofOfInference, evidence: NodeEvidence): string | null {
  const { root } = evidence;
  for (const field of ["deployment", "coordinator", "node"] as const) {
    if (root[field] !== proof[field]) return `the signed root is for another ${field}`;
  }
  if (root.size > MAX_BATCH) return `the signed root is over more than ${MAX_BATCH} proofs`;
  try {
    verifyInclusion(proofLeaf(proof), BigInt(evidence.index), BigInt(root.size), evidence.path, root.root);
  } catch (error) {
    if (error instanceof MerkleError)
      return `the proof is not under the root the node signed (${error.message})`;
    throw error;
  }
  const message = tagged(TAGS.proofRoot, ProofRoot.write(root));
  const signed = verifySignature(fromBase58(evidence.signature, 64), message, evidence.signer);
  return signed ? null : "the node's signature does not verify";
}

/** Why head and statement speak of different things; `null` when they agree. */
export function statementProblem({ head, body }: Pick<Receipt, "head" | "body">): string | null {
  const proof = body.statement?.proof;
  if (!proof) return null;
  for (const field of ["deployment", "coordinator", "node", "request", "segment"] as const) {
    if (proof[field] !== head[field]) return `the node's statement names another ${field}`;
  }
  if (proof.ticket !== body.ticket) return "the node's statement names another ticket";
  if (proof.response_commitment !== body.response_commitment)
    return "the node's statement is about another answer";
  return null;
}
