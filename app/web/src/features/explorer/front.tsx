/** The front page: search, the network in numbers, and what is happening on chain and off. */
import { Link } from "@tanstack/react-router";
import {
  type HistoryItem,
  listPayouts,
  readCoordinator,
  readHistory,
  useChainQuery,
} from "../../entities/chain.ts";
import { ApiFailure, type Figures, useFigures, useNetwork, useReceipts } from "../../entities/coordinator.ts";
import { BarChart, LineChart, type Point } from "../../shared/charts.tsx";
import { count, usdc } from "../../shared/format.ts";
import { Card, Figure, Notice, Skeleton, useNow, useTitle } from "../../shared/ui.tsx";
import { SearchBox } from "../shell/search.tsx";
import { NoRpc } from "../shell/settings.tsx";
import { Activity } from "./activity.tsx";
import { ReceiptRows } from "./receipt-rows.tsx";

const HISTORY = 40;
const dayAndHour = (at: number) =>
  new Date(at).toLocaleString("en-GB", {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
  });
const clock = (at: number) =>
  new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

export default function Front() {
  useTitle("Explorer");
  const network = useNetwork();
  const figures = useFigures();
  const coordinator = useChainQuery(["coordinator"], readCoordinator);
  const payouts = useChainQuery(["payouts"], listPayouts);
  const history = useChainQuery(["history", HISTORY], (chain) =>
    readHistory(chain, chain.place.coordinator, HISTORY),
  );
  const totals = figures.data?.totals;
  const paid = payouts.data?.reduce((sum, payout) => sum + payout.paid, 0n);
  return (
    <>
      <section className="hero">
        <h1>Inference you can check.</h1>
        <p className="lead">
          Every answer on this network leaves a receipt: who served it, at what price, signed by both sides
          and anchored on Solana. Look one up and verify it here, in your browser.
        </p>
        <SearchBox large />
      </section>
      {network.error && <CoordinatorDown />}
      <dl className="figures" aria-label="Network figures">
        <Figure
          name="Receipts"
          value={
            coordinator.data
              ? count(coordinator.data.log.size)
              : network.data
                ? count(network.data.log.size)
                : "–"
          }
          note={coordinator.data ? "in the log on chain" : "in the coordinator's log"}
        />
        <Figure
          name="Charged"
          value={coordinator.data ? usdc(coordinator.data.debited) : "–"}
          unit="USDC"
          note="debited on chain"
        />
        <Figure
          name="Paid to nodes"
          value={paid === undefined ? "–" : usdc(paid)}
          unit="USDC"
          note="left the vault"
        />
        <Figure
          name="Nodes online"
          value={network.data ? count(network.data.nodes) : "–"}
          note="the coordinator's word"
        />
        {/* Their places are kept while they load, so that nothing moves when they come. */}
        {!figures.error && (
          <Figure
            name="Tokens"
            value={totals ? count(totals.input_tokens + totals.output_tokens) : "–"}
            note="in and out, all receipts"
          />
        )}
        {!figures.error && (
          <Figure
            name="First token"
            value={totals?.first_token_ms ? count(totals.first_token_ms.p50) : "–"}
            unit="ms"
            note="the coordinator's median"
          />
        )}
      </dl>
      <Models />
      <div className="columns even">
        <Card title="Receipts" about="Newest first, as the coordinator lists them" action={<FeedState />}>
          <Feed />
        </Card>
        <Card title="On chain" about="Settlements and payments, read from the program's events">
          {history.isPending && history.fetchStatus === "idle" ? (
            <NoRpc what="settlements" />
          ) : history.error ? (
            <Notice tone="bad" icon="warn" title="The chain did not answer">
              {history.error.message}
            </Notice>
          ) : history.data ? (
            <Activity items={history.data} />
          ) : (
            <Skeleton lines={20} />
          )}
        </Card>
      </div>
      <div className="columns even">
        <Card title="Receipts anchored" about="Size of the log that the program holds">
          {history.data ? <LogChart items={history.data} /> : <Skeleton />}
        </Card>
        <Card
          title={figures.data ? "Requests" : "Debited"}
          about={
            figures.data
              ? "By hour, as the coordinator counts"
              : "All that was ever debited, from settlements on chain"
          }
        >
          {figures.data ? (
            <RequestChart figures={figures.data} />
          ) : history.data ? (
            <DebitChart items={history.data} />
          ) : (
            <Skeleton />
          )}
        </Card>
      </div>
      {figures.data && figures.data.buckets.length > 1 && (
        <Card title="Prices" about="Median clearing price for a million weighted tokens">
          <PriceChart figures={figures.data} />
        </Card>
      )}
    </>
  );
}

function CoordinatorDown() {
  return (
    <Notice tone="wait" icon="warn" title="The coordinator cannot be reached">
      What the chain holds is still shown below. Your money does not need the coordinator:{" "}
      <Link to="/console">withdraw it in the console</Link>.
    </Notice>
  );
}

function FeedState() {
  const receipts = useReceipts({ limit: 12 });
  return receipts.data ? <span className="live on">Live</span> : null;
}

function Models() {
  const { data, error } = useNetwork();
  if (!data) return error ? null : <div className="models-place" />;
  if (data.models.length === 0)
    return <Notice title="No model is offered right now">Nodes may still be connecting.</Notice>;
  return (
    <ul className="models" aria-label="Models on offer">
      {data.models.map(({ id, context_length, nodes, pricing }) => (
        <li key={id} className="model">
          <span className="model-name">{id}</span>
          <span className="model-price">
            {pricing.lowest_ask === null ? (
              "no ask"
            ) : (
              <>
                <strong>{usdc(BigInt(pricing.lowest_ask) * BigInt(pricing.input_weight))}</strong> in ·{" "}
                <strong>{usdc(BigInt(pricing.lowest_ask) * BigInt(pricing.output_weight))}</strong> out
                <span className="quiet"> USDC per million tokens</span>
              </>
            )}
          </span>
          <span className="quiet">
            {count(context_length)} context · {nodes} node{nodes === 1 ? "" : "s"}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Feed() {
  const receipts = useReceipts({ limit: 12 });
  const now = useNow(5_000);
  if (receipts.isPending) return <Skeleton lines={20} />;
  if (receipts.error) {
    if (receipts.error instanceof ApiFailure && receipts.error.kind === "absent") {
      return (
        <Notice icon="file" title="This coordinator does not list receipts">
          Each receipt has its page all the same: search for a request's id, <code>req_…</code>. It is in
          every answer as <code>request_id</code> and in the header <code>x-request-id</code>.
        </Notice>
      );
    }
    return (
      <Notice tone="wait" icon="warn" title="No receipts to show">
        {receipts.error.message}
      </Notice>
    );
  }
  if (receipts.data.data.length === 0)
    return (
      <Notice icon="file" title="No receipts yet">
        The first one appears here after the first request.
      </Notice>
    );
  return <ReceiptRows rows={receipts.data.data} now={now} />;
}

function series(
  items: readonly HistoryItem[],
  name: string,
  value: (data: Record<string, unknown>) => unknown,
): Point[] {
  return items
    .filter((item) => item.at !== null && !item.failed)
    .flatMap((item) =>
      item.events
        .filter((event) => event.name === name)
        .map((event) => ({
          at: (item.at ?? 0) + Number(item.slot % 1000n) / 1000,
          value: Number(value(event.data) ?? 0),
        })),
    )
    .sort((a, b) => a.at - b.at || a.value - b.value);
}

const Sparse = () => <Notice title="Not enough settlements for a chart yet">It needs at least two.</Notice>;

function LogChart({ items }: { items: readonly HistoryItem[] }) {
  const points = series(items, "LogExtended", (data) => data["size"]);
  if (points.length < 2) return <Sparse />;
  return (
    <LineChart
      step
      points={points}
      label="Receipts in the log on chain"
      show={(value) => `${count(value)} receipts`}
      when={clock}
    />
  );
}

function DebitChart({ items }: { items: readonly HistoryItem[] }) {
  const points = series(items, "AllowancesDebited", (data) => data["debited"]);
  if (points.length < 2) return <Sparse />;
  return (
    <LineChart
      step
      points={points}
      label="Debited, in USDC"
      show={(value) => `${usdc(BigInt(Math.round(value)))} USDC`}
      when={clock}
    />
  );
}

/** What a million weighted tokens cost, model by model. */
function PriceChart({ figures }: { figures: Figures }) {
  const names = [...new Set(figures.buckets.flatMap((bucket) => bucket.models.map(({ model }) => model)))];
  return (
    <div className="stack">
      {names.slice(0, 4).map((name) => {
        const points = figures.buckets.flatMap((bucket) =>
          bucket.models.flatMap(({ model, price }) =>
            model === name && price !== null ? [{ at: bucket.at, value: price }] : [],
          ),
        );
        return (
          <div key={name}>
            <h3 className="mono">{name}</h3>
            {points.length < 2 ? (
              <p className="quiet">
                {points[0]
                  ? `${usdc(BigInt(Math.round(points[0].value)))} USDC in the only hour so far`
                  : "None yet"}
              </p>
            ) : (
              <LineChart
                points={points}
                label={`Price of ${name}`}
                show={(value) => `${usdc(BigInt(Math.round(value)))} USDC`}
                when={dayAndHour}
              />
            )}
          </div>
        );
      })}
    </div>
  );
}

function RequestChart({ figures }: { figures: Figures }) {
  const points = figures.buckets.map((bucket) => ({ at: bucket.at, value: bucket.requests }));
  return (
    <BarChart
      points={points}
      label="Requests by hour"
      show={(value) => `${count(value)} requests`}
      when={dayAndHour}
    />
  );
}
