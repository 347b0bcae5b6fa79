/** What the program did, in words, from its events. */
import type { ProgramEvent } from "@pinaivu/program";
import type { ReactNode } from "react";
import { count, usdc } from "../../shared/format.ts";

const big = (value: unknown): bigint => (typeof value === "bigint" ? value : 0n);
const num = (value: unknown): number => (typeof value === "number" ? value : 0);
const plural = (number: number, noun: string) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** `AllowancesDebited` and `PayoutsCredited` list what each account came to. */
export function entriesOf(data: ProgramEvent["data"]): Record<string, unknown>[] {
  const list = data["entries"];
  return Array.isArray(list) ? (list as Record<string, unknown>[]) : [];
}

const words: Record<string, (data: ProgramEvent["data"]) => ReactNode> = {
  LogExtended: (data) => (
    <>
      Log grew from {count(big(data["old_size"]))} to <strong>{count(big(data["size"]))}</strong> receipts
    </>
  ),
  AllowancesDebited: (data) => (
    <>
      <strong>{usdc(big(data["taken"]))} USDC</strong> debited from{" "}
      {plural(entriesOf(data).length, "reservation")}
    </>
  ),
  PayoutsCredited: (data) => (
    <>
      {plural(entriesOf(data).length, "node")} credited; <strong>{usdc(big(data["credited"]))} USDC</strong>{" "}
      so far, fees {usdc(big(data["fees"]))}
    </>
  ),
  PayoutClaimed: (data) => (
    <>
      A node was paid <strong>{usdc(big(data["amount"]))} USDC</strong>
    </>
  ),
  EscrowDeposited: (data) => <>{usdc(big(data["amount"]))} USDC deposited</>,
  EscrowWithdrawn: (data) => <>{usdc(big(data["amount"]))} USDC withdrawn</>,
  EscrowOpened: () => "Escrow opened",
  EscrowClosed: () => "Escrow closed",
  AllowanceOpened: (data) => <>{usdc(big(data["reserved"]))} USDC reserved for the coordinator</>,
  AllowanceRaised: (data) => <>Reservation raised by {usdc(big(data["amount"]))} USDC</>,
  AllowanceReleaseRequested: (data) => <>{usdc(big(data["pending"]))} USDC asked back from a reservation</>,
  AllowanceExited: (data) => <>{usdc(big(data["paid"]) + big(data["returned"]))} USDC left a reservation</>,
  AllowanceExpired: () => "A reservation was shown to have expired",
  AllowanceClosed: () => "Reservation closed",
  CoordinatorRegistered: () => "Coordinator registered",
  CoordinatorBonded: (data) => <>Coordinator bonded; penalty bond {usdc(big(data["penalty_bond"]))} USDC</>,
  CoordinatorSignerRotated: () => "Coordinator's key rotated",
  CoordinatorUpdated: () => "Coordinator's details updated",
  NodeRegistered: () => "Node registered",
  NodeStaked: (data) => <>{usdc(big(data["amount"]))} USDC staked</>,
  NodeUnbonded: (data) => <>{usdc(big(data["amount"]))} USDC of stake asked back</>,
  NodeUnbondClaimed: (data) => <>{usdc(big(data["amount"]))} USDC of stake returned</>,
  NodeSignerRotated: () => "Node's key rotated",
  NodeClosed: () => "Node closed",
  PayoutOpened: () => "Payout account opened for a node",
  FeesClaimed: (data) => <>Fees of {usdc(big(data["amount"]))} USDC paid out</>,
  LogEpochOpened: (data) => <>Log epoch {num(data["epoch"])} began</>,
  EscrowSwept: (data) => <>{usdc(big(data["amount"]))} USDC credited from a deposit address</>,
  EscrowRecovered: () => "Another token sent to an escrow was given back",
  VoucherAccepted: (data) => <>A voucher allows debits up to {usdc(big(data["limit"]))} USDC</>,
  GuaranteeSet: (data) => (
    <>
      <strong>{usdc(big(data["guarantee"]))} USDC</strong> of the bond guaranteed to a node
    </>
  ),
  GuaranteeRefilled: (data) => <>The bond got {usdc(big(data["amount"]))} USDC back</>,
  DemandOpened: (data) => (
    <>
      A node demands what it was not credited, up to <strong>{usdc(big(data["cumulative"]))} USDC</strong> in
      all
    </>
  ),
  DemandSettled: (data) => (
    <>
      A demand was settled; the bond paid <strong>{usdc(big(data["advanced"]))} USDC</strong>
    </>
  ),
  CoordinatorUnbonded: () => "Coordinator asked bond back",
  CoordinatorUnbondClaimed: (data) => (
    <>{usdc(big(data["guarantee"]) + big(data["penalty"]))} USDC of bond returned</>
  ),
  CoordinatorSlashed: (data) => (
    <>
      Coordinator slashed for contradicting itself: {usdc(big(data["reporter"]))} USDC to whoever showed it,{" "}
      {usdc(big(data["burned"]))} burned
    </>
  ),
  CoordinatorClosed: () => "Coordinator closed",
  NodeSlashed: (data) => (
    <>
      Node slashed for contradicting itself: {usdc(big(data["reporter"]))} USDC to whoever showed it,{" "}
      {usdc(big(data["burned"]))} burned
    </>
  ),
  PayoutClosed: () => "Payout account closed",
  ReceiptRecorded: () => "A receipt was recorded on chain",
  ProposalOpened: (data) => <>Change {count(big(data["number"]))} of the market's rules was proposed</>,
  ProposalApplied: () => "A change of the market's rules took effect",
  ProposalCancelled: (data) => <>Change {count(big(data["number"]))} of the market's rules was withdrawn</>,
  MarketInitialized: () => "Market opened",
  MarketPaused: (data) =>
    data["paused"] === true ? "Deposits and registrations paused" : "Deposits and registrations resumed",
};

/** Events that have a sentence. */
export const wordedEvents: readonly string[] = Object.keys(words);

/** One event as a sentence. */
export const eventWords = (event: ProgramEvent): ReactNode =>
  words[event.name]?.(event.data) ?? event.name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
