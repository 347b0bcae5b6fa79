/** What the pages of accounts have in common. */
import type { ReactNode } from "react";
import { readHistory, useChainQuery } from "../../entities/chain.ts";
import { ApiFailure } from "../../entities/coordinator.ts";
import { Card, Copy, Notice, Skeleton } from "../../shared/ui.tsx";
import { NoRpc } from "../shell/settings.tsx";
import { Activity } from "./activity.tsx";

export function Head({ eyebrow, id, badge }: { eyebrow: string; id: string; badge?: ReactNode }) {
  return (
    <header className="page-head">
      <p className="eyebrow">{eyebrow}</p>
      <h1 className="mono">
        {id} <Copy text={id} label="the address" /> {badge}
      </h1>
    </header>
  );
}

export function ReadState({
  query,
  what,
  children,
}: {
  query: { isPending: boolean; fetchStatus: string; error: Error | null };
  what: string;
  children: ReactNode;
}) {
  if (query.isPending && query.fetchStatus === "idle") return <NoRpc what={what} />;
  if (query.isPending) return <Skeleton lines={6} />;
  if (query.error) {
    return (
      <Notice tone="bad" icon="warn" title="The chain did not answer">
        {query.error.message}
      </Notice>
    );
  }
  return children;
}

export function History({ of }: { of: string }) {
  const history = useChainQuery(["history", of], (chain) => readHistory(chain, of, 20), 10_000);
  return (
    <Card title="History" about="From the program's events">
      <ReadState query={history} what="its history">
        {history.data && <Activity items={history.data} />}
      </ReadState>
    </Card>
  );
}

export function Unlisted({ error, what }: { error: Error; what: string }) {
  const absent = error instanceof ApiFailure && error.kind === "absent";
  return (
    <Notice
      icon={absent ? "file" : "warn"}
      tone={absent ? "neutral" : "wait"}
      title={absent ? `This coordinator does not publish ${what}` : "Not available"}
    >
      {absent ? null : error.message}
    </Notice>
  );
}
