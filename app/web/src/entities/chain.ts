/**
 * The chain, read over RPC: accounts through the generated decoders, history through the events that
 * the program wrote. Nothing here asks the coordinator.
 */
import {
  ALLOWANCE_DISCRIMINATOR,
  type Allowance,
  bondVaultAddress,
  type Coordinator,
  type EpochHead,
  ESCROW_DISCRIMINATOR,
  type Escrow,
  epochHeadAddress,
  escrowVaultAddress,
  eventsOf,
  getAllowanceDecoder,
  getCoordinatorDecoder,
  getEpochHeadDecoder,
  getEscrowDecoder,
  getLedgerDecoder,
  getMarketDecoder,
  getMeasurementDecoder,
  getNodeDecoder,
  getPayoutDecoder,
  getReceiptRecordDecoder,
  getRetiredSignerDecoder,
  ledgerAddress,
  type Market,
  MEASUREMENT_DISCRIMINATOR,
  NODE_DISCRIMINATOR,
  type Node,
  PAYOUT_DISCRIMINATOR,
  type Payout,
  type ProgramEvent,
  RECEIPT_RECORD_DISCRIMINATOR,
  RETIRED_SIGNER_DISCRIMINATOR,
  type ReceiptRecord,
  type RetiredSigner,
  retiredSignerAddress,
  stakeVaultAddress,
} from "@pinaivu/program";
import { fromHex, toHex } from "@pinaivu/verify";
import {
  type Address,
  address,
  type Base58EncodedBytes,
  createSolanaRpc,
  type Decoder,
  getBase58Decoder,
  getBase64Encoder,
  isAddress,
  type ReadonlyUint8Array,
  type Rpc,
  type Signature,
  type SolanaRpcApi,
} from "@solana/kit";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { type Place, usePlace } from "./coordinator.ts";
import { useRpcUrl } from "./settings.ts";

/** Why the chain did not answer. */
export class ChainFailure extends Error {
  override readonly name = "ChainFailure";
}

export interface Chain {
  readonly url: string;
  readonly rpc: Rpc<SolanaRpcApi>;
  readonly place: Place;
}

/** The chain this page reads; `null` while it is not known where it is. */
export function useChain(): Chain | null {
  const place = usePlace();
  const rpc = useRpcUrl();
  const url = rpc?.url ?? null;
  const { coordinator, market, program, cluster } = place ?? {};
  return useMemo(() => {
    if (!url || !coordinator || !market || !program || !cluster) return null;
    return {
      url,
      rpc: createSolanaRpc(url as `http://${string}`),
      place: { coordinator, market, program, cluster },
    };
  }, [url, coordinator, market, program, cluster]);
}

/** An account and its address. */
export type Located<T> = T & { readonly address: Address };

async function readAccount<T>(chain: Chain, at: string, decoder: Decoder<T>): Promise<Located<T> | null> {
  const { value } = await chain.rpc
    .getAccountInfo(address(at), { encoding: "base64", commitment: "confirmed" })
    .send();
  if (!value) return null;
  if (value.owner !== chain.place.program) throw new ChainFailure(`${at} is no account of the program`);
  return { ...decoder.decode(getBase64Encoder().encode(value.data[0])), address: address(at) };
}

async function listAccounts<T>(
  chain: Chain,
  discriminator: ReadonlyUint8Array,
  decoder: Decoder<T>,
  ...filters: readonly [offset: number, key: string][]
): Promise<Located<T>[]> {
  const memcmp = (offset: number, bytes: string) => ({
    memcmp: { offset: BigInt(offset), bytes: bytes as Base58EncodedBytes, encoding: "base58" as const },
  });
  const found = await chain.rpc
    .getProgramAccounts(address(chain.place.program), {
      encoding: "base64",
      commitment: "confirmed",
      filters: [
        memcmp(0, getBase58Decoder().decode(discriminator)),
        ...filters.map(([offset, key]) => memcmp(offset, key)),
      ],
    })
    .send();
  return found.map(({ pubkey, account }) => ({
    ...decoder.decode(getBase64Encoder().encode(account.data[0])),
    address: pubkey,
  }));
}

export const readMarket = (chain: Chain): Promise<Located<Market> | null> =>
  readAccount(chain, chain.place.market, getMarketDecoder());
export const readCoordinator = (
  chain: Chain,
  at = chain.place.coordinator,
): Promise<Located<Coordinator> | null> => readAccount(chain, at, getCoordinatorDecoder());
/** What each vault of the market owes, and what lies in it. */
export interface Solvency {
  readonly name: "escrow" | "stake" | "bond";
  readonly owed: bigint;
  readonly held: bigint;
}

/** Read at one time as far as an RPC allows; `null` when there is no such market. */
export async function readSolvency(chain: Chain): Promise<Solvency[] | null> {
  const place = { program: address(chain.place.program), market: address(chain.place.market) };
  const ledger = await readAccount(chain, await ledgerAddress(place), getLedgerDecoder());
  if (!ledger) return null;
  const vaults = [
    ["escrow", escrowVaultAddress, ledger.escrowLiabilities],
    ["stake", stakeVaultAddress, ledger.stakeLiabilities],
    ["bond", bondVaultAddress, ledger.bondLiabilities],
  ] as const;
  return Promise.all(
    vaults.map(async ([name, vault, owed]) => ({
      name,
      owed,
      held: await tokenBalance(chain, await vault(place)),
    })),
  );
}

export const readNode = (chain: Chain, at: string): Promise<Located<Node> | null> =>
  readAccount(chain, at, getNodeDecoder());
export const readPayout = (chain: Chain, at: string): Promise<Located<Payout> | null> =>
  readAccount(chain, at, getPayoutDecoder());

/** The last head of a closed epoch of the coordinator's log; `null` when that epoch is not closed. */
export const readEpochHead = async (chain: Chain, epoch: number): Promise<Located<EpochHead> | null> => {
  const { program, coordinator } = chain.place;
  const at = await epochHeadAddress(address(program), address(coordinator), epoch);
  return readAccount(chain, at, getEpochHeadDecoder());
};

/**
 * The chain's record that a key signed for a coordinator or a node until it was rotated out, by the address
 * that follows from both; `null` when there is none: the key never did, or its record was closed since.
 */
export async function readRetiredSigner(
  chain: Chain,
  account: string,
  signer: string,
): Promise<Located<RetiredSigner> | null> {
  const at = await retiredSignerAddress(address(chain.place.program), address(account), address(signer));
  const found = await readAccount(chain, at, getRetiredSignerDecoder());
  return found?.account === account && found.signer === signer ? found : null;
}

// Offsets of keys: docs/protocol.md, section 15.
export const listNodes = (chain: Chain): Promise<Located<Node>[]> =>
  listAccounts(chain, NODE_DISCRIMINATOR, getNodeDecoder(), [10, chain.place.market]);
export const listNodesOf = (chain: Chain, operator: string): Promise<Located<Node>[]> =>
  listAccounts(chain, NODE_DISCRIMINATOR, getNodeDecoder(), [10, chain.place.market], [42, operator]);
export const listEscrowsOf = (chain: Chain, owner: string): Promise<Located<Escrow>[]> =>
  listAccounts(chain, ESCROW_DISCRIMINATOR, getEscrowDecoder(), [10, chain.place.market], [42, owner]);
export const listAllowancesOf = (chain: Chain, owner: string): Promise<Located<Allowance>[]> =>
  listAccounts(chain, ALLOWANCE_DISCRIMINATOR, getAllowanceDecoder(), [42, owner]);
export const listPayoutsOf = (chain: Chain, node: string): Promise<Located<Payout>[]> =>
  listAccounts(chain, PAYOUT_DISCRIMINATOR, getPayoutDecoder(), [42, node]);
export const listPayouts = (chain: Chain): Promise<Located<Payout>[]> =>
  listAccounts(chain, PAYOUT_DISCRIMINATOR, getPayoutDecoder(), [10, chain.place.coordinator]);
/** All keys that signed for a coordinator or a node before, as far as their records are still there. */
export const listRetiredSigners = (chain: Chain, account: string): Promise<Located<RetiredSigner>[]> =>
  listAccounts(chain, RETIRED_SIGNER_DISCRIMINATOR, getRetiredSignerDecoder(), [42, account]);
/** The market's list of today: measurements of the code that coordinators may be attested to run, hexadecimal. */
export const listMeasurements = async (chain: Chain): Promise<string[]> =>
  (
    await listAccounts(chain, MEASUREMENT_DISCRIMINATOR, getMeasurementDecoder(), [10, chain.place.market])
  ).map(({ measurement }) => toHex(Uint8Array.from(measurement)));
/** Receipts of a request that somebody recorded in accounts of their own. */
export const listReceiptRecords = (chain: Chain, request: string): Promise<Located<ReceiptRecord>[]> =>
  listAccounts(
    chain,
    RECEIPT_RECORD_DISCRIMINATOR,
    getReceiptRecordDecoder(),
    [10, chain.place.coordinator],
    [86, getBase58Decoder().decode(fromHex(request.replace(/^req_/, ""), 16))],
  );

/** Balance of a token account; 0 for one that does not exist. */
export const tokenBalance = async (chain: Chain, account: Address): Promise<bigint> =>
  (await tokenAccountBalance(chain, account)) ?? 0n;

/** Balance of a token account; `null` for one that does not exist. */
export async function tokenAccountBalance(chain: Chain, account: Address): Promise<bigint | null> {
  const { value } = await chain.rpc
    .getAccountInfo(account, { encoding: "base64", commitment: "confirmed" })
    .send();
  if (!value) return null;
  const bytes = getBase64Encoder().encode(value.data[0]);
  if (bytes.length < 72) return null;
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(64, true);
}

/** A transaction that touched an account, with the program's events in it. */
export interface HistoryItem {
  readonly signature: string;
  readonly slot: bigint;
  /** Milliseconds since 1970, as the chain says. */
  readonly at: number | null;
  readonly failed: boolean;
  readonly finalized: boolean;
  readonly events: readonly ProgramEvent[];
}

/** What a transaction did, from its own logs. */
export async function readTransaction(chain: Chain, signature: string) {
  const found = await chain.rpc
    .getTransaction(signature as Signature, {
      encoding: "json",
      maxSupportedTransactionVersion: 0,
      commitment: "confirmed",
    })
    .send();
  if (!found) return null;
  const logs = found.meta?.logMessages ?? [];
  return {
    signature,
    slot: found.slot,
    at: found.blockTime === null ? null : Number(found.blockTime) * 1000,
    fee: found.meta?.fee ?? null,
    error: found.meta?.err ?? null,
    logs,
    accounts: found.transaction.message.accountKeys as readonly string[],
    instructions: found.transaction.message.instructions,
    units: found.meta?.computeUnitsConsumed ?? null,
    events: eventsOf(logs, chain.place.program),
  };
}

/** Transactions never change once they are there, so each is read once. */
const seen = new Map<string, readonly ProgramEvent[]>();

/** The newest transactions of an account, newest first. */
export async function readHistory(chain: Chain, at: string, limit: number): Promise<HistoryItem[]> {
  const signatures = await chain.rpc
    .getSignaturesForAddress(address(at), { limit, commitment: "confirmed" })
    .send();
  return Promise.all(
    signatures.map(async (found) => {
      const key = `${chain.url} ${found.signature}`;
      let events = seen.get(key);
      if (!events) {
        events = (await readTransaction(chain, found.signature))?.events ?? [];
        seen.set(key, events);
      }
      return {
        signature: found.signature,
        slot: found.slot,
        at: found.blockTime === null ? null : Number(found.blockTime) * 1000,
        failed: found.err !== null,
        finalized: found.confirmationStatus === "finalized",
        events,
      };
    }),
  );
}

/** Reads something from the chain and keeps it fresh. */
export function useChainQuery<T>(
  key: readonly unknown[],
  read: (chain: Chain) => Promise<T>,
  refresh = 5_000,
) {
  const chain = useChain();
  return useQuery({
    queryKey: ["chain", chain?.url, chain?.place.program, chain?.place.coordinator, ...key],
    queryFn: () => (chain ? read(chain) : Promise.reject(new ChainFailure("no RPC is set"))),
    enabled: chain !== null,
    refetchInterval: refresh,
    retry: 1,
  });
}

export const looksLikeAddress = (text: string): boolean => isAddress(text);
export const looksLikeSignature = (text: string): boolean => /^[1-9A-HJ-NP-Za-km-z]{80,90}$/.test(text);
