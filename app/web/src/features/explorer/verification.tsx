/** Verifies a receipt in this browser, and the request and answer that a person holds. */
import { CHECKS, type Check, type Evidence, type Replay, readAnswer } from "@pinaivu/verify";
import { useMutation } from "@tanstack/react-query";
import { type DragEvent, useId, useState } from "react";
import { useChain } from "../../entities/chain.ts";
import type { ServedReceipts } from "../../entities/coordinator.ts";
import { sameReceipts, verifyRequest } from "../../entities/verification.ts";
import { saveFile } from "../../shared/download.ts";
import { bytes as byteCount } from "../../shared/format.ts";
import { Icon } from "../../shared/icons.tsx";
import { Button, Card, Notice } from "../../shared/ui.tsx";
import { CheckList, type Line } from "./check-list.tsx";

const lineOf = ({ segment, id, verdict, detail }: Check, parts: number): Line => ({
  key: `${segment}-${id}`,
  name: parts > 1 ? `${CHECKS[id]} · part ${segment + 1}` : CHECKS[id],
  verdict,
  detail,
});

export function Verification({
  id,
  served,
  given,
  onReplay,
}: {
  id: string;
  served: ServedReceipts;
  given: boolean;
  onReplay: (replay: Replay | null) => void;
}) {
  const chain = useChain();
  const [step, setStep] = useState("");
  const [evidence, setEvidence] = useState<Evidence>({});
  const run = useMutation({
    mutationFn: (held: Evidence) =>
      verifyRequest(id, chain, held, setStep, {
        ...(given ? { given: served } : { shown: served }),
        auction: true,
      }),
    onSuccess: ({ replay }) => onReplay(replay),
  });
  // A verdict on other receipts than those that are shown now is none.
  const result = run.data && sameReceipts(served, run.data.served) ? run.data : undefined;
  const failed = result?.report.failed ?? 0;
  return (
    <>
      <Card
        className="verify"
        title="Verify in this browser"
        about="Signatures, hashes and sums are computed here. Keys and roots come from the chain, not from the coordinator."
      >
        {!result && !run.isPending && (
          <Button tone="primary" icon="shield" onClick={() => run.mutate(evidence)}>
            Verify this receipt
          </Button>
        )}
        {run.isPending && (
          <p className="running" role="status">
            <span className="spinner" aria-hidden /> {step || "Starting"}…
          </p>
        )}
        {run.error && (
          <Notice
            tone="bad"
            icon="warn"
            title="Verification could not run"
            action={
              <Button icon="retry" onClick={() => run.mutate(evidence)}>
                Try again
              </Button>
            }
          >
            {run.error.message}
          </Notice>
        )}
        {result && (
          <div aria-live="polite">
            <p className={`stamp ${failed ? "bad" : result.chainProblem ? "wait" : "good"}`}>
              <Icon name={failed ? "cross" : result.chainProblem ? "minus" : "check"} />
              {failed
                ? "This receipt does not hold"
                : result.chainProblem
                  ? "Consistent, but the chain was not read"
                  : "This receipt holds"}
              <span>
                {result.report.passed} passed, {failed} failed, {result.report.not_checked} not checked
              </span>
            </p>
            {result.chainProblem && (
              <Notice tone="wait" icon="chain" title="The chain was not read">
                {result.chainProblem}. Choose an RPC in the settings, top right.
              </Notice>
            )}
            <CheckList lines={result.report.checks.map((check) => lineOf(check, served.receipts.length))} />
            <div className="button-row">
              <Button icon="retry" onClick={() => run.mutate(evidence)}>
                Again
              </Button>
              <Button icon="download" onClick={() => download(id, result.served, evidence)}>
                Download bundle
              </Button>
            </div>
          </div>
        )}
        {!result && (
          <Button tone="quiet" icon="download" onClick={() => download(id, served, {})}>
            Download bundle
          </Button>
        )}
      </Card>
      <Commitments
        onEvidence={(held) => {
          setEvidence(held);
          run.mutate(held);
        }}
      />
      <details className="fine-print">
        <summary>What this cannot tell you</summary>
        <ul>
          <li>Whether the model that answered is the one it is called. That is the node's word.</li>
          <li>
            Token counts are the node's and the coordinator's, bounded by text only the three of you have.
          </li>
          <li>
            This page came from the coordinator, and so did the code that checks. To trust neither:{" "}
            <code>pinaivu receipt verify {id}</code>, or the package <code>@pinaivu/verify</code>.
          </li>
          <li>
            The chain is read through {chain ? <code>{new URL(chain.url).host}</code> : "no RPC yet"}. An RPC
            can lie; choose one you trust in the settings.
          </li>
        </ul>
      </details>
    </>
  );
}

/** Receipt, path and, if the person gave them, request and answer: what `pinaivu receipt verify FILE` reads. */
function download(id: string, served: ServedReceipts, evidence: Evidence): void {
  const held = evidence.salt ? { held: { salt: evidence.salt } } : {};
  saveFile(`${id}.json`, "application/json", JSON.stringify({ ...served, ...held }, null, 2));
}

function Commitments({ onEvidence }: { onEvidence: (evidence: Evidence) => void }) {
  const [request, setRequest] = useState("");
  const [answer, setAnswer] = useState("");
  const [salt, setSalt] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const encode = (text: string) => new TextEncoder().encode(text);
  const check = () => {
    try {
      const held = answer.trim() ? readAnswer(encode(answer)) : null;
      const used = salt.trim() || held?.salt || "";
      if (!request.trim() && !held) return setProblem("Paste the request, the answer, or both.");
      if (!/^[0-9a-fA-F]{64}$/.test(used)) {
        return setProblem(
          "The salt is missing: 64 hexadecimal digits from the header x-pinaivu-salt, or pinaivu.salt in the answer.",
        );
      }
      setProblem(null);
      onEvidence({
        salt: used.toLowerCase(),
        ...(request.trim() ? { request: encode(request) } : {}),
        ...(held ? { answer: held.answer } : {}),
      });
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "unreadable");
    }
  };
  return (
    <Card
      title="Is it what I sent and got?"
      about="Paste or drop the request and the answer. They stay in this browser."
    >
      <Held
        label="Request body"
        placeholder='{"model": "…", "messages": […]}'
        value={request}
        onChange={setRequest}
      />
      <Held
        label="Answer"
        placeholder="The completion as JSON, an array of its chunks, or the event stream as it came"
        value={answer}
        onChange={setAnswer}
      />
      <Held
        label="Salt"
        placeholder="x-pinaivu-salt, found by itself when it is in the answer"
        value={salt}
        onChange={setSalt}
        small
      />
      {problem && (
        <p className="field-about wrong" role="alert">
          {problem}
        </p>
      )}
      <Button icon="shield" onClick={check}>
        Check against the commitments
      </Button>
    </Card>
  );
}

function Held({
  label,
  value,
  onChange,
  placeholder,
  small = false,
}: {
  label: string;
  value: string;
  onChange: (text: string) => void;
  placeholder: string;
  small?: boolean;
}) {
  const id = useId();
  const [over, setOver] = useState(false);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const [file] = event.dataTransfer.files;
    if (file) void file.text().then(onChange);
  };
  return (
    <div className="field">
      <label htmlFor={id}>
        {label} {value && <span className="quiet">{byteCount(new TextEncoder().encode(value).length)}</span>}
      </label>
      <textarea
        id={id}
        className={over ? "over" : ""}
        rows={small ? 1 : 3}
        spellCheck={false}
        value={value}
        placeholder={placeholder}
        onChange={(event) => onChange(event.target.value)}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      />
    </div>
  );
}
