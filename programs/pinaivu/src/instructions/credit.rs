//! Credits nodes, and the coordinator's fees, up to cumulative amounts. No tokens move and no shared
//! account is written.
//!
//! After the fixed accounts come the payouts, one per entry and in the same order. Credits are final
//! and never exceed what was debited: an entry takes what is there, nodes come before fees, and fees
//! stay within the coordinator's rate and the market's cap. Stale entries change nothing, nor does one
//! for a payout that its owner closed.

use anchor_lang::prelude::*;
use anchor_lang::system_program;
use pinaivu_protocol::units::{Amount, Bps};
use pinaivu_rules::Totals;

use crate::error::PinaivuError;
use crate::event::{CreditedEntry, PayoutsCredited};
use crate::state::{Coordinator, Market, Payout, next};

/// What to credit.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct CreditArgs {
    /// For each payout what its node has earned from this coordinator in all, in base units of the
    /// mint; the floor of the sum of receipts. May be empty when only fees move.
    pub entries: Vec<u64>,
    /// What the coordinator keeps in all, in base units of the mint; the floor of the sum of receipts.
    pub fees: u64,
}

/// Accounts of `credit`; the payouts follow.
#[derive(Accounts)]
pub struct Credit<'info> {
    /// The coordinator's hot key, checked at `coordinator`.
    pub signer: Signer<'info>,
    /// The market; gives the cap.
    pub market: Box<Account<'info, Market>>,
    /// Distributes what it collected.
    #[account(
        mut,
        has_one = market @ PinaivuError::WrongMarket,
        has_one = signer @ PinaivuError::NotSigner,
    )]
    pub coordinator: Box<Account<'info, Coordinator>>,
}

impl<'info> Credit<'info> {
    fn validate(args: &CreditArgs, payouts: &[AccountInfo<'info>]) -> Result<()> {
        require!(args.entries.len() == payouts.len(), PinaivuError::EntryCountMismatch);
        require!(!args.entries.is_empty() || args.fees > 0, PinaivuError::EntriesEmpty);
        Ok(())
    }

    /// Credits every entry, then the fees.
    pub fn handle(ctx: Context<'info, Self>, args: CreditArgs) -> Result<()> {
        Self::validate(&args, ctx.remaining_accounts)?;
        let Credit { market, coordinator, .. } = ctx.accounts;
        let mut totals = coordinator.totals();
        let mut changed = Vec::with_capacity(args.entries.len());
        for (info, asked) in ctx.remaining_accounts.iter().zip(&args.entries) {
            let entry = credit_one(info, &coordinator.key(), &mut totals, Amount(*asked))?;
            changed.extend(entry);
        }
        let rate = Bps(coordinator.fee_bps.min(market.fee_cap_bps));
        totals.keep(Amount(args.fees), rate).map_err(PinaivuError::from)?;
        coordinator.set_totals(totals);
        let sequence = next(&mut coordinator.sequence)?;
        coordinator.invariant()?;
        emit!(PayoutsCredited {
            coordinator: coordinator.key(),
            sequence,
            debited: coordinator.debited,
            credited: coordinator.credited,
            fees: coordinator.fees,
            entries: changed,
        });
        Ok(())
    }
}

/// Credits one payout and writes it back at once, so that the same account given twice is credited
/// from where the first entry left it. Gives what changed, if anything did.
#[inline(never)]
fn credit_one<'info>(
    info: &'info AccountInfo<'info>,
    coordinator: &Pubkey,
    totals: &mut Totals,
    asked: Amount,
) -> Result<Option<CreditedEntry>> {
    // An empty system account is what closing leaves behind.
    if info.owner == &system_program::ID && info.data_is_empty() {
        return Ok(None);
    }
    let mut payout = load(info)?;
    require_keys_eq!(payout.coordinator, *coordinator, PinaivuError::WrongCoordinator);
    require!(info.is_writable, PinaivuError::EntryNotWritable);
    let stored = Amount(payout.credited);
    let given = totals.credit(stored, asked).map_err(PinaivuError::from)?;
    if given == Amount::ZERO {
        return Ok(None);
    }
    payout.credited = stored.checked_add(given).ok_or(PinaivuError::Overflow)?.0;
    let sequence = next(&mut payout.sequence)?;
    payout.invariant()?;
    let entry = CreditedEntry { payout: *info.key, sequence, credited: payout.credited };
    payout.exit(&crate::ID)?;
    Ok(Some(entry))
}

/// Owner and discriminator say that this program made the account, as a payout. Not boxed: the heap never
/// gets smaller, and one transaction has as many entries as accounts.
fn load<'info>(info: &'info AccountInfo<'info>) -> Result<Account<'info, Payout>> {
    Account::try_from(info).map_err(|_| error!(PinaivuError::WrongEntryAccount))
}
