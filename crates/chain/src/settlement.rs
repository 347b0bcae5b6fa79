//! Splitting settlements so that each part fits one transaction, with its compute budget.
//!
//! Entries are cumulative and stale ones are no-ops in the program, so parts may land in any order, or
//! twice, or not at all without harm; what is missing lands with the next settlement. Credits beyond
//! what has been debited take what is there, so debits are best landed first.

use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, NodeId, PublicKey};
use pinaivu_protocol::units::Amount;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use crate::addresses::ToAddress;
use crate::instructions::{Instructions, LogExtension};
use crate::transaction::{ComputeBudget, MAX_TRANSACTION_BYTES, size};

/// The most subtree hashes of one `log_extend` transaction. Any append of up to 2¹⁴ leaves needs no
/// more; a longer one is made in steps.
pub const MAX_LOG_HASHES: usize = 28;

/// Compute units of a settlement instruction before its first entry: three times what was measured
/// (debit 4,300, credit 6,000), because another compiler's program costs differently.
const BASE_UNITS: u32 = 20_000;

/// Compute units of one entry: more than twice what was measured (debit 1,660, credit 1,270).
const UNITS_PER_ENTRY: u32 = 4_000;

/// The `log_extend` transaction for `extension`, with its compute budget, signed and paid for by the
/// coordinator's hot `signer`. Fits if the extension has at most [`MAX_LOG_HASHES`].
#[must_use]
pub fn log_transaction(
    instructions: &Instructions,
    coordinator: &CoordinatorId,
    signer: &PublicKey,
    extension: &LogExtension,
    unit_price: u64,
) -> Vec<Instruction> {
    let hashes = extension.hashes.len();
    with_budget(instructions.log_extend(coordinator, signer, extension), hashes, unit_price)
}

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
    split(entries, &signer.to_address(), |part, _| {
        with_budget(instructions.debit(coordinator, signer, part), part.len(), unit_price)
    })
}

/// Splits `entries` into as few `credit` transactions as fit, each with its compute budget, signed and
/// paid for by the coordinator's hot `signer`. The last part carries the cumulative `fees`, so that a
/// shortage is not met by paying the coordinator before its nodes.
#[must_use]
pub fn credit_transactions(
    instructions: &Instructions,
    coordinator: &CoordinatorId,
    signer: &PublicKey,
    entries: &[(NodeId, Amount)],
    fees: Amount,
    unit_price: u64,
) -> Vec<Vec<Instruction>> {
    let build = |part: &[(NodeId, Amount)], last: bool| {
        let fees = if last { fees } else { Amount::ZERO };
        with_budget(instructions.credit(coordinator, signer, part, fees), part.len(), unit_price)
    };
    if entries.is_empty() && fees > Amount::ZERO {
        return vec![build(&[], true)];
    }
    split(entries, &signer.to_address(), build)
}

fn with_budget(instruction: Instruction, entries: usize, unit_price: u64) -> Vec<Instruction> {
    let entries = u32::try_from(entries).unwrap_or(u32::MAX);
    let unit_limit = BASE_UNITS.saturating_add(UNITS_PER_ENTRY.saturating_mul(entries));
    let mut instructions = ComputeBudget { unit_limit, unit_price }.instructions();
    instructions.push(instruction);
    instructions
}

/// Cuts the longest prefix whose transaction fits, as often as something is left. `build` is told
/// whether its part is the last one. A part of one entry always fits.
fn split<T>(
    mut entries: &[T],
    payer: &Pubkey,
    build: impl Fn(&[T], bool) -> Vec<Instruction>,
) -> Vec<Vec<Instruction>> {
    // An entry is an address, its index and its amount: 41 bytes.
    let most = MAX_TRANSACTION_BYTES.div_euclid(41);
    let mut parts = Vec::new();
    while !entries.is_empty() {
        let mut count = entries.len().min(most);
        let part = loop {
            let (part, rest) = entries.split_at(count);
            let instructions = build(part, rest.is_empty());
            if count == 1 || size(&instructions, payer) <= MAX_TRANSACTION_BYTES {
                entries = rest;
                break instructions;
            }
            count -= 1;
        };
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests;
