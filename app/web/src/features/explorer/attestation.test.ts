import { expect, test } from "vitest";
import type { Attestation } from "../../entities/coordinator.ts";
import { type Expected, standingOf } from "./attestation.tsx";

const expected: Expected = {
  nonce: "ab".repeat(32),
  deployment: "d",
  coordinator: "c",
  signer: "s",
  measured: true,
};
const answer = (binding: object = {}, fields: object = {}): Attestation => ({
  state: "evidence",
  kind: "nitro",
  evidence: {
    kind: "nitro",
    nonce: "AB".repeat(32),
    binding: { deployment: "d", coordinator: "c", signer: "s", configuration: "f", ...binding },
    ...fields,
  },
});

test("evidence that names what is on chain is not called bad, nor is it called good", () => {
  expect(standingOf(answer(), expected)).toEqual({
    tone: "wait",
    title: expect.stringContaining("still to be checked"),
  });
  expect(standingOf(answer(), { ...expected, measured: false }).title).toContain("no measurement");
});

test("evidence for anything else is called so", () => {
  for (const wrong of [
    answer({ signer: "x" }),
    answer({ coordinator: "x" }),
    answer({ deployment: "x" }),
    answer({}, { nonce: "cd".repeat(32) }),
  ])
    expect(standingOf(wrong, expected).tone).toBe("bad");
});

test("no evidence is said to be none", () => {
  expect(standingOf(null, expected).title).toContain("no evidence");
  expect(standingOf({ ...answer(), state: "unattested" }, expected).title).toContain("unattested");
  expect(standingOf({ state: "evidence", evidence: null }, expected).title).toContain("unattested");
});
