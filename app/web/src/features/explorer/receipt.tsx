/** A receipt: its facts, checked in this browser against the chain. */
import { type ReceiptDocument, type Replay, readDocument } from "@pinaivu/verify";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { ApiFailure, fetchReceipts, type ServedReceipts } from "../../entities/coordinator.ts";
import { Button, Card, Copy, FileButton, Notice, Skeleton, useTitle } from "../../shared/ui.tsx";
import { Recorded } from "./record.tsx";
import { Slip } from "./slip.tsx";
import { Verification } from "./verification.tsx";

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
      <Recorded id={id} receipts={null} />
      <DropBundle />
    </>
  );
}

type ReadAs =
  | { readonly document: ReceiptDocument; readonly problem: null }
  | { readonly document: null; readonly problem: { readonly title: string; readonly text: string } };

/** Facts are read from the signed bytes, never from the JSON beside them; they must be of the request asked for. */
export function readAs(id: string, served: ServedReceipts): ReadAs {
  let document: ReceiptDocument;
  try {
    document = readDocument(served, id);
  } catch (error) {
    const message = error instanceof Error ? error.message : "unreadable";
    const text = `${message}. The bytes do not decode, so there is nothing that could be signed.`;
    return { document: null, problem: { title: "What was served is no receipt", text } };
  }
  const other = document.entries.find(({ receipt }) => receipt.head.request !== id);
  if (!other) return { document, problem: null };
  const text = `It is a receipt of ${other.receipt.head.request}, not of the request that was asked for. Nothing of it is shown here.`;
  return { document: null, problem: { title: "What was served is another request's receipt", text } };
}

function Found({ id, served, given = false }: { id: string; served: ServedReceipts; given?: boolean }) {
  const { document, problem } = useMemo(() => readAs(id, served), [id, served]);
  const [replay, setReplay] = useState<Replay | null>(null);
  if (!document) {
    return (
      <>
        <PageHead id={id} />
        <Notice tone="bad" icon="warn" title={problem.title}>
          {problem.text}
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
              replay={entry.receipt.head.segment === 0 ? replay : null}
            />
          ))}
          <Recorded id={id} receipts={document.entries.map(({ receipt }) => receipt)} />
        </div>
        <div className="stack">
          <Verification id={id} served={served} given={given} onReplay={setReplay} />
        </div>
      </div>
    </>
  );
}

/** A bundle from a file, for when the coordinator is gone or is not to be asked. */
export function DropBundle() {
  const [bundle, setBundle] = useState<ServedReceipts | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const open = async (file: File) => {
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
      <FileButton onFile={(file) => void open(file)}>Open a bundle</FileButton>
      {problem && (
        <p className="field-about wrong" role="alert">
          {problem}
        </p>
      )}
    </Card>
  );
}
