//! What each vault owes. Apart from the market, so that only instructions that move tokens write it.

use anchor_lang::prelude::*;
use pinaivu_protocol::units::Amount;
use pinaivu_rules::Liability;

use super::{VERSION, next};
use crate::error::PinaivuError;

/// Seeds: `"ledger"`, market.
#[account]
#[derive(InitSpace, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// [`VERSION`].
    pub version: u8,
    /// Of this account's address.
    pub bump: u8,
    /// The market it belongs to.
    pub market: Pubkey,
    /// Owed by the escrow vault: free balances, remaining reservations, and what coordinators debited
    /// that is not paid out yet.
    pub escrow_liabilities: u64,
    /// Owed by the stake vault: active and unbonding stake.
    pub stake_liabilities: u64,
    /// Owed by the bond vault: guarantee and penalty bonds.
    pub bond_liabilities: u64,
    /// Grows by one with every movement of tokens.
    pub sequence: u64,
    /// Zero; for later versions.
    pub reserved: [u8; 64],
}

/// One of the three vaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vault {
    Escrow,
    Stake,
    Bond,
}

impl Ledger {
    /// What must hold after every movement of tokens, given the moved vault's balance after it.
    pub(crate) fn invariant(&self, vault: Vault, balance: u64) -> Result<()> {
        require_eq!(self.version, VERSION, PinaivuError::InvariantBroken);
        let owed = Liability(Amount(self.liability(vault)));
        owed.covered_by(Amount(balance)).map_err(PinaivuError::from)?;
        Ok(())
    }

    /// Counts tokens that came in; gives the new sequence.
    pub(crate) fn grow(&mut self, vault: Vault, amount: u64) -> Result<u64> {
        let mut owed = Liability(Amount(self.liability(vault)));
        owed.grow(Amount(amount)).map_err(PinaivuError::from)?;
        self.set_liability(vault, owed);
        next(&mut self.sequence)
    }

    /// Counts tokens that went out, or that nobody is owed any more; gives the new sequence.
    pub(crate) fn shrink(&mut self, vault: Vault, amount: u64) -> Result<u64> {
        require_eq!(self.version, VERSION, PinaivuError::InvariantBroken);
        let mut owed = Liability(Amount(self.liability(vault)));
        owed.shrink(Amount(amount)).map_err(PinaivuError::from)?;
        self.set_liability(vault, owed);
        next(&mut self.sequence)
    }

    const fn liability(&self, vault: Vault) -> u64 {
        match vault {
            Vault::Escrow => self.escrow_liabilities,
            Vault::Stake => self.stake_liabilities,
            Vault::Bond => self.bond_liabilities,
        }
    }

    const fn set_liability(&mut self, vault: Vault, owed: Liability) {
        let Liability(Amount(owed)) = owed;
        match vault {
            Vault::Escrow => self.escrow_liabilities = owed,
            Vault::Stake => self.stake_liabilities = owed,
            Vault::Bond => self.bond_liabilities = owed,
        }
    }
}
