//! What one coordinator owes one node, and how far its guarantee bond stands for it.

use anchor_lang::prelude::*;
use pinaivu_protocol::units::{Amount, Slot};
use pinaivu_rules::{Debt, Moment, UnixSeconds};

use super::VERSION;
use crate::error::PinaivuError;

/// Seeds: `"payout"`, coordinator, node.
///
/// It holds copies of the market and of the node's payout owner, so that credits can be claimed after
/// node and coordinator are closed.
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
    /// Ever paid to the node, by claims and by demands. It never decreases.
    pub paid: u64,
    /// Share of the coordinator's guarantee bond: the most it may have advanced at one time.
    pub guarantee: u64,
    /// Grows by one with every change.
    pub sequence: u64,
    /// The market of both.
    pub market: Pubkey,
    /// Part of `paid` that the guarantee bond advanced and credit has not given back.
    pub advanced: u64,
    /// A lower guarantee that waits for its delay.
    pub lowering: Lowering,
    /// What the node demanded and waits for.
    pub demand: Demand,
    /// Who paid the rent and gets it back.
    pub rent_payer: Pubkey,
    /// Zero; for later versions.
    pub reserved: [u8; 40],
}

/// A lower guarantee that waits.
#[derive(
    AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Copy, Debug, Default, PartialEq, Eq,
)]
pub struct Lowering {
    /// The guarantee afterwards.
    pub guarantee: u64,
    /// When it was asked for; 0 when nothing waits.
    pub requested_slot: u64,
    /// The cluster's clock then, in seconds since 1970.
    pub requested_time: i64,
}

impl Lowering {
    /// Whether one waits.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.requested_slot != 0
    }

    /// When it was asked for.
    #[must_use]
    pub const fn requested(&self) -> Moment {
        Moment { slot: Slot(self.requested_slot), time: UnixSeconds(self.requested_time) }
    }
}

/// A demand that waits.
#[derive(
    AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Copy, Debug, Default, PartialEq, Eq,
)]
pub struct Demand {
    /// What the node has earned in all by its receipt, rounded **down** to base units of the mint; 0
    /// when nothing is demanded.
    pub cumulative: u64,
    /// When it was demanded.
    pub opened_slot: u64,
    /// The cluster's clock then, in seconds since 1970.
    pub opened_time: i64,
}

impl Demand {
    /// Whether there is one.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.cumulative != 0
    }

    /// When it was demanded.
    #[must_use]
    pub const fn opened(&self) -> Moment {
        Moment { slot: Slot(self.opened_slot), time: UnixSeconds(self.opened_time) }
    }
}

impl Payout {
    /// What must hold after every change.
    pub fn invariant(&self) -> Result<()> {
        require_eq!(self.version, VERSION, PinaivuError::InvariantBroken);
        self.debt().check().map_err(PinaivuError::from)?;
        Ok(())
    }

    /// The counters, for the money rules.
    #[must_use]
    pub const fn debt(&self) -> Debt {
        Debt {
            credited: Amount(self.credited),
            paid: Amount(self.paid),
            advanced: Amount(self.advanced),
            guarantee: Amount(self.guarantee),
        }
    }

    /// Writes the counters back.
    pub const fn set_debt(&mut self, debt: Debt) {
        self.credited = debt.credited.0;
        self.paid = debt.paid.0;
        self.advanced = debt.advanced.0;
        self.guarantee = debt.guarantee.0;
    }

    /// Opens a demand for everything up to `cumulative`.
    ///
    /// An open demand is replaced only by a larger one, whose wait begins anew: else a node could hold
    /// off a lower guarantee for ever with one old receipt.
    pub fn open_demand(&mut self, cumulative: Amount, now: Moment) -> Result<()> {
        require!(cumulative > self.debt().covered(), PinaivuError::NothingToDemand);
        require!(cumulative.0 > self.demand.cumulative, PinaivuError::NothingToDemand);
        self.demand =
            Demand { cumulative: cumulative.0, opened_slot: now.slot.0, opened_time: now.time.0 };
        Ok(())
    }

    /// Refuses to close it with anything owed or promised. A demand without a guarantee is for nothing
    /// but what is credited, so one that is open does not count: once its coordinator is closed it could
    /// never be settled.
    pub fn require_empty(&self) -> Result<()> {
        let settled = self.credited == self.paid && self.advanced == 0;
        require!(settled && self.guarantee == 0, PinaivuError::PayoutNotEmpty);
        Ok(())
    }
}
