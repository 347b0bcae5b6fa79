//! The market: one mint on one cluster, its rules and its vaults.
//!
//! Settlements only read it, so that they never wait for each other.

use anchor_lang::prelude::*;
use pinaivu_protocol::seeds;
use pinaivu_protocol::units::BPS_DENOMINATOR;
use pinaivu_rules::Delay;

use super::VERSION;
use crate::error::PinaivuError;

/// Longest delay in slots: thirty days of 400 ms.
pub const MAX_DELAY_SLOTS: u64 = 6_480_000;

/// Longest delay in seconds: thirty days.
pub const MAX_DELAY_SECONDS: u64 = 2_592_000;

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
    /// May pause.
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
    /// Zero; for later versions.
    pub reserved: [u8; 128],
}

impl Market {
    /// What must hold after every change.
    pub fn invariant(&self) -> Result<()> {
        require_eq!(self.version, VERSION, PinaivuError::InvariantBroken);
        require_gte!(BPS_DENOMINATOR, self.fee_cap_bps, PinaivuError::FeeTooHigh);
        for (slots, seconds) in [
            (self.exit_delay_slots, self.exit_delay_seconds),
            (self.unbond_delay_slots, self.unbond_delay_seconds),
        ] {
            let slots_in_range = (1..=MAX_DELAY_SLOTS).contains(&slots);
            let seconds_in_range = (1..=MAX_DELAY_SECONDS).contains(&seconds);
            require!(slots_in_range && seconds_in_range, PinaivuError::DelayOutOfRange);
        }
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

    /// How long stake waits.
    #[must_use]
    pub fn unbond_delay(&self) -> Delay {
        Delay { slots: self.unbond_delay_slots, seconds: self.unbond_delay_seconds }
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
