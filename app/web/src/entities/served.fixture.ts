/** For tests: a chain of accounts in memory, and a coordinator that answers what it is told to. */
import { toBase58 } from "@pinaivu/verify";
import { vi } from "vitest";
import type { Chain } from "./chain.ts";

/** An account's bytes: a discriminator, zeros, and what lies at these offsets (docs/protocol.md, section 15). */
export function accountOf(
  discriminator: ArrayLike<number>,
  size: number,
  fields: Readonly<Record<number, ArrayLike<number>>>,
): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(discriminator);
  for (const [offset, field] of Object.entries(fields)) bytes.set(field, Number(offset));
  return bytes;
}

/** A number, least byte first. */
export const little = (value: bigint | number, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, at) => Number((BigInt(value) >> BigInt(8 * at)) & 255n));

/** A transaction of an account, newest first. */
export interface Transaction {
  readonly signature: string;
  readonly logs: readonly string[];
}

interface Filter {
  readonly memcmp: { readonly offset: bigint; readonly bytes: string };
}

/** A chain that has these accounts, and for each account these transactions; `null`: no history is kept. */
export function chainOf(
  place: Chain["place"],
  accounts: ReadonlyMap<string, Uint8Array>,
  history: ReadonlyMap<string, readonly Transaction[]> | null = null,
): Chain {
  const sent = <T>(value: () => T) => ({ send: async () => value() });
  const data = (bytes: Uint8Array) => [Buffer.from(bytes).toString("base64"), "base64"] as const;
  const all = [...(history?.values() ?? [])].flat();
  const rpc = {
    getGenesisHash: () => sent(() => place.cluster),
    getAccountInfo: (at: string) =>
      sent(() => {
        const bytes = accounts.get(at);
        return { value: bytes ? { owner: place.program, data: data(bytes) } : null };
      }),
    getProgramAccounts: (_: string, { filters }: { filters: readonly Filter[] }) =>
      sent(() =>
        [...accounts]
          .filter(([, bytes]) =>
            filters.every(({ memcmp: { offset, bytes: wanted } }) => {
              const rest = bytes.subarray(Number(offset));
              return [8, 32].some((size) => toBase58(rest.subarray(0, size)) === wanted);
            }),
          )
          .map(([pubkey, bytes]) => ({ pubkey, account: { data: data(bytes) } })),
      ),
    getSignaturesForAddress: (at: string) =>
      sent(() => {
        if (!history) throw new Error("this RPC keeps no history");
        return (history.get(at) ?? []).map(({ signature }) => ({
          signature,
          slot: 1n,
          blockTime: null,
          err: null,
          confirmationStatus: "finalized",
        }));
      }),
    getTransaction: (signature: string) =>
      sent(() => ({
        slot: 1n,
        blockTime: null,
        meta: { logMessages: all.find((one) => one.signature === signature)?.logs ?? [] },
        transaction: { message: { accountKeys: [], instructions: [] } },
      })),
  };
  return { url: "http://chain.test", rpc: rpc as unknown as Chain["rpc"], place };
}

/** From here on the coordinator answers so; gives the paths it was asked for. `undefined`: it has no such route. */
export function coordinatorAnswers(answer: (path: string) => unknown): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (path: string) => {
    asked.push(path);
    const value = answer(path);
    if (value === undefined)
      return new Response(JSON.stringify({ error: { message: "no", code: "not_found" } }), { status: 404 });
    return new Response(typeof value === "string" ? value : JSON.stringify(value));
  });
  return asked;
}
