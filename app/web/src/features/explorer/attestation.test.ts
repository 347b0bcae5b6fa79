import type { EvidenceReport } from "@pinaivu/verify/attestation";
import { expect, test } from "vitest";
import { standingOf } from "./attestation.tsx";

const said = { state: "evidence", kind: "nitro" };
const report = (
  standing: EvidenceReport["standing"],
  kind: EvidenceReport["kind"] = "nitro",
): EvidenceReport => ({
  kind,
  standing,
  checks: [],
  measurement: null,
  failed: standing === "failed" ? 1 : 0,
});

test("evidence is called good only when the maker's signatures, key and code all hold", () => {
  expect(standingOf({ said, report: report("attested") })).toEqual({
    tone: "good",
    title: "AWS vouches for the code on chain",
  });
  // What Intel says of the platform is not evaluated here.
  expect(standingOf({ said, report: report("attested", "tdx") }).tone).toBe("wait");
  expect(standingOf({ said, report: report("open") }).tone).toBe("wait");
  expect(standingOf({ said, report: report("failed") }).tone).toBe("bad");
});

test("no evidence is said to be none", () => {
  expect(standingOf({ said: null, report: null }).title).toContain("no evidence");
  expect(standingOf({ said: { state: "unattested" }, report: null }).title).toContain("unattested");
  expect(standingOf({ said, report: report("unattested", "development") }).title).toContain("unattested");
});
