/** For people who run nodes: register, stake, earnings, uptime, claims. */
import type { Node, Payout } from "@pinaivu/program";
import { useState } from "react";
import { type Located, listNodesOf, listPayoutsOf, useChainQuery } from "../../entities/chain.ts";
import { ApiFailure, type NodeInfo, useNodeInfo } from "../../entities/coordinator.ts";
import { BarChart } from "../../shared/charts.tsx";
import { count, duration, fine, parseUsdc, percent, usdc } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import {
  Badge,
  Button,
  Card,
  Fact,
  Facts,
  Field,
  Figure,
  Notice,
  Skeleton,
  useNow,
} from "../../shared/ui.tsx";
import type { Setting } from "./plans.ts";
import * as plans from "./plans.ts";
import { usePosition } from "./position.ts";
import { Register } from "./register.tsx";
import { useSend } from "./send.tsx";

export function Operator({ setting }: { setting: Setting }) {
  const nodes = useChainQuery(["nodes-of", setting.owner], (chain) => listNodesOf(chain, setting.owner));
  if (nodes.error)
    return (
      <Notice tone="bad" icon="warn" title="The chain did not answer">
        {nodes.error.message}
      </Notice>
    );
  if (!nodes.data) return <Skeleton lines={5} />;
  return (
    <div className="stack">
      {nodes.data.map((node) => (
        <NodeCard key={node.address} node={node} setting={setting} />
      ))}
      <Register setting={setting} first={nodes.data.length === 0} />
    </div>
  );
}

type Series = NonNullable<NodeInfo["series"]>["buckets"];

/** Hours of the last week in which it served, of those since it first did. */
export function servedHours(series: Series): { served: number; since: number } {
  const first = series.findIndex((bucket) => bucket.requests > 0);
  if (first === -1) return { served: 0, since: 0 };
  return {
    served: series.filter((bucket) => bucket.requests > 0).length,
    since: series.length - first,
  };
}

const day = (at: number) => new Date(at).toLocaleDateString("en-GB", { day: "numeric", month: "short" });

/** Sums of a day, by the browser's calendar. */
export function byDay(series: Series): { at: number; value: number }[] {
  const days = new Map<string, { at: number; value: number }>();
  for (const bucket of series) {
    const name = new Date(bucket.at).toDateString();
    const known = days.get(name);
    days.set(name, {
      at: known?.at ?? bucket.at,
      value: (known?.value ?? 0) + Number(bucket.earned),
    });
  }
  return [...days.values()];
}

/** How it does, in the coordinator's words: it is who measures. */
function Standing({ info }: { info: NodeInfo }) {
  const now = useNow(5_000);
  const series = info.series?.buckets ?? [];
  const { served, since } = servedHours(series);
  const requests = info.totals?.requests ?? 0;
  const failed = info.totals?.failed ?? 0;
  return (
    <div className="columns">
      <Facts>
        <Fact name="Connected">
          {info.connected && info.since ? `for ${duration((now - info.since) / 1000)}` : "no"}
        </Fact>
        <Fact name="Served in" help="Hours of the last seven days with at least one answer.">
          {since === 0
            ? "no hour of the last 7 days"
            : since === 1
              ? "the last hour"
              : `${served} of the last ${since} hours`}
        </Fact>
        <Fact name="Failed">
          {requests + failed === 0
            ? "nothing asked yet"
            : `${count(failed)} of ${count(requests)} requests, ${percent((failed * 10_000) / Math.max(1, requests))}`}
        </Fact>
        <Fact name="Speed" help="Medians, as the coordinator measures them.">
          {info.measured?.first_token_ms_p50 == null
            ? "not measured yet"
            : `${count(info.measured.first_token_ms_p50)} ms to the first token${
                info.measured.tokens_per_second_p50 == null
                  ? ""
                  : `, ${info.measured.tokens_per_second_p50.toFixed(1)} tokens a second`
              }`}
        </Fact>
        {info.unpaid !== null && info.unpaid !== undefined && (
          <Fact name="On its way" help="Earned, and not credited on chain yet.">
            {fine(info.unpaid)} USDC
          </Fact>
        )}
      </Facts>
      {series.length > 0 && (
        <div>
          <h3>Earned by day</h3>
          <BarChart
            points={byDay(series)}
            label="Earned by day"
            show={(value) => `${fine(BigInt(Math.round(value)))} USDC`}
            when={day}
          />
        </div>
      )}
    </div>
  );
}

function NodeCard({ node, setting }: { node: Located<Node>; setting: Setting }) {
  const send = useSend();
  const now = useNow();
  const payouts = useChainQuery(["payouts-of", node.address], (chain) => listPayoutsOf(chain, node.address));
  const info = useNodeInfo(node.address);
  const [text, setText] = useState("");
  const amount = parseUsdc(text);
  const enough = node.stake >= setting.market.minStake;
  const unbonding = node.unbonding.amount > 0n ? node.unbonding : null;
  const slot = usePosition(setting, unbonding !== null);
  const left = unbonding
    ? Number(unbonding.requestedTime + setting.market.unbondDelaySeconds) - now / 1000
    : 0;
  const slots =
    unbonding && slot.data !== undefined
      ? unbonding.requestedSlot + setting.market.unbondDelaySlots - slot.data
      : 0n;
  const waiting = left > 0 || slots > 0n;
  const sum = (of: (payout: Payout) => bigint) =>
    payouts.data?.reduce((total, payout) => total + of(payout), 0n);
  return (
    <Card
      title={<Id to="/nodes/$id" id={node.address} copy />}
      action={
        <span className="button-row">
          {info.data && (
            <Badge tone={info.data.connected ? "good" : "bad"}>
              {info.data.connected ? "connected" : "not connected"}
            </Badge>
          )}
          <Badge tone={enough ? "good" : "wait"}>{enough ? "stake is enough" : "stake too low"}</Badge>
        </span>
      }
    >
      <dl className="figures">
        <Figure name="Stake" value={usdc(node.stake)} unit="USDC" />
        <Figure name="Earned" value={usdc(sum((payout) => payout.credited) ?? 0n)} unit="USDC" />
        <Figure
          name="To claim"
          value={usdc(sum((payout) => payout.credited - payout.paid) ?? 0n)}
          unit="USDC"
        />
      </dl>
      {info.data ? (
        <Standing info={info.data} />
      ) : info.error ? (
        <p className="quiet">
          {info.error instanceof ApiFailure && info.error.kind === "absent"
            ? "This coordinator has not seen the node yet: start it with pinaivu node run."
            : "How it does is not known while the coordinator cannot be reached."}
        </p>
      ) : null}
      {payouts.data
        ?.filter((payout) => payout.credited > payout.paid)
        .map((payout) => (
          <Notice
            key={payout.address}
            tone="good"
            icon="check"
            title={`${usdc(payout.credited - payout.paid)} USDC can be claimed`}
            action={
              <Button tone="primary" onClick={() => send(() => plans.claim(setting, payout))}>
                Claim {usdc(payout.credited - payout.paid)} USDC
              </Button>
            }
          >
            Credited by coordinator <Id id={payout.coordinator} />, and final.
          </Notice>
        ))}
      <div className="stack tight operator-actions stake-form">
        <Field
          label="Amount"
          inputMode="decimal"
          placeholder="0.00"
          value={text}
          onChange={(event) => setText(event.target.value)}
          suffix="USDC"
          error={text && amount === null ? "An amount in USDC" : null}
        />
        <div className="button-row">
          <Button disabled={!amount} onClick={() => amount && send(() => plans.stake(setting, node, amount))}>
            Stake
          </Button>
          <Button
            disabled={!amount || amount > node.stake}
            onClick={() => amount && send(() => plans.unbond(setting, node, amount))}
          >
            Ask stake back
          </Button>
        </div>
      </div>
      {unbonding && (
        <div className="operator-actions">
          <Notice
            tone="wait"
            title={`${usdc(unbonding.amount)} USDC of stake ${waiting ? `can leave in ${left > 0 ? duration(left) : `${slots} slots`}` : "can leave now"}`}
            action={
              <Button disabled={waiting} onClick={() => send(() => plans.takeStake(setting, node))}>
                Take it out
              </Button>
            }
          />
        </div>
      )}
    </Card>
  );
}
