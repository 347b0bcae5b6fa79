/** For people who run nodes: stake, earnings, claims. */
import type { Node, Payout } from "@pinaivu/program";
import { useState } from "react";
import { type Located, listNodesOf, listPayoutsOf, useChainQuery } from "../../entities/chain.ts";
import { useNodeInfo } from "../../entities/coordinator.ts";
import { duration, parseUsdc, usdc } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import { Badge, Button, Card, Copy, Field, Figure, Notice, Skeleton, useNow } from "../../shared/ui.tsx";
import type { Setting } from "./plans.ts";
import * as plans from "./plans.ts";
import { useSend } from "./send.tsx";

const REGISTER = "pinaivu node register --key node-key.json --wallet operator.json";

export function Operator({ setting }: { setting: Setting }) {
  const nodes = useChainQuery(["nodes-of", setting.owner], (chain) => listNodesOf(chain, setting.owner));
  if (!nodes.data) return <Skeleton lines={5} />;
  return (
    <div className="stack">
      {nodes.data.map((node) => (
        <NodeCard key={node.address} node={node} setting={setting} />
      ))}
      <Card
        title={nodes.data.length ? "Another node" : "Run a node"}
        about="Beside vLLM, llama.cpp, SGLang or Ollama; no inbound port, no price list"
      >
        <p>
          Registering a node needs the signature of the node's own key, which belongs on the node and not in a
          browser. So it is one command there, signed by this wallet as the operator:
        </p>
        <div className="snippet">
          <Copy text={REGISTER} label="the command" />
          <pre>{REGISTER}</pre>
        </div>
        <p className="quiet">
          The market asks for a stake of at least {usdc(setting.market.minStake)} USDC. Once it is registered,
          the node appears here to stake, follow and claim.
        </p>
      </Card>
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
  const left = unbonding
    ? Number(unbonding.requestedTime + setting.market.unbondDelaySeconds) - now / 1000
    : 0;
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
      <div className="stack tight operator-actions">
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
          {payouts.data
            ?.filter((payout) => payout.credited > payout.paid)
            .map((payout) => (
              <Button
                key={payout.address}
                tone="primary"
                onClick={() => send(() => plans.claim(setting, payout))}
              >
                Claim {usdc(payout.credited - payout.paid)} USDC
              </Button>
            ))}
        </div>
        {unbonding && (
          <Notice
            tone="wait"
            title={`${usdc(unbonding.amount)} USDC of stake ${left > 0 ? `can leave in ${duration(left)}` : "can leave now"}`}
            action={
              <Button disabled={left > 0} onClick={() => send(() => plans.takeStake(setting, node))}>
                Take it out
              </Button>
            }
          />
        )}
      </div>
    </Card>
  );
}
