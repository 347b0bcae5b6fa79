/**
 * What is known of the code a coordinator runs. Its account on chain has the measurement that governance
 * let it register; the coordinator gives evidence for a nonce made here, which is checked here, step by step, to
 * the roots of the machines' makers. What a browser cannot look at is said.
 */
import type { Coordinator } from "@pinaivu/program";
import { canonicalJson, deploymentId, type Json, toHex } from "@pinaivu/verify";
import type { EvidenceReport } from "@pinaivu/verify/attestation";
import { type UseMutationResult, useMutation } from "@tanstack/react-query";
import { type Chain, listMeasurements, useChain } from "../../entities/chain.ts";
import { fetchAttestation } from "../../entities/coordinator.ts";
import type { IconName } from "../../shared/icons.tsx";
import { Id } from "../../shared/links.tsx";
import { Badge, Button, Card, Fact, Facts, Notice, type Tone } from "../../shared/ui.tsx";
import { CheckList } from "./check-list.tsx";

const hex = (bytes: ArrayLike<number>) => toHex(Uint8Array.from(bytes));
const isSet = (bytes: ArrayLike<number>) => Array.from(bytes).some((byte) => byte !== 0);

interface Asked {
  /** What the coordinator says of itself; `null` without such a route. */
  readonly said: { readonly state: string; readonly kind?: string | null | undefined } | null;
  readonly report: EvidenceReport | null;
  /** The configuration that it shows; `null` without such a route. */
  readonly configuration: Json;
  readonly names: Readonly<Record<string, string>>;
}

/**
 * Asks for evidence with a nonce of our own, and checks it as `pinaivu attest` does: against the account, the
 * market's list and the configuration that comes with it. Whatever it calls itself, evidence is checked.
 */
export async function ask(
  chain: Chain | null,
  account: Coordinator,
  nonce = toHex(crypto.getRandomValues(new Uint8Array(32))),
): Promise<Asked> {
  const [answer, listed, genesis, { checkEvidence, configurationHash, EVIDENCE_CHECKS }] = await Promise.all([
    fetchAttestation(nonce),
    chain ? listMeasurements(chain).catch(() => null) : null,
    chain?.rpc
      .getGenesisHash()
      .send()
      .catch(() => null) ?? null,
    // Brings two curves more, which nobody needs before asking.
    import("@pinaivu/verify/attestation"),
  ]);
  const configuration = answer?.configuration ?? null;
  const report =
    answer?.evidence !== undefined &&
    answer.evidence !== null &&
    checkEvidence(answer.evidence, {
      nonce,
      deployment: chain && genesis ? deploymentId(genesis, chain.place.program) : null,
      coordinator: chain?.place.coordinator ?? null,
      signer: account.signer,
      measurement: hex(account.measurement),
      listed,
      configuration: configurationHash(configuration),
      now: Date.now(),
    });
  return { said: answer, report: report || null, configuration, names: EVIDENCE_CHECKS };
}

/** A question to the coordinator about its code, and what came of it. */
export type Asking = UseMutationResult<Asked, Error, Coordinator>;

export function useAsking(): Asking {
  const chain = useChain();
  return useMutation({ mutationFn: (account: Coordinator) => ask(chain, account) });
}

type Code = { tone: Tone; icon: IconName; words: string };

/**
 * What is known of the code, in a word or three. A measurement in the account is what governance let the
 * coordinator name, and says nothing of what it runs: only evidence that was checked makes it attested.
 */
export function codeOf(coordinator: Pick<Coordinator, "measurement">, asked: Asked | undefined): Code {
  const found = asked?.report ? standingOf(asked).tone : null;
  const still = asked?.report?.measurement === hex(coordinator.measurement);
  if (found === "bad") return { tone: "bad", icon: "warn", words: "evidence does not hold" };
  if (found === "good" && still) return { tone: "good", icon: "shield", words: "attested" };
  return isSet(coordinator.measurement)
    ? { tone: "neutral", icon: "shield", words: "measurement on chain" }
    : { tone: "wait", icon: "warn", words: "unattested" };
}

export function CodeBadge({ coordinator, asking }: { coordinator: Coordinator; asking: Asking }) {
  const { tone, icon, words } = codeOf(coordinator, asking.data);
  return (
    <Badge tone={tone} icon={icon}>
      {words}
    </Badge>
  );
}

export function AttestationPanel({ coordinator, asking }: { coordinator: Coordinator; asking: Asking }) {
  const registered = isSet(coordinator.measurement);
  return (
    <Card
      title="Attestation"
      about="Which code signs the receipts, by the machine's maker"
      action={<CodeBadge coordinator={coordinator} asking={asking} />}
    >
      {registered ? (
        <Facts>
          <Fact name="Measurement" help="Of the code, registered in the coordinator's account.">
            <Id id={hex(coordinator.measurement)} copy />
          </Fact>
          <Fact name="Evidence" help="SHA-256 of the evidence it was registered with.">
            <Id id={hex(coordinator.evidenceHash)} copy />
          </Fact>
        </Facts>
      ) : (
        <Notice tone="wait" icon="warn" title="This coordinator is not attested">
          No measurement of its code is registered on chain. It is held to account by receipts, the log and
          its bond; which code it runs is its word.
        </Notice>
      )}
      <div className="button-row attestation-ask">
        <Button icon="shield" busy={asking.isPending} onClick={() => asking.mutate(coordinator)}>
          Ask for fresh evidence
        </Button>
        <span className="quiet">for a nonce made in this browser, and checked in it</span>
      </div>
      {asking.error && (
        <Notice tone="bad" icon="warn" title="No answer">
          {asking.error.message}
        </Notice>
      )}
      {asking.data && <Answer asked={asking.data} />}
    </Card>
  );
}

type Standing = { tone: "good" | "wait" | "bad"; title: string };

/** What an answer amounts to. */
export function standingOf({ said, report }: Pick<Asked, "said" | "report">): Standing {
  if (said === null) return { tone: "wait", title: "It gives no evidence" };
  if (!report && said.state !== "unattested") return { tone: "wait", title: "It gives no evidence" };
  if (!report || report.standing === "unattested")
    return { tone: "wait", title: "It says itself that it is unattested" };
  if (report.standing === "failed") return { tone: "bad", title: "Its evidence does not hold" };
  if (report.standing === "open")
    return { tone: "wait", title: "Its evidence holds as far as it could be compared" };
  return report.kind === "tdx"
    ? { tone: "wait", title: "Intel vouches for the code on chain; the platform's state is open" }
    : { tone: "good", title: "AWS vouches for the code on chain" };
}

function Answer({ asked }: { asked: Asked }) {
  const { said, report, configuration, names } = asked;
  const { tone, title } = standingOf(asked);
  return (
    <div aria-live="polite">
      <Notice tone={tone} icon={tone === "good" ? "shield" : "warn"} title={title}>
        {said === null
          ? "This coordinator has no attestation route: its word is all there is about its code."
          : !report
            ? "There is nothing to check: receipts, the log and its bond hold it to account."
            : report.standing === "unattested"
              ? "What it gives is made by software: anybody can make it, so it proves nothing. Receipts, the log and its bond hold it to account."
              : tone === "good"
                ? "Every signature up to AWS's root was checked here, and so was what they are about."
                : null}
      </Notice>
      {report && (
        <>
          <CheckList
            lines={report.checks.map(({ id, verdict, detail }) => ({
              key: id,
              name: names[id] ?? id,
              verdict,
              detail,
            }))}
          />
          {configuration !== null && (
            <details className="fine-print">
              <summary>The configuration that it shows</summary>
              <code>{canonicalJson(configuration)}</code>
            </details>
          )}
          <p className="quiet">
            The coordinator served this page too. To check without it:{" "}
            <code>pinaivu attest {location.origin}</code>
          </p>
        </>
      )}
    </div>
  );
}
