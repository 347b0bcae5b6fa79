/** API keys: commands that the wallet signs (docs/protocol.md, section 12), and the one the chat uses. */
import { KeyCommand, TAGS, tagged, toBase64, toHex } from "@pinaivu/verify";
import { z } from "zod";
import { getJson, type Network } from "./coordinator.ts";
import type { ConnectedWallet } from "./wallet.tsx";

const Key = z.object({
  id: z.string(),
  label: z.string(),
  allowance: z.string(),
  created: z.number(),
  revoked: z.number().nullable(),
});
export type ApiKey = z.infer<typeof Key>;
const Created = Key.extend({ key: z.string() });
const Listed = z.object({ data: z.array(Key) });
const Revoked = z.object({ id: z.string(), revoked: z.literal(true) });

type Action = KeyCommand["action"];

/** Sends a command that the wallet signed. It moves no money. */
async function command<T>(
  wallet: ConnectedWallet,
  network: Network,
  action: Action,
  answer: z.ZodType<T>,
): Promise<T> {
  if (!wallet.signMessage) throw new Error(`${wallet.name} cannot sign messages, which managing keys needs.`);
  const record: KeyCommand = {
    deployment: network.deployment,
    coordinator: network.coordinator,
    owner: wallet.address,
    issued: BigInt(Date.now()),
    nonce: toHex(crypto.getRandomValues(new Uint8Array(16))),
    action,
  };
  const bytes = KeyCommand.write(record);
  const signature = await wallet.signMessage(tagged(TAGS.keyCommand, bytes));
  const signed = new Uint8Array(bytes.length + signature.length);
  signed.set(bytes);
  signed.set(signature, bytes.length);
  return getJson("/v1/keys", answer, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ command: toBase64(signed) }),
  });
}

export const createKey = (wallet: ConnectedWallet, network: Network, allowance: string, label: string) =>
  command(wallet, network, { create: { allowance, label } }, Created);
export const listKeys = async (wallet: ConnectedWallet, network: Network): Promise<ApiKey[]> =>
  (await command(wallet, network, { list: {} }, Listed)).data;
export const revokeKey = (wallet: ConnectedWallet, network: Network, key: string) =>
  command(wallet, network, { revoke: { key } }, Revoked);

/** Whether a text has the form of a key. */
export const looksLikeKey = (text: string): boolean => /^sk-pnv-[A-Za-z0-9_-]{48}$/.test(text.trim());
