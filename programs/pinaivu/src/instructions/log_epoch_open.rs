//! Closes a coordinator's log, keeps its last head for good, and begins an empty log in the next epoch.
//!
//! For a coordinator that was restored from a backup: it must never sign two leaves for one index.

use anchor_lang::prelude::*;
use pinaivu_protocol::seeds;

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::LogEpochOpened;
use crate::state::{Coordinator, EpochHead, Log, VERSION, next};

/// Accounts of `log_epoch_open`.
#[derive(Accounts)]
pub struct LogEpochOpen<'info> {
    /// Pays rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The coordinator's cold authority, checked at `coordinator`.
    pub authority: Signer<'info>,
    /// Holds the log's head.
    #[account(mut, has_one = authority @ PinaivuError::NotAuthority)]
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// Keeps the closed log's head.
    #[account(
        init,
        payer = payer,
        space = 8 + EpochHead::INIT_SPACE,
        seeds = [
            seeds::EPOCH,
            coordinator.key().as_ref(),
            &coordinator.log.epoch.to_le_bytes(),
        ],
        bump,
    )]
    pub epoch_head: Box<Account<'info, EpochHead>>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl LogEpochOpen<'_> {
    /// Freezes the head and begins anew.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let LogEpochOpen { coordinator, epoch_head, .. } = ctx.accounts;
        let epoch = coordinator.log.epoch.checked_add(1).ok_or(PinaivuError::Overflow)?;
        epoch_head.set_inner(EpochHead {
            version: VERSION,
            bump: ctx.bumps.epoch_head,
            coordinator: coordinator.key(),
            epoch: coordinator.log.epoch,
            size: coordinator.log.size,
            root: coordinator.log.root,
            closed_slot: now()?.slot.0,
            reserved: [0; 32],
        });
        coordinator.log = Log::empty(epoch);
        let sequence = next(&mut coordinator.sequence)?;
        coordinator.invariant()?;
        emit!(LogEpochOpened {
            coordinator: coordinator.key(),
            sequence,
            epoch,
            closed_size: epoch_head.size,
            closed_root: epoch_head.root,
        });
        Ok(())
    }
}
