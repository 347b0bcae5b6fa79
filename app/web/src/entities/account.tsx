/**
 * The person's own account as the coordinator keeps it: balances, figures, receipts and keys. Seen with a
 * session that the wallet signs once. A session reads and spends nothing; it lives in memory only.
 */
import { useMutation, useQuery } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useMemo, useState } from "react";
import { z } from "zod";
import { ApiFailure, Bucket, fineAmount, getJson, Row, useNetwork } from "./coordinator.ts";
import { KeyList } from "./keys.ts";
import { signIn } from "./sign-in.ts";
import { type ConnectedWallet, useWallet } from "./wallet.tsx";

const Opened = z.object({ token: z.string(), expires: z.number() });

export interface Session {
  readonly owner: string;
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

interface SessionState {
  /** Of the wallet that is connected now; another wallet has none until it signs in. */
  readonly session: Session | null;
  readonly signIn: { run(): void; readonly busy: boolean; readonly error: Error | null };
  end(): void;
}

const Context = createContext<SessionState | null>(null);

export function SessionProvider({ children }: { children: ReactNode }) {
  const { wallet } = useWallet();
  const network = useNetwork();
  const [opened, setOpened] = useState<Session | null>(null);
  const mutation = useMutation({
    mutationFn: async (signer: ConnectedWallet) => {
      if (!network.data) throw new Error("The coordinator cannot be reached.");
      const signed = await signIn(signer, network.data);
      const answer = await getJson("/v1/sessions", Opened, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(signed),
      });
      return { ...answer, owner: signer.address };
    },
    onSuccess: setOpened,
  });
  const { mutate, isPending, error } = mutation;
  const state = useMemo<SessionState>(
    () => ({
      session: opened && opened.owner === wallet?.address && opened.expires > Date.now() ? opened : null,
      signIn: { run: () => wallet && mutate(wallet), busy: isPending, error },
      end: () => setOpened(null),
    }),
    [opened, wallet, mutate, isPending, error],
  );
  return <Context.Provider value={state}>{children}</Context.Provider>;
}

export function useSession(): SessionState {
  const state = useContext(Context);
  if (!state) throw new Error("there is no SessionProvider above");
  return state;
}

const Account = z.object({
  owner: z.string(),
  allowance: z.string(),
  reserved: fineAmount,
  debited: fineAmount,
  held: fineAmount,
  charged: fineAmount,
  available: fineAmount,
  expires: z.number().nullish(),
});
export type Account = z.infer<typeof Account>;

const OwnRow = Row.extend({
  key: z.string().nullish(),
  allowance_cumulative: fineAmount,
});
export type OwnRow = z.infer<typeof OwnRow>;
const OwnRows = z.object({ data: z.array(OwnRow), next: z.string().nullish() });

const KeyFigure = z.object({ id: z.string().nullable(), requests: z.number(), charged: fineAmount });
const OwnFigures = z.object({
  step: z.number(),
  buckets: z.array(Bucket.extend({ keys: z.array(KeyFigure) })),
});
export type OwnFigures = z.infer<typeof OwnFigures>;

/** Reads one of the account's routes while there is a session; an ended one is forgotten. */
function useOwn<T>(name: string, path: string, schema: z.ZodType<T>, refresh: number | false) {
  const { session, end } = useSession();
  return useQuery({
    queryKey: ["account", session?.token, name, path],
    queryFn: async ({ signal }) => {
      try {
        return await getJson(path, schema, {
          signal,
          headers: { authorization: `Bearer ${session?.token ?? ""}` },
        });
      } catch (error) {
        if (error instanceof ApiFailure && error.status === 401) end();
        throw error;
      }
    },
    enabled: session !== null,
    refetchInterval: refresh,
  });
}

const HOUR = 3_600_000;

export const useAccount = (allowance: string) =>
  useOwn("account", `/v1/account?allowance=${allowance}`, Account, 5_000);

export const useOwnReceipts = (allowance: string, before: string | null) =>
  useOwn(
    "receipts",
    `/v1/account/receipts?limit=20&allowance=${allowance}${before ? `&before=${before}` : ""}`,
    OwnRows,
    before ? false : 5_000,
  );

/** `hours` back from the end of this hour, so that the address stays the same within it. */
export function useOwnFigures(allowance: string, hours: number, now: number) {
  const to = Math.ceil(now / HOUR) * HOUR;
  const step = hours > 48 ? 86_400 : 3_600;
  return useOwn(
    "figures",
    `/v1/account/figures?allowance=${allowance}&from=${to - hours * HOUR}&to=${to}&step=${step}`,
    OwnFigures,
    10_000,
  );
}

export const useKeys = () => useOwn("keys", "/v1/keys", KeyList, 10_000);
