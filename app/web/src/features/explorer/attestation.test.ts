// @vitest-environment node
import type { Coordinator } from "@pinaivu/program";
import { fromHex, parseJson, toBase58, utf8 } from "@pinaivu/verify";
import { configurationHash, type EvidenceReport } from "@pinaivu/verify/attestation";
import { afterEach, describe, expect, test, vi } from "vitest";
import vectors from "../../../../../tests/vectors/attestation.json";
import { coordinatorAnswers } from "../../entities/served.fixture.ts";
import { ask, codeOf, standingOf } from "./attestation.tsx";

afterEach(() => vi.unstubAllGlobals());

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
  // It says that it has some, and gives none.
  expect(standingOf({ said, report: null }).title).toContain("no evidence");
  expect(standingOf({ said, report: report("unattested", "development") }).title).toContain("unattested");
});

test("a measurement on chain is called that, and attested only what was checked", () => {
  const named = { measurement: new Uint8Array(32).fill(9) };
  const none = { measurement: new Uint8Array(32) };
  const asked = (standing: EvidenceReport["standing"], kind: EvidenceReport["kind"] = "nitro") => ({
    said,
    report: { ...report(standing, kind), measurement: "09".repeat(32) },
    configuration: null,
    names: {},
  });
  const words = (coordinator: typeof named, found?: ReturnType<typeof asked>) => {
    const { tone, words } = codeOf(coordinator, found);
    return [tone, words];
  };
  expect(words(named)).toEqual(["neutral", "measurement on chain"]);
  expect(words(none)).toEqual(["wait", "unattested"]);
  expect(words(named, asked("attested"))).toEqual(["good", "attested"]);
  expect(words(named, asked("attested", "tdx"))).toEqual(["neutral", "measurement on chain"]);
  expect(words(named, asked("open"))).toEqual(["neutral", "measurement on chain"]);
  expect(words(none, asked("unattested", "development"))).toEqual(["wait", "unattested"]);
  expect(words(named, asked("failed"))).toEqual(["bad", "evidence does not hold"]);
  // The account has named other code since.
  const moved = { measurement: new Uint8Array(32).fill(8) };
  expect(words(moved, asked("attested"))).toEqual(["neutral", "measurement on chain"]);
});

describe("an answer as a coordinator gives it", () => {
  const development = vectors.evidence.find(({ name }) => name === "development");
  const good = vectors.evidence.find(({ name }) => name === "good");
  if (!development || !good) throw new Error("no evidence in the vectors");
  const nonce = good.expected.nonce;
  const account = {
    signer: good.expected.signer,
    measurement: fromHex(good.measurement),
  } as unknown as Coordinator;
  /** What `bound_configuration` leaves of a configuration, with its values as Rust writes them. */
  const configuration =
    '{"chain":{"confirm_timeout_ms":60000},"http":{"max_body_bytes":1048576},"limits":{"most":18446744073709551615},"web":{"local":true}}';
  const answer = (shown: string, bound: string, state = "unattested") => {
    const evidence = JSON.parse(development.evidence);
    evidence.binding.configuration = configurationHash(parseJson(utf8(bound)));
    return `{"object":"attestation","state":"${state}","kind":"development","configuration":${shown},"evidence":${JSON.stringify(evidence)}}`;
  };
  const verdicts = (found: EvidenceReport | null) =>
    Object.fromEntries((found?.checks ?? []).map(({ id, verdict }) => [id, verdict]));

  test("the configuration that is shown is compared with the one that is bound", async () => {
    coordinatorAnswers(() => answer(configuration, configuration));
    const held = await ask(null, account, nonce);
    expect(verdicts(held.report)).toEqual({
      form: "not_checked",
      fresh: "passed",
      party: "not_checked",
      tls: "not_checked",
      configuration: "passed",
    });
    expect(standingOf(held).title).toBe("It says itself that it is unattested");
    // One digit of one number, which doubles cannot tell apart.
    const other = configuration.replace("551615", "551614");
    for (const shown of [other, "null", '"text"']) {
      coordinatorAnswers(() => answer(shown, configuration));
      const lying = await ask(null, account, nonce);
      expect(verdicts(lying.report)["configuration"], shown).toBe("failed");
      expect(standingOf(lying).title).toBe("Its evidence does not hold");
    }
  });

  test("evidence is checked whatever the coordinator calls it", async () => {
    coordinatorAnswers(() => answer(configuration, configuration, "evidence"));
    expect((await ask(null, account, nonce)).report?.standing).toBe("unattested");
    coordinatorAnswers(() => answer(configuration, configuration));
    const stale = await ask(null, account, "08".repeat(32));
    expect(stale.report?.standing).toBe("failed");
    coordinatorAnswers(() => answer(configuration, configuration));
    const other = { ...account, signer: toBase58(new Uint8Array(32).fill(7)) } as Coordinator;
    expect((await ask(null, other, nonce)).report?.standing).toBe("failed");
  });
});
