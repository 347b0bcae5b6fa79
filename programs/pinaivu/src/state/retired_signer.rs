//! A hot key that was replaced, and when. For as long as stake waits to be taken out, its signatures
//! still count as evidence against the account they were made for.

use anchor_lang::prelude::*;
use pinaivu_protocol::units::Slot;
use pinaivu_rules::{Moment, UnixSeconds};

use super::{Market, VERSION};
use crate::error::PinaivuError;

/// Seeds: `"retired_signer"`, coordinator or node, key.
#[account]
#[derive(InitSpace, Debug, PartialEq, Eq)]
pub struct RetiredSigner {
    /// [`VERSION`].
    pub version: u8,
    /// Of this account's address.
    pub bump: u8,
    /// The market of what it signed for; gives the delay.
    pub market: Pubkey,
    /// The coordinator or node it signed for.
    pub account: Pubkey,
    /// The key.
    pub signer: Pubkey,
    /// When it was replaced.
    pub retired_slot: u64,
    /// The cluster's clock then, in seconds since 1970.
    pub retired_time: i64,
    /// Who paid the rent and gets it back.
    pub rent_payer: Pubkey,
    /// Zero; for later versions.
    pub reserved: [u8; 32],
}

impl RetiredSigner {
    /// A key replaced at `now`.
    #[must_use]
    pub const fn new(
        bump: u8,
        market: Pubkey,
        account: Pubkey,
        signer: Pubkey,
        now: Moment,
        rent_payer: Pubkey,
    ) -> Self {
        Self {
            version: VERSION,
            bump,
            market,
            account,
            signer,
            retired_slot: now.slot.0,
            retired_time: now.time.0,
            rent_payer,
            reserved: [0; 32],
        }
    }

    /// Whether it has been retired for as long as stake waits.
    #[must_use]
    pub fn is_past(&self, market: &Market, now: Moment) -> bool {
        let retired =
            Moment { slot: Slot(self.retired_slot), time: UnixSeconds(self.retired_time) };
        market.unbond_delay().has_passed(retired, now)
    }
}

/// Refuses a key that is neither `current` nor one that `account` retired not too long ago.
pub(crate) fn require_accountable(
    key: &Pubkey,
    current: &Pubkey,
    account: &Pubkey,
    retired: Option<&RetiredSigner>,
    market: &Market,
    now: Moment,
) -> Result<()> {
    if key == current {
        return Ok(());
    }
    let retired = retired.ok_or(PinaivuError::WrongSignerKey)?;
    require_keys_eq!(retired.account, *account, PinaivuError::WrongSignerKey);
    require_keys_eq!(retired.signer, *key, PinaivuError::WrongSignerKey);
    require!(!retired.is_past(market, now), PinaivuError::EvidenceTooOld);
    Ok(())
}
