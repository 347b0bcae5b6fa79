/** A node: stake, earnings, offers, receipts. */
import { NodeStatus } from "@pinaivu/program";
import { useParams } from "@tanstack/react-router";
import { listPayoutsOf, readMarket, readNode, useChainQuery } from "../../entities/chain.ts";
import { useNodeInfo, useReceipts } from "../../entities/coordinator.ts";
import { count, time, usdc } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import { Badge, Card, Fact, Facts, Figure, Notice, Skeleton, useNow, useTitle } from "../../shared/ui.tsx";
import { Head, History, ReadState, Unlisted } from "./account-parts.tsx";
import { ReceiptRows } from "./front.tsx";

const FEATURES = ["chat", "tools", "structured outputs", "log-probabilities", "images", "embeddings"];

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
