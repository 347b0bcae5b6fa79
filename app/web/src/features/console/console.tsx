/** The console: a wallet's money, its keys, and its nodes. Everything but keys works from any RPC. */
import { useQuery } from "@tanstack/react-query";
import { Tabs } from "radix-ui";
import { SessionProvider } from "../../entities/account.tsx";
import {
  listAllowancesOf,
  listEscrowsOf,
  readMarket,
  tokenBalance,
  useChain,
  useChainQuery,
} from "../../entities/chain.ts";
import { useNetwork } from "../../entities/coordinator.ts";
import { useWallet } from "../../entities/wallet.tsx";
import { Notice, Skeleton, useTitle } from "../../shared/ui.tsx";
import { NoRpc } from "../shell/settings.tsx";
import { ConnectButton, WalletLine } from "./connect.tsx";
import { Funds } from "./funds.tsx";
import { Keys } from "./keys.tsx";
import { Operator } from "./operator.tsx";
import { walletToken } from "./plans.ts";
import { SendProvider } from "./send.tsx";
import { Snippets } from "./snippets.tsx";
import { Usage } from "./usage.tsx";

export default function Console() {
  useTitle("Console");
  const { wallet } = useWallet();
  const chain = useChain();
  const network = useNetwork();
  return (
    <SessionProvider>
      <SendProvider>
        <header className="page-head console-head">
          <div>
            <p className="eyebrow">Console</p>
            <h1>Your money, your keys, your nodes</h1>
          </div>
          <WalletLine />
        </header>
        {network.error && (
          <Notice tone="wait" icon="warn" title="The coordinator cannot be reached">
            Deposits, withdrawals and exits go straight to the chain and work without it. Keys and new
            requests wait until it is back.
          </Notice>
        )}
        {!chain ? (
          <NoRpc what="your balances" />
        ) : wallet ? (
          <Connected owner={wallet.address} />
        ) : (
          <section className="welcome">
            <ol className="steps">
              <li>
                <strong>Deposit</strong> USDC into your own escrow on Solana.
              </li>
              <li>
                <strong>Set a limit</strong> for this coordinator. It can never debit more.
              </li>
              <li>
                <strong>Create a key</strong> and use any OpenAI client.
              </li>
            </ol>
            <p className="lead">Take everything out again whenever you like. No operator has to agree.</p>
            <ConnectButton />
          </section>
        )}
      </SendProvider>
    </SessionProvider>
  );
}

function Connected({ owner }: { owner: Parameters<typeof walletToken>[0]["owner"] }) {
  const market = useChainQuery(["market"], readMarket, 60_000);
  const escrows = useChainQuery(["escrows", owner], (chain) => listEscrowsOf(chain, owner), 3_000);
  const allowances = useChainQuery(["allowances", owner], (chain) => listAllowancesOf(chain, owner), 3_000);
  const chain = useChain();
  const held = useQuery({
    queryKey: ["chain", "held", chain?.url, owner, market.data?.mint],
    queryFn: async () =>
      chain && market.data ? tokenBalance(chain, await walletToken({ owner, market: market.data })) : 0n,
    enabled: Boolean(chain && market.data),
    refetchInterval: 3_000,
  });
  const error = market.error ?? escrows.error ?? allowances.error;
  if (error) {
    return (
      <Notice tone="bad" icon="warn" title="The chain did not answer">
        {error.message}
      </Notice>
    );
  }
  if (market.data === null)
    return (
      <Notice tone="bad" icon="warn" title="There is no such market on this chain">
        The RPC may be on another cluster.
      </Notice>
    );
  if (!chain || !market.data || !escrows.data || !allowances.data) return <Skeleton lines={8} />;
  // The one with money: a person may have opened more than one over time.
  const [escrow = null] = [...escrows.data].sort(
    (a, b) => Number(b.free - a.free) || b.allowances - a.allowances,
  );
  const mine = allowances.data.filter((allowance) => allowance.coordinator === chain.place.coordinator);
  const [allowance = null] = mine.sort((a, b) => Number(b.expiryTime - a.expiryTime));
  const setting = { chain, owner, market: market.data };
  return (
    <Tabs.Root defaultValue="funds" className="tabs">
      <Tabs.List className="tab-list" aria-label="Console">
        <Tabs.Trigger value="funds">Funds</Tabs.Trigger>
        <Tabs.Trigger value="keys">Keys</Tabs.Trigger>
        <Tabs.Trigger value="usage">Usage</Tabs.Trigger>
        <Tabs.Trigger value="snippets">Snippets</Tabs.Trigger>
        <Tabs.Trigger value="operator">Operator</Tabs.Trigger>
      </Tabs.List>
      <Tabs.Content value="funds">
        <Funds setting={setting} escrow={escrow} allowance={allowance} held={held.data ?? null} />
      </Tabs.Content>
      <Tabs.Content value="keys">
        <Keys allowance={allowance?.address ?? null} />
      </Tabs.Content>
      <Tabs.Content value="usage">
        <Usage allowance={allowance} />
      </Tabs.Content>
      <Tabs.Content value="snippets">
        <Snippets />
      </Tabs.Content>
      <Tabs.Content value="operator">
        <Operator setting={setting} />
      </Tabs.Content>
    </Tabs.Root>
  );
}
