// @vitest-environment node
import {
  COORDINATOR_DISCRIMINATOR,
  EPOCH_HEAD_DISCRIMINATOR,
  epochHeadAddress,
  MARKET_DISCRIMINATOR,
  NODE_DISCRIMINATOR,
  RETIRED_SIGNER_DISCRIMINATOR,
  retiredSignerAddress,
} from "@pinaivu/program";
import {
  decodeReceipt,
  fromBase58,
  fromHex,
  receiptLeaf,
  rootOfPath,
  toBase58,
  toBase64,
} from "@pinaivu/verify";
import { address } from "@solana/kit";
import { afterEach, expect, test, vi } from "vitest";
import records from "../../../../tests/vectors/records.json";
import { accountOf, chainOf, coordinatorAnswers, little, type Transaction } from "./served.fixture.ts";
import { type VerifyOptions, verifyRequest } from "./verification.ts";

afterEach(() => vi.unstubAllGlobals());

const [vector] = records.receipts;
if (!vector) throw new Error("no receipt");
const receipt = decodeReceipt(fromHex(vector.borsh));
const { head } = receipt;
const nodeSigner = receipt.body.statement?.evidence.signer ?? "";
const [newer, stranger] = [toBase58(new Uint8Array(32).fill(41)), toBase58(new Uint8Array(32).fill(42))];
const place = {
  ...records.deployment,
  coordinator: head.coordinator,
  market: toBase58(new Uint8Array(32).fill(40)),
};
const program = address(place.program);
const key = (text: string) => fromBase58(text, 32);

/** The path of the log's last leaf: as many siblings as such a tree gives it. */
const size = head.index + 1n;
const path: string[] = [];
const root = (() => {
  for (;;) {
    try {
      return rootOfPath(receiptLeaf(receipt), head.index, size, path);
    } catch {
      path.push("ab".repeat(32));
    }
  }
})();

/** What the coordinator serves for a request, as `GET /v1/receipts/{id}` has it. */
const served = (request_id: string = head.request, signer: string | undefined = vector.signer) => ({
  object: "receipts",
  request_id,
  receipts: [
    {
      segment: head.segment,
      bytes: toBase64(receipt.bytes),
      signer,
      inclusion: { epoch: head.epoch, size: Number(size), index: Number(head.index), path, root },
      anchored: null,
      settlement: { log: null, debited: false, credit: null },
    },
  ],
});

/** Answers for receipts; the book and evidence of machines are not had. */
const serves = (document: () => object) =>
  coordinatorAnswers((path) => (/^\/v1\/receipts\/[^/]+$/.test(path) ? document() : undefined));

const coordinatorAccount = (signer: string, log: { epoch: number; size: bigint; root: string }) =>
  accountOf(COORDINATOR_DISCRIMINATOR, 2_656, {
    10: key(place.market),
    74: key(signer),
    114: little(333, 2),
    428: little(log.epoch, 4),
    432: little(log.size, 8),
    440: fromHex(log.root),
  });

const retired = async (account: string, signer: string) =>
  [
    await retiredSignerAddress(program, address(account), address(signer)),
    accountOf(RETIRED_SIGNER_DISCRIMINATOR, 186, {
      10: key(place.market),
      42: key(account),
      74: key(signer),
    }),
  ] as const;

interface Setting {
  readonly coordinator?: string;
  readonly node?: string;
  readonly log?: { epoch: number; size: bigint; root: string };
  readonly more?: readonly (readonly [string, Uint8Array])[];
  readonly history?: ReadonlyMap<string, readonly Transaction[]> | null;
}

/** A chain on which everything about the receipt holds, but for what is said. */
const chain = ({
  coordinator = vector.signer,
  node = nodeSigner,
  log = { epoch: head.epoch, size, root },
  more = [],
  history = null,
}: Setting = {}) =>
  chainOf(
    place,
    new Map([
      [head.coordinator, coordinatorAccount(coordinator, log)],
      [place.market, accountOf(MARKET_DISCRIMINATOR, 329, { 15: little(333, 2) })],
      [head.node, accountOf(NODE_DISCRIMINATOR, 381, { 10: key(place.market), 74: key(node) })],
      ...more,
    ]),
    history,
  );

const verified = async (given: Setting, id: string = head.request, options: VerifyOptions = {}) => {
  const found = await verifyRequest(id, chain(given), {}, () => undefined, options);
  const checks = new Map(found.report.checks.map((check) => [check.id, check]));
  const failed = [...checks.values()].flatMap((check) => (check.verdict === "failed" ? [check.id] : []));
  return { ...found, checks, failed };
};

test("a good receipt holds against the chain", async () => {
  const asked = serves(() => served());
  const { failed, checks } = await verified({});
  expect(failed).toEqual([]);
  for (const id of ["request_id", "signature", "node_key", "inclusion", "anchor"] as const)
    expect(checks.get(id)?.verdict, id).toBe("passed");
  expect(asked.slice(0, 2)).toEqual([
    `/v1/receipts/${head.request}`,
    `/v1/receipts/${head.request}?size=${size}`,
  ]);
});

test("a server that answers with another request's receipt fails, whatever its document says", async () => {
  const asked = `req_${"0".repeat(32)}`;
  for (const claimed of [asked, head.request]) {
    serves(() => served(claimed));
    const { failed, checks, replay } = await verified({}, asked, { auction: true });
    expect(failed).toEqual(["request_id"]);
    expect(checks.get("request_id")?.detail).toBe(
      `the receipt is for another request, ${head.request}, not for ${asked}`,
    );
    expect(replay).toBeNull();
  }
});

test("a verdict is on the receipts that are shown, not on others that come later", async () => {
  const other = served();
  const bytes = receipt.bytes.slice();
  bytes[280] = (bytes[280] ?? 0) ^ 1;
  serves(() => ({
    ...other,
    receipts: other.receipts.map((entry) => ({ ...entry, bytes: toBase64(bytes) })),
  }));
  await expect(verified({}, head.request, { shown: served() })).rejects.toThrow(
    /other receipts of this request/,
  );
});

test("a receipt from before the coordinator's key was rotated holds by the chain's record of that key", async () => {
  const more = [await retired(head.coordinator, vector.signer)];
  const signature = async (given: Setting, signer: string | undefined = vector.signer) => {
    serves(() => served(head.request, signer));
    const { checks, failed } = await verified({ coordinator: newer, ...given });
    return { failed, detail: checks.get("signature")?.detail };
  };
  const holds = {
    failed: [],
    detail: `the head is signed by ${vector.signer}, a former key of it on chain`,
  };
  // This RPC keeps no history at all.
  expect(await signature({ more })).toEqual(holds);
  // The view beside the bytes names no key, or a wrong one: records are listed.
  expect(await signature({ more }, "")).toEqual(holds);
  expect(await signature({ more }, stranger)).toEqual(holds);
  // A record of another account, and one of another key, are none of this.
  const others = [await retired(stranger, vector.signer), await retired(head.coordinator, stranger)];
  expect((await signature({ more: others })).failed).toEqual(["signature"]);
  expect((await signature({})).failed).toEqual(["signature"]);
});

test("a statement from before the node's key was rotated holds by the chain's record of that key", async () => {
  serves(() => served());
  const more = [await retired(head.node, nodeSigner)];
  const found = await verified({ node: newer, more });
  expect(found.failed).toEqual([]);
  expect(found.checks.get("node_key")?.detail).toBe("that key was the node's on chain before it was rotated");
  const others = [await retired(head.coordinator, nodeSigner), await retired(head.node, stranger)];
  expect((await verified({ node: newer, more: others, history: new Map() })).failed).toEqual(["node_key"]);
});

test("where records were closed, history says which keys there were, of this account alone", async () => {
  const rotated = (of: string) => {
    const event = [fromHex("13175315f169be8a"), key(of), little(7, 8), key(vector.signer), key(newer)];
    return [
      `Program ${place.program} invoke [1]`,
      `Program data: ${Buffer.concat(event).toString("base64")}`,
      `Program ${place.program} success`,
    ];
  };
  const signature = async (of: string, name: string) => {
    serves(() => served());
    const history = new Map([[head.coordinator, [{ signature: name, logs: rotated(of) }]]]);
    return (await verified({ coordinator: newer, history })).failed;
  };
  expect(await signature(head.coordinator, "own")).toEqual([]);
  // Anybody can put this account into a transaction that rotates a key of their own.
  expect(await signature(stranger, "foreign")).toEqual(["signature"]);
});

test("a receipt of a closed epoch leads to the head that the chain keeps of it", async () => {
  serves(() => served());
  const log = { epoch: head.epoch + 1, size: 5n, root: "cd".repeat(32) };
  const headOf = async (of: string) =>
    [
      await epochHeadAddress(program, address(head.coordinator), head.epoch),
      accountOf(EPOCH_HEAD_DISCRIMINATOR, 126, {
        10: key(head.coordinator),
        42: little(head.epoch, 4),
        46: little(size, 8),
        54: fromHex(of),
      }),
    ] as const;
  const anchor = async (more: Setting["more"] = []) =>
    (await verified({ log, more })).checks.get("anchor")?.verdict;
  expect(await anchor([await headOf(root)])).toBe("passed");
  expect(await anchor([await headOf("ef".repeat(32))])).toBe("failed");
  expect(await anchor()).toBe("not_checked");
});
