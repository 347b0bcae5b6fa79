/** What a person can do with their money, as instructions and in plain words. */
import {
  type Allowance,
  allowanceAddress,
  type Escrow,
  escrowAddress,
  escrowVaultAddress,
  getAllowanceExitInstruction,
  getAllowanceOpenInstruction,
  getAllowanceRaiseInstruction,
  getAllowanceReleaseInstruction,
  getClaimInstruction,
  getEscrowDepositInstruction,
  getEscrowOpenInstruction,
  getEscrowWithdrawInstruction,
  getNodeStakeInstruction,
  getNodeUnbondClaimInstruction,
  getNodeUnbondInstruction,
  ledgerAddress,
  type Market,
  type Node,
  type Payout,
  type Place as ProgramPlace,
  stakeVaultAddress,
  tokenAddress,
} from "@pinaivu/program";
import { AccountRole, type Address, address, type Instruction } from "@solana/kit";
import type { Chain, Located } from "../../entities/chain.ts";
import { ownerSigner, type Plan } from "../../entities/transactions.ts";
import { duration, short, usdc } from "../../shared/format.ts";

const SYSTEM = "11111111111111111111111111111111" as Address;
const ASSOCIATED = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL" as Address;
const ZERO = SYSTEM;

/** What plans are made from. */
export interface Setting {
  readonly chain: Chain;
  readonly owner: Address;
  readonly market: Located<Market>;
}

const at = ({ chain }: Setting): ProgramPlace => ({
  program: address(chain.place.program),
  market: address(chain.place.market),
});
const config = ({ chain }: Setting) => ({ programAddress: address(chain.place.program) });

export const walletToken = ({ owner, market }: Pick<Setting, "owner" | "market">) =>
  tokenAddress(owner, market.tokenProgram, market.mint);

/** Makes the token account if it is not there; does nothing when it is. */
async function ensureToken(
  setting: Setting,
  owner: Address,
): Promise<{ account: Address; instruction: Instruction }> {
  const { market } = setting;
  const account = await tokenAddress(owner, market.tokenProgram, market.mint);
  return {
    account,
    instruction: {
      programAddress: ASSOCIATED,
      data: Uint8Array.of(1),
      accounts: [
        { address: setting.owner, role: AccountRole.WRITABLE_SIGNER },
        { address: account, role: AccountRole.WRITABLE },
        { address: owner, role: AccountRole.READONLY },
        { address: market.mint, role: AccountRole.READONLY },
        { address: SYSTEM, role: AccountRole.READONLY },
        { address: market.tokenProgram, role: AccountRole.READONLY },
      ],
    },
  };
}

export async function deposit(
  setting: Setting,
  escrow: Located<Escrow> | null,
  amount: bigint,
): Promise<Plan> {
  const { owner, market, chain } = setting;
  const signer = ownerSigner(owner);
  const place = at(setting);
  const opening: Instruction[] = [];
  let into = escrow?.address;
  if (!into) {
    // A slot that the cluster has confirmed: the program refuses one that is ahead of it.
    const openingSlot = await chain.rpc.getSlot({ commitment: "finalized" }).send();
    into = await escrowAddress(place, owner, openingSlot);
    opening.push(
      getEscrowOpenInstruction(
        { payer: signer, owner: signer, market: place.market, escrow: into, openingSlot },
        config(setting),
      ),
    );
  }
  const source = await walletToken(setting);
  opening.push(
    getEscrowDepositInstruction(
      {
        depositor: signer,
        market: place.market,
        ledger: await ledgerAddress(place),
        escrow: into,
        escrowVault: await escrowVaultAddress(place),
        mint: market.mint,
        source,
        tokenProgram: market.tokenProgram,
        amount,
      },
      config(setting),
    ),
  );
  return {
    title: `Deposit ${usdc(amount)} USDC`,
    words: [
      ...(escrow ? [] : ["Your escrow is opened. Its rent, about 0.002 SOL, comes back when you close it."]),
      `${usdc(amount)} USDC move from your wallet to your escrow, ${short(into)}.`,
      "Nobody can spend it until you set a limit for a coordinator. You can take it out at any time.",
    ],
    instructions: opening,
  };
}

export async function withdraw(setting: Setting, escrow: Located<Escrow>, amount: bigint): Promise<Plan> {
  const place = at(setting);
  const token = await ensureToken(setting, setting.owner);
  return {
    title: `Withdraw ${usdc(amount)} USDC`,
    words: [`${usdc(amount)} USDC move from your escrow to your wallet, ${short(setting.owner)}, at once.`],
    instructions: [
      token.instruction,
      getEscrowWithdrawInstruction(
        {
          owner: ownerSigner(setting.owner),
          market: place.market,
          ledger: await ledgerAddress(place),
          escrow: escrow.address,
          escrowVault: await escrowVaultAddress(place),
          mint: setting.market.mint,
          destination: token.account,
          tokenProgram: setting.market.tokenProgram,
          amount,
        },
        config(setting),
      ),
    ],
  };
}

const date = (seconds: bigint) =>
  new Date(Number(seconds) * 1000).toLocaleDateString("en-GB", {
    day: "numeric",
    month: "long",
    year: "numeric",
  });

/** Reserves more for the coordinator this page belongs to. */
export async function raise(
  setting: Setting,
  escrow: Located<Escrow>,
  allowance: Located<Allowance> | null,
  amount: bigint,
  expiry: bigint,
): Promise<Plan> {
  const { chain, owner } = setting;
  const place = at(setting);
  const coordinator = address(chain.place.coordinator);
  const delay = duration(Number(setting.market.exitDelaySeconds));
  const words = [
    `${usdc(amount)} USDC of your escrow are set aside for the coordinator ${short(coordinator)}.`,
    `It may debit you up to that, for requests made with your keys, until ${date(expiry)}.`,
    `You can ask for it back at any time; it leaves ${delay} later, without the coordinator.`,
  ];
  if (allowance) {
    const later = expiry > allowance.expiryTime ? expiry : allowance.expiryTime;
    return {
      title: `Raise the limit by ${usdc(amount)} USDC`,
      words,
      instructions: [
        getAllowanceRaiseInstruction(
          {
            owner: ownerSigner(owner),
            market: place.market,
            escrow: escrow.address,
            coordinator,
            allowance: allowance.address,
            amount,
            expiryTime: later,
          },
          config(setting),
        ),
      ],
    };
  }
  const openingSlot = await chain.rpc.getSlot({ commitment: "finalized" }).send();
  const opened = await allowanceAddress(place.program, escrow.address, coordinator, openingSlot);
  const signer = ownerSigner(owner);
  return {
    title: `Set a limit of ${usdc(amount)} USDC`,
    words,
    instructions: [
      getAllowanceOpenInstruction(
        {
          payer: signer,
          owner: signer,
          market: place.market,
          escrow: escrow.address,
          coordinator,
          allowance: opened,
          openingSlot,
          amount,
          expiryTime: expiry,
          voucherSigner: null,
        },
        config(setting),
      ),
    ],
  };
}

/** Asks reserved money back, straight to the wallet. */
export async function release(
  setting: Setting,
  allowance: Located<Allowance>,
  amount: bigint,
): Promise<Plan> {
  const token = await ensureToken(setting, setting.owner);
  const delay = duration(Number(setting.market.exitDelaySeconds));
  return {
    title: `Ask ${usdc(amount)} USDC back`,
    words: [
      "The coordinator stops taking new requests from this limit at once.",
      `After ${delay}, ${usdc(amount)} USDC can leave to your wallet, ${short(setting.owner)}, less what was spent until then.`,
      "The destination is fixed now and cannot be changed by anyone else.",
    ],
    instructions: [
      token.instruction,
      getAllowanceReleaseInstruction(
        {
          owner: ownerSigner(setting.owner),
          allowance: allowance.address,
          amount,
          destination: token.account,
        },
        config(setting),
      ),
    ],
  };
}

/** Takes out what was asked back, once the delay has passed. Anyone may send it. */
export async function exit(setting: Setting, allowance: Located<Allowance>): Promise<Plan> {
  const place = at(setting);
  const { pendingRelease, escrow } = allowance;
  const destination = pendingRelease.destination === ZERO ? undefined : pendingRelease.destination;
  return {
    title: `Take out ${usdc(pendingRelease.amount)} USDC`,
    words: [
      `${usdc(pendingRelease.amount)} USDC leave the limit ${destination ? "to the token account you named" : "to your escrow's free balance"}. No coordinator is involved.`,
    ],
    instructions: [
      getAllowanceExitInstruction(
        {
          market: place.market,
          ledger: await ledgerAddress(place),
          escrow,
          allowance: allowance.address,
          escrowVault: await escrowVaultAddress(place),
          mint: setting.market.mint,
          ...(destination ? { destination } : {}),
          tokenProgram: setting.market.tokenProgram,
        },
        config(setting),
      ),
    ],
  };
}

export async function stake(setting: Setting, node: Located<Node>, amount: bigint): Promise<Plan> {
  const place = at(setting);
  return {
    title: `Stake ${usdc(amount)} USDC`,
    words: [
      `${usdc(amount)} USDC move from your wallet to the stake of node ${short(node.address)}.`,
      `It can be asked back; it leaves ${duration(Number(setting.market.unbondDelaySeconds))} later.`,
    ],
    instructions: [
      getNodeStakeInstruction(
        {
          depositor: ownerSigner(setting.owner),
          market: place.market,
          ledger: await ledgerAddress(place),
          node: node.address,
          stakeVault: await stakeVaultAddress(place),
          mint: setting.market.mint,
          source: await walletToken(setting),
          tokenProgram: setting.market.tokenProgram,
          amount,
        },
        config(setting),
      ),
    ],
  };
}

export async function unbond(setting: Setting, node: Located<Node>, amount: bigint): Promise<Plan> {
  return {
    title: `Ask ${usdc(amount)} USDC of stake back`,
    words: [
      `${usdc(amount)} USDC stop counting as stake of node ${short(node.address)} at once.`,
      `They can be taken out ${duration(Number(setting.market.unbondDelaySeconds))} later. The delay begins again for what waits already.`,
    ],
    instructions: [
      getNodeUnbondInstruction(
        { operator: ownerSigner(setting.owner), node: node.address, amount },
        config(setting),
      ),
    ],
  };
}

export async function takeStake(setting: Setting, node: Located<Node>): Promise<Plan> {
  const place = at(setting);
  const token = await ensureToken(setting, node.operator);
  return {
    title: `Take out ${usdc(node.unbonding.amount)} USDC of stake`,
    words: [`${usdc(node.unbonding.amount)} USDC move to the operator's wallet, ${short(node.operator)}.`],
    instructions: [
      token.instruction,
      getNodeUnbondClaimInstruction(
        {
          market: place.market,
          ledger: await ledgerAddress(place),
          node: node.address,
          stakeVault: await stakeVaultAddress(place),
          mint: setting.market.mint,
          destination: token.account,
          tokenProgram: setting.market.tokenProgram,
        },
        config(setting),
      ),
    ],
  };
}

export async function claim(setting: Setting, payout: Located<Payout>): Promise<Plan> {
  const place = at(setting);
  const token = await ensureToken(setting, payout.payoutOwner);
  return {
    title: `Claim ${usdc(payout.credited - payout.paid)} USDC`,
    words: [
      `${usdc(payout.credited - payout.paid)} USDC that node ${short(payout.node)} earned move to ${short(payout.payoutOwner)}.`,
    ],
    instructions: [
      token.instruction,
      getClaimInstruction(
        {
          market: place.market,
          ledger: await ledgerAddress(place),
          payout: payout.address,
          escrowVault: await escrowVaultAddress(place),
          mint: setting.market.mint,
          destination: token.account,
          tokenProgram: setting.market.tokenProgram,
        },
        config(setting),
      ),
    ],
  };
}
