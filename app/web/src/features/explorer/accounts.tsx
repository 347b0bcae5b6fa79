/** Pages about accounts on chain: a node, the coordinator, a wallet. */
import { NodeStatus } from "@pinaivu/program";
import { toHex } from "@pinaivu/verify";
import { useParams } from "@tanstack/react-router";
import type { ReactNode } from "react";
import {
  listAllowancesOf,
  listEscrowsOf,
  listNodes,
  listNodesOf,
  listPayouts,
  listPayoutsOf,
  readCoordinator,
  readHistory,
  readMarket,
  readNode,
  useChain,
  useChainQuery,
} from "../../entities/chain.ts";
import { ApiFailure, useNetwork, useNodeInfo, useReceipts } from "../../entities/coordinator.ts";
import { count, duration, percent, time, usdc } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import {
  Badge,
  Card,
  Copy,
  Fact,
  Facts,
  Figure,
  Notice,
  Skeleton,
  useNow,
  useTitle,
} from "../../shared/ui.tsx";
import { NoRpc } from "../shell/settings.tsx";
import { Activity, ReceiptRows } from "./front.tsx";

const FEATURES = ["chat", "tools", "structured outputs", "log-probabilities", "images", "embeddings"];

function Head({ eyebrow, id, badge }: { eyebrow: string; id: string; badge?: ReactNode }) {
  return (
    <header className="page-head">
      <p className="eyebrow">{eyebrow}</p>
      <h1 className="mono">
        {id} <Copy text={id} label="the address" /> {badge}
      </h1>
    </header>
  );
}

function ReadState({
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

function History({ of }: { of: string }) {
  const history = useChainQuery(["history", of], (chain) => readHistory(chain, of, 20), 10_000);
  return (
    <Card title="History" about="From the program's events">
      <ReadState query={history} what="its history">
        {history.data && <Activity items={history.data} />}
      </ReadState>
    </Card>
  );
}

export function NodePage() {
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

function Unlisted({ error, what }: { error: Error; what: string }) {
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

export function CoordinatorPage() {
  useTitle("Coordinator");
  const chain = useChain();
  const network = useNetwork();
  const coordinator = useChainQuery(["coordinator"], readCoordinator);
  const market = useChainQuery(["market"], readMarket, 60_000);
  const payouts = useChainQuery(["payouts"], listPayouts);
  const nodes = useChainQuery(["nodes"], listNodes, 15_000);
  const found = coordinator.data;
  const attested = found ? found.measurement.some((byte) => byte !== 0) : false;
  const owed = payouts.data?.reduce((sum, payout) => sum + payout.credited - payout.paid, 0n);
  const behind = found && network.data ? network.data.log.size - Number(found.log.size) : null;
  return (
    <>
      <Head
        eyebrow="Coordinator"
        id={chain?.place.coordinator ?? network.data?.coordinator ?? "…"}
        badge={
          found && (
            <Badge tone={attested ? "good" : "wait"} icon={attested ? "shield" : "warn"}>
              {attested ? "attested" : "unattested"}
            </Badge>
          )
        }
      />
      <ReadState query={coordinator} what="the coordinator's account">
        {found && (
          <>
            {!attested && (
              <Notice tone="wait" icon="warn" title="This coordinator is not attested">
                No measurement of its code is registered on chain. It is held to account by receipts, the log
                and its bond; which code it runs is its word.
              </Notice>
            )}
            <dl className="figures">
              <Figure
                name="Log"
                value={count(found.log.size)}
                unit="receipts"
                note={
                  behind === null
                    ? "on chain"
                    : behind > 0
                      ? `${count(behind)} more on their way to the chain`
                      : "all of them on chain"
                }
              />
              <Figure name="Debited" value={usdc(found.debited)} unit="USDC" note="from reservations" />
              <Figure
                name="Credited"
                value={usdc(found.credited)}
                unit="USDC"
                note={owed === undefined ? "to nodes" : `${usdc(owed)} not claimed yet`}
              />
              <Figure name="Fees" value={usdc(found.fees)} unit="USDC" note={percent(found.feeBps)} />
              <Figure
                name="Penalty bond"
                value={usdc(found.penaltyBond)}
                unit="USDC"
                note={market.data ? `${usdc(market.data.minBond)} required` : "lost on equivocation"}
              />
            </dl>
            <Conservation debited={found.debited} credited={found.credited} fees={found.fees} />
            <div className="columns">
              <Card title="Account" about="Read from the chain">
                <Facts>
                  <Fact name="Authority" help="Cold wallet: owns bonds and fees, rotates the key.">
                    <Id to="/wallets/$id" id={found.authority} copy />
                  </Fact>
                  <Fact name="Hot key" help="Signs receipts and settlements.">
                    <Id id={found.signer} copy />
                    {network.data && network.data.signer !== found.signer && (
                      <Badge tone="bad">the coordinator says {network.data.signer.slice(0, 6)}…</Badge>
                    )}
                  </Fact>
                  <Fact name="Endpoint">{found.endpoint}</Fact>
                  <Fact name="Log epoch">{found.log.epoch}</Fact>
                  <Fact name="Log root" help="RFC 9162 root over all receipts, held by the program.">
                    <Id id={toHex(Uint8Array.from(found.log.root))} copy />
                    {network.data?.log.size === Number(found.log.size) &&
                      (network.data.log.root === toHex(Uint8Array.from(found.log.root)) ? (
                        <Badge tone="good" icon="check">
                          same as the coordinator's
                        </Badge>
                      ) : (
                        <Badge tone="bad" icon="cross">
                          not the coordinator's root
                        </Badge>
                      ))}
                  </Fact>
                  <Fact name="Guarantee bond" help="Backs what nodes are owed and not credited.">
                    {usdc(found.guaranteeBond)} USDC
                  </Fact>
                </Facts>
              </Card>
              <Card title="Market" about="The rules, held by the program">
                <ReadState query={market} what="the market">
                  {market.data && (
                    <Facts>
                      <Fact name="Market">
                        <Id id={market.data.address} copy />
                      </Fact>
                      <Fact name="Money">
                        <Id id={market.data.mint} copy />
                      </Fact>
                      <Fact name="Fee cap">{percent(market.data.feeCapBps)}</Fact>
                      <Fact name="Exit delay" help="How long reserved money waits before it can leave.">
                        {duration(Number(market.data.exitDelaySeconds))}
                      </Fact>
                      <Fact name="Unbonding">{duration(Number(market.data.unbondDelaySeconds))}</Fact>
                      <Fact name="Least stake">{usdc(market.data.minStake)} USDC</Fact>
                      <Fact name="Deposits">
                        {market.data.paused ? (
                          <Badge tone="wait">paused</Badge>
                        ) : (
                          <Badge tone="good">open</Badge>
                        )}
                      </Fact>
                    </Facts>
                  )}
                </ReadState>
              </Card>
            </div>
            <div className="columns">
              <Card title="Nodes" about="Registered in this market">
                <ReadState query={nodes} what="the nodes">
                  <ul className="rows">
                    {nodes.data?.map((node) => {
                      const payout = payouts.data?.find((candidate) => candidate.node === node.address);
                      return (
                        <li className="row" key={node.address}>
                          <span className="row-main">
                            <Id to="/nodes/$id" id={node.address} />
                            <span className="quiet">stake {usdc(node.stake)} USDC</span>
                          </span>
                          <span className="row-side">
                            <span className="number">{usdc(payout?.credited ?? 0n)} USDC</span>
                            <span className="quiet">earned here</span>
                          </span>
                        </li>
                      );
                    })}
                  </ul>
                </ReadState>
              </Card>
              <History of={found.address} />
            </div>
          </>
        )}
      </ReadState>
    </>
  );
}

/** `credited + fees ≤ debited`, as the program enforces it. */
function Conservation({ debited, credited, fees }: { debited: bigint; credited: bigint; fees: bigint }) {
  const holds = credited + fees <= debited;
  return (
    <p className={`equation ${holds ? "" : "bad"}`}>
      <span>credited {usdc(credited)}</span> + <span>fees {usdc(fees)}</span> {holds ? "≤" : ">"}{" "}
      <span>debited {usdc(debited)}</span>
      <Badge tone={holds ? "good" : "bad"} icon={holds ? "check" : "cross"}>
        {holds ? "adds up" : "does not add up"}
      </Badge>
    </p>
  );
}

export function WalletPage() {
  const { id } = useParams({ from: "/wallets/$id" });
  useTitle(`Wallet ${id.slice(0, 6)}…`);
  const escrows = useChainQuery(["escrows", id], (chain) => listEscrowsOf(chain, id));
  const allowances = useChainQuery(["allowances", id], (chain) => listAllowancesOf(chain, id));
  const nodes = useChainQuery(["nodes-of", id], (chain) => listNodesOf(chain, id));
  const nothing = escrows.data?.length === 0 && allowances.data?.length === 0 && nodes.data?.length === 0;
  return (
    <>
      <Head eyebrow="Wallet" id={id} />
      <ReadState query={escrows} what="its accounts">
        {nothing && (
          <Notice icon="wallet" title="This wallet has no accounts in the market">
            No escrow, no reservation, no node.
          </Notice>
        )}
        <div className="columns">
          {Boolean(escrows.data?.length) && (
            <Card title="Escrow" about="Public on chain; which requests it paid for is not">
              {escrows.data?.map((escrow) => (
                <Facts key={escrow.address}>
                  <Fact name="Account">
                    <Id id={escrow.address} copy />
                  </Fact>
                  <Fact name="Free">{usdc(escrow.free)} USDC</Fact>
                  <Fact name="Reservations">{escrow.allowances}</Fact>
                </Facts>
              ))}
            </Card>
          )}
          {Boolean(allowances.data?.length) && (
            <Card title="Reservations">
              {allowances.data?.map((allowance) => (
                <Facts key={allowance.address}>
                  <Fact name="Account">
                    <Id id={allowance.address} copy />
                  </Fact>
                  <Fact name="Remains">
                    {usdc(allowance.reserved - allowance.released - allowance.debited)} USDC
                  </Fact>
                  <Fact name="Spent">{usdc(allowance.debited)} USDC</Fact>
                  <Fact name="Until">{time(Number(allowance.expiryTime) * 1000)}</Fact>
                </Facts>
              ))}
            </Card>
          )}
        </div>
        {Boolean(nodes.data?.length) && (
          <Card title="Nodes it operates">
            <ul className="rows">
              {nodes.data?.map((node) => (
                <li className="row" key={node.address}>
                  <Id to="/nodes/$id" id={node.address} />
                  <span className="number">{usdc(node.stake)} USDC at stake</span>
                </li>
              ))}
            </ul>
          </Card>
        )}
      </ReadState>
    </>
  );
}
