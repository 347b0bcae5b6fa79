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
  headSignedBy,
  type Inclusion,
  type Receipt,
  type ReceiptDocument,
  type Replay,
  type Report,
  readDocument,
  replayAuction,
  toHex,
  verify,
} from "@pinaivu/verify";
import { address } from "@solana/kit";
import {
  type Chain,
  listMeasurements,
  listRetiredSigners,
  looksLikeAddress,
  readCoordinator,
  readEpochHead,
  readHistory,
  readMarket,
  readNode,
  readPayout,
  readRetiredSigner,
} from "./chain.ts";
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

const present = <T>(found: (T | null)[]): T[] => found.filter((one) => one !== null);

/** Heads of the log that are not its present one, of those that these paths lead to. */
async function withEarlierHeads(
  chain: Chain,
  facts: ChainFacts,
  paths: readonly Inclusion[],
): Promise<ChainFacts> {
  const { coordinator } = facts;
  if (!coordinator) return facts;
  const epochs = [...new Set(paths.map(({ epoch }) => epoch))].filter(
    (epoch) => epoch !== coordinator.log.epoch,
  );
  // A closed epoch has its last head in an account.
  const closed = present(await Promise.all(epochs.map((epoch) => readEpochHead(chain, epoch)))).map(
    ({ epoch, size, root }) => ({ epoch, size, root: toHex(Uint8Array.from(root)) }),
  );
  const known = (path: Inclusion) =>
    [coordinator.log, ...closed].some(({ epoch, size }) => epoch === path.epoch && size === path.size);
  // Others are in the program's events: a kept bundle leads to the root of its day.
  const earlier = paths.every(known)
    ? []
    : (await readHistory(chain, coordinator.address, 200).catch(() => []))
        .flatMap((item) => (item.failed ? [] : item.events))
        .filter((event) => event.name === "LogExtended" && event.data["coordinator"] === coordinator.address)
        .flatMap(({ data: { epoch, size, root } }) =>
          typeof epoch === "number" && typeof size === "bigint" && typeof root === "string"
            ? [{ epoch, size, root }]
            : [],
        );
  return { ...facts, coordinator: { ...coordinator, heads: [...closed, ...earlier] } };
}

/** Most keys that a document may name for one account before the chain is not asked about more of them. */
const MAX_CLAIMED = 16;

/** Of these keys, those that the chain has a record of having signed for the account before. */
async function retiredOf(chain: Chain, account: string, claimed: readonly string[]): Promise<string[]> {
  const keys = [...new Set(claimed)].filter(looksLikeAddress).slice(0, MAX_CLAIMED);
  const found = await Promise.all(keys.map((key) => readRetiredSigner(chain, account, key)));
  return present(found).map(({ signer }) => signer);
}

/** Keys that events say this account had before, for records that were closed; `null` without history. */
async function formerInHistory(
  chain: Chain,
  account: string,
  name: "CoordinatorSignerRotated" | "NodeSignerRotated",
  field: "coordinator" | "node",
): Promise<string[] | null> {
  const history = await readHistory(chain, account, 100).catch(() => null);
  return (
    history
      ?.flatMap((item) => (item.failed ? [] : item.events))
      // A transaction that touches this account can rotate another one's key.
      .filter((event) => event.name === name && event.data[field] === account)
      .flatMap((event) => (typeof event.data["old_signer"] === "string" ? [event.data["old_signer"]] : [])) ??
    null
  );
}

/** The key that signed a receipt's head, of those that the chain says are or were the coordinator's. */
const signerOf = (receipt: Receipt, facts: ChainFacts | null): string | null =>
  (facts?.coordinator ? [facts.coordinator.signer, ...facts.coordinator.former_signers] : []).find((key) =>
    headSignedBy(receipt, key),
  ) ?? null;

/**
 * Adds keys that coordinator and nodes had before. A statement names its key, and so does the view beside a
 * head; each is looked for where the program keeps a record of it. For a head that none of them signed, all
 * records of the coordinator are listed. Only then history is read, because records are closed one day;
 * `unread` when it was wanted and this RPC keeps none.
 */
async function withFormerSigners(
  chain: Chain,
  facts: ChainFacts,
  document: ReceiptDocument,
  served: ServedReceipts,
): Promise<{ readonly facts: ChainFacts; readonly unread: boolean }> {
  let unread = false;
  const history = async (...of: Parameters<typeof formerInHistory>): Promise<string[]> => {
    const keys = await formerInHistory(...of);
    if (keys === null) unread = true;
    return keys ?? [];
  };
  const statements = present(
    document.entries.map(({ receipt: { head, body } }) =>
      body.statement ? { node: head.node, key: body.statement.evidence.signer } : null,
    ),
  );
  const nodes = await Promise.all(
    [...facts.nodes].map(async ([node, known]) => {
      const keys = statements.flatMap((one) => (one.node === node ? [one.key] : []));
      if (!known || keys.every((key) => key === known.signer)) return [node, known] as const;
      let former = await retiredOf(chain, node, keys);
      if (keys.some((key) => key !== known.signer && !former.includes(key)))
        former = [...former, ...(await history(chain, node, "NodeSignerRotated", "node"))];
      return [node, { ...known, former_signers: former }] as const;
    }),
  );
  let found: ChainFacts = { ...facts, nodes: new Map(nodes) };
  const allSigned = () => document.entries.every(({ receipt }) => signerOf(receipt, found) !== null);
  const add = (keys: readonly string[]) => {
    const { coordinator } = found;
    if (!coordinator) return;
    const former_signers = [...coordinator.former_signers, ...keys];
    found = { ...found, coordinator: { ...coordinator, former_signers } };
  };
  const at = facts.coordinator?.address;
  if (!at || allSigned()) return { facts: found, unread };
  const claimed = served.receipts.map((entry) => entry["signer"]);
  add(
    await retiredOf(
      chain,
      at,
      claimed.filter((key) => typeof key === "string"),
    ),
  );
  // An RPC that lists no accounts leaves it to history.
  if (!allSigned()) add((await listRetiredSigners(chain, at).catch(() => [])).map(({ signer }) => signer));
  if (!allSigned()) add(await history(chain, at, "CoordinatorSignerRotated", "coordinator"));
  return { facts: found, unread };
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
  const [{ checkReceiptEvidence }, account, listed] = await Promise.all([
    // Two curves more than receipts need: loaded when there is something to check with them.
    import("@pinaivu/verify/attestation"),
    chain ? readCoordinator(chain).catch(() => null) : null,
    chain ? listMeasurements(chain).catch(() => null) : null,
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
            // The key of its time, which may have been rotated out since.
            signer: signerOf(receipt, facts),
            measurement,
            listed,
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

/** Whether every receipt of the first is among those of the second, byte for byte. */
export const sameReceipts = (shown: ServedReceipts, other: ServedReceipts): boolean =>
  shown.receipts.every(({ bytes }) => other.receipts.some((entry) => entry.bytes === bytes));

export interface VerifyOptions {
  /** A bundle that the person has: the coordinator is not asked for the receipt. */
  readonly given?: ServedReceipts | undefined;
  /** What is on the page: the verdict is on these receipts, and on no others that the coordinator gives later. */
  readonly shown?: ServedReceipts | undefined;
  /** Fetch the order book and run the auction again. */
  readonly auction?: boolean;
}

/** Every check of a request's receipts, which have to be those of the request that was asked for. */
export async function verifyRequest(
  id: string,
  chain: Chain | null,
  held: Evidence,
  progress: Progress,
  { given, shown, auction = false }: VerifyOptions = {},
): Promise<Verified> {
  let served = given ?? shown ?? (await fetchReceipts(id, null));
  if (served === "pending") throw new Error("the receipt is not there yet; try again in a moment");
  let document = readDocument(served, id);
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
      if (!sameReceipts(served, newer))
        throw new Error(
          "the coordinator gives other receipts of this request now than a moment ago; load the page again",
        );
      served = newer;
      document = readDocument(newer, id);
    }
  }
  const head = facts?.coordinator?.log;
  const paths = present(document.entries.map(({ inclusion }) => inclusion));
  const older = paths.some(({ epoch, size }) => head && (epoch !== head.epoch || size < head.size));
  if (chain && facts && older) {
    progress("Looking for that root among the chain's earlier ones");
    // An RPC without history leaves this one check open; the report says so.
    facts = await withEarlierHeads(chain, facts, paths).catch(() => facts);
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
    progress("Looking for earlier keys on chain");
    try {
      const found = await withFormerSigners(chain, facts, document, served);
      facts = found.facts;
      report = verify(document, facts, evidence);
      if (found.unread) chainProblem = "the RPC keeps no history to look for earlier keys in";
    } catch {
      chainProblem = "the RPC does not say which keys there were before";
    }
  }
  progress("Checking the machine's evidence");
  report = await withAttestation(report, document, chain, facts);
  const first = document.entries.find(({ receipt }) => receipt.head.segment === 0);
  const published = evidence.auction && "entries" in evidence.auction ? evidence.auction : null;
  const replay = first && published ? replayAuction(first.receipt, published, id) : null;
  return { report, facts, served, chainProblem, replay };
}
