/** Choosing a wallet. */
import "../../styles/console.css";
import { useState } from "react";
import { useNetwork } from "../../entities/coordinator.ts";
import { useRpcUrl } from "../../entities/settings.ts";
import { useWallet, useWallets } from "../../entities/wallet.tsx";
import { Id } from "../../shared/links.tsx";
import { Badge, Button, Dialog, FileButton, Notice } from "../../shared/ui.tsx";

/** A chain on this machine: only there may a key be given to a page. */
export function useLocalChain(): boolean {
  const network = useNetwork();
  const rpc = useRpcUrl();
  if (network.data?.local) return true;
  const host = rpc ? new URL(rpc.url).hostname : "";
  return host === "127.0.0.1" || host === "localhost" || host === "[::1]";
}

export function ConnectButton({ tone = "primary" }: { tone?: "primary" | "plain" }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button tone={tone} icon="wallet" onClick={() => setOpen(true)}>
        Connect a wallet
      </Button>
      <Dialog
        open={open}
        onOpenChange={setOpen}
        title="Connect a wallet"
        about="Connecting shows your address to this page. Nothing moves without your signature."
      >
        <Choices onDone={() => setOpen(false)} />
      </Dialog>
    </>
  );
}

function Choices({ onDone }: { onDone: () => void }) {
  const wallets = useWallets();
  const { connect, connectDemo } = useWallet();
  const local = useLocalChain();
  const [problem, setProblem] = useState<string | null>(null);
  const attempt = (doing: Promise<void>) =>
    doing.then(onDone, (error: unknown) =>
      setProblem(error instanceof Error && error.message ? error.message : "The wallet did not connect."),
    );
  return (
    <div className="stack tight">
      {wallets.length === 0 && (
        <Notice icon="wallet" title="No wallet found in this browser">
          Any Solana wallet that speaks Wallet Standard works, as an extension or in its own browser.
        </Notice>
      )}
      {wallets.map((wallet) => (
        <button
          key={wallet.name}
          type="button"
          className="wallet-choice"
          onClick={() => void attempt(connect(wallet))}
        >
          <img src={wallet.icon} alt="" width="28" height="28" />
          {wallet.name}
        </button>
      ))}
      {local && (
        <div className="demo">
          <p>
            <Badge tone="wait">local chain only</Badge> Demo wallet
          </p>
          <p className="quiet">
            Opens a Solana key file, such as the one that <code>pinaivu up</code> prints. The key stays in
            this tab's memory; never use one that holds real money.
          </p>
          <div>
            <FileButton onFile={(file) => void attempt(file.text().then(connectDemo))}>
              Open a key file
            </FileButton>
          </div>
        </div>
      )}
      {problem && (
        <p className="field-about wrong" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

export function WalletLine() {
  const { wallet, disconnect } = useWallet();
  if (!wallet) return null;
  return (
    <div className="wallet-line">
      <span>
        {wallet.name} {wallet.demo && <Badge tone="wait">demo</Badge>}
      </span>
      <Id to="/wallets/$id" id={wallet.address} copy />
      <Button tone="quiet" icon="exit" onClick={disconnect}>
        Disconnect
      </Button>
    </div>
  );
}
