import { ed25519 } from "@noble/curves/ed25519.js";
import { expect, test } from "vitest";
import * as v from "../src/index.ts";
import { rootOfPath } from "../src/index.ts";
import { vectors } from "./vectors.ts";

const records = vectors("records");
const SALT = "41a19aaabc4525a18431f58da486a7d9730a2496dc288096033338343efe0731";
const vector = records.receipts[0];
const seedOf = (type: string) =>
  v.fromHex(records.signed.find((c: { type: string }) => c.type === type).seed);
const coordinatorSeed = seedOf("receipt_head");
const nodeSeed = seedOf("proof_root");

const original = v.decodeReceipt(v.fromHex(vector.borsh));
const nodeSigner = original.body.statement?.evidence.signer ?? "";

/** A document with a path to a root, which these facts then have on chain. */
function setting(receipt: v.Receipt) {
  const size = receipt.head.index + 1n;
  // As many siblings as the last leaf of such a tree has.
  const path: string[] = [];
  for (;;) {
    try {
      rootOfPath(v.receiptLeaf(receipt), receipt.head.index, size, path);
      break;
    } catch {
      path.push("ab".repeat(32));
    }
  }
  const root = rootOfPath(v.receiptLeaf(receipt), receipt.head.index, size, path);
  const { epoch, index, request } = receipt.head;
  const document: v.ReceiptDocument = {
    request_id: request,
    entries: [{ receipt, inclusion: { epoch, size, index, path, root } }],
  };
  const facts: v.ChainFacts = {
    deployment: original.head.deployment,
    coordinator: {
      address: original.head.coordinator,
      signer: vector.signer,
      former_signers: [],
      fee_rate: 333,
      log: { epoch, size, root },
      heads: [],
    },
    nodes: new Map([[original.head.node, { signer: nodeSigner, former_signers: [] }]]),
    credited: new Map([[original.head.node, original.head.node_cumulative / 1_000_000n]]),
  };
  return { document, facts };
}

const verdicts = (report: v.Report) =>
  Object.fromEntries(report.checks.map(({ id, verdict }) => [id, verdict]));
const failures = (report: v.Report) => report.checks.filter((c) => c.verdict === "failed").map((c) => c.id);

function signed(head: v.ReceiptHead, body: v.ReceiptBody): v.Receipt {
  const named = { ...head, body: v.bodyHash(body) };
  const signature = v.toBase58(ed25519.sign(v.headSigningBytes(named), coordinatorSeed));
  return v.decodeReceipt(v.encodeReceipt({ head: named, body, signature }));
}

test("a good receipt passes every check that can be made", () => {
  const { document, facts } = setting(original);
  expect(verdicts(v.verify(document, facts))).toEqual({
    parties: "passed",
    request_id: "passed",
    signature: "passed",
    body: "passed",
    arithmetic: "passed",
    price: "passed",
    fee_rate: "passed",
    statement: "passed",
    node_proof: "passed",
    node_key: "passed",
    inclusion: "passed",
    anchor: "passed",
    paid: "passed",
    request: "not_checked",
    answer: "not_checked",
    auction: "not_checked",
    attestation: "not_checked",
  });
});

test("without the chain nothing that needs it is said to have passed", () => {
  const { document } = setting(original);
  const found = verdicts(v.verify(document, null));
  for (const id of ["parties", "signature", "fee_rate", "node_key", "anchor", "paid"])
    expect(found[id]).toBe("not_checked");
  expect(verdicts(v.verify(document, { signer: vector.signer }))["signature"]).toBe("passed");
  expect(verdicts(v.verify(document, { signer: nodeSigner }))["signature"]).toBe("failed");
});

test("a changed bit in any byte of a receipt is found", { timeout: 120_000 }, () => {
  const { document, facts } = setting(original);
  const inclusion = document.entries[0]?.inclusion ?? null;
  for (const at of original.bytes.keys()) {
    const bytes = Uint8Array.from(original.bytes);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
    let receipt: v.Receipt;
    try {
      receipt = v.decodeReceipt(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(v.FormatError);
      continue;
    }
    const report = v.verify({ request_id: document.request_id, entries: [{ receipt, inclusion }] }, facts);
    expect(report.failed, `byte ${at}`).toBeGreaterThan(0);
  }
});

type Change = (receipt: { head: v.ReceiptHead; body: v.ReceiptBody }) => void;
const statementOf = (body: v.ReceiptBody) => {
  if (!body.statement) throw new Error("no statement");
  return body.statement;
};

/** A coordinator that lies and signs the lie: the body's hash and the signature are right each time. */
const lies: [string, Change, string[]][] = [
  ["a higher amount", ({ body }) => void (body.amount += 1n), ["arithmetic"]],
  ["a higher fee", ({ body }) => void (body.fee += 1n), ["arithmetic"]],
  [
    "another fee rate, consistently",
    ({ body }) => {
      body.fee_rate = 500;
      body.fee = (body.amount * 500n) / 10_000n;
    },
    ["fee_rate"],
  ],
  ["more tokens than are charged", ({ body }) => void (body.output_tokens += 1), ["arithmetic"]],
  [
    "a price beyond the rule",
    ({ body }) => {
      body.tariff.price = 264_001n;
      body.amount = v.amountOf(body.tariff, body.input_tokens, body.output_tokens);
      body.fee = v.feeOf(body.amount, body.fee_rate) ?? 0n;
    },
    ["price"],
  ],
  ["a price below the ask", ({ body }) => void (body.auction.winner_ask = 250_004n), ["price"]],
  ["another ticket", ({ body }) => void (body.ticket = "ab".repeat(32)), ["statement"]],
  ["another answer", ({ body }) => void (body.response_commitment = "ab".repeat(32)), ["statement"]],
  ["another segment", ({ head }) => void (head.segment = 2), ["statement"]],
  [
    "a statement with other tokens",
    ({ body }) => void (statementOf(body).proof.output_tokens = 11),
    ["node_proof"],
  ],
  [
    "a statement of another model",
    ({ body }) => void (statementOf(body).proof.model = "better"),
    ["node_proof"],
  ],
  ["a statement at another place", ({ body }) => void (statementOf(body).evidence.index = 0), ["node_proof"]],
  ["a root of another size", ({ body }) => void (statementOf(body).evidence.root.size = 2), ["node_proof"]],
  [
    "a path step more",
    ({ body }) => void statementOf(body).evidence.path.push("ab".repeat(32)),
    ["node_proof"],
  ],
  [
    "a root for another coordinator",
    ({ body }) => void (statementOf(body).evidence.root.coordinator = nodeSigner),
    ["node_proof"],
  ],
  [
    "a key that is not the node's",
    ({ body }) => {
      const { proof, evidence } = statementOf(body);
      evidence.root = { ...evidence.root, size: 1, root: v.proofLeaf(proof) };
      evidence.path = [];
      evidence.index = 0;
      const seed = new Uint8Array(32).fill(9);
      evidence.signer = v.toBase58(ed25519.getPublicKey(seed));
      evidence.signature = v.toBase58(
        ed25519.sign(v.tagged(v.TAGS.proofRoot, v.ProofRoot.write(evidence.root)), seed),
      );
    },
    ["node_key"],
  ],
  [
    "a batch larger than allowed",
    ({ body }) => {
      const { evidence } = statementOf(body);
      evidence.root.size = 65;
      evidence.signature = v.toBase58(
        ed25519.sign(v.tagged(v.TAGS.proofRoot, v.ProofRoot.write(evidence.root)), nodeSeed),
      );
    },
    ["node_proof"],
  ],
  ["another coordinator", ({ head }) => void (head.coordinator = nodeSigner), ["parties", "statement"]],
  ["another cluster", ({ head }) => void (head.deployment = "ab".repeat(32)), ["parties", "statement"]],
];

test.each(lies)("a signed lie is found: %s", (_, change, expected) => {
  const copy = structuredClone({ head: original.head, body: original.body });
  change(copy);
  const { document, facts } = setting(signed(copy.head, copy.body));
  expect(failures(v.verify(document, facts))).toEqual(expected);
});

test("a receipt signed by another key is refused", () => {
  const { document, facts } = setting(original);
  const other = { ...facts, coordinator: facts.coordinator && { ...facts.coordinator, signer: nodeSigner } };
  expect(failures(v.verify(document, other))).toEqual(["signature"]);
});

test("a former key is accepted only when the chain names it", () => {
  const { document, facts } = setting(original);
  const rotated = {
    ...facts,
    coordinator: facts.coordinator && {
      ...facts.coordinator,
      signer: nodeSigner,
      former_signers: [vector.signer],
    },
  };
  expect(failures(v.verify(document, rotated))).toEqual([]);
});

test("a receipt of another request is refused", () => {
  const { document, facts } = setting(original);
  const other = { ...document, request_id: "req_00000000000000000000000000000000" };
  expect(failures(v.verify(other, facts))).toEqual(["request_id"]);
});

test("a server that answers with another request's receipt is caught, whatever its document says", () => {
  const first = signed({ ...original.head, segment: 0 }, { ...original.body, statement: null });
  const { facts } = setting(first);
  const asked = "req_00000000000000000000000000000000";
  const bytes = v.toBase64(first.bytes);
  for (const claimed of [original.head.request, asked]) {
    const found = v.verify(v.readDocument({ request_id: claimed, receipts: [{ bytes }] }, asked), facts, {
      auction: { entries: [], terms: new Uint8Array() },
    });
    expect(failures(found)).toEqual(["request_id", "auction"]);
    expect(found.checks.find(({ id }) => id === "request_id")?.detail).toBe(
      `the receipt is for another request, ${original.head.request}, not for ${asked}`,
    );
    expect(found.checks.find(({ id }) => id === "auction")?.detail).toBe(
      `the receipt is for another request, ${original.head.request}`,
    );
  }
});

test("a root that the chain does not have is refused", () => {
  const { document, facts } = setting(original);
  const log = { epoch: 3, size: facts.coordinator?.log.size ?? 0n, root: "ab".repeat(32) };
  const other = { ...facts, coordinator: facts.coordinator && { ...facts.coordinator, log } };
  expect(failures(v.verify(document, other))).toEqual(["anchor"]);
});

test("a path for another index is refused, and its root is not compared", () => {
  const { document, facts } = setting(original);
  const [entry] = document.entries;
  if (!entry?.inclusion) throw new Error("no path");
  const inclusion = { ...entry.inclusion, index: entry.inclusion.index - 1n };
  const found = v.verify({ ...document, entries: [{ ...entry, inclusion }] }, facts);
  expect(failures(found)).toEqual(["inclusion"]);
  expect(verdicts(found)["anchor"]).toBe("not_checked");
});

test("a log that has not come so far is no failure", () => {
  const { document, facts } = setting(original);
  const log = { epoch: 3, size: 5n, root: "ab".repeat(32) };
  const other = { ...facts, coordinator: facts.coordinator && { ...facts.coordinator, log } };
  const found = v.verify(document, other);
  expect(failures(found)).toEqual([]);
  expect(verdicts(found)["anchor"]).toBe("not_checked");
});

test("a request is recognised however it is spelled, and another is not", () => {
  const request = v.utf8('{"messages":[{"content":"hi","role":"user"}],"model":"m","seed":9007199254740993}');
  const respelled = v.utf8(
    '{ "seed": 9007199254740993, "model": "m", "messages": [{"role":"user","content":"\\u0068i"}] }',
  );
  const rounded = v.utf8('{"seed":9007199254740992,"model":"m","messages":[{"role":"user","content":"hi"}]}');
  const copy = structuredClone({ head: original.head, body: original.body });
  copy.body.request_commitment = v.commitment(v.TAGS.request, SALT, v.canonicalBytes(request));
  const { document, facts } = setting(signed(copy.head, copy.body));
  const verdict = (held: Uint8Array, salt = SALT) =>
    verdicts(v.verify(document, facts, { request: held, salt }))["request"];
  expect(verdict(respelled)).toBe("passed");
  expect(verdict(rounded)).toBe("failed");
  expect(verdict(respelled, "00".repeat(32))).toBe("failed");
  expect(verdict(v.utf8('{"a":1,"a":1}'))).toBe("failed");
});

test("an answer without usage is completed from the receipt's counts, and a changed one is not", () => {
  const copy = structuredClone({ head: original.head, body: original.body });
  copy.body.statement = null;
  const held = (content: string) =>
    v.readAnswer(v.utf8(JSON.stringify([{ choices: [{ delta: { content } }] }]))).answer;
  copy.body.response_commitment = v.commitment(
    v.TAGS.response,
    SALT,
    held("yes").withUsage(39, 12).canonicalBytes(),
  );
  const { document, facts } = setting(signed(copy.head, copy.body));
  const verdict = (content: string) =>
    verdicts(v.verify(document, facts, { answer: held(content), salt: SALT }))["answer"];
  expect(verdict("yes")).toBe("passed");
  expect(verdict("no")).toBe("failed");
});

test("only the bytes of a served document are read, not the view beside them", () => {
  const entry = {
    bytes: v.toBase64(original.bytes),
    body: { amount: "1" },
    signer: nodeSigner,
    inclusion: null,
  };
  const document = v.readDocument({ request_id: original.head.request, receipts: [entry] });
  expect(document.entries[0]?.receipt.body.amount).toBe(21_750_261n);
});

test.each([
  ["nothing", null],
  ["no receipts", { request_id: "r", receipts: [] }],
  ["a receipt that is no base64", { request_id: "r", receipts: [{ bytes: "?" }] }],
  [
    "a receipt cut short",
    { request_id: "r", receipts: [{ bytes: v.toBase64(original.bytes.subarray(0, -1)) }] },
  ],
  [
    "a path that is too long",
    {
      request_id: "r",
      receipts: [
        {
          bytes: v.toBase64(original.bytes),
          inclusion: {
            epoch: 0,
            size: 1,
            index: 0,
            root: "00".repeat(32),
            path: Array.from({ length: 65 }, () => "00".repeat(32)),
          },
        },
      ],
    },
  ],
])("a document with %s is refused", (_, value) => {
  expect(() => v.readDocument(value)).toThrow(v.FormatError);
});
