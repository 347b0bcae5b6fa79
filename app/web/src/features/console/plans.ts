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
  getEscrowSweepInstruction,
  getEscrowWithdrawInstruction,
  getNodeRegisterInstruction,
  getNodeStakeInstruction,
  getNodeUnbondClaimInstruction,
  getNodeUnbondInstruction,
  ledgerAddress,
  type Market,
  type Node,
  nodeAddress,
  type Payout,
  type Place as ProgramPlace,
  stakeVaultAddress,
  tokenAddress,
} from "@pinaivu/program";
import {
  AccountRole,
  type Address,
  address,
  createNoopSigner,
  getAddressFromPublicKey,
  type Instruction,
} from "@solana/kit";
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

/** The escrow there is, or one that the instructions open. */
async function openedEscrow(setting: Setting, escrow: Located<Escrow> | null) {
  if (escrow) return { into: escrow.address, opening: [] as Instruction[], words: [] as string[] };
  const { owner, chain } = setting;
  const signer = ownerSigner(owner);
  const place = at(setting);
  // A slot that the cluster has confirmed: the program refuses one that is ahead of it.
  const openingSlot = await chain.rpc.getSlot({ commitment: "finalized" }).send();
  const into = await escrowAddress(place, owner, openingSlot);
  const opening: Instruction[] = [
    getEscrowOpenInstruction(
      { payer: signer, owner: signer, market: place.market, escrow: into, openingSlot },
      config(setting),
    ),
  ];
  const words = ["Your escrow is opened. Its rent, about 0.002 SOL, comes back when you close it."];
  return { into, opening, words };
}

/** The escrow's own token account: whatever arrives there can only be credited to the escrow. */
export const depositAddress = ({ market }: Pick<Setting, "market">, escrow: Address) =>
  tokenAddress(escrow, market.tokenProgram, market.mint);

/** Makes the address that exchanges and other people pay to. */
export async function openDepositAddress(setting: Setting, escrow: Located<Escrow> | null): Promise<Plan> {
  const { into, opening, words } = await openedEscrow(setting, escrow);
  const token = await ensureToken(setting, into);
  return {
    title: "Open a deposit address",
    words: [
      ...words,
      `A token account is opened for the escrow, ${short(token.account)}. Its rent is about 0.002 SOL.`,
      "Anyone may send USDC to it. It can only ever be credited to your escrow.",
    ],
    instructions: [...opening, token.instruction],
  };
}

/** Credits the escrow with what arrived at its deposit address. Anyone may send it. */
export async function sweep(setting: Setting, escrow: Located<Escrow>, arrived: bigint): Promise<Plan> {
  const place = at(setting);
  return {
    title: `Credit ${usdc(arrived)} USDC`,
    words: [
      `${usdc(arrived)} USDC that arrived at your deposit address become free money in your escrow, ${short(escrow.address)}.`,
    ],
    instructions: [
      getEscrowSweepInstruction(
        {
          market: place.market,
          ledger: await ledgerAddress(place),
          escrow: escrow.address,
          depositAccount: await depositAddress(setting, escrow.address),
          escrowVault: await escrowVaultAddress(place),
          mint: setting.market.mint,
          tokenProgram: setting.market.tokenProgram,
        },
        config(setting),
      ),
    ],
  };
}

export async function deposit(
  setting: Setting,
  escrow: Located<Escrow> | null,
  amount: bigint,
): Promise<Plan> {
  const { market } = setting;
  const signer = ownerSigner(setting.owner);
  const place = at(setting);
  const { into, opening, words } = await openedEscrow(setting, escrow);
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
      ...words,
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

/** Registers a node under this wallet. Its hot key signs too, so that nobody registers another's. */
export async function register(setting: Setting, hotKey: CryptoKeyPair): Promise<Plan> {
  const { chain, owner } = setting;
  const place = at(setting);
  const hot = await getAddressFromPublicKey(hotKey.publicKey);
  const openingSlot = await chain.rpc.getSlot({ commitment: "finalized" }).send();
  const node = await nodeAddress(place, owner, openingSlot);
  const operator = ownerSigner(owner);
  return {
    title: "Register a node",
    words: [
      `Node ${short(node)} is registered with your wallet as its operator. Its rent, about 0.004 SOL, comes back when you close it.`,
      `Its hot key is ${short(hot)}. That key signs answers and owns nothing; you can rotate it.`,
      `What it earns goes to your wallet, ${short(owner)}. This cannot be changed later.`,
    ],
    instructions: [
      getNodeRegisterInstruction(
        {
          payer: operator,
          operator,
          signer: createNoopSigner(hot),
          market: place.market,
          node,
          openingSlot,
          payoutOwner: owner,
        },
        config(setting),
      ),
    ],
    cosigners: [hotKey],
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
