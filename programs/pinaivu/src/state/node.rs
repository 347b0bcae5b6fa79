//! A node: its hot signer, its operator's stake, and who it earns for.

use anchor_lang::prelude::*;
use pinaivu_protocol::units::{Amount, Slot};
use pinaivu_rules::{Moment, Stake, UnixSeconds};

use super::VERSION;
use crate::error::PinaivuError;

/// Seeds: `"node"`, market, operator, opening slot (u64 LE).
#[account]
#[derive(InitSpace, Debug, PartialEq, Eq)]
pub struct Node {
    /// [`VERSION`].
    pub version: u8,
    /// Of this account's address.
    pub bump: u8,
    /// The market it belongs to.
    pub market: Pubkey,
    /// Cold wallet: owns the stake, rotates the signer.
    pub operator: Pubkey,
    /// Hot key: TLS identity, signs asks and proofs. Owns nothing.
    pub signer: Pubkey,
    /// Whose token account is paid.
    pub payout_owner: Pubkey,
    /// Part of the address.
    pub opening_slot: u64,
    /// Active stake in base units of the mint; compare with the market's `min_stake`.
    pub stake: u64,
    /// Stake on its way out. It does not count towards the minimum but can still be slashed.
    pub unbonding: Unbonding,
    /// Whether the node may be used.
    pub status: NodeStatus,
    /// Grows by one with every change.
    pub sequence: u64,
    /// Zero; for the public address of direct delivery.
    pub endpoint_reserved: [u8; 130],
    /// Who paid the rent and gets it back.
    pub rent_payer: Pubkey,
    /// Zero; for later versions.
    pub reserved: [u8; 32],
}

/// Stake that waits for its delay.
#[derive(
    AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Copy, Debug, Default, PartialEq, Eq,
)]
pub struct Unbonding {
    /// How much, in base units of the mint; 0 when nothing waits.
    pub amount: u64,
    /// When the newest part of it was asked for.
    pub requested_slot: u64,
    /// The cluster's clock then, in seconds since 1970.
    pub requested_time: i64,
}

impl Unbonding {
    /// With what is active, for the money rules.
    #[must_use]
    pub const fn with_active(&self, active: u64) -> Stake {
        Stake {
            active: Amount(active),
            unbonding: Amount(self.amount),
            since: Moment {
                slot: Slot(self.requested_slot),
                time: UnixSeconds(self.requested_time),
            },
        }
    }

    /// What of a stake waits.
    #[must_use]
    pub const fn of(stake: Stake) -> Self {
        Self {
            amount: stake.unbonding.0,
            requested_slot: stake.since.slot.0,
            requested_time: stake.since.time.0,
        }
    }
}

/// Whether a node may be used.
#[derive(AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeStatus {
    /// It may, given enough stake.
    Active,
    /// It was shown to have signed two contradicting statements, and lost its stake. For good; readers
    /// must refuse such a node.
    Suspended,
}

impl Node {
    /// What must hold after every change.
    pub fn invariant(&self) -> Result<()> {
        require_eq!(self.version, VERSION, PinaivuError::InvariantBroken);
        self.holdings().total().map_err(PinaivuError::from)?;
        Ok(())
    }

    /// The stake, for the money rules.
    #[must_use]
    pub const fn holdings(&self) -> Stake {
        self.unbonding.with_active(self.stake)
    }

    /// Writes the stake back.
    pub const fn set_holdings(&mut self, holdings: Stake) {
        self.stake = holdings.active.0;
        self.unbonding = Unbonding::of(holdings);
    }

    /// Takes all stake and suspends the node; gives the amount.
    pub fn slash(&mut self) -> Result<u64> {
        self.require_active()?;
        let mut holdings = self.holdings();
        let taken = holdings.take_all().map_err(PinaivuError::from)?;
        self.set_holdings(holdings);
        self.status = NodeStatus::Suspended;
        Ok(taken.0)
    }

    /// Refuses a suspended node.
    pub fn require_active(&self) -> Result<()> {
        require!(self.status == NodeStatus::Active, PinaivuError::NodeSuspended);
        Ok(())
    }
}
