//! Debits allowances up to cumulative amounts. No tokens move and no shared account is written: only
//! the coordinator and its allowances.
//!
//! After the fixed accounts come the allowances, one per entry and in the same order. An entry that is
//! not above what is stored changes nothing; one above what remains takes what remains; an allowance
//! that its owner closed has nothing to take; where vouchers are needed, debits go no further than they. None of these stops the others. An account that is
//! something else stops everything.

use anchor_lang::prelude::*;
use anchor_lang::system_program;
use pinaivu_protocol::units::Amount;

use crate::error::PinaivuError;
use crate::event::{AllowancesDebited, DebitedEntry};
use crate::state::{Allowance, Coordinator, next};

/// What to debit.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct DebitArgs {
    /// For each allowance what its owner owes this coordinator in all, in base units of the mint; the
    /// ceiling of the sum of receipts.
    pub entries: Vec<u64>,
}

/// Accounts of `debit`; the allowances follow.
#[derive(Accounts)]
pub struct Debit<'info> {
    /// The coordinator's hot key, checked at `coordinator`.
    pub signer: Signer<'info>,
    /// Collects.
    #[account(mut, has_one = signer @ PinaivuError::NotSigner)]
    pub coordinator: Box<Account<'info, Coordinator>>,
}

impl<'info> Debit<'info> {
    fn validate(args: &DebitArgs, allowances: &[AccountInfo<'info>]) -> Result<()> {
        require!(!args.entries.is_empty(), PinaivuError::EntriesEmpty);
        require!(args.entries.len() == allowances.len(), PinaivuError::EntryCountMismatch);
        Ok(())
    }

    /// Debits every entry.
    pub fn handle(ctx: Context<'info, Self>, args: DebitArgs) -> Result<()> {
        Self::validate(&args, ctx.remaining_accounts)?;
        let coordinator = &mut ctx.accounts.coordinator;
        let before = coordinator.totals();
        let mut totals = before;
        let mut changed = Vec::with_capacity(args.entries.len());
        for (info, asked) in ctx.remaining_accounts.iter().zip(&args.entries) {
            if let Some((entry, taken)) = debit_one(info, &coordinator.key(), Amount(*asked))? {
                totals.debit(taken).map_err(PinaivuError::from)?;
                changed.push(entry);
            }
        }
        let taken = totals.debited.checked_sub(before.debited);
        let taken = taken.ok_or(PinaivuError::InvariantBroken)?;
        coordinator.set_totals(totals);
        let sequence = next(&mut coordinator.sequence)?;
        coordinator.invariant()?;
        emit!(AllowancesDebited {
            coordinator: coordinator.key(),
            sequence,
            taken: taken.0,
            debited: coordinator.debited,
            entries: changed,
        });
        Ok(())
    }
}

/// Debits one allowance and writes it back at once, so that the same account given twice is debited
/// from where the first entry left it. Gives what changed, if anything did.
#[inline(never)]
fn debit_one<'info>(
    info: &'info AccountInfo<'info>,
    coordinator: &Pubkey,
    asked: Amount,
) -> Result<Option<(DebitedEntry, Amount)>> {
    // An empty system account is what closing leaves behind.
    if info.owner == &system_program::ID && info.data_is_empty() {
        return Ok(None);
    }
    let mut allowance = load(info)?;
    require_keys_eq!(allowance.coordinator, *coordinator, PinaivuError::WrongCoordinator);
    require!(info.is_writable, PinaivuError::EntryNotWritable);
    let mut counters = allowance.reservation();
    let taken = counters.debit(asked.min(allowance.debit_limit())).map_err(PinaivuError::from)?;
    if taken == Amount::ZERO {
        return Ok(None);
    }
    allowance.set_reservation(counters);
    let sequence = next(&mut allowance.sequence)?;
    allowance.invariant()?;
    let entry = DebitedEntry {
        allowance: *info.key,
        sequence,
        debited: allowance.debited,
        remaining: allowance.remaining()?,
    };
    allowance.exit(&crate::ID)?;
    Ok(Some((entry, taken)))
}

/// Owner and discriminator say that this program made the account, as an allowance. Not boxed: the heap never
/// gets smaller, and one transaction has as many entries as accounts.
fn load<'info>(info: &'info AccountInfo<'info>) -> Result<Account<'info, Allowance>> {
    Account::try_from(info).map_err(|_| error!(PinaivuError::WrongEntryAccount))
}
