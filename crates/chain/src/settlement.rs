//! Splitting settlements so that each part fits one transaction.
//!
//! Entries are cumulative and stale ones are no-ops in the program, so parts may land in any order, or
//! twice, or not at all without harm; what is missing lands with the next settlement.

use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, NodeId, PublicKey};
use pinaivu_protocol::units::Amount;
use solana_instruction::Instruction;

use crate::instructions::Instructions;
use crate::transaction::ComputeBudget;

/// Splits `entries` into as few `debit` transactions as fit, each with its compute budget, signed and
/// paid for by the coordinator's hot `signer`.
#[must_use]
pub fn debit_transactions(
    instructions: &Instructions,
    coordinator: &CoordinatorId,
    signer: &PublicKey,
    entries: &[(AllowanceId, Amount)],
    unit_price: u64,
) -> Vec<Vec<Instruction>> {
    todo!("{instructions:?} {coordinator} {signer} {entries:?} {unit_price} {:?}", ComputeBudget { unit_limit: 0, unit_price })
}

/// Splits `entries` into as few `credit` transactions as fit, each with its compute budget, signed and
/// paid for by the coordinator's hot `signer`. Every part carries the same cumulative `fees`.
#[must_use]
pub fn credit_transactions(
    instructions: &Instructions,
    coordinator: &CoordinatorId,
    signer: &PublicKey,
    entries: &[(NodeId, Amount)],
    fees: Amount,
    unit_price: u64,
) -> Vec<Vec<Instruction>> {
    todo!("{instructions:?} {coordinator} {signer} {entries:?} {fees} {unit_price}")
}
