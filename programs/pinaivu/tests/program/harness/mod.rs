//! A chain with the program on it, markets, and people with tokens.
//!
//! [`World::send`] is the only way to a transaction; it calls the oracle after each, whether it
//! succeeded or not.

mod chain;
mod elf;
mod events;
mod instructions;
mod oracle;
mod people;
mod refusal;
mod signing;
mod tokens;

use std::collections::HashMap;
use std::path::PathBuf;

use litesvm::{InvocationInspectCallback, LiteSVM};
use pinaivu::instructions::MarketInitializeArgs;
use pinaivu::state::MarketRules;
use pinaivu_protocol::seeds;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

pub(crate) use chain::program_data;
pub(crate) use events::{event, events};
pub(crate) use instructions::{
    Extension, Parties, build, close_between, deposit_account, exit_between, find,
    measurement_entry, raise_between, retired_signer,
};
pub(crate) use refusal::*;
pub(crate) use signing::*;
pub(crate) use tokens::{CLASSIC, TOKEN_2022};

/// The program's upgradeable loader.
const LOADER: Pubkey = Pubkey::from_str_const("BPFLoaderUpgradeab1e11111111111111111111111");

/// What a market is opened with unless a test says otherwise.
pub(crate) const EXIT_SLOTS: u64 = 100;
pub(crate) const EXIT_SECONDS: u64 = 60;
pub(crate) const UNBOND_SLOTS: u64 = 200;
pub(crate) const UNBOND_SECONDS: u64 = 90;
pub(crate) const LIVENESS_SLOTS: u64 = 20;
pub(crate) const LIVENESS_SECONDS: u64 = 15;
pub(crate) const GUARANTEE_SLOTS: u64 = 50;
pub(crate) const GUARANTEE_SECONDS: u64 = 30;
pub(crate) const GOVERNANCE_SLOTS: u64 = 300;
pub(crate) const GOVERNANCE_SECONDS: u64 = 120;
pub(crate) const MIN_BOND: u64 = 50;
pub(crate) const FEE_CAP: u16 = 2_000;
/// The fee of the coordinators that [`World::coordinator`] registers.
pub(crate) const FEE: u16 = 1_000;

/// A person with a token account in one market.
pub(crate) struct Actor {
    pub(crate) key: Keypair,
    pub(crate) tokens: Pubkey,
}

impl Actor {
    pub(crate) fn address(&self) -> Pubkey {
        self.key.pubkey()
    }
}

/// A market and everything whose address follows from it.
#[derive(Clone, Copy)]
pub(crate) struct Market {
    pub(crate) address: Pubkey,
    pub(crate) mint: Pubkey,
    pub(crate) token_program: Pubkey,
    pub(crate) ledger: Pubkey,
    pub(crate) escrow_vault: Pubkey,
    pub(crate) stake_vault: Pubkey,
    pub(crate) bond_vault: Pubkey,
}

impl Market {
    /// The market that `mint` has or would have.
    pub(crate) fn of(mint: Pubkey, token_program: Pubkey) -> Self {
        let address = find(&[seeds::MARKET, mint.as_ref(), &GENESIS]);
        let child = |seed: &[u8]| find(&[seed, address.as_ref()]);
        Self {
            address,
            mint,
            token_program,
            ledger: child(seeds::LEDGER),
            escrow_vault: child(seeds::ESCROW_VAULT),
            stake_vault: child(seeds::STAKE_VAULT),
            bond_vault: child(seeds::BOND_VAULT),
        }
    }
}

/// Genesis hash of the cluster that tests pretend to be.
pub(crate) const GENESIS: [u8; 32] = [7; 32];

/// A registered coordinator with its keys.
pub(crate) struct Coordinator {
    pub(crate) address: Pubkey,
    pub(crate) authority: Actor,
    pub(crate) signer: Keypair,
}

/// A registered node with its keys, and its payout at one coordinator where it was opened.
pub(crate) struct Node {
    pub(crate) address: Pubkey,
    pub(crate) operator: Actor,
    pub(crate) signer: Keypair,
    pub(crate) payout_owner: Actor,
}

/// The chain.
pub(crate) struct World {
    pub(crate) svm: LiteSVM,
    /// Pays fees and rent.
    pub(crate) payer: Keypair,
    /// The program's upgrade authority.
    pub(crate) deployer: Keypair,
    /// May pause every market.
    pub(crate) governance: Keypair,
    /// The market most tests use.
    pub(crate) market: Market,
    /// Tokens sent to vaults by strangers, by vault.
    donations: HashMap<Pubkey, u64>,
    /// Whether vaults may hold more than the oracle knows of.
    pub(crate) gifts: bool,
    /// Tokens ever minted, by mint.
    minted: HashMap<Pubkey, u128>,
    seeds: u16,
}

/// The committed program, or the one that `cargo xtask program mutants` planted faults in.
#[expect(clippy::disallowed_methods, reason = "a test's arguments can come from nowhere else")]
fn program() -> Vec<u8> {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/artifact/pinaivu.so");
    let file =
        std::env::var_os("PINAIVU_PROGRAM_SO").map_or_else(|| committed.into(), PathBuf::from);
    std::fs::read(file).expect("the program")
}

/// Rules of the market that most tests use.
pub(crate) fn rules(governance: Pubkey) -> MarketInitializeArgs {
    MarketInitializeArgs { genesis_hash: GENESIS, governance, rules: market_rules() }
}

/// The rules among them.
pub(crate) const fn market_rules() -> MarketRules {
    MarketRules {
        fee_cap_bps: FEE_CAP,
        exit_delay_slots: EXIT_SLOTS,
        exit_delay_seconds: EXIT_SECONDS,
        unbond_delay_slots: UNBOND_SLOTS,
        unbond_delay_seconds: UNBOND_SECONDS,
        liveness_slots: LIVENESS_SLOTS,
        liveness_seconds: LIVENESS_SECONDS,
        guarantee_delay_slots: GUARANTEE_SLOTS,
        guarantee_delay_seconds: GUARANTEE_SECONDS,
        governance_delay_slots: GOVERNANCE_SLOTS,
        governance_delay_seconds: GOVERNANCE_SECONDS,
        min_stake: 100,
        min_bond: MIN_BOND,
    }
}

impl World {
    /// A chain with the program and one market of a classic mint.
    pub(crate) fn new() -> Self {
        Self::without_market().with_market()
    }

    /// The same, whose virtual machine shows every step to `tracer`.
    pub(crate) fn traced(tracer: impl InvocationInspectCallback + 'static) -> Self {
        let mut svm = LiteSVM::new_debuggable(true);
        svm.set_invocation_inspect_callback(tracer);
        Self::on(svm, &elf::with_sections(program())).with_market()
    }

    fn with_market(mut self) -> Self {
        self.market = self.open_market(CLASSIC);
        self
    }

    /// A chain with the program only.
    pub(crate) fn without_market() -> Self {
        Self::on(LiteSVM::new(), &program())
    }

    fn on(svm: LiteSVM, program: &[u8]) -> Self {
        let mut svm = svm.with_mainnet_features().with_transaction_history(0);
        svm.add_program(pinaivu::ID, program).expect("the program loads");
        let mut world = Self {
            svm,
            payer: Keypair::new_from_array([1; 32]),
            deployer: Keypair::new_from_array([2; 32]),
            governance: Keypair::new_from_array([3; 32]),
            market: Market::of(Pubkey::default(), CLASSIC),
            donations: HashMap::new(),
            gifts: false,
            minted: HashMap::new(),
            seeds: 0,
        };
        world.set_upgrade_authority(Some(world.deployer.pubkey()));
        for key in [world.payer.pubkey(), world.deployer.pubkey()] {
            world.svm.airdrop(&key, 1_000_000_000_000).unwrap();
        }
        world.set_clock(10_000, 1_700_000_000);
        world
    }

    /// The same chain again, to try something that must leave no trace.
    pub(crate) fn fork(&self) -> Self {
        Self {
            svm: self.svm.clone(),
            payer: self.payer.insecure_clone(),
            deployer: self.deployer.insecure_clone(),
            governance: self.governance.insecure_clone(),
            market: self.market,
            donations: self.donations.clone(),
            gifts: self.gifts,
            minted: self.minted.clone(),
            seeds: self.seeds,
        }
    }

    /// A key nobody has had before.
    pub(crate) fn key(&mut self) -> Keypair {
        self.seeds += 1;
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(&self.seeds.to_le_bytes());
        Keypair::new_from_array(seed)
    }

    /// An address nobody has had before, the same in every run.
    pub(crate) fn address(&mut self) -> Pubkey {
        self.key().pubkey()
    }
}
