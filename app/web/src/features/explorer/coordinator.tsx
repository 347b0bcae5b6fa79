/** A coordinator: its account, bonds, log, market, and what is known of the code it runs. */
import { toHex } from "@pinaivu/verify";
import {
  listNodes,
  listPayouts,
  readCoordinator,
  readMarket,
  readSolvency,
  type Solvency,
  useChain,
  useChainQuery,
} from "../../entities/chain.ts";
import { useNetwork } from "../../entities/coordinator.ts";
import { count, duration, percent, usdc } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import { Badge, Card, Fact, Facts, Figure, TableBox, useTitle } from "../../shared/ui.tsx";
import { Head, History, ReadState } from "./account-parts.tsx";
import { AttestationPanel, CodeBadge, useAsking } from "./attestation.tsx";

export default function CoordinatorPage() {
  useTitle("Coordinator");
  const chain = useChain();
  const network = useNetwork();
  const coordinator = useChainQuery(["coordinator"], readCoordinator);
  const market = useChainQuery(["market"], readMarket, 60_000);
  const payouts = useChainQuery(["payouts"], listPayouts);
  const nodes = useChainQuery(["nodes"], listNodes, 15_000);
  const found = coordinator.data;
  const asking = useAsking();
  const owed = payouts.data?.reduce((sum, payout) => sum + payout.credited - payout.paid, 0n);
  const behind = found && network.data ? network.data.log.size - Number(found.log.size) : null;
  return (
    <>
      <Head
        eyebrow="Coordinator"
        id={chain?.place.coordinator ?? network.data?.coordinator ?? "…"}
        badge={found && <CodeBadge coordinator={found} asking={asking} />}
      />
      <ReadState query={coordinator} what="the coordinator's account">
        {found && (
          <>
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
            <SolvencyPanel />
            <AttestationPanel coordinator={found} asking={asking} />
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

const VAULTS: Record<Solvency["name"], string> = {
  escrow: "Escrows, reservations and unpaid earnings",
  stake: "Stakes of nodes",
  bond: "Bonds of coordinators",
};

/** Every vault of the market has what it owes. What strangers send it on top belongs to nobody. */
function SolvencyPanel() {
  const solvency = useChainQuery(["solvency"], readSolvency, 15_000);
  return (
    <Card
      title="Solvency"
      about="What each vault of the market owes, by the program's ledger, and what lies in it"
    >
      <ReadState query={solvency} what="the vaults">
        <TableBox label="What each vault owes and has">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Vault</th>
                <th scope="col">Owes</th>
                <th scope="col">Has</th>
                <th scope="col">Covered</th>
              </tr>
            </thead>
            <tbody>
              {solvency.data?.map(({ name, owed, held }) => (
                <tr key={name}>
                  <td>{VAULTS[name]}</td>
                  <td className="number">{usdc(owed)}</td>
                  <td className="number">{usdc(held)}</td>
                  <td className="number">
                    <Badge tone={held >= owed ? "good" : "bad"} icon={held >= owed ? "check" : "cross"}>
                      {held >= owed ? "covered" : "short"}
                    </Badge>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableBox>
      </ReadState>
    </Card>
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
