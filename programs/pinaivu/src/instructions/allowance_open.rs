//! Reserves free money of an escrow for one coordinator, until an expiry.

use anchor_lang::prelude::*;
use pinaivu_protocol::seeds;

use crate::clock::{now, require_openable};
use crate::error::PinaivuError;
use crate::event::AllowanceOpened;
use crate::state::{Allowance, Coordinator, Escrow, Market, PendingRelease, VERSION, next};

/// What to reserve.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct AllowanceOpenArgs {
    /// A recent slot; part of the address.
    pub opening_slot: u64,
    /// In base units of the mint; at most what is free.
    pub amount: u64,
    /// When admission ends, in seconds since 1970.
    pub expiry_time: i64,
    /// Who signs vouchers, if debits shall go only as far as vouchers do. Cannot be changed later.
    pub voucher_signer: Option<Pubkey>,
}

/// Accounts of `allowance_open`.
#[derive(Accounts)]
#[instruction(args: AllowanceOpenArgs)]
pub struct AllowanceOpen<'info> {
    /// Pays rent and gets it back at the end.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The escrow's owner, checked at `escrow`.
    pub owner: Signer<'info>,
    /// The market.
    pub market: Box<Account<'info, Market>>,
    /// Where the money is.
    #[account(
        mut,
        has_one = market @ PinaivuError::WrongMarket,
        has_one = owner @ PinaivuError::NotOwner,
    )]
    pub escrow: Box<Account<'info, Escrow>>,
    /// Who may debit. Bonded, checked in `validate`.
    #[account(has_one = market @ PinaivuError::WrongMarket)]
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// The allowance.
    #[account(
        init,
        payer = payer,
        space = 8 + Allowance::INIT_SPACE,
        seeds = [
            seeds::ALLOWANCE,
            escrow.key().as_ref(),
            coordinator.key().as_ref(),
            &args.opening_slot.to_le_bytes(),
        ],
        bump,
    )]
    pub allowance: Box<Account<'info, Allowance>>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl AllowanceOpen<'_> {
    fn validate(&self, args: &AllowanceOpenArgs) -> Result<()> {
        require!(args.amount > 0, PinaivuError::AmountZero);
        // The zero key means "no vouchers" in the account.
        let nobody = args.voucher_signer == Some(Pubkey::default());
        require!(!nobody, PinaivuError::WrongSignerKey);
        require!(args.expiry_time > now()?.time.0, PinaivuError::ExpiryInPast);
        self.coordinator.require_bonded(&self.market)?;
        require_openable(args.opening_slot)
    }

    /// Reserves the money.
    pub fn handle(ctx: Context<Self>, args: AllowanceOpenArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let accounts = ctx.accounts;
        let escrow = &mut accounts.escrow;
        escrow.take_free(args.amount)?;
        escrow.add_allowance()?;
        next(&mut escrow.sequence)?;
        escrow.invariant()?;
        accounts.allowance.set_inner(Allowance {
            version: VERSION,
            bump: ctx.bumps.allowance,
            escrow: escrow.key(),
            owner: accounts.owner.key(),
            coordinator: accounts.coordinator.key(),
            opening_slot: args.opening_slot,
            reserved: args.amount,
            released: 0,
            debited: 0,
            expiry_time: args.expiry_time,
            expiry_observed_slot: 0,
            pending_release: PendingRelease::default(),
            sequence: 1,
            voucher_signer: args.voucher_signer.unwrap_or_default(),
            voucher_limit: 0,
            rent_payer: accounts.payer.key(),
            reserved_bytes: [0; 56],
        });
        accounts.allowance.invariant()?;
        emit!(AllowanceOpened {
            allowance: accounts.allowance.key(),
            sequence: accounts.allowance.sequence,
            escrow: accounts.escrow.key(),
            coordinator: accounts.coordinator.key(),
            reserved: args.amount,
            expiry_time: args.expiry_time,
            voucher_signer: args.voucher_signer,
            free: accounts.escrow.free,
        });
        Ok(())
    }
}
