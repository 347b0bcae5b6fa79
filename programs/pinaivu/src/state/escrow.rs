//! A user's money that is not reserved for anyone.

use anchor_lang::prelude::*;
use pinaivu_protocol::seeds;

use super::VERSION;
use crate::error::PinaivuError;

/// Seeds: `"escrow"`, market, owner, opening slot (u64 LE).
#[account]
#[derive(InitSpace, Debug, PartialEq, Eq)]
pub struct Escrow {
    /// [`VERSION`].
    pub version: u8,
    /// Of this account's address.
    pub bump: u8,
    /// The market it belongs to.
    pub market: Pubkey,
    /// Whose money it is.
    pub owner: Pubkey,
    /// Part of the address.
    pub opening_slot: u64,
    /// Leaves at once when the owner asks, in base units of the mint.
    pub free: u64,
    /// Allowances that are open.
    pub allowances: u32,
    /// Grows by one with every change.
    pub sequence: u64,
    /// Who paid the rent and gets it back.
    pub rent_payer: Pubkey,
    /// Zero; for later versions.
    pub reserved: [u8; 96],
}

impl Escrow {
    /// What must hold after every change.
    pub fn invariant(&self) -> Result<()> {
        require_eq!(self.version, VERSION, PinaivuError::InvariantBroken);
        Ok(())
    }

    /// Refuses to close it with money or allowances in it.
    pub fn require_empty(&self) -> Result<()> {
        require!(self.free == 0, PinaivuError::EscrowNotEmpty);
        require!(self.allowances == 0, PinaivuError::AllowancesOpen);
        Ok(())
    }

    /// Adds to the free balance.
    pub fn add_free(&mut self, amount: u64) -> Result<()> {
        self.free = self.free.checked_add(amount).ok_or(PinaivuError::Overflow)?;
        Ok(())
    }

    /// Takes from the free balance.
    pub fn take_free(&mut self, amount: u64) -> Result<()> {
        self.free = self.free.checked_sub(amount).ok_or(PinaivuError::InsufficientFree)?;
        Ok(())
    }

    /// Counts an allowance that opens.
    pub fn add_allowance(&mut self) -> Result<()> {
        self.allowances = self.allowances.checked_add(1).ok_or(PinaivuError::Overflow)?;
        Ok(())
    }

    /// Counts an allowance that closes.
    pub fn remove_allowance(&mut self) -> Result<()> {
        self.allowances = self.allowances.checked_sub(1).ok_or(PinaivuError::InvariantBroken)?;
        Ok(())
    }
}

/// What the escrow at `opening_slot` signs transfers out of its deposit account with; `slot` holds the
/// opening slot's bytes.
#[must_use]
pub fn escrow_seeds<'a>(
    market: &'a Pubkey,
    owner: &'a Pubkey,
    slot: &'a [u8; 8],
    bump: &'a u8,
) -> [&'a [u8]; 5] {
    [seeds::ESCROW, market.as_ref(), owner.as_ref(), slot.as_slice(), core::slice::from_ref(bump)]
}
