/**
 * What is known of the code a coordinator runs. Its account on chain has the measurement that governance
 * let it register; the coordinator gives evidence for a nonce made here. The vendor's signatures over
 * that evidence are not checked in the browser, and the panel says so.
 */
import type { Coordinator } from "@pinaivu/program";
import { fromBase64, sha256, toHex } from "@pinaivu/verify";
import { useMutation } from "@tanstack/react-query";
import { type Attestation, fetchAttestation } from "../../entities/coordinator.ts";
import { bytes as byteCount } from "../../shared/format.ts";
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
      {ask.data && <Answer nonce={ask.data.nonce} answer={ask.data.answer} registered={coordinator} />}
    </Card>
  );
}

/** What an answer amounts to, compared with the account on chain. */
export function standingOf(
  answer: Attestation | null,
  measurement: string,
): { tone: "good" | "wait" | "bad"; title: string } {
  if (answer === null) return { tone: "wait", title: "It gives no evidence" };
  if (answer.attested !== true) return { tone: "wait", title: "It says itself that it is unattested" };
  if (/^0*$/.test(measurement))
    return { tone: "wait", title: "It gives evidence, but no measurement is registered on chain" };
  if (answer.measurement?.toLowerCase() !== measurement)
    return { tone: "bad", title: "Its measurement is not the one on chain" };
  return { tone: "good", title: "Its measurement is the one on chain" };
}

function Answer({
  nonce,
  answer,
  registered,
}: {
  nonce: string;
  answer: Attestation | null;
  registered: Coordinator;
}) {
  const { tone, title } = standingOf(answer, hex(registered.measurement));
  let evidence: Uint8Array | null = null;
  try {
    evidence = answer?.evidence ? fromBase64(answer.evidence) : null;
  } catch {
    // Shown as absent below: what is not base64 is no evidence.
  }
  return (
    <Notice tone={tone} icon={tone === "good" ? "check" : "warn"} title={title}>
      {answer === null ? (
        "This coordinator has no attestation route: its word is all there is about its code."
      ) : (
        <Facts>
          <Fact name="Kind">{answer.kind ?? "not said"}</Fact>
          {answer.measurement && (
            <Fact name="Measurement">
              <Id id={answer.measurement} copy />
            </Fact>
          )}
          <Fact name="Nonce">
            <Id id={nonce} copy />
          </Fact>
          {evidence && (
            <Fact name="Evidence">
              {byteCount(evidence.length)}, SHA-256 <Id id={toHex(sha256(evidence))} copy />
            </Fact>
          )}
          <Fact name="Not checked here">
            The maker's signatures over the evidence. <code>pinaivu receipt verify</code> checks them.
          </Fact>
        </Facts>
      )}
    </Notice>
  );
}
