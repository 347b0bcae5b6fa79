/**
 * Runs a request's clearing again: ranking and price from the book that its receipt commits to
 * (docs/protocol.md, section 14). Integers only, so that everyone gets the same. What was asked of the
 * clearing (prompt length, limits, who was full) is unsigned and stays the coordinator's word.
 */

import { Book, BookProblem, type Offer, tieBreak } from "./book.ts";
import { FormatError, fromBase58, toHex } from "./bytes.ts";
import type { Receipt } from "./receipt.ts";
import { decodeTerms, type Terms } from "./records.ts";

/** Most candidates a clearing ranks. */
const MAX_RANKED = 8;
const U32 = 2 ** 32 - 1;
const U64 = 2n ** 64n - 1n;

/** Why an offer does not compete, in the order in which it is tested. */
export type Exclusion =
  | "expired"
  | "not_pinned"
  | "excluded"
  | "features"
  | "context"
  | "above_limit"
  | "busy";

/** A ranked offer and what it is paid if it serves. */
export interface Candidate {
  readonly offer: Offer;
  readonly score: bigint;
  /** The highest ask with which it still wins, before caps; nothing without an eligible runner-up. */
  readonly critical: bigint | null;
  readonly price: bigint;
  readonly best_losing_ask: bigint | null;
  /** How many compete once the better ones are left out, itself included. */
  readonly competitors: number;
  readonly runner_up: string | null;
}

export interface Clearing {
  /** Best first, at most eight. */
  readonly ranked: readonly Candidate[];
  readonly excluded: readonly { readonly offer: Offer; readonly why: Exclusion }[];
}

function obstacle(offer: Offer, terms: Terms): Exclusion | null {
  const { ask, node, slot } = offer;
  const needed = Math.min(terms.input_tokens + terms.max_output, U32);
  if (ask.expires <= terms.now) return "expired";
  if (terms.pinned !== null && terms.pinned !== node) return "not_pinned";
  if (terms.excluded.includes(node)) return "excluded";
  if ((ask.features & terms.features) >>> 0 !== terms.features >>> 0) return "features";
  if (ask.context_length < needed) return "context";
  if (terms.max_price !== null && ask.price > terms.max_price) return "above_limit";
  return terms.busy.includes(slot) ? "busy" : null;
}

/** What a winner is paid: its critical value, at most a tenth above its ask (rounded down) and the limit, at least its ask. */
function clearingPrice(ask: bigint, critical: bigint | null, limit: bigint | null): bigint {
  if (critical === null) return ask;
  const cap = (ask * 11_000n) / 10_000n;
  const bounded = [critical, cap, limit ?? U64, U64].reduce((a, b) => (a < b ? a : b));
  return bounded > ask ? bounded : ask;
}

/** Ranks the offers that can serve the request and prices the best. */
export function clear(book: Book, terms: Terms): Clearing {
  const excluded: { offer: Offer; why: Exclusion }[] = [];
  const eligible = book.offers(terms.model).flatMap((offer) => {
    const why = obstacle(offer, terms);
    if (why) {
      excluded.push({ offer, why });
      return [];
    }
    // Quality in basis points times a warm discount of none, also in basis points.
    const factor = BigInt(offer.quality) * 10_000n;
    const tie = tieBreak(terms.request, offer.node);
    return [{ offer, factor, score: offer.ask.price * factor, tie, id: toHex(fromBase58(offer.node, 32)) }];
  });
  type Contender = (typeof eligible)[number];
  const byTie = (a: Contender, b: Contender) =>
    a.tie === b.tie ? (a.id < b.id ? -1 : 1) : a.tie < b.tie ? -1 : 1;
  eligible.sort((a, b) => (a.score === b.score ? byTie(a, b) : a.score < b.score ? -1 : 1));
  const ranked = eligible.slice(0, MAX_RANKED).map((contender, rank): Candidate => {
    const { offer, factor, score } = contender;
    const losers = eligible.slice(rank + 1);
    const runnerUp = losers.find(
      (other) => other.offer.recent_service && other.offer.payout_owner !== offer.payout_owner,
    );
    let critical: bigint | null = null;
    if (runnerUp) {
      const reachable = byTie(contender, runnerUp) < 0 ? runnerUp.score : runnerUp.score - 1n;
      // A price beyond 64 bits is bounded by the cap all the same. Rounds down.
      if (reachable >= 0n) critical = reachable / factor;
    }
    const losing = losers.map((other) => other.offer.ask.price);
    return {
      offer,
      score,
      critical,
      price: clearingPrice(offer.ask.price, critical, terms.max_price),
      best_losing_ask: losing.length ? losing.reduce((a, b) => (a < b ? a : b)) : null,
      competitors: eligible.length - rank,
      runner_up: runnerUp?.offer.node ?? null,
    };
  });
  return { ranked, excluded };
}

/** The published material of one clearing. */
export interface AuctionEvidence {
  /** Every entry of the book up to the version the request was cleared from, in order. */
  readonly entries: readonly Uint8Array[];
  readonly terms: Uint8Array;
}

/** What running the clearing again came to. */
export interface Replay {
  /** Why it does not agree with the receipt; `null` when it does. */
  readonly problem: string | null;
  readonly terms: Terms | null;
  readonly clearing: Clearing | null;
  /** Place of the node that served; nothing when it is not among the ranked. */
  readonly rank: number | null;
  /** How many entries the book had. */
  readonly version: number;
}

/**
 * Rebuilds the book, clears again, and holds the result against the receipt, which must be that of the
 * request that was asked for; without `asked`, of the one it names.
 */
export function replayAuction(
  { head, body }: Receipt,
  evidence: AuctionEvidence,
  asked: string = head.request,
): Replay {
  const version = evidence.entries.length;
  const fails = (problem: string, found: Partial<Replay> = {}): Replay => ({
    terms: null,
    clearing: null,
    rank: null,
    version,
    ...found,
    problem,
  });
  if (head.request !== asked) return fails(`the receipt is for another request, ${head.request}`);
  let terms: Terms;
  let book: Book;
  try {
    terms = decodeTerms(evidence.terms);
    book = new Book(evidence.entries);
  } catch (error) {
    if (error instanceof FormatError) return fails(`the terms: ${error.message}`);
    if (error instanceof BookProblem) return fails(error.message);
    throw error;
  }
  if (book.head !== body.auction.book_head)
    return fails(`the book's entries lead to ${book.head}, the receipt names ${body.auction.book_head}`);
  if (terms.request !== head.request || terms.model !== body.model)
    return fails("the terms are those of another request");
  if (book.deployment !== head.deployment || book.coordinator !== head.coordinator)
    return fails("the book is another coordinator's");
  const [forged] = book.forged(terms.model);
  if (forged) return fails(`the ask of node ${forged} is not signed by its key`);
  const clearing = clear(book, terms);
  const rank = clearing.ranked.findIndex(({ offer }) => offer.node === head.node);
  const candidate = clearing.ranked[rank];
  if (!candidate) return fails(`node ${head.node} does not win, nor is it next`, { terms, clearing });
  const weights = book.weights(terms.model);
  const { price, input_weight, output_weight } = body.tariff;
  const found = { terms, clearing, rank };
  if (candidate.price !== price) return fails(`the price is ${candidate.price}, not ${price}`, found);
  if (weights?.input !== input_weight || weights.output !== output_weight)
    return fails("the model's weights are others", found);
  const { candidates, winner_ask, best_losing_ask } = body.auction;
  if (candidate.offer.ask.price !== winner_ask)
    return fails(`the winner asked ${candidate.offer.ask.price}, not ${winner_ask}`, found);
  if (Math.min(candidate.competitors, 0xffff) !== candidates)
    return fails(`${candidate.competitors} offers competed, not ${candidates}`, found);
  if (candidate.best_losing_ask !== best_losing_ask)
    return fails(`the best losing ask is ${candidate.best_losing_ask}, not ${best_losing_ask}`, found);
  return { problem: null, version, ...found };
}
