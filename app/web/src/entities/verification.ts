/**
 * Reads from the chain what a receipt is checked against, and checks it. The coordinator serves the
 * bytes and the path; every key, fee rate and root that they are compared with comes from the RPC.
 */
import { payoutAddress } from "@pinaivu/program";
import {
  type AuctionEvidence,
  type ChainFacts,
  type Check,
  deploymentId,
  type Evidence,
  fromBase64,
  type ReceiptDocument,
  type Replay,
  type Report,
  readDocument,
  replayAuction,
  toHex,
  verify,
} from "@pinaivu/verify";
import { address } from "@solana/kit";
import { type Chain, readCoordinator, readHistory, readMarket, readNode, readPayout } from "./chain.ts";
import { fetchAuction, fetchKeptEvidence, fetchReceipts, type ServedReceipts } from "./coordinator.ts";

/** How far a running verification has come. */
export type Progress = (step: string) => void;

/** What the chain says about these receipts. */
export async function gatherFacts(
  chain: Chain,
  nodes: readonly string[],
  progress: Progress,
): Promise<ChainFacts> {
  progress("Asking the cluster for its genesis hash");
  const genesis = await chain.rpc.getGenesisHash().send();
  progress("Reading the coordinator and the market");
  const [coordinator, market] = await Promise.all([readCoordinator(chain), readMarket(chain)]);
  progress("Reading the node and what it was credited");
  const read = await Promise.all(
    nodes.map(async (node) => {
      const at = await payoutAddress(
        address(chain.place.program),
        address(chain.place.coordinator),
        address(node),
      );
      const [account, payout] = await Promise.all([readNode(chain, node), readPayout(chain, at)]);
      return { node, account, payout };
    }),
  );
  return {
    deployment: deploymentId(genesis, chain.place.program),
    coordinator: coordinator && {
      address: coordinator.address,
      signer: coordinator.signer,
      former_signers: [],
      fee_rate: Math.min(coordinator.feeBps, market?.feeCapBps ?? coordinator.feeBps),
      log: {
        epoch: coordinator.log.epoch,
        size: coordinator.log.size,
        root: toHex(Uint8Array.from(coordinator.log.root)),
      },
      heads: [],
    },
    nodes: new Map(
      read.map(({ node, account }) => [node, account && { signer: account.signer, former_signers: [] }]),
    ),
    credited: new Map(read.map(({ node, payout }) => [node, payout?.credited ?? 0n])),
  };
}

/** Earlier heads of the log, from the program's events: a kept bundle leads to the root of its day. */
async function withEarlierHeads(chain: Chain, facts: ChainFacts): Promise<ChainFacts> {
  if (!facts.coordinator) return facts;
  const heads = (await readHistory(chain, facts.coordinator.address, 200))
    .flatMap((item) => (item.failed ? [] : item.events))
    .filter(
      (event) => event.name === "LogExtended" && event.data["coordinator"] === facts.coordinator?.address,
    )
    .flatMap(({ data: { epoch, size, root } }) =>
      typeof epoch === "number" && typeof size === "bigint" && typeof root === "string"
        ? [{ epoch, size, root }]
        : [],
    );
  return { ...facts, coordinator: { ...facts.coordinator, heads } };
}

/** Keys that these accounts had before, from the chain's history as far as the RPC keeps it. */
async function withFormerSigners(
  chain: Chain,
  facts: ChainFacts,
  nodes: readonly string[],
): Promise<ChainFacts> {
  const formerOf = async (at: string): Promise<string[]> =>
    (await readHistory(chain, at, 100))
      .flatMap((item) => (item.failed ? [] : item.events))
      .filter((event) => event.name === "CoordinatorSignerRotated" || event.name === "NodeSignerRotated")
      .flatMap((event) => (typeof event.data["old_signer"] === "string" ? [event.data["old_signer"]] : []));
  const coordinator = facts.coordinator && {
    ...facts.coordinator,
    former_signers: await formerOf(facts.coordinator.address),
  };
  const entries = await Promise.all(
    nodes.map(async (node) => {
      const known = facts.nodes.get(node);
      return [node, known ? { ...known, former_signers: await formerOf(node) } : (known ?? null)] as const;
    }),
  );
  return { ...facts, coordinator, nodes: new Map(entries) };
}

export interface Verified {
  readonly report: Report;
  readonly facts: ChainFacts | null;
  readonly served: ServedReceipts;
  /** Why the chain could not be read, if so. */
  readonly chainProblem: string | null;
  /** The clearing run again; `null` when what it was made from could not be had. */
  readonly replay: Replay | null;
}

/** Book and terms of a request's clearing, or why they could not be had. */
async function gatherAuction(id: string): Promise<AuctionEvidence | { missing: string }> {
  try {
    const found = await fetchAuction(id);
    if (!found) return { missing: "the coordinator does not have the book of that time any more" };
    return { entries: found.entries.map(fromBase64), terms: fromBase64(found.terms) };
  } catch (error) {
    return { missing: `the book was not had: ${error instanceof Error ? error.message : "no answer"}` };
  }
}

/** What the receipts' evidence of attestation comes to, instead of that it was not looked at. */
async function withAttestation(
  report: Report,
  document: ReceiptDocument,
  chain: Chain | null,
  facts: ChainFacts | null,
): Promise<Report> {
  const named = document.entries.filter(({ receipt }) => receipt.body.attestation !== null);
  if (named.length === 0) return report;
  const [{ checkReceiptEvidence }, account] = await Promise.all([
    // Two curves more than receipts need: loaded when there is something to check with them.
    import("@pinaivu/verify/attestation"),
    chain ? readCoordinator(chain).catch(() => null) : null,
  ]);
  const measurement = account ? toHex(Uint8Array.from(account.measurement)) : null;
  const found = new Map<number, Pick<Check, "verdict" | "detail">>();
  for (const { receipt } of named) {
    const hash = receipt.body.attestation ?? "";
    const bytes = await fetchKeptEvidence(hash).catch(() => null);
    found.set(
      receipt.head.segment,
      bytes
        ? checkReceiptEvidence(hash, bytes, {
            deployment: facts?.deployment ?? null,
            coordinator: facts?.coordinator?.address ?? null,
            signer: account?.signer ?? null,
            measurement,
            now: Number(receipt.body.created),
          })
        : { verdict: "not_checked", detail: `the coordinator did not give the evidence ${hash}` },
    );
  }
  const checks = report.checks.map((check) =>
    check.id === "attestation" ? { ...check, ...found.get(check.segment) } : check,
  );
  const number = (verdict: Check["verdict"]) => checks.filter((check) => check.verdict === verdict).length;
  return {
    ...report,
    checks,
    failed: number("failed"),
    passed: number("passed"),
    not_checked: number("not_checked"),
  };
}

const nodesOf = (document: ReceiptDocument) => [
  ...new Set(document.entries.map((entry) => entry.receipt.head.node)),
];

export interface VerifyOptions {
  /** A bundle that the person has: the coordinator is not asked for the receipt. */
  readonly given?: ServedReceipts | undefined;
  /** Fetch the order book and run the auction again. */
  readonly auction?: boolean;
}

/** Every check of a request's receipts. */
export async function verifyRequest(
  id: string,
  chain: Chain | null,
  held: Evidence,
  progress: Progress,
  { given, auction = false }: VerifyOptions = {},
): Promise<Verified> {
  let served = given ?? (await fetchReceipts(id, null));
  if (served === "pending") throw new Error("the receipt is not there yet; try again in a moment");
  let document = readDocument(served);
  let facts: ChainFacts | null = null;
  let chainProblem: string | null = chain ? null : "no RPC is set";
  if (chain) {
    try {
      facts = await gatherFacts(chain, nodesOf(document), progress);
    } catch (error) {
      chainProblem = error instanceof Error ? error.message : "the RPC did not answer";
    }
  }
  if (facts?.coordinator && !given) {
    progress("Fetching the path to the root that the chain holds");
    const newer = await fetchReceipts(id, facts.coordinator.log.size);
    if (newer !== "pending") {
      served = newer;
      document = readDocument(newer);
    }
  }
  const head = facts?.coordinator?.log;
  const older = document.entries.some(({ inclusion }) => inclusion && head && inclusion.size < head.size);
  if (chain && facts && older) {
    progress("Looking for that root in the chain's history");
    // An RPC without history leaves this one check open; the report says so.
    facts = await withEarlierHeads(chain, facts).catch(() => facts);
  }
  let evidence = held;
  if (auction) {
    progress("Reading the order book that the receipt commits to");
    evidence = { ...held, auction: await gatherAuction(id) };
  }
  progress("Checking signatures, hashes and sums here");
  let report = verify(document, facts, evidence);
  const keyFailed = report.checks.some(
    (check) => check.verdict === "failed" && (check.id === "signature" || check.id === "node_key"),
  );
  if (chain && facts && keyFailed) {
    progress("Looking for earlier keys in the chain's history");
    try {
      facts = await withFormerSigners(chain, facts, nodesOf(document));
      report = verify(document, facts, evidence);
    } catch {
      chainProblem = "the RPC keeps no history to look for earlier keys in";
    }
  }
  progress("Checking the machine's evidence");
  report = await withAttestation(report, document, chain, facts);
  const [first] = document.entries;
  const published = evidence.auction && "entries" in evidence.auction ? evidence.auction : null;
  const replay = first && published ? replayAuction(first.receipt, published) : null;
  return { report, facts, served, chainProblem, replay };
}
