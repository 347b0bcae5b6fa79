//! The cluster's two clocks, read once per instruction.

use anchor_lang::prelude::*;
use pinaivu_protocol::units::Slot;
use pinaivu_rules::{Moment, UnixSeconds, may_close, may_open};

use crate::error::PinaivuError;

/// This slot and its time.
pub(crate) fn now() -> Result<Moment> {
    let clock = Clock::get()?;
    Ok(Moment { slot: Slot(clock.slot), time: UnixSeconds(clock.unix_timestamp) })
}

/// Refuses an opening slot that is ahead or too far back.
pub(crate) fn require_openable(opening_slot: u64) -> Result<()> {
    require!(may_open(Slot(opening_slot), now()?.slot), PinaivuError::OpeningSlotOutOfWindow);
    Ok(())
}

/// Refuses to close an account whose address could still be opened again.
pub(crate) fn require_closable(opening_slot: u64) -> Result<()> {
    require!(may_close(Slot(opening_slot), now()?.slot), PinaivuError::TooYoungToClose);
    Ok(())
}
