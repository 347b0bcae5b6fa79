//! A change of the market that governance proposed and that waits, and the list of measurements that
//! such changes keep.

use anchor_lang::prelude::*;
use pinaivu_protocol::units::Slot;
use pinaivu_rules::{Delay, Moment, UnixSeconds};

use super::market::MarketRules;
use super::{Market, VERSION};
use crate::clock::now;
use crate::error::PinaivuError;

/// Seeds: `"proposal"`, market, number (u64 LE).
#[account]
#[derive(InitSpace, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// [`VERSION`].
    pub version: u8,
    /// Of this account's address.
    pub bump: u8,
    /// What it changes.
    pub market: Pubkey,
    /// Part of the address.
    pub number: u64,
    /// Who proposed it. It falls when governance has passed to somebody else.
    pub governance: Pubkey,
    /// When it was proposed.
    pub proposed_slot: u64,
    /// The cluster's clock then, in seconds since 1970.
    pub proposed_time: i64,
    /// Slots that it waits: the market's delay when it was proposed.
    pub delay_slots: u64,
    /// Seconds that it waits.
    pub delay_seconds: u64,
    /// Who paid the rent and gets it back.
    pub rent_payer: Pubkey,
    /// Zero; for later versions.
    pub reserved: [u8; 32],
    /// What it does.
    pub change: Change,
}

/// What governance can do, after the delay. It can never move anybody's money.
#[derive(AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Other rules, within the caps.
    Rules(MarketRules),
    /// Another governance.
    Governance(Pubkey),
    /// Puts a coordinator measurement on the list.
    MeasurementAllowed([u8; 32]),
    /// Takes a coordinator measurement off the list.
    MeasurementRevoked([u8; 32]),
}

impl Proposal {
    /// Refuses before the delay has passed, and when governance has changed.
    pub fn require_due(&self, market: &Market) -> Result<()> {
        require_eq!(self.version, VERSION, PinaivuError::InvariantBroken);
        require_keys_eq!(self.governance, market.governance, PinaivuError::ProposalSuperseded);
        let proposed =
            Moment { slot: Slot(self.proposed_slot), time: UnixSeconds(self.proposed_time) };
        let delay = Delay { slots: self.delay_slots, seconds: self.delay_seconds };
        require!(delay.has_passed(proposed, now()?), PinaivuError::NotMatured);
        Ok(())
    }

    /// The measurement that it allows or revokes; zero for another kind of change.
    #[must_use]
    pub const fn measurement(&self) -> [u8; 32] {
        match self.change {
            Change::MeasurementAllowed(measurement) | Change::MeasurementRevoked(measurement) => {
                measurement
            }
            Change::Rules(_) | Change::Governance(_) => [0; 32],
        }
    }
}

/// A measurement of attested code that coordinators may name. It is on the list while this exists.
///
/// Seeds: `"measurement"`, market, measurement.
#[account]
#[derive(InitSpace, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// [`VERSION`].
    pub version: u8,
    /// Of this account's address.
    pub bump: u8,
    /// The market.
    pub market: Pubkey,
    /// The measurement.
    pub measurement: [u8; 32],
    /// The slot since which it is on the list.
    pub allowed_slot: u64,
    /// Who paid the rent and gets it back.
    pub rent_payer: Pubkey,
    /// Zero; for later versions.
    pub reserved: [u8; 32],
}

/// Refuses a measurement that is not on the market's list. None at all is always allowed: such a
/// coordinator is unattested and shows it.
pub(crate) fn require_measurement_allowed(
    measurement: &[u8; 32],
    market: &Pubkey,
    entry: Option<&Measurement>,
) -> Result<()> {
    if *measurement == [0; 32] {
        return Ok(());
    }
    let entry = entry.ok_or(PinaivuError::MeasurementNotAllowed)?;
    require_keys_eq!(entry.market, *market, PinaivuError::WrongMarket);
    require!(entry.measurement == *measurement, PinaivuError::MeasurementNotAllowed);
    Ok(())
}
