/** A receipt: its facts, checked in this browser against the chain. */
import {
  CHECKS,
  type Check,
  type CheckId,
  type Evidence,
  type Receipt,
  readAnswer,
  readDocument,
} from "@pinaivu/verify";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { type DragEvent, useId, useMemo, useState } from "react";
import { useChain } from "../../entities/chain.ts";
import { ApiFailure, fetchReceipts, type ServedReceipts } from "../../entities/coordinator.ts";
import { verifyRequest } from "../../entities/verification.ts";
import { bytes as byteCount, count, fine, percent, time, usdc } from "../../shared/format.ts";
import { Icon, type IconName } from "../../shared/icons.tsx";
import { Id } from "../../shared/links.tsx";
import { Badge, Button, Card, Copy, Fact, Facts, Notice, Skeleton, useTitle } from "../../shared/ui.tsx";

export default function ReceiptPage() {
  const { id } = useParams({ from: "/receipts/$id" });
  useTitle(`Receipt ${id.slice(0, 12)}…`);
  const served = useQuery({
    queryKey: ["receipt", id],
    queryFn: ({ signal }) => fetchReceipts(id, null, signal),
    refetchInterval: (query) => (query.state.data === "pending" ? 1_000 : query.state.error ? false : 5_000),
    retry: (failures, error) => failures < 2 && error instanceof ApiFailure && error.kind === "unreachable",
  });
  if (served.isPending) return <Loading id={id} title="Looking for the receipt" />;
  if (served.error) return <Missing id={id} error={served.error} retry={() => void served.refetch()} />;
  if (served.data === "pending") return <Loading id={id} title="The receipt is being written" />;
  return <Found id={id} served={served.data} key={id} />;
}

function Loading({ id, title }: { id: string; title: string }) {
  return (
    <>
      <PageHead id={id} />
      <Card title={title}>
        <Skeleton lines={8} />
      </Card>
    </>
  );
}

function PageHead({ id }: { id: string }) {
  return (
    <header className="page-head">
      <p className="eyebrow">Receipt</p>
      <h1 className="mono">
        {id} <Copy text={id} label="the request's id" />
      </h1>
    </header>
  );
}

function Missing({ id, error, retry }: { id: string; error: Error; retry: () => void }) {
  const unknown = error instanceof ApiFailure && error.code === "receipt_not_found";
  return (
    <>
      <PageHead id={id} />
      <Notice
        tone={unknown ? "neutral" : "bad"}
        icon={unknown ? "file" : "warn"}
        title={unknown ? "This coordinator has no receipt of that request" : "The receipt cannot be read"}
        action={
          <Button icon="retry" onClick={retry}>
            Try again
          </Button>
        }
      >
        {unknown
          ? "Check the id. A request that failed before its first byte costs nothing and leaves no receipt."
          : error.message}
      </Notice>
      <DropBundle />
    </>
  );
}

/** Facts are read from the signed bytes, never from the JSON beside them. */
function useDocument(served: ServedReceipts) {
  return useMemo(() => {
    try {
      return { document: readDocument(served), problem: null };
    } catch (error) {
      return { document: null, problem: error instanceof Error ? error.message : "unreadable" };
    }
  }, [served]);
}

function Found({ id, served, given = false }: { id: string; served: ServedReceipts; given?: boolean }) {
  const { document, problem } = useDocument(served);
  if (!document) {
    return (
      <>
        <PageHead id={id} />
        <Notice tone="bad" icon="warn" title="What was served is no receipt">
          {problem}. The bytes do not decode, so there is nothing that could be signed.
        </Notice>
      </>
    );
  }
  return (
    <>
      <PageHead id={id} />
      <div className="receipt-page">
        <div className="stack">
          {document.entries.map((entry) => (
            <Slip
              key={entry.receipt.head.segment}
              receipt={entry.receipt}
              of={document.entries.length}
              served={served}
            />
          ))}
        </div>
        <div className="stack">
          <Verification id={id} served={served} given={given} />
        </div>
      </div>
    </>
  );
}

function Slip({ receipt, of, served }: { receipt: Receipt; of: number; served: ServedReceipts }) {
  const { head, body } = receipt;
  const state = served.receipts.find((entry) => entry.segment === head.segment);
  return (
    <article className="slip" aria-label={`Receipt of ${body.model}`}>
      <header className="slip-head">
        <h2 className="slip-model">{body.model}</h2>
        <span className="quiet">{time(Number(body.created))}</span>
        {of > 1 && (
          <Badge>
            part {head.segment + 1} of {of}
          </Badge>
        )}
        {body.outcome !== "completed" && <Badge tone="wait">{body.outcome}</Badge>}
      </header>
      <table className="slip-lines">
        <caption className="unseen">What was charged</caption>
        <thead>
          <tr>
            <th scope="col">Tokens</th>
            <th scope="col">Weight</th>
            <th scope="col">USDC</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">{count(body.input_tokens)} in</th>
            <td>× {body.tariff.input_weight}</td>
            <td>{fine(body.tariff.price * BigInt(body.input_tokens) * BigInt(body.tariff.input_weight))}</td>
          </tr>
          <tr>
            <th scope="row">{count(body.output_tokens)} out</th>
            <td>× {body.tariff.output_weight}</td>
            <td>
              {fine(body.tariff.price * BigInt(body.output_tokens) * BigInt(body.tariff.output_weight))}
            </td>
          </tr>
        </tbody>
        <tfoot>
          <tr className="slip-total">
            <th scope="row" colSpan={2}>
              Total
            </th>
            <td>{fine(body.amount)}</td>
          </tr>
          <tr>
            <th scope="row" colSpan={2}>
              to the node
            </th>
            <td>{fine(body.amount - body.fee)}</td>
          </tr>
          <tr>
            <th scope="row" colSpan={2}>
              coordinator's fee, {percent(body.fee_rate)}
            </th>
            <td>{fine(body.fee)}</td>
          </tr>
        </tfoot>
      </table>
      <Facts>
        <Fact name="Served by">
          <Id to="/nodes/$id" id={head.node} copy />
        </Fact>
        {body.statement && (
          <Fact name="With" help="What the node says it ran: its own word, signed.">
            {body.statement.proof.model}, {body.statement.proof.backend}
          </Fact>
        )}
        <Fact name="Price" help="For a million weighted tokens, from the auction.">
          {usdc(body.tariff.price)} USDC per million weighted tokens
        </Fact>
        <Fact name="Log" help="Its place in the coordinator's append-only log.">
          entry {count(head.index)}
          {head.epoch > 0 && `, epoch ${head.epoch}`}
        </Fact>
        <Fact name="Settlement">
          <Settlement state={state} />
        </Fact>
        <Fact name="Request" help="Salted SHA-256 of your request in canonical form.">
          <Id id={body.request_commitment} copy />
        </Fact>
        <Fact name="Answer" help="Salted SHA-256 of the answer in canonical form.">
          <Id id={body.response_commitment} copy />
        </Fact>
      </Facts>
      <Auction receipt={receipt} />
    </article>
  );
}

function Settlement({ state }: { state: ServedReceipts["receipts"][number] | undefined }) {
  if (!state) return <span className="quiet">not said</span>;
  const { log, credit, debited } = state.settlement;
  return (
    <span className="settled">
      {log ? (
        <Id to="/transactions/$id" id={log.signature} label="anchored" />
      ) : (
        <span className="quiet">not anchored yet</span>
      )}
      <span aria-hidden> · </span>
      {debited ? "debited" : <span className="quiet">not debited yet</span>}
      <span aria-hidden> · </span>
      {credit ? (
        <Id to="/transactions/$id" id={credit.signature} label="node credited" />
      ) : (
        <span className="quiet">node not credited yet</span>
      )}
    </span>
  );
}

function Auction({ receipt: { body } }: { receipt: Receipt }) {
  const { winner_ask, best_losing_ask, candidates } = body.auction;
  const { price } = body.tariff;
  const limit = (winner_ask * 11n) / 10n;
  const top = [price, best_losing_ask ?? 0n, limit].reduce((a, b) => (a > b ? a : b));
  const width = (value: bigint) => `${Number((value * 1000n) / (top || 1n)) / 10}%`;
  const rows: [string, bigint, string][] = [
    ["Winner asked", winner_ask, ""],
    ["Price paid", price, "accent"],
    ...(best_losing_ask === null
      ? []
      : ([["Next best ask", best_losing_ask, ""]] as [string, bigint, string][])),
  ];
  return (
    <section className="auction">
      <h3>
        Auction{" "}
        <span className="quiet">
          {candidates === 0
            ? "restored after a crash"
            : candidates === 1
              ? "a single offer"
              : `${candidates} offers competed`}
        </span>
      </h3>
      {rows.map(([name, value, tone]) => (
        <div className="bar-row" key={name}>
          <span>{name}</span>
          <span className="bar-track">
            <span className={`bar ${tone}`} style={{ width: width(value) }} />
          </span>
          <span className="number">{usdc(value)}</span>
        </div>
      ))}
      <p className="quiet">
        The winner is paid what would still have won, at most a tenth above its ask ({usdc(limit)}). Book head{" "}
        <Id id={body.auction.book_head} copy />: a commitment; the offers themselves are not published, so the
        clearing cannot be run again here.
      </p>
    </section>
  );
}

const icons: Record<Check["verdict"], IconName> = { passed: "check", failed: "cross", not_checked: "minus" };
const verdictWords: Record<Check["verdict"], string> = {
  passed: "Passed",
  failed: "Failed",
  not_checked: "Not checked",
};

function Verification({ id, served, given }: { id: string; served: ServedReceipts; given: boolean }) {
  const chain = useChain();
  const [step, setStep] = useState("");
  const [evidence, setEvidence] = useState<Evidence>({});
  const run = useMutation({
    mutationFn: (held: Evidence) => verifyRequest(id, chain, held, setStep, given ? served : undefined),
  });
  const result = run.data;
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
            <CheckList checks={result.report.checks} parts={served.receipts.length} />
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

function CheckList({ checks, parts }: { checks: readonly Check[]; parts: number }) {
  return (
    <ol className="checks">
      {checks.map((check) => (
        <li key={`${check.segment}-${check.id}`} className={`check ${check.verdict}`}>
          <Icon name={icons[check.verdict]} />
          <div>
            <p className="check-name">
              {CHECKS[check.id as CheckId]}
              {parts > 1 && ` · part ${check.segment + 1}`}
              <span className="check-verdict">{verdictWords[check.verdict]}</span>
            </p>
            <p className="check-detail">{check.detail}</p>
          </div>
        </li>
      ))}
    </ol>
  );
}

/** Receipt, path and, if the person gave them, request and answer: what `pinaivu receipt verify FILE` reads. */
function download(id: string, served: ServedReceipts, evidence: Evidence): void {
  const held = evidence.salt ? { held: { salt: evidence.salt } } : {};
  const blob = new Blob([JSON.stringify({ ...served, ...held }, null, 2)], { type: "application/json" });
  const link = Object.assign(document.createElement("a"), {
    href: URL.createObjectURL(blob),
    download: `${id}.json`,
  });
  link.click();
  URL.revokeObjectURL(link.href);
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

/** A bundle from a file, for when the coordinator is gone or is not to be asked. */
export function DropBundle() {
  const [bundle, setBundle] = useState<ServedReceipts | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const open = async (file: File | undefined) => {
    if (!file) return;
    try {
      const value = JSON.parse(await file.text()) as ServedReceipts;
      readDocument(value);
      setBundle(value);
      setProblem(null);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "unreadable");
    }
  };
  if (bundle) return <Found id={bundle.request_id} served={bundle} given />;
  return (
    <Card
      title="Have a bundle?"
      about="A file from “Download bundle” or from pinaivu receipt show --json is checked without the coordinator."
    >
      <input
        type="file"
        accept="application/json,.json"
        aria-label="Open a bundle"
        onChange={(event) => void open(event.target.files?.[0])}
      />
      {problem && (
        <p className="field-about wrong" role="alert">
          {problem}
        </p>
      )}
    </Card>
  );
}
