/**
 * What is known of the code a coordinator runs. Its account on chain has the measurement that governance
 * let it register; the coordinator gives evidence for a nonce made here. What that evidence says of itself
 * is compared with the chain; the machine maker's signatures over it are not checked in the browser, so
 * nothing here is ever called good.
 */
import type { Coordinator } from "@pinaivu/program";
import { toHex } from "@pinaivu/verify";
import { useMutation } from "@tanstack/react-query";
import { useChain } from "../../entities/chain.ts";
import { type Attestation, fetchAttestation, useNetwork } from "../../entities/coordinator.ts";
import { Id } from "../../shared/links.tsx";
import { Badge, Button, Card, Fact, Facts, Notice } from "../../shared/ui.tsx";

const hex = (bytes: ArrayLike<number>) => toHex(Uint8Array.from(bytes));
const isSet = (bytes: ArrayLike<number>) => Array.from(bytes).some((byte) => byte !== 0);

export function AttestationPanel({ coordinator }: { coordinator: Coordinator }) {
  const registered = isSet(coordinator.measurement);
  const ask = useMutation({
    mutationFn: async () => {
      const nonce = toHex(crypto.getRandomValues(new Uint8Array(32)));
      return { nonce, answer: await fetchAttestation(nonce) };
    },
  });
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
        <Button icon="shield" busy={ask.isPending} onClick={() => ask.mutate()}>
          Ask for fresh evidence
        </Button>
        <span className="quiet">for a nonce made in this browser</span>
      </div>
      {ask.error && (
        <Notice tone="bad" icon="warn" title="No answer">
          {ask.error.message}
        </Notice>
      )}
      {ask.data && <Answer nonce={ask.data.nonce} answer={ask.data.answer} account={coordinator} />}
    </Card>
  );
}

/** What evidence has to name. */
export interface Expected {
  readonly nonce: string;
  readonly deployment: string | null;
  readonly coordinator: string | null;
  readonly signer: string;
  /** Whether a measurement is registered on chain. */
  readonly measured: boolean;
}

/** What an answer amounts to, as far as a browser can tell. */
export function standingOf(
  answer: Attestation | null,
  expected: Expected,
): { tone: "wait" | "bad"; title: string } {
  if (answer === null) return { tone: "wait", title: "It gives no evidence" };
  const { evidence } = answer;
  if (answer.state !== "evidence" || !evidence)
    return { tone: "wait", title: "It says itself that it is unattested" };
  if (evidence.nonce.toLowerCase() !== expected.nonce)
    return { tone: "bad", title: "Its evidence answers another question than ours" };
  const { binding } = evidence;
  if (binding.signer !== expected.signer)
    return { tone: "bad", title: "Its evidence is for another key than the one on chain" };
  if (expected.coordinator !== null && binding.coordinator !== expected.coordinator)
    return { tone: "bad", title: "Its evidence is for another coordinator" };
  if (expected.deployment !== null && binding.deployment !== expected.deployment)
    return { tone: "bad", title: "Its evidence is for another cluster or program" };
  if (!expected.measured)
    return { tone: "wait", title: "It gives evidence, but no measurement is registered on chain" };
  return {
    tone: "wait",
    title: "Its evidence names the key on chain; the maker's word is still to be checked",
  };
}

function Answer({
  nonce,
  answer,
  account,
}: {
  nonce: string;
  answer: Attestation | null;
  account: Coordinator;
}) {
  const chain = useChain();
  const network = useNetwork();
  const { tone, title } = standingOf(answer, {
    nonce,
    deployment: network.data?.deployment ?? null,
    coordinator: chain?.place.coordinator ?? null,
    signer: account.signer,
    measured: isSet(account.measurement),
  });
  return (
    <Notice tone={tone} icon="warn" title={title}>
      {answer === null ? (
        "This coordinator has no attestation route: its word is all there is about its code."
      ) : (
        <Facts>
          <Fact name="Kind">{answer.kind ?? "not said"}</Fact>
          {answer.configuration && (
            <Fact name="Configuration">
              <Id id={answer.configuration} copy />
            </Fact>
          )}
          {answer.evidence && (
            <Fact name="Bound to">
              <Id id={answer.evidence.binding.signer} copy />
            </Fact>
          )}
          <Fact name="Not checked here">
            The maker's signatures and the measurement: <code>pinaivu attest {location.origin}</code>
          </Fact>
        </Facts>
      )}
    </Notice>
  );
}
