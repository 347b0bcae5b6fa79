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

/// Compute units a settlement instruction uses before its first entry, with room to spare.
const BASE_UNITS: u32 = 40_000;

/// Compute units of one entry, with room to spare.
const UNITS_PER_ENTRY: u32 = 15_000;

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
    // Hashing is cheap; what costs is reading and writing the coordinator's account.
    with_budget(instructions.log_extend(coordinator, signer, extension), 4, unit_price)
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
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use anchor_lang::{AnchorDeserialize as _, Discriminator as _};
    use pinaivu_protocol::hash::Hash32;
    use pinaivu_protocol::ids::ClusterId;
    use solana_keypair::Keypair;
    use solana_signer::Signer as _;

    use super::*;
    use crate::chain::{Deployment, RecentBlockhash};
    use crate::program::PROGRAM_ID;
    use crate::program::idl::pinaivu::client::args;
    use crate::program::idl::pinaivu::types::{CreditArgs, DebitArgs};
    use crate::transaction::sign;

    const COORDINATOR: CoordinatorId = CoordinatorId([3; 32]);

    fn instructions() -> Instructions {
        let deployment = Deployment { cluster: ClusterId([1; 32]), program: PROGRAM_ID };
        Instructions::for_mint(
            &deployment,
            Pubkey::new_from_array([2; 32]),
            crate::token::TOKEN_PROGRAM,
        )
    }

    fn signer() -> (Keypair, PublicKey) {
        let keypair = Keypair::new_from_array([5; 32]);
        let key = crate::addresses::public_key(&keypair.pubkey());
        (keypair, key)
    }

    fn allowance(index: u16) -> AllowanceId {
        let mut id = [7; 32];
        id[..2].copy_from_slice(&index.to_le_bytes());
        AllowanceId(id)
    }

    fn signed_size(instructions: &[Instruction]) -> usize {
        let blockhash =
            RecentBlockhash { hash: solana_hash::Hash::default(), last_valid_block_height: 0 };
        sign(instructions, &[&signer().0], blockhash).unwrap().bytes.len()
    }

    fn debited(part: &[Instruction]) -> Vec<(AllowanceId, u64)> {
        let debit = part.last().unwrap();
        let data = debit.data.strip_prefix(args::Debit::DISCRIMINATOR).unwrap();
        let amounts = DebitArgs::try_from_slice(data).unwrap().entries;
        assert_eq!(debit.accounts.len(), amounts.len() + 2);
        debit.accounts[2..]
            .iter()
            .inspect(|account| assert!(account.is_writable && !account.is_signer))
            .map(|account| AllowanceId(account.pubkey.to_bytes()))
            .zip(amounts)
            .collect()
    }

    #[test]
    fn debits_of_a_hundred_allowances_split_into_full_transactions_in_order() {
        let entries: Vec<_> =
            (0..100_u16).map(|i| (allowance(i), Amount(u64::from(i) + 1))).collect();
        let parts = debit_transactions(&instructions(), &COORDINATOR, &signer().1, &entries, 1_000);
        let sizes: Vec<usize> = parts.iter().map(|part| debited(part).len()).collect();
        assert_eq!(sizes, [23, 23, 23, 23, 8]);
        for part in &parts {
            assert!(signed_size(part) <= MAX_TRANSACTION_BYTES);
        }
        let all: Vec<_> = parts.iter().flat_map(|part| debited(part)).collect();
        let expected: Vec<_> = entries.iter().map(|(id, amount)| (*id, amount.0)).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn predicted_size_is_the_signed_size() {
        let entries = [(allowance(0), Amount(1)), (allowance(1), Amount(2))];
        for part in debit_transactions(&instructions(), &COORDINATOR, &signer().1, &entries, 1) {
            assert_eq!(size(&part, &signer().0.pubkey()), signed_size(&part));
        }
    }

    #[test]
    fn only_the_last_credit_part_carries_the_fees() {
        let entries: Vec<_> =
            (0..40_u16).map(|i| (NodeId(allowance(i).0), Amount(u64::from(i)))).collect();
        let parts =
            credit_transactions(&instructions(), &COORDINATOR, &signer().1, &entries, Amount(9), 0);
        let fees: Vec<u64> = parts
            .iter()
            .map(|part| {
                let data = &part.last().unwrap().data;
                let data = data.strip_prefix(args::Credit::DISCRIMINATOR).unwrap();
                CreditArgs::try_from_slice(data).unwrap().fees
            })
            .collect();
        assert_eq!(fees, [0, 9]);
    }

    #[test]
    fn fees_without_credits_make_one_transaction_and_nothing_makes_none() {
        let (_, key) = signer();
        let fees = credit_transactions(&instructions(), &COORDINATOR, &key, &[], Amount(9), 0);
        assert_eq!(fees.len(), 1);
        let none = credit_transactions(&instructions(), &COORDINATOR, &key, &[], Amount::ZERO, 0);
        assert_eq!(none.len(), 0);
        assert_eq!(debit_transactions(&instructions(), &COORDINATOR, &key, &[], 0).len(), 0);
    }

    #[test]
    fn log_extension_fits_up_to_its_limit_and_not_beyond() {
        let extension = |hashes: usize| LogExtension {
            epoch: 1,
            old_size: 1,
            new_size: 2,
            hashes: vec![Hash32::ZERO; hashes],
            expected_root: Hash32::ZERO,
        };
        let (keypair, key) = signer();
        let bytes = |hashes| {
            let part = log_transaction(&instructions(), &COORDINATOR, &key, &extension(hashes), 1);
            size(&part, &keypair.pubkey())
        };
        assert!(bytes(MAX_LOG_HASHES) <= MAX_TRANSACTION_BYTES);
        assert!(bytes(MAX_LOG_HASHES + 1) > MAX_TRANSACTION_BYTES);
    }
}
