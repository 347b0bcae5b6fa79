/** A node: stake, earnings, offers, receipts. */
import { NodeStatus } from "@pinaivu/program";
import { useParams } from "@tanstack/react-router";
import { listPayoutsOf, readMarket, readNode, useChainQuery } from "../../entities/chain.ts";
import { type NodeInfo, useNodeInfo, useReceipts } from "../../entities/coordinator.ts";
import { BarChart, LineChart, type Point } from "../../shared/charts.tsx";
import { count, time, usdc } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import { Badge, Card, Fact, Facts, Figure, Notice, Skeleton, useNow, useTitle } from "../../shared/ui.tsx";
import { Head, History, ReadState, Unlisted } from "./account-parts.tsx";
import { ReceiptRows } from "./receipt-rows.tsx";

const hour = (at: number) =>
  new Date(at).toLocaleString("en-GB", {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
  });

/** Speed and reliability by hour, as the coordinator measures them. */
function Measured({ series }: { series: NonNullable<NodeInfo["series"]>["buckets"] }) {
  const served = series.findIndex((bucket) => bucket.requests + bucket.failed > 0);
  if (served === -1) return null;
  // From the hour before it first served, so that a young node's charts are not mostly empty.
  const shown = series.slice(Math.max(0, Math.min(served - 1, series.length - 12)));
  const line = (of: (bucket: (typeof shown)[number]) => number | null): Point[] =>
    shown.flatMap((bucket) => {
      const value = of(bucket);
      return value === null ? [] : [{ at: bucket.at, value }];
    });
  const first = line((bucket) => bucket.first_token_ms_p50);
  const speed = line((bucket) => bucket.tokens_per_second_p50);
  const failed = shown.reduce((sum, bucket) => sum + bucket.failed, 0);
  return (
    <div className="columns three">
      <Card
        title="Served"
        about={failed === 0 ? "Requests by hour; none failed" : `Requests by hour; ${count(failed)} failed`}
      >
        <BarChart
          points={shown.map((bucket) => ({ at: bucket.at, value: bucket.requests }))}
          label="Requests served"
          show={(value) => `${count(value)} requests`}
          when={hour}
        />
      </Card>
      <Card title="First token" about="Median by hour, measured by the coordinator">
        <Line points={first} label="Milliseconds to the first token" show={(value) => `${count(value)} ms`} />
      </Card>
      <Card title="Speed" about="Median by hour, after the first token">
        <Line
          points={speed}
          label="Tokens a second"
          show={(value) => `${value.toFixed(1)} tokens a second`}
        />
      </Card>
    </div>
  );
}

function Line({
  points,
  label,
  show,
}: {
  points: readonly Point[];
  label: string;
  show: (value: number) => string;
}) {
  const [only] = points;
  if (!only) return <Notice title="Not measured yet" />;
  if (points.length === 1)
    return (
      <p className="figure-alone">
        <span className="figure-value">{show(only.value)}</span>{" "}
        <span className="quiet">in the hour from {hour(only.at)}; a chart needs two</span>
      </p>
    );
  return <LineChart points={points} label={label} show={show} when={hour} />;
}

const FEATURES = [
  "chat",
  "tools",
  "structured outputs",
  "log-probabilities",
  "images",
  "embeddings",
  "completions",
  "continuation",
];

export default function NodePage() {
  const { id } = useParams({ from: "/nodes/$id" });
  useTitle(`Node ${id.slice(0, 6)}…`);
  const node = useChainQuery(["node", id], (chain) => readNode(chain, id));
  const market = useChainQuery(["market"], readMarket, 60_000);
  const payouts = useChainQuery(["payouts-of", id], (chain) => listPayoutsOf(chain, id));
  const info = useNodeInfo(id);
  const receipts = useReceipts({ node: id, limit: 15 });
  const now = useNow(5_000);
  const credited = payouts.data?.reduce((sum, payout) => sum + payout.credited, 0n);
  const paid = payouts.data?.reduce((sum, payout) => sum + payout.paid, 0n);
  const found = node.data;
  const enough = found && market.data ? found.stake >= market.data.minStake : null;
  return (
    <>
      <Head
        eyebrow="Node"
        id={id}
        badge={
          found && (
            <Badge tone={found.status === NodeStatus.Active ? "good" : "bad"}>
              {found.status === NodeStatus.Active ? "active" : "suspended"}
            </Badge>
          )
        }
      />
      <ReadState query={node} what="the node's account">
        {found === null ? (
          <Notice title="There is no such node on chain">
            It may have been closed. Its receipts stay valid.
          </Notice>
        ) : (
          found && (
            <>
              <dl className="figures">
                <Figure
                  name="Stake"
                  value={usdc(found.stake)}
                  unit="USDC"
                  note={
                    enough === null
                      ? "on chain"
                      : enough
                        ? `at least ${usdc(market.data?.minStake ?? 0n)} is asked`
                        : "below the market's minimum"
                  }
                />
                <Figure
                  name="Earned"
                  value={credited === undefined ? "–" : usdc(credited)}
                  unit="USDC"
                  note="credited on chain, final"
                />
                <Figure
                  name="Paid out"
                  value={paid === undefined ? "–" : usdc(paid)}
                  unit="USDC"
                  note={
                    credited !== undefined && paid !== undefined
                      ? `${usdc(credited - paid)} USDC to claim`
                      : undefined
                  }
                />
                {info.data?.measured && (
                  <Figure
                    name="First token"
                    value={
                      info.data.measured.first_token_ms_p50 === null
                        ? "–"
                        : count(info.data.measured.first_token_ms_p50)
                    }
                    unit="ms"
                    note={`median of ${count(info.data.measured.samples)}, measured by the coordinator`}
                  />
                )}
              </dl>
              <div className="columns">
                <Card title="Account" about="Read from the chain">
                  <Facts>
                    <Fact name="Operator" help="Cold wallet: owns the stake, rotates the key.">
                      <Id to="/wallets/$id" id={found.operator} copy />
                    </Fact>
                    <Fact name="Paid to">
                      <Id to="/wallets/$id" id={found.payoutOwner} copy />
                    </Fact>
                    <Fact name="Hot key" help="Signs asks and proofs. Owns nothing.">
                      <Id id={found.signer} copy />
                    </Fact>
                    <Fact name="Registered at">slot {count(found.openingSlot)}</Fact>
                    {found.unbonding.amount > 0n && (
                      <Fact name="Leaving">
                        {usdc(found.unbonding.amount)} USDC, asked{" "}
                        {time(Number(found.unbonding.requestedTime) * 1000)}
                      </Fact>
                    )}
                  </Facts>
                </Card>
                <Card title="Offers" about="What the coordinator lists for it">
                  {info.data ? (
                    <ul className="rows">
                      {info.data.asks.map((ask) => (
                        <li className="row" key={ask.model}>
                          <span className="row-main">
                            <strong>{ask.model}</strong>
                            <span className="quiet">
                              {FEATURES.filter((_, bit) => (ask.features >> bit) & 1).join(", ")}
                            </span>
                          </span>
                          <span className="row-side">
                            <span className="number">{usdc(BigInt(ask.price))}</span>
                            <span className="quiet">{count(ask.context_length)} context</span>
                          </span>
                        </li>
                      ))}
                      {info.data.asks.length === 0 && <Notice title="It offers nothing now" />}
                    </ul>
                  ) : info.error ? (
                    <Unlisted error={info.error} what="offers and measured speed" />
                  ) : (
                    <Skeleton />
                  )}
                </Card>
              </div>
            </>
          )
        )}
      </ReadState>
      {info.data?.series && <Measured series={info.data.series.buckets} />}
      <div className="columns">
        <Card title="Receipts" about="Newest first">
          {receipts.data ? (
            receipts.data.data.length > 0 ? (
              <ReceiptRows rows={receipts.data.data} now={now} />
            ) : (
              <Notice title="No receipts yet" />
            )
          ) : receipts.error ? (
            <Unlisted error={receipts.error} what="receipts by node" />
          ) : (
            <Skeleton />
          )}
        </Card>
        <History of={id} />
      </div>
    </>
  );
}
