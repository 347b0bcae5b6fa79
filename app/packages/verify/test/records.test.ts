import { expect, test } from "vitest";
import * as v from "../src/index.ts";
import { decode } from "../src/index.ts";
import { asVector, vectors } from "./vectors.ts";

const records = vectors("records");
// biome-ignore lint/suspicious/noExplicitAny: the vectors are plain JSON of many shapes
type Case = Record<string, any>;
const cases: [string, Case][] = records.signed.map((c: Case, at: number) => [`${at} ${c["type"]}`, c]);

const types: Record<string, v.Type<unknown>> = {
  ask: v.Ask,
  ticket: v.Ticket,
  proof_root: v.ProofRoot,
  receipt_head: v.ReceiptHead,
  ask_acknowledgement: v.AskAcknowledgement,
  hello: v.Hello,
  key_command: v.KeyCommand,
} as unknown as Record<string, v.Type<unknown>>;

const tags: Record<string, string> = {
  ask: v.TAGS.ask,
  ticket: v.TAGS.ticket,
  proof_root: v.TAGS.proofRoot,
  receipt_head: v.TAGS.receipt,
  ask_acknowledgement: v.TAGS.askAcknowledged,
  hello: v.TAGS.hello,
  key_command: v.TAGS.keyCommand,
};

test("deployment ids are those of the vectors", () => {
  const { cluster, program, deployment } = records.deployment;
  expect(v.deploymentId(cluster, program)).toBe(deployment);
});

test.each(cases)("signed record %s decodes, encodes and verifies", (_, c) => {
  const type = types[c["type"]];
  if (!type) throw new Error(`no type ${c["type"]}`);
  const value = decode(type, v.fromHex(c["borsh"]));
  expect(asVector(value)).toEqual(c["fields"]);
  expect(v.toHex(type.write(value))).toBe(c["borsh"]);
  const message = v.tagged(tags[c["type"]] ?? "", v.fromHex(c["borsh"]));
  expect(v.toHex(message)).toBe(c["signing_bytes"]);
  expect(v.verifySignature(v.fromHex(c["signature"]), message, c["public_key"])).toBe(true);
  const changed = v.fromHex(c["signature"]);
  changed[0] = (changed[0] ?? 0) ^ 1;
  expect(v.verifySignature(changed, message, c["public_key"])).toBe(false);
});

test.each(cases)("record %s with a byte more or less is refused", (_, c) => {
  const type = types[c["type"]];
  if (!type) throw new Error(`no type ${c["type"]}`);
  const bytes = v.fromHex(c["borsh"]);
  expect(() => decode(type, v.concat(bytes, Uint8Array.of(0)))).toThrow(v.FormatError);
  expect(() => decode(type, bytes.subarray(0, -1))).toThrow(v.FormatError);
});

test("an ask's hash is that of the vectors", () => {
  const ask = records.signed.find((c: { type: string }) => c["type"] === "ask");
  expect(v.hashOf(v.TAGS.askHash, v.fromHex(ask.signing_bytes))).toBe(records.ask.hash);
});

test("a ticket's hash is that of the vectors", () => {
  const ticket = records.signed.find((c: { type: string }) => c["type"] === "ticket");
  expect(v.hashOf(v.TAGS.ticketHash, v.fromHex(ticket.signing_bytes))).toBe(records.ticket.hash);
});

test("a proof of inference and its evidence are those of the vectors", () => {
  const proof = decode(v.ProofOfInference, v.fromHex(records.proof_of_inference.borsh));
  expect(asVector(proof)).toEqual(records.proof_of_inference.fields);
  expect(v.proofLeaf(proof)).toBe(records.proof_of_inference.leaf);
  const evidence = decode(v.NodeEvidence, v.fromHex(records.node_evidence.borsh));
  expect(v.toHex(v.NodeEvidence.write(evidence))).toBe(records.node_evidence.borsh);
  expect(v.toHex(v.fromBase58(evidence.signature, 64))).toBe(records.node_evidence.fields.signature);
  expect(v.evidenceProblem(proof, evidence)).toBeNull();
});

test.each([0, 1])("receipt %i decodes to the vector's fields, and back", (at) => {
  const c = records.receipts[at];
  const receipt = v.decodeReceipt(v.fromHex(c["borsh"]));
  expect(asVector(receipt.head)).toEqual(c.head);
  const body = structuredClone(c.body);
  if (body.statement) {
    body.statement.evidence.signature = v.toBase58(v.fromHex(body.statement.evidence.signature));
  }
  expect(asVector(receipt.body)).toEqual(body);
  expect(v.bodyHash(receipt.body)).toBe(c.body_hash);
  expect(v.receiptLeaf(receipt)).toBe(c.leaf);
  expect(v.toHex(v.encodeReceipt(receipt))).toBe(c["borsh"]);
  expect(v.headSignedBy(receipt, c.signer)).toBe(true);
});
