/** API keys: commands that the wallet signs as text, and what the coordinator says about each key. */
import { z } from "zod";
import { fineAmount, getJson, type Network } from "./coordinator.ts";
import { signText } from "./signed-text.ts";
import type { ConnectedWallet } from "./wallet.tsx";

const COMMAND = "pinaivu/key-command-text/v1";

const Key = z.object({
  id: z.string(),
  label: z.string(),
  allowance: z.string(),
  created: z.number(),
  revoked: z.number().nullable(),
  /** `Amount`, 10⁻⁶ USDC. */
  budget: fineAmount.nullish(),
  expires: z.number().nullish(),
  models: z.array(z.string()).nullish(),
  requests_per_minute: z.number().nullish(),
  tokens_per_minute: z.number().nullish(),
  /** `FineAmount`, 10⁻¹² USDC. */
  spent: fineAmount.nullish(),
  requests: z.number().nullish(),
  last_used: z.number().nullish(),
});
export type ApiKey = z.infer<typeof Key>;
const Created = Key.extend({ key: z.string() });
export const KeyList = z.object({ data: z.array(Key) });
/** A key's id as commands have it: without the prefix that lists show it with. */
export const bareId = (id: string): string => id.replace(/^key_/, "");

const Revoked = z.object({ id: z.string(), revoked: z.literal(true) });

/** What one key may do, within the limit of its allowance. `null`: no bound of its own. */
export interface KeyLimits {
  readonly label: string;
  readonly budget: bigint | null;
  /** Milliseconds since 1970. */
  readonly expires: number | null;
  readonly models: readonly string[] | null;
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
}

export const unlimited = (label: string): KeyLimits => ({
  label,
  budget: null,
  expires: null,
  models: null,
  requestsPerMinute: null,
  tokensPerMinute: null,
});

/** The lines of a command that say label and limits, in the order the format has them. */
export function limitLines(limits: KeyLimits): string[] {
  const or = (value: bigint | number | null) => (value === null ? "none" : String(value));
  return [
    `label: ${JSON.stringify(limits.label)}`,
    `budget: ${or(limits.budget)}`,
    `expires: ${or(limits.expires)}`,
    `models: ${limits.models === null ? "none" : JSON.stringify(limits.models)}`,
    `requests-per-minute: ${or(limits.requestsPerMinute)}`,
    `tokens-per-minute: ${or(limits.tokensPerMinute)}`,
  ];
}

async function command<T>(
  wallet: ConnectedWallet,
  network: Network,
  sentence: string,
  lines: readonly string[],
  answer: z.ZodType<T>,
): Promise<T> {
  const signed = await signText(wallet, network, COMMAND, sentence, lines);
  return getJson("/v1/keys", answer, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(signed),
  });
}

export const createKey = (wallet: ConnectedWallet, network: Network, allowance: string, limits: KeyLimits) =>
  command(wallet, network, "Create an API key.", [`allowance: ${allowance}`, ...limitLines(limits)], Created);
export const changeKey = (wallet: ConnectedWallet, network: Network, key: string, limits: KeyLimits) =>
  command(wallet, network, "Change an API key.", [`key: ${bareId(key)}`, ...limitLines(limits)], Key);
export const revokeKey = (wallet: ConnectedWallet, network: Network, key: string) =>
  command(wallet, network, "Revoke an API key.", [`key: ${bareId(key)}`], Revoked);

/** Whether a text has the form of a key. */
export const looksLikeKey = (text: string): boolean => /^sk-pnv-[A-Za-z0-9_-]{48}$/.test(text.trim());
