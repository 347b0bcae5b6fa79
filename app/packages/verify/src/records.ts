/** The protocol's records, field by field as in docs/protocol.md, sections 5 to 8 and 12 to 14. */
import {
  address,
  bool,
  bytes16,
  decode,
  hash,
  list,
  type Of,
  option,
  type Reader,
  record,
  requestId,
  signature,
  string,
  type Type,
  u16,
  u32,
  u64,
  u128,
  union,
  variant,
} from "./borsh.ts";
import { concat, FormatError } from "./bytes.ts";

export const Tariff = record({ price: u64, input_weight: u16, output_weight: u16 });
export type Tariff = Of<typeof Tariff>;

export const Outcome = variant("completed", "cancelled", "failed");
export type Outcome = Of<typeof Outcome>;

export const Ask = record({
  deployment: hash,
  coordinator: address,
  node: address,
  model: string,
  price: u64,
  context_length: u32,
  features: u32,
  sequence: u64,
  expires: u64,
});
export type Ask = Of<typeof Ask>;

/** The coordinator's signed word that an ask is in its order book. */
export const AskAcknowledgement = record({
  deployment: hash,
  coordinator: address,
  node: address,
  ask: hash,
  book: hash,
  version: u64,
  head: hash,
  at: u64,
});
export type AskAcknowledgement = Of<typeof AskAcknowledgement>;

export const Ticket = record({
  deployment: hash,
  coordinator: address,
  node: address,
  request: requestId,
  segment: u16,
  model: string,
  max_output: u32,
  tariff: Tariff,
  issued: u64,
  deadline: u64,
  salt: hash,
  request_commitment: hash,
  book_head: hash,
  billing: bytes16,
  issuer_mac: hash,
});
export type Ticket = Of<typeof Ticket>;

export const ProofOfInference = record({
  deployment: hash,
  coordinator: address,
  node: address,
  request: requestId,
  segment: u16,
  ticket: hash,
  model: string,
  backend: string,
  response_commitment: hash,
  input_tokens: u32,
  output_tokens: u32,
  outcome: Outcome,
  finished: u64,
});
export type ProofOfInference = Of<typeof ProofOfInference>;

export const ProofRoot = record({
  deployment: hash,
  coordinator: address,
  node: address,
  size: u32,
  root: hash,
});
export type ProofRoot = Of<typeof ProofRoot>;

export const NodeEvidence = record({
  signer: address,
  root: ProofRoot,
  signature,
  index: u32,
  path: list(hash),
});
export type NodeEvidence = Of<typeof NodeEvidence>;

export const ReceiptHead = record({
  deployment: hash,
  coordinator: address,
  epoch: u32,
  index: u64,
  request: requestId,
  segment: u16,
  node: address,
  node_cumulative: u128,
  body: hash,
});
export type ReceiptHead = Of<typeof ReceiptHead>;

export const ReceiptBody = record({
  model: string,
  ticket: hash,
  request_commitment: hash,
  response_commitment: hash,
  input_tokens: u32,
  output_tokens: u32,
  tariff: Tariff,
  amount: u128,
  fee: u128,
  fee_rate: u16,
  outcome: Outcome,
  auction: record({
    book_head: hash,
    candidates: u16,
    winner_ask: u64,
    best_losing_ask: option(u64),
  }),
  owner: record({ escrow: hash, allowance: hash, cumulative: hash }),
  statement: option(record({ proof: ProofOfInference, evidence: NodeEvidence })),
  attestation: option(hash),
  created: u64,
});
export type ReceiptBody = Of<typeof ReceiptBody>;

export const Hello = record({ deployment: hash, coordinator: address, binding: hash, now: u64 });
export type Hello = Of<typeof Hello>;

/** What was measured of one node for one model. */
export const Measured = record({
  node: address,
  model: string,
  measurements: record({
    requests: u32,
    failed: u32,
    first_byte_millis: u32,
    millitokens_per_second: u32,
    in_flight: u32,
    capacity: u32,
  }),
  reference: record({ first_byte_millis: u32, millitokens_per_second: u32 }),
  last_served: option(u64),
});
export type Measured = Of<typeof Measured>;

/** Every change of a coordinator's order book (docs/protocol.md, section 14). */
export const BookEntry = union({
  opened: record({ deployment: hash, coordinator: address, previous: hash, at: u64 }),
  model_listed: record({ model: string, input_weight: u16, output_weight: u16 }),
  node_admitted: record({ node: address, signer: address, payout_owner: address }),
  ask_applied: record({ ask: Ask, signature, at: u64 }),
  node_removed: record({ node: address }),
  rated: record({
    ratings: list(record({ node: address, model: string, quality: u16, recent_service: bool })),
  }),
  expired: record({ at: u64 }),
  measured: record({ at: u64, measured: list(Measured) }),
});
export type BookEntry = Of<typeof BookEntry>;

/** In which order the client wanted those who won to be tried; it never changes a price. */
export const Wish = record({
  order: variant("auction", "price", "latency", "throughput"),
  first_only: bool,
});
export type Wish = Of<typeof Wish>;

const terms = {
  request: requestId,
  model: string,
  input_tokens: u32,
  max_output: u32,
  features: u32,
  max_price: option(u64),
  excluded: list(address),
  pinned: option(address),
  now: u64,
  busy: list(u32),
};

/** What a clearing was asked; unsigned, the coordinator's word. */
export const Terms = record({ ...terms, wish: Wish });
export type Terms = Of<typeof Terms>;

/** Terms as they were stored before wishes were part of them. */
const TermsWithoutWish = record(terms);

/** Reads terms; those stored before wishes were part of them had none. */
export function decodeTerms(bytes: Uint8Array): Terms {
  try {
    return decode(Terms, bytes);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    try {
      return { ...decode(TermsWithoutWish, bytes), wish: { order: "auction", first_only: false } };
    } catch {
      throw error;
    }
  }
}

/** What a wallet may want done with its keys. */
export type KeyAction =
  | { create: { allowance: string; label: string } }
  | { list: Record<string, never> }
  | { revoke: { key: string } };

const Create = record({ allowance: address, label: string });
const Revoke = record({ key: bytes16 });

const KeyAction: Type<KeyAction> = {
  write: (action) => {
    if ("create" in action) return concat(Uint8Array.of(0), Create.write(action.create));
    if ("list" in action) return Uint8Array.of(1);
    return concat(Uint8Array.of(2), Revoke.write(action.revoke));
  },
  read: (from: Reader) => {
    switch (from.take(1)[0]) {
      case 0:
        return { create: Create.read(from) };
      case 1:
        return { list: {} };
      case 2:
        return { revoke: Revoke.read(from) };
      default:
        throw new FormatError("an unknown variant");
    }
  },
};

export const KeyCommand = record({
  deployment: hash,
  coordinator: address,
  owner: address,
  issued: u64,
  nonce: bytes16,
  action: KeyAction,
});
export type KeyCommand = Of<typeof KeyCommand>;

/** The tags, without the zero byte that follows each. */
export const TAGS = {
  deployment: "pinaivu/deployment/v1",
  ask: "pinaivu/ask/v1",
  askHash: "pinaivu/ask-hash/v1",
  askAcknowledged: "pinaivu/ask-acknowledged/v1",
  ticket: "pinaivu/ticket/v1",
  ticketHash: "pinaivu/ticket-hash/v1",
  proof: "pinaivu/proof/v1",
  proofRoot: "pinaivu/proof-root/v1",
  receipt: "pinaivu/receipt/v1",
  receiptBody: "pinaivu/receipt-body/v1",
  request: "pinaivu/request/v1",
  response: "pinaivu/response/v1",
  ownerEscrow: "pinaivu/owner-escrow/v1",
  ownerAllowance: "pinaivu/owner-allowance/v1",
  ownerCumulative: "pinaivu/owner-cumulative/v1",
  keyCommand: "pinaivu/key-command/v1",
  hello: "pinaivu/hello/v1",
  book: "pinaivu/book/v1",
} as const;
