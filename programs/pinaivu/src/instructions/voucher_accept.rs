//! Raises the debit limit of an allowance to what a voucher says. Anyone may present one: it does only
//! what its signer signed.

use anchor_lang::prelude::*;
use pinaivu_protocol::voucher::Voucher;

use crate::clock::now;
use crate::ed25519::{INSTRUCTIONS_SYSVAR, signed_message};
use crate::error::PinaivuError;
use crate::event::VoucherAccepted;
use crate::state::{Allowance, next};

/// Where the signature is.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct VoucherAcceptArgs {
    /// Place in this transaction of the Ed25519 instruction that verifies the voucher.
    pub signature_instruction: u16,
}

/// Accounts of `voucher_accept`.
#[derive(Accounts)]
pub struct VoucherAccept<'info> {
    /// What is limited.
    #[account(mut)]
    pub allowance: Box<Account<'info, Allowance>>,
    /// CHECK: the instructions sysvar, by its address.
    #[account(address = INSTRUCTIONS_SYSVAR)]
    pub instructions: UncheckedAccount<'info>,
}

impl VoucherAccept<'_> {
    fn validate(&self, args: &VoucherAcceptArgs) -> Result<Voucher> {
        let allowance = &self.allowance;
        require!(allowance.needs_vouchers(), PinaivuError::VouchersNotUsed);
        let signed = signed_message(&self.instructions, args.signature_instruction)?;
        require_keys_eq!(signed.signer, allowance.voucher_signer, PinaivuError::WrongSignerKey);
        let voucher = Voucher::decode(&signed.message);
        let voucher = voucher.ok_or(PinaivuError::SignedBytesMalformed)?;
        let own = voucher.allowance.0 == allowance.key().to_bytes();
        require!(own, PinaivuError::WrongVoucher);
        require!(voucher.is_current(now()?.time.0), PinaivuError::VoucherExpired);
        require!(voucher.cumulative.0 > allowance.voucher_limit, PinaivuError::VoucherStale);
        Ok(voucher)
    }

    /// Raises the limit.
    pub fn handle(ctx: Context<Self>, args: VoucherAcceptArgs) -> Result<()> {
        let voucher = ctx.accounts.validate(&args)?;
        let allowance = &mut ctx.accounts.allowance;
        allowance.voucher_limit = voucher.cumulative.0;
        let sequence = next(&mut allowance.sequence)?;
        allowance.invariant()?;
        emit!(VoucherAccepted {
            allowance: allowance.key(),
            sequence,
            limit: allowance.voucher_limit,
            debited: allowance.debited,
        });
        Ok(())
    }
}
