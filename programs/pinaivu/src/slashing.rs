//! Where slashed money goes: a part to the reporter, the rest out of existence.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::TokenAccount;
use pinaivu_protocol::units::Amount;
use pinaivu_rules::{Slashed, slash};

use crate::error::PinaivuError;
use crate::state::Ledger;
use crate::state::ledger::Vault;
use crate::transfer::Money;

/// Pays and burns `total` out of `from`, which is the account of `vault`; gives the parts and the
/// ledger's new sequence.
pub(crate) fn distribute<'info>(
    money: &Money<'_, 'info>,
    ledger: &mut Ledger,
    vault: Vault,
    from: &mut InterfaceAccount<'info, TokenAccount>,
    reporter: &mut InterfaceAccount<'info, TokenAccount>,
    total: u64,
) -> Result<(Slashed, u64)> {
    let parts = slash(Amount(total)).map_err(PinaivuError::from)?;
    if parts.reporter > Amount::ZERO {
        money.pay(from, reporter, parts.reporter.0)?;
    }
    if parts.burned > Amount::ZERO {
        money.burn(from, parts.burned.0)?;
    }
    let sequence = ledger.shrink(vault, total)?;
    ledger.invariant(vault, from.amount)?;
    Ok((parts, sequence))
}
