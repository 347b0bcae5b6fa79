/**
 * What a wallet signs for the coordinator: text that it can show, line by line as in docs/protocol.md,
 * section 12. Nothing here moves money.
 */
import { toBase58, toHex } from "@pinaivu/verify";
import type { Network } from "./coordinator.ts";
import type { ConnectedWallet } from "./wallet.tsx";

/** The body that the coordinator takes. */
export interface SignedText {
  readonly text: string;
  readonly signature: string;
  readonly owner: string;
}

type Parties = Pick<Network, "deployment" | "coordinator">;

/** First line, sentence, parties, and what is particular to the command. */
export function statement(
  name: string,
  sentence: string,
  { deployment, coordinator }: Parties,
  owner: string,
  issued: number,
  nonce: string,
  rest: readonly string[] = [],
): string {
  return [
    name,
    sentence,
    `deployment: ${deployment}`,
    `coordinator: ${coordinator}`,
    `owner: ${owner}`,
    `issued: ${issued}`,
    `nonce: ${nonce}`,
    ...rest,
  ].join("\n");
}

/** Has the wallet sign it. Rejects when the person refuses or the wallet cannot. */
export async function signText(
  wallet: ConnectedWallet,
  network: Parties,
  name: string,
  sentence: string,
  rest: readonly string[] = [],
): Promise<SignedText> {
  const nonce = toHex(crypto.getRandomValues(new Uint8Array(16)));
  return signed(wallet, statement(name, sentence, network, wallet.address, Date.now(), nonce, rest));
}

/** The body for a text that `wallet` signs. */
export async function signed(wallet: ConnectedWallet, text: string): Promise<SignedText> {
  if (!wallet.signMessage) throw new Error(`${wallet.name} cannot sign messages, which this needs.`);
  const signature = await wallet.signMessage(new TextEncoder().encode(text));
  return { text, signature: toBase58(signature), owner: wallet.address };
}
