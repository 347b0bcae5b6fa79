/** A wallet: its escrows, reservations and nodes, all from the chain. */
import { useParams } from "@tanstack/react-router";
import { listAllowancesOf, listEscrowsOf, listNodesOf, useChainQuery } from "../../entities/chain.ts";
import { time, usdc } from "../../shared/format.ts";
import { Id } from "../../shared/links.tsx";
import { Card, Fact, Facts, Notice, useTitle } from "../../shared/ui.tsx";
import { Head, ReadState } from "./account-parts.tsx";

export default function WalletPage() {
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
