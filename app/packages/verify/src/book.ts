/**
 * The order book, rebuilt from its entries (docs/protocol.md, section 14). An entry that a book would
 * not have written makes the whole book refused. Signatures of asks are checked where they still stand
 * at the end: an ask that was replaced or has left decides nothing.
 */
import { decode } from "./borsh.ts";
import { concat, FormatError, fromBase58, fromHex, toHex, utf8 } from "./bytes.ts";
import { hashOf, sha256, tagged, verifySignature } from "./hash.ts";
import { standingOf } from "./quality.ts";
import { Ask, BookEntry, type Measured, TAGS } from "./records.ts";

const MAX_MODELS = 1_024;
const MAX_MODELS_PER_NODE = 128;
const MAX_NODES = 16_384;
const MAX_MODEL_BYTES = 128;
const ZERO = "00".repeat(32);

/** Why entries make no book: which entry, and what is wrong with it. */
export class BookProblem extends Error {
  override readonly name = "BookProblem";
  constructor(
    readonly entry: number,
    why: string,
  ) {
    super(`entry ${entry} of the book: ${why}`);
  }
}

/** One standing offer. */
export interface Offer {
  readonly node: string;
  /** Its number in this book, from 0 in order of first admission. */
  readonly slot: number;
  readonly payout_owner: string;
  readonly ask: Ask;
  /** Basis points; lower is better. Computed from the coordinator's measurements. */
  readonly quality: number;
  readonly recent_service: boolean;
}

interface Standing {
  quality: number;
  recent_service: boolean;
}

interface Offering {
  last: { sequence: bigint; digest: string } | null;
  stands: { ask: Ask; signature: string } | null;
  standing: Standing;
}

interface Member {
  readonly slot: number;
  facts: { signer: string; payout_owner: string } | null;
  readonly offerings: Map<string, Offering>;
}

const newcomer = (): Offering => ({
  last: null,
  stands: null,
  standing: { quality: 10_000, recent_service: false },
});

const isModelName = (model: string): boolean => {
  const length = utf8(model).length;
  return length >= 1 && length <= MAX_MODEL_BYTES && !/\p{Cc}/u.test(model);
};

const signedBytes = (ask: Ask): Uint8Array => tagged(TAGS.ask, Ask.write(ask));

/** The chain's step: `H("pinaivu/book/v1", head, entry)`. */
export const nextHead = (head: string, entry: Uint8Array): string =>
  hashOf(TAGS.book, fromHex(head, 32), entry);

/** A book as it was after its last entry. */
export class Book {
  /** Commits to every entry. */
  readonly head: string;
  readonly version: number;
  readonly deployment: string;
  readonly coordinator: string;
  readonly #members = new Map<string, Member>();
  readonly #models = new Map<string, { input: number; output: number }>();

  /** Throws `BookProblem`. */
  constructor(entries: readonly Uint8Array[]) {
    let head = ZERO;
    let opened: { deployment: string; coordinator: string } | null = null;
    for (const [at, bytes] of entries.entries()) {
      const number = at + 1;
      let entry: BookEntry;
      try {
        entry = decode(BookEntry, bytes);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        throw new BookProblem(number, error.message);
      }
      if ((entry.kind === "opened") !== (number === 1))
        throw new BookProblem(number, "stands where only another kind may");
      if (entry.kind === "opened") opened = entry.value;
      else if (opened) this.#take(entry, number, opened);
      head = nextHead(head, bytes);
    }
    if (!opened) throw new BookProblem(1, "does not open a book");
    this.head = head;
    this.version = entries.length;
    this.deployment = opened.deployment;
    this.coordinator = opened.coordinator;
  }

  /** How a model's tokens count; nothing when it is not listed. */
  weights(model: string): { readonly input: number; readonly output: number } | undefined {
    return this.#models.get(model);
  }

  /** The offers that stand for a model, in the order of their numbers. */
  offers(model: string): Offer[] {
    return [...this.#members].flatMap(([node, { slot, facts, offerings }]) => {
      const offering = offerings.get(model);
      if (!facts || !offering?.stands) return [];
      const { payout_owner } = facts;
      return [{ node, slot, payout_owner, ask: offering.stands.ask, ...offering.standing }];
    });
  }

  /** Nodes whose standing ask for a model is not signed by their key. */
  forged(model: string): string[] {
    return [...this.#members].flatMap(([node, { facts, offerings }]) => {
      const stands = offerings.get(model)?.stands;
      if (!facts || !stands) return [];
      const holds = verifySignature(fromBase58(stands.signature, 64), signedBytes(stands.ask), facts.signer);
      return holds ? [] : [node];
    });
  }

  #take(entry: BookEntry, number: number, home: { deployment: string; coordinator: string }): void {
    const refuse = (why: string): never => {
      throw new BookProblem(number, why);
    };
    const idle = () => refuse("changes nothing");
    switch (entry.kind) {
      case "model_listed":
        return this.#list(entry.value, refuse);
      case "node_admitted":
        return this.#admit(entry.value, refuse);
      case "ask_applied": {
        const { ask, signature, at } = entry.value;
        if (ask.deployment !== home.deployment) refuse("the ask is for another cluster or program");
        if (ask.coordinator !== home.coordinator) refuse("the ask is for another coordinator");
        return this.#apply(ask, signature, at, refuse);
      }
      case "node_removed": {
        const member = this.#members.get(entry.value.node);
        if (!member?.facts) return idle();
        member.facts = null;
        for (const offering of member.offerings.values()) offering.stands = null;
        return;
      }
      case "rated":
        return this.#rate(entry.value.ratings, refuse);
      case "measured":
        return this.#measure(entry.value.measured, entry.value.at, refuse);
      case "expired": {
        const standing = [...this.#members.values()].flatMap(({ offerings }) => [...offerings.values()]);
        const ended = standing.filter(({ stands }) => stands && stands.ask.expires <= entry.value.at);
        if (ended.length === 0) idle();
        for (const offering of ended) offering.stands = null;
        return;
      }
      case "opened":
        return refuse("opens a book a second time");
    }
  }

  #list(
    { model, input_weight, output_weight }: { model: string; input_weight: number; output_weight: number },
    refuse: (why: string) => never,
  ): void {
    if (!isModelName(model)) refuse("no name of a model");
    if (input_weight === 0 && output_weight === 0) refuse("a model whose tokens weigh nothing");
    const known = this.#models.get(model);
    if (known?.input === input_weight && known.output === output_weight) refuse("changes nothing");
    if (!known && this.#models.size >= MAX_MODELS) refuse("more models than a book lists");
    this.#models.set(model, { input: input_weight, output: output_weight });
  }

  #admit(
    { node, signer, payout_owner }: { node: string; signer: string; payout_owner: string },
    refuse: (why: string) => never,
  ): void {
    const known = this.#members.get(node);
    if (known?.facts?.signer === signer && known.facts.payout_owner === payout_owner)
      refuse("changes nothing");
    if (!known && this.#members.size >= MAX_NODES) refuse("more nodes than a book admits");
    const member = known ?? { slot: this.#members.size, facts: null, offerings: new Map() };
    // Asks under a former key do not stand any more.
    if (member.facts && member.facts.signer !== signer)
      for (const offering of member.offerings.values()) offering.stands = null;
    member.facts = { signer, payout_owner };
    this.#members.set(node, member);
  }

  #apply(ask: Ask, signature: string, at: bigint, refuse: (why: string) => never): void {
    const member = this.#members.get(ask.node);
    if (!member?.facts) return refuse(`node ${ask.node} is not admitted`);
    if (!isModelName(ask.model)) refuse("no name of a model");
    const offered = [...member.offerings.values()].filter(({ last }) => last !== null).length;
    const offering = member.offerings.get(ask.model) ?? newcomer();
    if (offering.last === null && offered >= MAX_MODELS_PER_NODE) refuse("more models than a node offers");
    if (!this.#models.has(ask.model)) refuse("the model is not listed");
    const digest = toHex(sha256(signedBytes(ask)));
    const stands = ask.expires > at;
    if (offering.last) {
      const again = offering.last.sequence === ask.sequence && offering.last.digest === digest;
      if (again && (offering.stands !== null) === stands) refuse("changes nothing");
      if (!again && ask.sequence <= offering.last.sequence)
        refuse(`sequence ${ask.sequence} is not above ${offering.last.sequence}`);
    }
    offering.last = { sequence: ask.sequence, digest };
    offering.stands = stands ? { ask, signature } : null;
    member.offerings.set(ask.model, offering);
  }

  #rate(
    ratings: readonly { node: string; model: string; quality: number; recent_service: boolean }[],
    refuse: (why: string) => never,
  ): void {
    let changed = false;
    for (const { node, model, quality, recent_service } of ratings) {
      if (quality < 5_000 || quality > 20_000) refuse("a quality factor out of bounds");
      const member = this.#members.get(node);
      if (!member || !this.#models.has(model)) continue;
      const offering = member.offerings.get(model) ?? newcomer();
      const { standing } = offering;
      if (standing.quality === quality && standing.recent_service === recent_service) continue;
      offering.standing = { quality, recent_service };
      member.offerings.set(model, offering);
      changed = true;
    }
    if (!changed) refuse("changes nothing");
  }

  /** Each line changes a standing, and they are in the order of node and model. */
  #measure(measured: readonly Measured[], at: bigint, refuse: (why: string) => never): void {
    if (measured.length === 0) refuse("changes nothing");
    let before: string | null = null;
    for (const line of measured) {
      const place = toHex(concat(fromBase58(line.node, 32), utf8(line.model)));
      if (before !== null && place <= before) refuse("measurements out of order");
      before = place;
      const member = this.#members.get(line.node);
      if (!member || !this.#models.has(line.model)) return refuse("changes nothing");
      const offering = member.offerings.get(line.model) ?? newcomer();
      const standing = standingOf(line, at);
      const { quality, recent_service } = offering.standing;
      if (standing.quality === quality && standing.recent_service === recent_service)
        refuse("changes nothing");
      offering.standing = standing;
      member.offerings.set(line.model, offering);
    }
  }
}

/** SipHash-2-4 of a node's 32 bytes under a request's 16 bytes: orders equal scores, lower first. */
export function tieBreak(request: string, node: string): bigint {
  const mask = (1n << 64n) - 1n;
  const word = (bytes: Uint8Array, at: number) =>
    bytes.subarray(at, at + 8).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  const turn = (value: bigint, by: bigint) => ((value << by) | (value >> (64n - by))) & mask;
  const key = fromHex(request.replace(/^req_/, ""), 16);
  const [k0, k1] = [word(key, 0), word(key, 8)];
  let [v0, v1, v2, v3] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const round = () => {
    v0 = (v0 + v1) & mask;
    v1 = turn(v1, 13n) ^ v0;
    v0 = turn(v0, 32n);
    v2 = (v2 + v3) & mask;
    v3 = turn(v3, 16n) ^ v2;
    v0 = (v0 + v3) & mask;
    v3 = turn(v3, 21n) ^ v0;
    v2 = (v2 + v1) & mask;
    v1 = turn(v1, 17n) ^ v2;
    v2 = turn(v2, 32n);
  };
  // 32 bytes are four whole words; the last one holds only the length.
  const bytes = concat(fromBase58(node, 32), Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 32));
  for (let at = 0; at < bytes.length; at += 8) {
    const part = word(bytes, at);
    v3 ^= part;
    round();
    round();
    v0 ^= part;
  }
  v2 ^= 0xffn;
  for (let at = 0; at < 4; at++) round();
  return v0 ^ v1 ^ v2 ^ v3;
}
