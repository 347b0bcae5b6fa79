/** Addresses of the program's accounts; the formulas are in docs/protocol.md, section 15. */
import {
  type Address,
  getAddressEncoder,
  getProgramDerivedAddress,
  getU32Encoder,
  getU64Encoder,
  getUtf8Encoder,
} from "@solana/kit";

const text = (seed: string) => getUtf8Encoder().encode(seed);
const key = (address: Address) => getAddressEncoder().encode(address);
const slot = (value: bigint) => getU64Encoder().encode(value);

/** Who the accounts belong to. */
export interface Place {
  readonly program: Address;
  readonly market: Address;
}

async function derive(program: Address, seeds: Parameters<typeof getProgramDerivedAddress>[0]["seeds"]) {
  const [address] = await getProgramDerivedAddress({ programAddress: program, seeds });
  return address;
}

export const marketAddress = (program: Address, mint: Address, genesis: Address) =>
  derive(program, [text("market"), key(mint), key(genesis)]);
export const ledgerAddress = ({ program, market }: Place) => derive(program, [text("ledger"), key(market)]);
export const escrowVaultAddress = ({ program, market }: Place) =>
  derive(program, [text("escrow_vault"), key(market)]);
export const stakeVaultAddress = ({ program, market }: Place) =>
  derive(program, [text("stake_vault"), key(market)]);
export const bondVaultAddress = ({ program, market }: Place) =>
  derive(program, [text("bond_vault"), key(market)]);
export const escrowAddress = ({ program, market }: Place, owner: Address, openingSlot: bigint) =>
  derive(program, [text("escrow"), key(market), key(owner), slot(openingSlot)]);
export const allowanceAddress = (
  program: Address,
  escrow: Address,
  coordinator: Address,
  openingSlot: bigint,
) => derive(program, [text("allowance"), key(escrow), key(coordinator), slot(openingSlot)]);
export const nodeAddress = ({ program, market }: Place, operator: Address, openingSlot: bigint) =>
  derive(program, [text("node"), key(market), key(operator), slot(openingSlot)]);
export const payoutAddress = (program: Address, coordinator: Address, node: Address) =>
  derive(program, [text("payout"), key(coordinator), key(node)]);
export const epochHeadAddress = (program: Address, coordinator: Address, epoch: number) =>
  derive(program, [text("epoch"), key(coordinator), getU32Encoder().encode(epoch)]);

/** Of what signed for a coordinator or a node before it was rotated out. */
export const retiredSignerAddress = (program: Address, account: Address, signer: Address) =>
  derive(program, [text("retired_signer"), key(account), key(signer)]);

const ASSOCIATED = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL" as Address;

/** The associated token account of an owner. */
export const tokenAddress = (owner: Address, tokenProgram: Address, mint: Address) =>
  derive(ASSOCIATED, [key(owner), key(tokenProgram), key(mint)]);
