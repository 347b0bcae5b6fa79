//! Money an escrow set aside for one coordinator, up to an expiry.
//!
//! Debits are valid as long as the money is here. A release or the expiry stops *admission* of new
//! requests at once; the money itself leaves after the market's exit delay, so that what was served
//! before can still be debited.

use anchor_lang::prelude::*;
use pinaivu_protocol::units::{Amount, Slot};
use pinaivu_rules::{Moment, Reservation, UnixSeconds};

use super::VERSION;
use crate::error::PinaivuError;

/// Seeds: `"allowance"`, escrow, coordinator, opening slot (u64 LE).
#[account]
#[derive(InitSpace, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// [`VERSION`].
    pub version: u8,
    /// Of this account's address.
    pub bump: u8,
    /// Where the money came from and goes back to.
    pub escrow: Pubkey,
    /// The escrow's owner.
    pub owner: Pubkey,
    /// The only coordinator that may debit.
    pub coordinator: Pubkey,
    /// Part of the address.
    pub opening_slot: u64,
    /// Ever set aside, in base units of the mint.
    pub reserved: u64,
    /// Ever given back.
    pub released: u64,
    /// Ever debited. `reserved − released − debited` is what remains.
    pub debited: u64,
    /// From this time on (seconds since 1970) nothing new is admitted.
    pub expiry_time: i64,
    /// The slot in which someone first showed that the expiry had passed; 0 before that. The exit
    /// delay after an expiry counts its slots from here.
    pub expiry_observed_slot: u64,
    /// What the owner asked to have back.
    pub pending_release: PendingRelease,
    /// Grows by one with every change.
    pub sequence: u64,
    /// Who signs vouchers; the zero key when debits need none.
    pub voucher_signer: Pubkey,
    /// The highest cumulative of a voucher that was presented; debits go no further. Counts only with a
    /// voucher signer.
    pub voucher_limit: u64,
    /// Who paid the rent and gets it back.
    pub rent_payer: Pubkey,
    /// Zero; for later versions.
    pub reserved_bytes: [u8; 56],
}

/// A release that waits for its delay.
#[derive(
    AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Copy, Debug, Default, PartialEq, Eq,
)]
pub struct PendingRelease {
    /// How much, in base units of the mint; 0 when nothing is pending.
    pub amount: u64,
    /// When it was asked for.
    pub requested_slot: u64,
    /// The cluster's clock then, in seconds since 1970.
    pub requested_time: i64,
    /// The token account it will be paid to; the zero key when it goes back to the escrow.
    pub destination: Pubkey,
}

impl PendingRelease {
    /// Whether there is one.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.amount != 0
    }

    /// When it was asked for.
    #[must_use]
    pub const fn requested(&self) -> Moment {
        Moment { slot: Slot(self.requested_slot), time: UnixSeconds(self.requested_time) }
    }

    /// The token account it will be paid to, if it does not go back to the escrow.
    #[must_use]
    pub fn token_account(&self) -> Option<Pubkey> {
        (self.destination != Pubkey::default()).then_some(self.destination)
    }
}

impl Allowance {
    /// What must hold after every change.
    pub fn invariant(&self) -> Result<()> {
        require_eq!(self.version, VERSION, PinaivuError::InvariantBroken);
        self.remaining()?;
        Ok(())
    }

    /// The three counters, for the money rules.
    #[must_use]
    pub const fn reservation(&self) -> Reservation {
        Reservation {
            reserved: Amount(self.reserved),
            released: Amount(self.released),
            debited: Amount(self.debited),
        }
    }

    /// Writes the counters back.
    pub const fn set_reservation(&mut self, counters: Reservation) {
        self.reserved = counters.reserved.0;
        self.released = counters.released.0;
        self.debited = counters.debited.0;
    }

    /// Whether debits need vouchers.
    #[must_use]
    pub fn needs_vouchers(&self) -> bool {
        self.voucher_signer != Pubkey::default()
    }

    /// The most that may be debited in all, as far as vouchers go.
    #[must_use]
    pub fn debit_limit(&self) -> Amount {
        if self.needs_vouchers() { Amount(self.voucher_limit) } else { Amount::MAX }
    }

    /// What is still set aside.
    pub fn remaining(&self) -> Result<u64> {
        Ok(self.reservation().remaining().map_err(PinaivuError::from)?.0)
    }

    /// Whether the expiry has passed.
    #[must_use]
    pub const fn has_expired(&self, now: Moment) -> bool {
        now.time.0 >= self.expiry_time
    }
}
