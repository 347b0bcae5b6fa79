/** What was spent: by time, by key, down to the single receipt, and what of it the chain debited. */
import type { Allowance } from "@pinaivu/program";
import { useState } from "react";
import {
  type OwnFigures,
  useAccount,
  useKeys,
  useOwnFigures,
  useOwnReceipts,
  useSession,
} from "../../entities/account.tsx";
import { type HistoryItem, type Located, readHistory, useChainQuery } from "../../entities/chain.ts";
import { BarChart } from "../../shared/charts.tsx";
import { ago, count, fine, usdc } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import { Badge, Button, Card, Figure, Notice, Skeleton, TableBox, useNow } from "../../shared/ui.tsx";
import { entriesOf } from "../explorer/history.tsx";
import { SignIn } from "./sign-in.tsx";

interface Debit {
  readonly signature: string;
  readonly slot: bigint;
  readonly at: number;
  readonly debited: bigint;
}

/** This limit's cumulative debits, oldest first. */
export function debitsOf(items: readonly HistoryItem[], allowance: string): Debit[] {
  return items
    .filter((item) => !item.failed)
    .flatMap((item) =>
      item.events
        .filter((event) => event.name === "AllowancesDebited")
        .flatMap((event) => entriesOf(event.data))
        .filter((entry) => entry["allowance"] === allowance)
        .map((entry) => ({
          signature: item.signature,
          slot: item.slot,
          at: item.at ?? 0,
          debited: entry["debited"] as bigint,
        })),
    )
    .sort((a, b) => Number(a.slot - b.slot));
}

export function Usage({ allowance }: { allowance: Located<Allowance> | null }) {
  const { session } = useSession();
  if (!allowance) return <Notice title="Nothing was spent yet">Set a limit first.</Notice>;
  return (
    <div className="stack">
      {session ? (
        <Spending allowance={allowance} />
      ) : (
        <Card title="Your usage" about="By hour, by key, down to each receipt">
          <SignIn>Which requests a payment was for is not public: only you see it.</SignIn>
        </Card>
      )}
      <Settlements allowance={allowance} />
    </div>
  );
}

const RANGES = [
  { hours: 24, name: "24 hours" },
  { hours: 7 * 24, name: "7 days" },
  { hours: 30 * 24, name: "30 days" },
] as const;

const hour = (at: number) => new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = (at: number) => new Date(at).toLocaleDateString("en-GB", { day: "numeric", month: "short" });

function Spending({ allowance }: { allowance: Located<Allowance> }) {
  const now = useNow(60_000);
  const [hours, setHours] = useState<number>(24);
  const account = useAccount(allowance.address);
  const figures = useOwnFigures(allowance.address, hours, now);
  const error = account.error ?? figures.error;
  if (error)
    return (
      <Notice tone="wait" icon="warn" title="Your usage is not available">
        {error.message}
      </Notice>
    );
  if (!account.data || !figures.data) return <Skeleton lines={6} />;
  const { charged, held, available } = account.data;
  return (
    <>
      <dl className="figures">
        <Figure name="Charged" value={fine(charged)} unit="USDC" note="by all your receipts" />
        <Figure
          name="Debited"
          value={usdc(allowance.debited)}
          unit="USDC"
          note={debitedWords(charged, allowance.debited)}
        />
        <Figure name="Held" value={fine(held)} unit="USDC" note="for requests being served" />
        <Figure name="Available" value={fine(available)} unit="USDC" note="for new requests" />
      </dl>
      <div className="columns">
        <Card
          title="Charged"
          about={hours > 48 ? "By day" : "By hour"}
          action={
            <fieldset className="segments">
              <legend className="unseen">Time</legend>
              {RANGES.map((range) => (
                <button
                  key={range.hours}
                  type="button"
                  aria-pressed={hours === range.hours}
                  onClick={() => setHours(range.hours)}
                >
                  {range.name}
                </button>
              ))}
            </fieldset>
          }
        >
          <BarChart
            points={figures.data.buckets.map((bucket) => ({ at: bucket.at, value: Number(bucket.charged) }))}
            label="Charged"
            show={(value) => `${fine(BigInt(Math.round(value)))} USDC`}
            when={hours > 48 ? day : hour}
          />
          <p className="quiet">
            {count(figures.data.buckets.reduce((sum, bucket) => sum + bucket.requests, 0))} requests,{" "}
            {fine(figures.data.buckets.reduce((sum, bucket) => sum + bucket.charged, 0n))} USDC in this time
          </p>
        </Card>
        <ByKey figures={figures.data} />
      </div>
      <OwnReceipts allowance={allowance.address} />
    </>
  );
}

/** A debit is the charges rounded up, and trails them until the next settlement. */
export function debitedWords(charged: bigint, debited: bigint): string {
  const due = (charged + 999_999n) / 1_000_000n;
  if (debited > due) return "more than your receipts add up to";
  return debited === due ? "on chain: all your receipts, rounded up" : "on chain; the rest follows";
}

function ByKey({ figures }: { figures: OwnFigures }) {
  const keys = useKeys();
  const sums = new Map<string, { requests: number; charged: bigint }>();
  for (const { id, requests, charged } of figures.buckets.flatMap((bucket) => bucket.keys)) {
    const name = id ?? "";
    const known = sums.get(name) ?? { requests: 0, charged: 0n };
    sums.set(name, { requests: known.requests + requests, charged: known.charged + charged });
  }
  const rows = [...sums].sort(([, a], [, b]) => (a.charged < b.charged ? 1 : -1));
  const label = (id: string) =>
    keys.data?.data.find((key) => key.id === id)?.label ?? (id ? `${id.slice(0, 8)}…` : "without a key");
  return (
    <Card title="By key" about="In the same time">
      {rows.length === 0 ? (
        <Notice title="Nothing was spent in this time" />
      ) : (
        <TableBox label="Charged by key">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Key</th>
                <th scope="col">Requests</th>
                <th scope="col">USDC</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(([id, { requests, charged }]) => (
                <tr key={id}>
                  <td>{label(id)}</td>
                  <td className="number">{count(requests)}</td>
                  <td className="number">{fine(charged)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableBox>
      )}
    </Card>
  );
}

function OwnReceipts({ allowance }: { allowance: string }) {
  const now = useNow(5_000);
  const keys = useKeys();
  const [trail, setTrail] = useState<readonly string[]>([]);
  const receipts = useOwnReceipts(allowance, trail.at(-1) ?? null);
  const label = (id: string | null | undefined) => keys.data?.data.find((key) => key.id === id)?.label;
  return (
    <Card title="Receipts" about="Each is what you were charged, and can be verified on its page">
      {receipts.error ? (
        <Notice tone="bad" icon="warn" title="Not available">
          {receipts.error.message}
        </Notice>
      ) : !receipts.data ? (
        <Skeleton lines={5} />
      ) : receipts.data.data.length === 0 ? (
        <Notice icon="file" title="No receipts yet" />
      ) : (
        <TableBox label="Your receipts">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Request</th>
                <th scope="col" className="words">
                  Model
                </th>
                <th scope="col" className="words">
                  Key
                </th>
                <th scope="col">Tokens</th>
                <th scope="col">USDC</th>
                <th scope="col">So far</th>
                <th scope="col">When</th>
              </tr>
            </thead>
            <tbody>
              {receipts.data.data.map((row) => (
                <tr key={`${row.epoch}.${row.index}`}>
                  <td>
                    <Id to="/receipts/$id" id={row.request_id} />{" "}
                    {row.outcome !== "completed" && <Badge tone="wait">{row.outcome}</Badge>}
                  </td>
                  <td>{row.model}</td>
                  <td>{label(row.key) ?? <span className="quiet">–</span>}</td>
                  <td className="number">
                    {count(row.input_tokens)} → {count(row.output_tokens)}
                  </td>
                  <td className="number">{fine(row.amount)}</td>
                  <td className="number quiet">{fine(row.allowance_cumulative)}</td>
                  <td className="number quiet">{ago(row.created, now)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableBox>
      )}
      <div className="button-row end">
        {trail.length > 0 && (
          <Button icon="left" onClick={() => setTrail(trail.slice(0, -1))}>
            Newer
          </Button>
        )}
        {receipts.data?.next && (
          <Button onClick={() => setTrail([...trail, receipts.data.next ?? ""])}>Older</Button>
        )}
      </div>
    </Card>
  );
}

function Settlements({ allowance }: { allowance: Located<Allowance> }) {
  const now = useNow(5_000);
  const history = useChainQuery(["usage", allowance.address], (chain) =>
    readHistory(chain, allowance.address, 60),
  );
  if (history.error) {
    return (
      <Notice tone="bad" icon="warn" title="The chain did not answer">
        {history.error.message}
      </Notice>
    );
  }
  if (!history.data) return <Skeleton lines={5} />;
  const newestFirst = [...debitsOf(history.data, allowance.address)].reverse();
  return (
    <Card title="Debits on chain" about="All that was ever debited from your limit, newest first">
      {newestFirst.length === 0 ? (
        <Notice title="No settlement yet">The coordinator settles a moment after your requests.</Notice>
      ) : (
        <ul className="rows">
          {newestFirst.slice(0, 12).map((debit, index) => (
            <li className="row" key={debit.signature}>
              <span className="row-main">
                <span className="number">
                  {usdc(debit.debited - (newestFirst[index + 1]?.debited ?? 0n))} USDC
                </span>
                <span className="quiet">
                  <Id to="/transactions/$id" id={debit.signature} /> · slot {count(debit.slot)}
                </span>
              </span>
              <span className="row-side quiet">{ago(debit.at, now)}</span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
