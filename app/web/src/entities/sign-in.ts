/**
 * Sign-In With Solana: what a wallet signs to open a session, line by line as in docs/protocol.md, section
 * 12. Wallets that know the format show it as a sign-in and warn when the page is of another domain.
 */
import { toHex } from "@pinaivu/verify";
import type { Network } from "./coordinator.ts";
import { type SignedText, signed } from "./signed-text.ts";
import type { ConnectedWallet } from "./wallet.tsx";

/** How long the text, not the session, may be used. */
const MINUTES = 4;

/** The text; `issued` in milliseconds since 1970. */
export function signInText(
  page: Pick<Location, "host" | "origin">,
  { deployment, coordinator }: Pick<Network, "deployment" | "coordinator">,
  owner: string,
  issued: number,
  nonce: string,
): string {
  return [
    `${page.host} wants you to sign in with your Solana account:`,
    owner,
    "",
    "Sign in to see your usage. This moves no money.",
    "",
    `URI: ${page.origin}`,
    "Version: 1",
    `Nonce: ${nonce}`,
    `Issued At: ${new Date(issued).toISOString()}`,
    `Expiration Time: ${new Date(issued + MINUTES * 60_000).toISOString()}`,
    "Resources:",
    `- pinaivu:deployment:${deployment}`,
    `- pinaivu:coordinator:${coordinator}`,
  ].join("\n");
}

/** Has the wallet sign it. Rejects when the person refuses or the wallet cannot. */
export function signIn(
  wallet: ConnectedWallet,
  network: Pick<Network, "deployment" | "coordinator">,
): Promise<SignedText> {
  const nonce = toHex(crypto.getRandomValues(new Uint8Array(16)));
  return signed(wallet, signInText(window.location, network, wallet.address, Date.now(), nonce));
}
