//! Sets how far a coordinator's guarantee bond stands for one node.
//!
//! More takes effect at once, within what the bond covers. Less waits for the guarantee delay, which is
//! longer than the liveness period: a node that sees it coming has time to stop and to demand.

use anchor_lang::prelude::*;
use pinaivu_protocol::units::Amount;
use pinaivu_rules::RuleError;

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::GuaranteeSet as GuaranteeSetEvent;
use crate::state::{Coordinator, Lowering, Payout, next};

/// How far.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct GuaranteeSetArgs {
    /// The guarantee in base units of the mint. The present one ends a lowering that waits.
    pub guarantee: u64,
}

/// Accounts of `guarantee_set`.
#[derive(Accounts)]
pub struct GuaranteeSet<'info> {
    /// The coordinator's cold authority, checked at `coordinator`.
    pub authority: Signer<'info>,
    /// Guarantees.
    #[account(mut, has_one = authority @ PinaivuError::NotAuthority)]
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// Of the node that is guaranteed.
    #[account(mut, has_one = coordinator @ PinaivuError::WrongCoordinator)]
    pub payout: Box<Account<'info, Payout>>,
}

impl GuaranteeSet<'_> {
    fn validate(&self, args: &GuaranteeSetArgs) -> Result<()> {
        let changes = args.guarantee != self.payout.guarantee || self.payout.lowering.is_pending();
        require!(changes, PinaivuError::NothingToChange);
        Ok(())
    }

    /// Raises the guarantee, or starts to lower it.
    pub fn handle(ctx: Context<Self>, args: GuaranteeSetArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let GuaranteeSet { coordinator, payout, .. } = ctx.accounts;
        if args.guarantee < payout.guarantee {
            let now = now()?;
            payout.lowering = Lowering {
                guarantee: args.guarantee,
                requested_slot: now.slot.0,
                requested_time: now.time.0,
            };
        } else {
            let more = Amount(args.guarantee).saturating_sub(Amount(payout.guarantee));
            let mut backing = coordinator.backing();
            backing.promise(more).map_err(|error| match error {
                RuleError::Insufficient => PinaivuError::GuaranteesUncovered,
                other => other.into(),
            })?;
            coordinator.set_backing(backing);
            payout.guarantee = args.guarantee;
            payout.lowering = Lowering::default();
        }
        next(&mut coordinator.sequence)?;
        coordinator.invariant()?;
        let sequence = next(&mut payout.sequence)?;
        payout.invariant()?;
        emit!(GuaranteeSetEvent {
            payout: payout.key(),
            sequence,
            guarantee: payout.guarantee,
            lowering_to: payout.lowering.is_pending().then_some(payout.lowering.guarantee),
            guaranteed: coordinator.guaranteed,
            guarantee_bond: coordinator.guarantee_bond,
        });
        Ok(())
    }
}
