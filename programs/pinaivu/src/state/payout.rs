//! What one coordinator owes one node.

use anchor_lang::prelude::*;
use pinaivu_protocol::units::Amount;

use super::VERSION;
use crate::error::PinaivuError;

/// Seeds: `"payout"`, coordinator, node.
///
/// It holds a copy of the node's payout owner, so that credits can be claimed after the node is closed.
#[account]
#[derive(InitSpace, Debug, PartialEq, Eq)]
pub struct Payout {
    /// [`VERSION`].
    pub version: u8,
    /// Of this account's address.
    pub bump: u8,
    /// Who owes.
    pub coordinator: Pubkey,
    /// Who earns.
    pub node: Pubkey,
    /// Whose token account is paid.
    pub payout_owner: Pubkey,
    /// Ever credited, in base units of the mint. Final: it never decreases.
    pub credited: u64,
    /// Part of `credited` that was paid out.
    pub paid: u64,
    /// Share of the coordinator's guarantee bond; 0 until guarantees exist.
    pub guarantee: u64,
    /// Grows by one with every change.
    pub sequence: u64,
    /// Zero; for demands and later versions.
    pub demand_reserved: [u8; 160],
}

impl Payout {
    /// What must hold after every change.
    pub fn invariant(&self) -> Result<()> {
        require_eq!(self.version, VERSION, PinaivuError::InvariantBroken);
        require_gte!(self.credited, self.paid, PinaivuError::InvariantBroken);
        Ok(())
    }

    /// Credited and not paid.
    pub fn due(&self) -> Result<Amount> {
        let due = Amount(self.credited).checked_sub(Amount(self.paid));
        Ok(due.ok_or(PinaivuError::InvariantBroken)?)
    }
}
