//! Closes the record of a receipt and returns its rent.

use anchor_lang::prelude::*;

use crate::error::PinaivuError;
use crate::state::ReceiptRecord;

/// Accounts of `receipt_close`.
#[derive(Accounts)]
pub struct ReceiptClose<'info> {
    /// Paid the rent, checked at `record`; gets it back.
    #[account(mut)]
    pub rent_payer: Signer<'info>,
    /// The record.
    #[account(mut, close = rent_payer, has_one = rent_payer @ PinaivuError::WrongRentReceiver)]
    pub record: Box<Account<'info, ReceiptRecord>>,
}

impl ReceiptClose<'_> {
    /// Closes it.
    pub const fn handle(_ctx: &Context<Self>) -> Result<()> {
        Ok(())
    }
}
