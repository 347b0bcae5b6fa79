//! Sizes, order and fees of the parts.

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
    let entries: Vec<_> = (0..100_u16).map(|i| (allowance(i), Amount(u64::from(i) + 1))).collect();
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
