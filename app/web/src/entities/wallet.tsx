/**
 * The person's wallet: any that speaks Wallet Standard, and on a local chain a demo wallet from a key
 * file. Pages see one small interface. Keys stay in the wallet; the demo wallet's is kept in memory only.
 */

import {
  type Address,
  address,
  createKeyPairSignerFromBytes,
  getTransactionDecoder,
  getTransactionEncoder,
  signBytes,
  signTransaction,
} from "@solana/kit";
import type {
  SolanaSignMessageFeature,
  SolanaSignTransactionFeature,
} from "@solana/wallet-standard-features";
import { getWallets } from "@wallet-standard/app";
import type { Wallet, WalletAccount } from "@wallet-standard/base";
import type {
  StandardConnectFeature,
  StandardDisconnectFeature,
  StandardEventsFeature,
} from "@wallet-standard/features";
import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from "react";

/** A wallet that is connected. Signing rejects when the person refuses. */
export interface ConnectedWallet {
  readonly name: string;
  readonly address: Address;
  readonly demo: boolean;
  /** Signs the transaction's bytes and gives them back signed. */
  signTransaction(bytes: Uint8Array): Promise<Uint8Array>;
  /** `null` when the wallet cannot. */
  readonly signMessage: ((bytes: Uint8Array) => Promise<Uint8Array>) | null;
}

type Usable = Wallet & {
  features: StandardConnectFeature &
    SolanaSignTransactionFeature &
    Partial<SolanaSignMessageFeature & StandardDisconnectFeature & StandardEventsFeature>;
};

const usable = (wallet: Wallet): wallet is Usable =>
  "standard:connect" in wallet.features &&
  "solana:signTransaction" in wallet.features &&
  wallet.chains.some((chain) => chain.startsWith("solana:"));

let known: readonly Usable[] = [];

function subscribe(changed: () => void): () => void {
  const wallets = getWallets();
  const refresh = () => {
    known = wallets.get().filter(usable);
    changed();
  };
  refresh();
  const stops = [wallets.on("register", refresh), wallets.on("unregister", refresh)];
  return () => {
    for (const stop of stops) stop();
  };
}

/** Wallets that this browser has and that can sign here. */
export const useWallets = (): readonly Usable[] => useSyncExternalStore(subscribe, () => known);

function connected(wallet: Usable, account: WalletAccount): ConnectedWallet {
  const signMessage = wallet.features["solana:signMessage"];
  return {
    name: wallet.name,
    address: address(account.address),
    demo: false,
    async signTransaction(bytes) {
      const [output] = await wallet.features["solana:signTransaction"].signTransaction({
        account,
        transaction: bytes,
      });
      if (!output) throw new Error("the wallet gave nothing back");
      return new Uint8Array(output.signedTransaction);
    },
    signMessage: signMessage
      ? async (message) => {
          const [output] = await signMessage.signMessage({ account, message });
          if (!output) throw new Error("the wallet gave nothing back");
          return new Uint8Array(output.signature);
        }
      : null,
  };
}

/** A wallet from the 64 bytes of Solana's key file. */
export async function demoWallet(file: string): Promise<ConnectedWallet> {
  let bytes: Uint8Array;
  try {
    const parsed: unknown = JSON.parse(file);
    if (!Array.isArray(parsed) || parsed.length !== 64) throw new Error();
    bytes = Uint8Array.from(parsed as number[]);
  } catch {
    throw new Error("That is no key file: an array of 64 numbers is expected.");
  }
  const signer = await createKeyPairSignerFromBytes(bytes);
  return {
    name: "Demo wallet",
    address: signer.address,
    demo: true,
    async signTransaction(unsigned) {
      const signed = await signTransaction([signer.keyPair], getTransactionDecoder().decode(unsigned));
      return new Uint8Array(getTransactionEncoder().encode(signed));
    },
    signMessage: async (message) => new Uint8Array(await signBytes(signer.keyPair.privateKey, message)),
  };
}

interface WalletState {
  readonly wallet: ConnectedWallet | null;
  connect(wallet: Usable): Promise<void>;
  connectDemo(file: string): Promise<void>;
  disconnect(): void;
}

const Context = createContext<WalletState | null>(null);
const LAST = "pinaivu.wallet";

export function WalletProvider({ children }: { children: ReactNode }) {
  const [wallet, setWallet] = useState<ConnectedWallet | null>(null);
  const [standard, setStandard] = useState<Usable | null>(null);
  const wallets = useWallets();

  const connect = useCallback(async (chosen: Usable, silent = false) => {
    const { accounts } = await chosen.features["standard:connect"].connect(
      silent ? { silent: true } : undefined,
    );
    const account = accounts.find((candidate) =>
      candidate.chains.some((chain) => chain.startsWith("solana:")),
    );
    if (!account) {
      if (silent) return;
      throw new Error("the wallet shared no Solana account");
    }
    setStandard(chosen);
    setWallet(connected(chosen, account));
    localStorage.setItem(LAST, chosen.name);
  }, []);

  // A wallet that was connected on the last visit is asked without a prompt.
  useEffect(() => {
    const last = wallets.find((candidate) => candidate.name === localStorage.getItem(LAST));
    if (last && !wallet) void connect(last, true).catch(() => undefined);
  }, [wallets, wallet, connect]);

  // Another account chosen in the wallet is another person to this page.
  useEffect(() => {
    return standard?.features["standard:events"]?.on("change", ({ accounts }) => {
      const account = accounts?.[0];
      setWallet(account ? connected(standard, account) : null);
    });
  }, [standard]);

  const state = useMemo<WalletState>(
    () => ({
      wallet,
      connect: (chosen) => connect(chosen),
      connectDemo: async (file) => {
        setStandard(null);
        setWallet(await demoWallet(file));
      },
      disconnect: () => {
        localStorage.removeItem(LAST);
        void standard?.features["standard:disconnect"]?.disconnect().catch(() => undefined);
        setStandard(null);
        setWallet(null);
      },
    }),
    [wallet, standard, connect],
  );
  return <Context.Provider value={state}>{children}</Context.Provider>;
}

export function useWallet(): WalletState {
  const state = useContext(Context);
  if (!state) throw new Error("there is no WalletProvider above");
  return state;
}
