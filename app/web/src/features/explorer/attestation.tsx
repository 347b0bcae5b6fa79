/**
 * What is known of the code a coordinator runs. Its account on chain has the measurement that governance
 * let it register; the coordinator gives evidence for a nonce made here, which is checked here, step by step, to
 * the roots of the machines' makers. What a browser cannot look at is said.
 */
import type { Coordinator } from "@pinaivu/program";
import { deploymentId, toHex } from "@pinaivu/verify";
import type { EvidenceReport } from "@pinaivu/verify/attestation";
import { useMutation } from "@tanstack/react-query";
import { type Chain, useChain } from "../../entities/chain.ts";
import { fetchAttestation } from "../../entities/coordinator.ts";
import { Id } from "../../shared/links.tsx";
import { Badge, Button, Card, Fact, Facts, Notice } from "../../shared/ui.tsx";
import { CheckList } from "./check-list.tsx";

const hex = (bytes: ArrayLike<number>) => toHex(Uint8Array.from(bytes));
const isSet = (bytes: ArrayLike<number>) => Array.from(bytes).some((byte) => byte !== 0);

interface Asked {
  /** What the coordinator says of itself; `null` without such a route. */
  readonly said: { readonly state: string; readonly kind?: string | null | undefined } | null;
  readonly report: EvidenceReport | null;
  readonly names: Readonly<Record<string, string>>;
}

/** Asks for evidence with a nonce of our own, and checks it against what the chain says. */
async function ask(chain: Chain | null, account: Coordinator): Promise<Asked> {
  const nonce = toHex(crypto.getRandomValues(new Uint8Array(32)));
  const [answer, genesis, { checkEvidence, EVIDENCE_CHECKS }] = await Promise.all([
    fetchAttestation(nonce),
    chain?.rpc
      .getGenesisHash()
      .send()
      .catch(() => null) ?? null,
    // Brings two curves more, which nobody needs before asking.
    import("@pinaivu/verify/attestation"),
  ]);
  const given = answer?.state === "evidence" && answer.evidence ? answer.evidence : null;
  const report =
    given &&
    checkEvidence(given, {
      nonce,
      deployment: chain && genesis ? deploymentId(genesis, chain.place.program) : null,
      coordinator: chain?.place.coordinator ?? null,
      signer: account.signer,
      measurement: isSet(account.measurement) ? hex(account.measurement) : null,
      now: Date.now(),
    });
  return { said: answer, report: report ?? null, names: EVIDENCE_CHECKS };
}

export function AttestationPanel({ coordinator }: { coordinator: Coordinator }) {
  const chain = useChain();
  const registered = isSet(coordinator.measurement);
  const asking = useMutation({ mutationFn: () => ask(chain, coordinator) });
  return (
    <Card
      title="Attestation"
      about="Which code signs the receipts, by the machine's maker"
      action={
        <Badge tone={registered ? "good" : "wait"} icon={registered ? "shield" : "warn"}>
          {registered ? "measurement on chain" : "unattested"}
        </Badge>
      }
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
        <Button icon="shield" busy={asking.isPending} onClick={() => asking.mutate()}>
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
  const { said, report, names } = asked;
  const { tone, title } = standingOf(asked);
  return (
    <div aria-live="polite">
      <Notice tone={tone} icon={tone === "good" ? "shield" : "warn"} title={title}>
        {said === null
          ? "This coordinator has no attestation route: its word is all there is about its code."
          : !report
            ? "There is nothing to check: receipts, the log and its bond hold it to account."
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
          <p className="quiet">
            The coordinator served this page too. To check without it:{" "}
            <code>pinaivu attest {location.origin}</code>
          </p>
        </>
      )}
    </div>
  );
}
