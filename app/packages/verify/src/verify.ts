/**
 * All checks of a receipt, each with what was found and, where something could not be looked at, why.
 *
 * Nothing here talks to a network. What the chain says comes in as `ChainFacts`, read by the caller from
 * an RPC of its choice; what is not given is reported as not checked, never as passed. Of a document
 * served by a coordinator only `bytes` and the inclusion path are read: the rest is a view for people.
 */
import type { AnswerAssembler } from "./answer.ts";
import { type AuctionEvidence, replayAuction } from "./auction.ts";
import { FormatError, fromBase64, fromHex, toHex } from "./bytes.ts";
import { commitment } from "./hash.ts";
import { canonicalBytes, JsonError } from "./json.ts";
import { MerkleError, verifyInclusion } from "./merkle.ts";
import {
  amountOf,
  bodyHash,
  decodeReceipt,
  evidenceProblem,
  feeOf,
  headSignedBy,
  priceWithinRule,
  type Receipt,
  receiptLeaf,
  statementProblem,
} from "./receipt.ts";
import { TAGS } from "./records.ts";

export type Verdict = "passed" | "failed" | "not_checked";

/** The checks, in the order they are made. */
export const CHECKS = {
  parties: "Cluster, program and coordinator",
  request_id: "Request",
  signature: "Coordinator's signature",
  body: "Body",
  arithmetic: "Amount and fee",
  price: "Price rule",
  fee_rate: "Fee rate",
  statement: "Node's statement",
  node_proof: "Node's signature",
  node_key: "Node's key",
  inclusion: "Place in the log",
  anchor: "Log head on chain",
  paid: "Node's payment",
  request: "Your request",
  answer: "Your answer",
  auction: "Auction replay",
  attestation: "Attestation",
} as const;
export type CheckId = keyof typeof CHECKS;

export interface Check {
  readonly id: CheckId;
  readonly segment: number;
  readonly verdict: Verdict;
  /** In words, with the values that were compared. */
  readonly detail: string;
}

/** The way from a receipt to a root. */
export interface Inclusion {
  readonly epoch: number;
  readonly size: bigint;
  readonly index: bigint;
  readonly path: readonly string[];
  readonly root: string;
}

export interface Entry {
  readonly receipt: Receipt;
  readonly inclusion: Inclusion | null;
}

/** All receipts of one request. */
export interface ReceiptDocument {
  readonly request_id: string;
  readonly entries: readonly Entry[];
}

/** What the chain says, as far as the caller read it. */
export interface ChainFacts {
  /** From genesis hash and program address. */
  readonly deployment: string;
  readonly coordinator: {
    readonly address: string;
    readonly signer: string;
    /** Former signers, from rotation events; empty when they were not looked up. */
    readonly former_signers: readonly string[];
    /** The lower of the coordinator's fee and the market's cap. */
    readonly fee_rate: number;
    readonly log: { readonly epoch: number; readonly size: bigint; readonly root: string };
    /** Other heads that were read from the chain: closed epochs, or earlier ones from events. */
    readonly heads: readonly { readonly epoch: number; readonly size: bigint; readonly root: string }[];
  } | null;
  /** By address; absent: not read. `null`: not on chain. */
  readonly nodes: ReadonlyMap<
    string,
    { readonly signer: string; readonly former_signers: readonly string[] } | null
  >;
  /** Credited by this coordinator, by node; absent: not read. */
  readonly credited: ReadonlyMap<string, bigint>;
}

/** What the person holds. */
export interface Evidence {
  /** The body as it was sent. */
  readonly request?: Uint8Array;
  readonly answer?: AnswerAssembler;
  /** 64 hexadecimal digits. */
  readonly salt?: string;
  /** The published book and terms, or why they could not be had. */
  readonly auction?: AuctionEvidence | { readonly missing: string };
}

/** A key that was had from a source the person trusts, for use without the chain. */
export interface Offline {
  readonly signer: string;
}

export interface Report {
  readonly request_id: string;
  readonly checks: readonly Check[];
  readonly failed: number;
  readonly passed: number;
  readonly not_checked: number;
}

const str = (value: unknown, name: string): string => {
  if (typeof value !== "string") throw new FormatError(`${name} is no string`);
  return value;
};

const uint = (value: unknown, name: string): number => {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new FormatError(`${name} is no count`);
  }
  return value;
};

const hash = (value: unknown, name: string): string => toHex(fromHex(str(value, name), 32));

function readInclusion(value: unknown): Inclusion | null {
  if (value === null || value === undefined) return null;
  const from = value as Record<string, unknown>;
  const path = from["path"];
  if (!Array.isArray(path) || path.length > 64) throw new FormatError("inclusion.path is no path");
  return {
    epoch: uint(from["epoch"], "inclusion.epoch"),
    size: BigInt(uint(from["size"], "inclusion.size")),
    index: BigInt(uint(from["index"], "inclusion.index")),
    path: path.map((step) => hash(step, "inclusion.path")),
    root: hash(from["root"], "inclusion.root"),
  };
}

/**
 * Reads what a coordinator serves at `/v1/receipts/{id}`, or a bundle of it. With `asked`, the request that
 * somebody asked for, receipts are held against that one and not against the one the document names: a
 * document of another request fails.
 */
export function readDocument(value: unknown, asked?: string): ReceiptDocument {
  const from = (value ?? {}) as Record<string, unknown>;
  const receipts = from["receipts"];
  if (!Array.isArray(receipts) || receipts.length === 0)
    throw new FormatError("the document holds no receipt");
  const entries = receipts.map((entry: unknown) => {
    const { bytes, inclusion } = (entry ?? {}) as Record<string, unknown>;
    return { receipt: decodeReceipt(fromBase64(str(bytes, "bytes"))), inclusion: readInclusion(inclusion) };
  });
  return { request_id: asked ?? str(from["request_id"], "request_id"), entries };
}

class Checks {
  readonly all: Check[] = [];
  constructor(readonly segment: number) {}
  add(id: CheckId, holds: boolean, passed: string, failed: string): void {
    const verdict = holds ? "passed" : "failed";
    this.all.push({ id, segment: this.segment, verdict, detail: holds ? passed : failed });
  }
  skip(id: CheckId, why: string): void {
    this.all.push({ id, segment: this.segment, verdict: "not_checked", detail: why });
  }
}

/** Checks every receipt of the document. */
export function verify(
  document: ReceiptDocument,
  facts: ChainFacts | Offline | null,
  evidence: Evidence = {},
): Report {
  const chain = facts !== null && "deployment" in facts ? facts : null;
  const trusted = facts !== null && "signer" in facts ? facts.signer : null;
  const checks = document.entries.flatMap((entry) => {
    const found = new Checks(entry.receipt.head.segment);
    checkParties(found, document, entry, chain);
    checkHead(found, entry.receipt, chain, trusted);
    checkBody(found, entry.receipt, chain);
    checkNode(found, entry.receipt, chain);
    checkLog(found, entry, chain);
    checkPaid(found, entry.receipt, chain);
    checkRequest(found, entry.receipt, evidence);
    checkAnswer(found, document, entry.receipt, evidence);
    checkAuction(found, document, entry.receipt, evidence);
    found.skip(
      "attestation",
      entry.receipt.body.attestation === null
        ? "the coordinator was unattested: which code it ran is its word"
        : `evidence ${entry.receipt.body.attestation} is not checked here`,
    );
    return found.all;
  });
  const number = (verdict: Verdict) => checks.filter((check) => check.verdict === verdict).length;
  return {
    request_id: document.request_id,
    checks,
    failed: number("failed"),
    passed: number("passed"),
    not_checked: number("not_checked"),
  };
}

function checkAuction(
  checks: Checks,
  document: ReceiptDocument,
  receipt: Receipt,
  { auction }: Evidence,
): void {
  if (receipt.body.auction.candidates === 0)
    return checks.skip("auction", "the receipt was restored after a crash: no auction is known");
  if (receipt.head.segment > 0)
    return checks.skip("auction", "a continued answer: only the first clearing is published");
  if (!auction) return checks.skip("auction", "the order book was not read");
  if ("missing" in auction) return checks.skip("auction", auction.missing);
  const { problem, clearing, version } = replayAuction(receipt, auction, document.request_id);
  checks.add(
    "auction",
    problem === null,
    `rebuilt from ${version} entries, the book has the head in the receipt; ${receipt.body.auction.candidates} of ${(clearing?.ranked.length ?? 0) + (clearing?.excluded.length ?? 0)} offers competed, and the same node wins at the same price`,
    problem ?? "",
  );
}

const NO_CHAIN = "the chain was not read";

function checkParties(
  checks: Checks,
  document: ReceiptDocument,
  { receipt }: Entry,
  chain: ChainFacts | null,
): void {
  const { head } = receipt;
  checks.add(
    "request_id",
    head.request === document.request_id,
    `the receipt is for ${head.request}`,
    `the receipt is for another request, ${head.request}, not for ${document.request_id}`,
  );
  if (!chain) return checks.skip("parties", NO_CHAIN);
  const deployment = head.deployment === chain.deployment;
  const coordinator = chain.coordinator?.address === head.coordinator;
  if (!chain.coordinator) return checks.skip("parties", "the coordinator's account was not read");
  checks.add(
    "parties",
    deployment && coordinator,
    "signed for this cluster, this program and this coordinator",
    deployment
      ? `signed for another coordinator, ${head.coordinator}`
      : "signed for another cluster or program",
  );
}

function checkHead(checks: Checks, receipt: Receipt, chain: ChainFacts | null, trusted: string | null): void {
  const keys = chain?.coordinator
    ? [chain.coordinator.signer, ...chain.coordinator.former_signers]
    : trusted
      ? [trusted]
      : [];
  const [current] = keys;
  if (current === undefined)
    return checks.skip("signature", "no key to check it with: the chain was not read");
  const key = keys.find((candidate) => headSignedBy(receipt, candidate));
  const source = chain?.coordinator
    ? key === current
      ? "its key on chain"
      : "a former key of it on chain"
    : "the key you gave";
  checks.add(
    "signature",
    key !== undefined,
    `the head is signed by ${key}, ${source}`,
    `the head is not signed by ${current}, ${chain?.coordinator ? "the coordinator's key on chain" : "the key you gave"}`,
  );
}

function checkBody(checks: Checks, receipt: Receipt, chain: ChainFacts | null): void {
  const { head, body } = receipt;
  const hash = bodyHash(body);
  checks.add(
    "body",
    hash === head.body,
    "every other fact hashes to what the head names",
    "the facts are not those that were signed",
  );
  const amount = amountOf(body.tariff, body.input_tokens, body.output_tokens);
  const fee = feeOf(amount, body.fee_rate);
  checks.add(
    "arithmetic",
    amount === body.amount && fee === body.fee,
    `${body.input_tokens} × ${body.tariff.input_weight} + ${body.output_tokens} × ${body.tariff.output_weight} weighted tokens × ${body.tariff.price} = ${body.amount}; fee ${body.fee_rate / 100} % = ${body.fee}`,
    amount === body.amount
      ? `the fee should be ${fee}, not ${body.fee}`
      : `the amount should be ${amount}, not ${body.amount}`,
  );
  checks.add(
    "price",
    priceWithinRule(body),
    `${body.tariff.price} is between the winner's ask, ${body.auction.winner_ask}, and a tenth above it`,
    `${body.tariff.price} is outside what the rule allows for an ask of ${body.auction.winner_ask}`,
  );
  if (!chain?.coordinator) checks.skip("fee_rate", NO_CHAIN);
  else {
    checks.add(
      "fee_rate",
      body.fee_rate === chain.coordinator.fee_rate,
      `${body.fee_rate / 100} %, as on chain`,
      `${body.fee_rate / 100} %, but the chain says ${chain.coordinator.fee_rate / 100} %`,
    );
  }
}

function checkNode(checks: Checks, receipt: Receipt, chain: ChainFacts | null): void {
  const { statement } = receipt.body;
  if (!statement) {
    const why = `the node gave none (the answer was ${receipt.body.outcome})`;
    for (const id of ["statement", "node_proof", "node_key"] as const) checks.skip(id, why);
    return;
  }
  const { proof, evidence } = statement;
  const apart = statementProblem(receipt);
  checks.add("statement", apart === null, "speaks of the same request, ticket and answer", apart ?? "");
  const problem = evidenceProblem(proof, evidence);
  checks.add(
    "node_proof",
    problem === null,
    `statement ${evidence.index + 1} of ${evidence.root.size} under a root signed by ${evidence.signer}`,
    problem ?? "",
  );
  const node = chain?.nodes.get(receipt.head.node);
  if (node === undefined)
    return checks.skip("node_key", chain ? "the node's account was not read" : NO_CHAIN);
  if (node === null)
    return checks.skip(
      "node_key",
      `${receipt.head.node} is not on chain any more, so its key cannot be compared`,
    );
  const known = node.signer === evidence.signer || node.former_signers.includes(evidence.signer);
  checks.add(
    "node_key",
    known,
    node.signer === evidence.signer
      ? "that key is the node's key on chain"
      : "that key was the node's on chain before it was rotated",
    `the node's key on chain is ${node.signer}, not ${evidence.signer}`,
  );
}

function checkLog(checks: Checks, { receipt, inclusion }: Entry, chain: ChainFacts | null): void {
  if (!inclusion) {
    checks.skip("inclusion", "no path into the log was given");
    return checks.skip("anchor", "no path into the log was given");
  }
  const { head } = receipt;
  let problem: string | null = null;
  if (inclusion.epoch !== head.epoch || inclusion.index !== head.index) {
    problem = `the path is for entry ${inclusion.index} of epoch ${inclusion.epoch}, the receipt says ${head.index} of epoch ${head.epoch}`;
  } else {
    try {
      verifyInclusion(receiptLeaf(receipt), inclusion.index, inclusion.size, inclusion.path, inclusion.root);
    } catch (error) {
      if (!(error instanceof MerkleError)) throw error;
      problem = `the receipt is not under the root given with it (${error.message})`;
    }
  }
  checks.add(
    "inclusion",
    problem === null,
    `entry ${head.index} of ${inclusion.size}, ${inclusion.path.length} hashes lead to the root ${inclusion.root.slice(0, 16)}…`,
    problem ?? "",
  );
  if (problem !== null) return checks.skip("anchor", "the receipt is not under the given root to begin with");
  if (!chain?.coordinator) return checks.skip("anchor", `${NO_CHAIN}: the root is only the server's word`);
  const { log, heads } = chain.coordinator;
  const known = [log, ...heads].find(
    (found) => found.epoch === inclusion.epoch && found.size === inclusion.size,
  );
  if (known) {
    return checks.add(
      "anchor",
      known.root === inclusion.root,
      `the program on chain holds that very root for ${known.size} receipts`,
      `the chain's root for ${known.size} receipts is ${known.root.slice(0, 16)}…, another one`,
    );
  }
  if (log.epoch === head.epoch && log.size <= head.index) {
    return checks.skip(
      "anchor",
      `the chain holds ${log.size} receipts so far; this one is number ${head.index + 1n}. Ask again soon`,
    );
  }
  checks.skip(
    "anchor",
    `the path leads to ${inclusion.size} receipts of epoch ${inclusion.epoch}, the chain holds ${log.size} of epoch ${log.epoch}`,
  );
}

function checkPaid(checks: Checks, { head }: Receipt, chain: ChainFacts | null): void {
  const credited = chain?.credited.get(head.node);
  if (credited === undefined)
    return checks.skip("paid", chain ? "the node's payout account was not read" : NO_CHAIN);
  // What is due is rounded down, as the program credits it.
  const due = head.node_cumulative / 1_000_000n;
  if (credited >= due) {
    return checks.add(
      "paid",
      true,
      `the chain credits the node ${credited}, up to this receipt ${due} were due (millionths of a USDC)`,
      "",
    );
  }
  checks.skip(
    "paid",
    `the chain credits the node ${credited} of the ${due} due up to here (millionths of a USDC): settlement is still to come, and the signed head is the node's claim to the rest`,
  );
}

function checkRequest(checks: Checks, { body }: Receipt, evidence: Evidence): void {
  if (!evidence.request) return checks.skip("request", "give the request you sent to check it");
  if (!evidence.salt) return checks.skip("request", "the salt that came with the answer is needed");
  try {
    const made = commitment(TAGS.request, evidence.salt, canonicalBytes(evidence.request));
    checks.add(
      "request",
      made === body.request_commitment,
      "is the one that was served",
      "is not the one that was served",
    );
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    checks.add("request", false, "", `cannot be the one that was served: ${error.message}`);
  }
}

function checkAnswer(checks: Checks, document: ReceiptDocument, { body }: Receipt, evidence: Evidence): void {
  const { answer, salt } = evidence;
  if (!answer) return checks.skip("answer", "give the answer you got to check it");
  if (!salt) return checks.skip("answer", "the salt that came with the answer is needed");
  if (document.entries.length > 1) {
    return checks.skip("answer", "another node continued the answer; its parts cannot be told apart");
  }
  // Usage is part of what was committed, and the answer held may lack it.
  const counts = [[body.input_tokens, body.output_tokens] as const];
  const proof = body.statement?.proof;
  if (proof) counts.push([proof.input_tokens, proof.output_tokens]);
  const served = [answer, ...counts.map(([input, output]) => answer.withUsage(input, output))].some(
    (candidate) => commitment(TAGS.response, salt, candidate.canonicalBytes()) === body.response_commitment,
  );
  if (!served && body.outcome !== "completed" && proof) {
    return checks.skip(
      "answer",
      "the answer was cut off, and the commitment may be to all that the node generated",
    );
  }
  checks.add("answer", served, "is the one that was served", "is not the one that was served");
}
