//! The market: one mint on one cluster, its rules and its vaults.
//!
//! Settlements only read it, so that they never wait for each other.

use anchor_lang::prelude::*;
use pinaivu_protocol::ids::{ClusterId, DeploymentId, ProgramId};
use pinaivu_protocol::seeds;
use pinaivu_rules::Delay;

use super::VERSION;
use crate::error::PinaivuError;

/// Longest delay in slots: thirty days of 400 ms.
pub const MAX_DELAY_SLOTS: u64 = 6_480_000;

/// Longest delay in seconds: thirty days.
pub const MAX_DELAY_SECONDS: u64 = 2_592_000;

/// Highest fee cap that governance can set: one half.
pub const MAX_FEE_CAP_BPS: u16 = 5_000;

/// Highest minimum of stake or bond that governance can set, in base units of the mint: ten million
/// USDC. Above it nobody could take part, which would be a pause without an end.
pub const MAX_MINIMUM: u64 = 10_000_000_000_000;

/// What governance may change, after its own delay.
#[derive(
    AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Copy, Debug, Default, PartialEq, Eq,
)]
pub struct MarketRules {
    /// Highest fee of a coordinator in basis points, at most [`MAX_FEE_CAP_BPS`].
    pub fee_cap_bps: u16,
    /// Slots that reserved money waits.
    pub exit_delay_slots: u64,
    /// Seconds that reserved money waits.
    pub exit_delay_seconds: u64,
    /// Slots that stake and penalty bonds wait.
    pub unbond_delay_slots: u64,
    /// Seconds that stake and penalty bonds wait.
    pub unbond_delay_seconds: u64,
    /// Slots that a coordinator has to credit what is demanded.
    pub liveness_slots: u64,
    /// Seconds that a coordinator has to credit what is demanded.
    pub liveness_seconds: u64,
    /// Slots that lowering a guarantee or its bond waits; more than the liveness period.
    pub guarantee_delay_slots: u64,
    /// Seconds that lowering a guarantee or its bond waits; more than the liveness period.
    pub guarantee_delay_seconds: u64,
    /// Slots that a change of governance waits; no other delay is longer.
    pub governance_delay_slots: u64,
    /// Seconds that a change of governance waits; no other delay is longer.
    pub governance_delay_seconds: u64,
    /// Least stake of a usable node, in base units of the mint, at most [`MAX_MINIMUM`].
    pub min_stake: u64,
    /// Least penalty bond of a coordinator that money can be reserved for, in base units of the mint,
    /// at most [`MAX_MINIMUM`].
    pub min_bond: u64,
}

/// Seeds: `"market"`, mint, genesis hash. Authority of the three vaults.
#[account]
#[derive(InitSpace, Debug, PartialEq, Eq)]
pub struct Market {
    /// [`VERSION`].
    pub version: u8,
    /// Of this account's address.
    pub bump: u8,
    /// Of the escrow vault's address.
    pub escrow_vault_bump: u8,
    /// Of the stake vault's address.
    pub stake_vault_bump: u8,
    /// Of the bond vault's address.
    pub bond_vault_bump: u8,
    /// Decimals of the mint.
    pub mint_decimals: u8,
    /// Whether deposits and registrations are stopped.
    pub paused: bool,
    /// Highest fee a coordinator may keep, in basis points of what it debited.
    pub fee_cap_bps: u16,
    /// The money.
    pub mint: Pubkey,
    /// The program that owns the mint: SPL Token or Token-2022.
    pub token_program: Pubkey,
    /// Genesis hash of the cluster.
    pub genesis_hash: [u8; 32],
    /// May pause, and propose changes.
    pub governance: Pubkey,
    /// Slots between asking for reserved money and getting it.
    pub exit_delay_slots: u64,
    /// Seconds between the same.
    pub exit_delay_seconds: u64,
    /// Slots between asking for stake and getting it.
    pub unbond_delay_slots: u64,
    /// Seconds between the same.
    pub unbond_delay_seconds: u64,
    /// Active stake below which coordinators should not use a node, in base units of the mint.
    pub min_stake: u64,
    /// Penalty bond below which nobody can reserve money for a coordinator, in base units of the mint.
    pub min_bond: u64,
    /// Grows by one with every change.
    pub sequence: u64,
    /// Slots that a coordinator has to credit what is demanded.
    pub liveness_slots: u64,
    /// Seconds between the same.
    pub liveness_seconds: u64,
    /// Slots between asking to lower a guarantee, or its bond, and lowering it.
    pub guarantee_delay_slots: u64,
    /// Seconds between the same.
    pub guarantee_delay_seconds: u64,
    /// Slots between proposing a change and making it.
    pub governance_delay_slots: u64,
    /// Seconds between the same.
    pub governance_delay_seconds: u64,
    /// Proposals ever opened; the next one's number.
    pub proposals: u64,
    /// Zero; for later versions.
    pub reserved: [u8; 72],
}

impl Market {
    /// What must hold after every change.
    pub fn invariant(&self) -> Result<()> {
        require_eq!(self.version, VERSION, PinaivuError::InvariantBroken);
        require_gte!(MAX_FEE_CAP_BPS, self.fee_cap_bps, PinaivuError::FeeTooHigh);
        let highest = self.min_stake.max(self.min_bond);
        require_gte!(MAX_MINIMUM, highest, PinaivuError::MinimumTooHigh);
        let (exit, unbond, governance) =
            (self.exit_delay(), self.unbond_delay(), self.governance_delay());
        let (liveness, guarantee) = (self.liveness(), self.guarantee_delay());
        for delay in [exit, unbond, liveness, guarantee, governance] {
            let slots_in_range = (1..=MAX_DELAY_SLOTS).contains(&delay.slots);
            let seconds_in_range = (1..=MAX_DELAY_SECONDS).contains(&delay.seconds);
            require!(slots_in_range && seconds_in_range, PinaivuError::DelayOutOfRange);
        }
        // Whoever sees a guarantee being lowered must have time for a demand, and whoever sees a
        // change coming must have time to leave under the old rules.
        let demand_in_time =
            liveness.slots < guarantee.slots && liveness.seconds < guarantee.seconds;
        let exit_in_time = [exit, unbond, guarantee]
            .iter()
            .all(|delay| delay.slots <= governance.slots && delay.seconds <= governance.seconds);
        require!(demand_in_time && exit_in_time, PinaivuError::DelayOrder);
        Ok(())
    }

    /// Puts rules in force. [`Self::invariant`] judges them.
    pub const fn set_rules(&mut self, rules: &MarketRules) {
        self.fee_cap_bps = rules.fee_cap_bps;
        self.exit_delay_slots = rules.exit_delay_slots;
        self.exit_delay_seconds = rules.exit_delay_seconds;
        self.unbond_delay_slots = rules.unbond_delay_slots;
        self.unbond_delay_seconds = rules.unbond_delay_seconds;
        self.liveness_slots = rules.liveness_slots;
        self.liveness_seconds = rules.liveness_seconds;
        self.guarantee_delay_slots = rules.guarantee_delay_slots;
        self.guarantee_delay_seconds = rules.guarantee_delay_seconds;
        self.governance_delay_slots = rules.governance_delay_slots;
        self.governance_delay_seconds = rules.governance_delay_seconds;
        self.min_stake = rules.min_stake;
        self.min_bond = rules.min_bond;
    }

    /// The rules in force.
    #[must_use]
    pub const fn rules(&self) -> MarketRules {
        MarketRules {
            fee_cap_bps: self.fee_cap_bps,
            exit_delay_slots: self.exit_delay_slots,
            exit_delay_seconds: self.exit_delay_seconds,
            unbond_delay_slots: self.unbond_delay_slots,
            unbond_delay_seconds: self.unbond_delay_seconds,
            liveness_slots: self.liveness_slots,
            liveness_seconds: self.liveness_seconds,
            guarantee_delay_slots: self.guarantee_delay_slots,
            guarantee_delay_seconds: self.guarantee_delay_seconds,
            governance_delay_slots: self.governance_delay_slots,
            governance_delay_seconds: self.governance_delay_seconds,
            min_stake: self.min_stake,
            min_bond: self.min_bond,
        }
    }

    /// What every record signed for this cluster and program begins with.
    #[must_use]
    pub fn deployment(&self) -> DeploymentId {
        DeploymentId::new(&ClusterId(self.genesis_hash), &ProgramId(crate::ID.to_bytes()))
    }

    /// Refuses a record of another deployment.
    pub fn require_deployment(&self, deployment: DeploymentId) -> Result<()> {
        require!(deployment == self.deployment(), PinaivuError::WrongDeployment);
        Ok(())
    }

    /// Refuses while deposits and registrations are stopped.
    pub fn require_open(&self) -> Result<()> {
        require!(!self.paused, PinaivuError::MarketPaused);
        Ok(())
    }

    /// How long reserved money waits.
    #[must_use]
    pub fn exit_delay(&self) -> Delay {
        Delay { slots: self.exit_delay_slots, seconds: self.exit_delay_seconds }
    }

    /// How long stake and penalty bonds wait, and how long a retired key can still be held to account.
    #[must_use]
    pub fn unbond_delay(&self) -> Delay {
        Delay { slots: self.unbond_delay_slots, seconds: self.unbond_delay_seconds }
    }

    /// How long a coordinator has to credit what is demanded.
    #[must_use]
    pub fn liveness(&self) -> Delay {
        Delay { slots: self.liveness_slots, seconds: self.liveness_seconds }
    }

    /// How long lowering a guarantee, or its bond, waits.
    #[must_use]
    pub fn guarantee_delay(&self) -> Delay {
        Delay { slots: self.guarantee_delay_slots, seconds: self.guarantee_delay_seconds }
    }

    /// How long a change of governance waits.
    #[must_use]
    pub fn governance_delay(&self) -> Delay {
        Delay { slots: self.governance_delay_slots, seconds: self.governance_delay_seconds }
    }

    /// What the market signs transfers out of its vaults with.
    #[must_use]
    pub fn signer_seeds(&self) -> [&[u8]; 4] {
        [
            seeds::MARKET,
            self.mint.as_ref(),
            self.genesis_hash.as_ref(),
            core::slice::from_ref(&self.bump),
        ]
    }
}
