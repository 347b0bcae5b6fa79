// Opens the market on the provider's cluster; `anchor migrate` runs it after `anchor deploy`.
//
// The provider's wallet must be the program's upgrade authority. Running it again changes nothing. The
// mint is USDC where the cluster has one, otherwise PINAIVU_MINT. Governance is the wallet itself unless
// PINAIVU_GOVERNANCE names another key.

import * as anchor from "@anchor-lang/core";
import idl from "../idls/pinaivu.json";

/** USDC by the cluster's genesis hash. */
const usdc: Readonly<Record<string, string>> = {
  // mainnet-beta
  "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
  // devnet
  EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG: "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU",
};

/** Base units in one token of the mint's six decimals. */
const TOKEN = 1_000_000;

/**
 * Fifteen minutes for users and a day for stake; an hour to credit what is demanded, two to lower a
 * guarantee; two days for changes of governance. Slots at the nominal 400 ms.
 */
const rules = {
  feeCapBps: 2_000,
  exitDelaySlots: new anchor.BN(2_250),
  exitDelaySeconds: new anchor.BN(900),
  unbondDelaySlots: new anchor.BN(216_000),
  unbondDelaySeconds: new anchor.BN(86_400),
  livenessSlots: new anchor.BN(9_000),
  livenessSeconds: new anchor.BN(3_600),
  guaranteeDelaySlots: new anchor.BN(18_000),
  guaranteeDelaySeconds: new anchor.BN(7_200),
  governanceDelaySlots: new anchor.BN(432_000),
  governanceDelaySeconds: new anchor.BN(172_800),
  minStake: new anchor.BN(100 * TOKEN),
  minBond: new anchor.BN(1_000 * TOKEN),
};

const LOADER = new anchor.web3.PublicKey("BPFLoaderUpgradeab1e11111111111111111111111");

async function deploy(provider: anchor.AnchorProvider): Promise<void> {
  anchor.setProvider(provider);
  const program = new anchor.Program(idl as anchor.Idl, provider);
  const genesis = await provider.connection.getGenesisHash();
  const named = process.env["PINAIVU_MINT"] ?? usdc[genesis];
  if (named === undefined) {
    throw new Error(`no USDC is known on cluster ${genesis}: set PINAIVU_MINT`);
  }
  const mint = new anchor.web3.PublicKey(named);
  const owner = await provider.connection.getAccountInfo(mint);
  if (owner === null) {
    throw new Error(`mint ${named} does not exist on cluster ${genesis}`);
  }
  const genesisHash = new anchor.web3.PublicKey(genesis).toBytes();
  const [market] = anchor.web3.PublicKey.findProgramAddressSync(
    [Buffer.from("market"), mint.toBytes(), genesisHash],
    program.programId,
  );
  if ((await provider.connection.getAccountInfo(market)) !== null) {
    console.log(`market ${market.toBase58()} exists`);
    return;
  }
  const [programData] = anchor.web3.PublicKey.findProgramAddressSync(
    [program.programId.toBytes()],
    LOADER,
  );
  const child = (seed: string): anchor.web3.PublicKey =>
    anchor.web3.PublicKey.findProgramAddressSync(
      [Buffer.from(seed), market.toBytes()],
      program.programId,
    )[0];
  const governance = process.env["PINAIVU_GOVERNANCE"] ?? provider.publicKey.toBase58();
  const initialize = program.methods["marketInitialize"];
  if (initialize === undefined) {
    throw new Error("idls/pinaivu.json has no market_initialize");
  }
  const signature = await initialize({
    genesisHash: Array.from(genesisHash),
    governance: new anchor.web3.PublicKey(governance),
    rules,
  })
    .accountsStrict({
      payer: provider.publicKey,
      upgradeAuthority: provider.publicKey,
      program: program.programId,
      programData,
      mint,
      market,
      ledger: child("ledger"),
      escrowVault: child("escrow_vault"),
      stakeVault: child("stake_vault"),
      bondVault: child("bond_vault"),
      tokenProgram: owner.owner,
      systemProgram: anchor.web3.SystemProgram.programId,
    })
    .rpc();
  console.log(`market ${market.toBase58()} opened in ${signature}`);
}

/** What `anchor migrate` calls; what it is made of is there for migrations/check.ts. */
namespace deploy {
  export const RULES = rules;
  export const USDC = usdc;
}

export = deploy;
