/** What was debited, from the chain: each settlement that took from this person's limit. */
import type { Allowance } from "@pinaivu/program";
import { type HistoryItem, type Located, readHistory, useChainQuery } from "../../entities/chain.ts";
import { LineChart } from "../../shared/charts.tsx";
import { ago, count, usdc } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import { Card, Notice, Skeleton, useNow } from "../../shared/ui.tsx";
import { entriesOf } from "../explorer/history.tsx";

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

const clock = (at: number) =>
  new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

export function Usage({ allowance }: { allowance: Located<Allowance> | null }) {
  const now = useNow(5_000);
  const at = allowance?.address ?? "";
  const history = useChainQuery(["usage", at], (chain) =>
    at ? readHistory(chain, at, 60) : Promise.resolve([]),
  );
  if (!allowance) return <Notice title="Nothing was spent yet">Set a limit first.</Notice>;
  if (history.error) {
    return (
      <Notice tone="bad" icon="warn" title="The chain did not answer">
        {history.error.message}
      </Notice>
    );
  }
  if (!history.data) return <Skeleton lines={6} />;
  const debits = debitsOf(history.data, allowance.address);
  const newestFirst = [...debits].reverse();
  return (
    <div className="columns">
      <Card title="Spent" about="All that was ever debited from your limit, as settled on chain">
        {debits.length < 2 ? (
          <Notice title="Not enough settlements for a chart yet">
            The coordinator settles a moment after your requests.
          </Notice>
        ) : (
          <LineChart
            step
            label="Debited from your limit"
            points={debits.map((debit) => ({
              at: debit.at + Number(debit.slot % 1000n) / 1000,
              value: Number(debit.debited),
            }))}
            show={(value) => `${usdc(BigInt(Math.round(value)))} USDC`}
            when={clock}
          />
        )}
        <p className="fine-print">
          Which requests a debit pays for is not public. This coordinator does not list your receipts yet;
          keep the ids that come with your answers.
        </p>
      </Card>
      <Card title="Settlements" about="Newest first">
        {newestFirst.length === 0 ? (
          <Notice title="No settlement yet" />
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
    </div>
  );
}
