//! One builder for each instruction of the program.
//!
//! A builder knows addresses, not keys: who must sign is in the instruction's account list, and
//! [`crate::Chain::prepare`] gets the keys. Nothing here checks whether the program will accept it.

mod coordinator;
mod escrow;
mod evidence;
mod guarantee;
mod market;
mod node;
mod settlement;

use anchor_lang::{InstructionData, ToAccountMetas};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{ClusterId, MarketId, ProgramId, PublicKey};
use pinaivu_protocol::units::{Amount, Bps};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

pub use evidence::{EVIDENCE_PART_BYTES, EpochOfReceipt, SignerKey};

use crate::accounts::{Delay, Market};
use crate::addresses::Addresses;
use crate::chain::Deployment;

const SYSTEM_PROGRAM: Pubkey = Pubkey::new_from_array([0; 32]);

/// The upgradeable loader; holds the program data that names the upgrade authority.
const UPGRADEABLE_LOADER: Pubkey =
    Pubkey::from_str_const("BPFLoaderUpgradeab1e11111111111111111111111");

/// What a new market is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketParameters {
    /// No coordinator may keep more than this part of its debits.
    pub fee_cap: Bps,
    /// Between asking for reserved money and getting it.
    pub exit_delay: Delay,
    /// Between unbonding stake or a penalty bond and claiming it.
    pub unbond_delay: Delay,
    /// Between a demand and its payment out of the guarantee bond.
    pub liveness: Delay,
    /// Between asking to lower a guarantee, or its bond, and lowering it; longer than the liveness
    /// period.
    pub guarantee_delay: Delay,
    /// Between proposing a change and making it; no other delay is longer.
    pub governance_delay: Delay,
    /// Least stake of a node that may serve.
    pub min_stake: Amount,
    /// Least bond of a coordinator.
    pub min_bond: Amount,
}

/// What governance may change, after its delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarketChange {
    /// Other rules.
    Rules(MarketParameters),
    /// Another governance.
    Governance(PublicKey),
    /// Puts a coordinator measurement on the list.
    MeasurementAllowed(Hash32),
    /// Takes a coordinator measurement off the list.
    MeasurementRevoked(Hash32),
}

/// An append to a coordinator's log, as `log_extend` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogExtension {
    /// The open epoch.
    pub epoch: u32,
    /// The size the chain holds now.
    pub old_size: u64,
    /// The size afterwards; larger.
    pub new_size: u64,
    /// Roots of the subtrees between the two, levels derived from the sizes.
    pub hashes: Vec<Hash32>,
    /// The root the result must have.
    pub expected_root: Hash32,
}

/// What a coordinator says about itself at registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorProfile {
    /// Where nodes and clients find it; at most 128 bytes.
    pub endpoint: String,
    /// Its part of every debit, at most the market's cap. Fixed for the life of the account.
    pub fee: Bps,
    /// Attestation measurement; all zero when unattested.
    pub measurement: Hash32,
}

/// What a coordinator changes about itself; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoordinatorChanges {
    /// Where nodes and clients find it; at most 128 bytes.
    pub endpoint: Option<String>,
    /// Attestation measurement; all zero when unattested.
    pub measurement: Option<Hash32>,
    /// Hash of the attestation evidence; all zero when there is none.
    pub evidence_hash: Option<Hash32>,
}

/// Builds instructions for one market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instructions {
    addresses: Addresses,
    cluster: ClusterId,
    market: MarketId,
    mint: Pubkey,
    token_program: Pubkey,
}

impl Instructions {
    /// For a market that exists.
    #[must_use]
    pub fn new(program: ProgramId, market: &Market) -> Self {
        Self {
            addresses: Addresses::new(program),
            cluster: market.cluster,
            market: market.id,
            mint: market.mint,
            token_program: market.token_program,
        }
    }

    /// For the market that `mint` has or will have on this deployment.
    #[must_use]
    pub fn for_mint(deployment: &Deployment, mint: Pubkey, token_program: Pubkey) -> Self {
        let addresses = Addresses::new(deployment.program);
        let market = addresses.market(&mint, &deployment.cluster);
        Self { addresses, cluster: deployment.cluster, market, mint, token_program }
    }

    /// The market.
    #[must_use]
    pub const fn market(&self) -> MarketId {
        self.market
    }

    /// Where everything lives.
    #[must_use]
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// `owner`'s associated token account for the market's mint.
    #[must_use]
    pub fn token_account(&self, owner: &PublicKey) -> Pubkey {
        crate::addresses::associated_token_account(owner, &self.mint, &self.token_program)
    }

    /// Makes `owner`'s associated token account if it does not exist; `payer` pays its rent.
    #[must_use]
    pub fn create_token_account(&self, payer: &PublicKey, owner: &PublicKey) -> Instruction {
        crate::token::create_associated_account(payer, owner, &self.mint, &self.token_program)
    }

    fn build(&self, accounts: impl ToAccountMetas, args: impl InstructionData) -> Instruction {
        Instruction {
            program_id: self.addresses.program(),
            accounts: accounts.to_account_metas(None),
            data: args.data(),
        }
    }
}
