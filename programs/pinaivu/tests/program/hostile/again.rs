//! The same instruction again, beside every other one, and with its bytes cut.

use solana_instruction::Instruction;

use super::case::{Again, Make};
use super::stage::{Outcome, Stage, said};
use crate::harness::World;

/// What two transactions with the same instruction, and one with it twice, come to.
pub(crate) fn repeat(case: Make) -> String {
    let stage = Stage::new();
    let case = case(&stage);
    let once = &case.transaction(std::slice::from_ref(&case.instruction));
    let mut world = stage.world.fork();
    assert_eq!(said(&stage.attempt(&mut world, once)), "accepted");
    let after = balances(&world);
    let later = stage.attempt(&mut world, once);
    judge(case.comes_again(), &later, &after, &balances(&world));

    // In one transaction: both or neither.
    let mut world = stage.world.fork();
    let twice = case.transaction(&[case.instruction.clone(), case.instruction.clone()]);
    let together = stage.attempt(&mut world, &twice);
    if together.is_ok() {
        judge(case.comes_again(), &together, &after, &balances(&world));
    } else {
        assert_eq!(case.comes_again(), Again::Refused, "{together:?}");
    }
    format!("later: {}\nin the same transaction: {}\n", said(&later), said(&together))
}

fn judge(again: Again, outcome: &Outcome, before: &[u64], after: &[u64]) {
    match again {
        Again::Refused => assert!(outcome.is_err(), "accepted again"),
        Again::Idle => assert!(outcome.is_ok() && before == after, "{outcome:?}"),
        Again::Repeats => assert!(outcome.is_ok() && before != after, "{outcome:?}"),
    }
}

/// Every cumulative and balance on the chain, in order of address: everything but sequences.
fn balances(world: &World) -> Vec<u64> {
    use pinaivu::state::{Allowance, Coordinator, Escrow, Ledger, Node, Payout};
    let mut all = Vec::new();
    let mut add = |address: solana_pubkey::Pubkey, values: &[u64]| {
        all.push((address, values.to_vec()));
    };
    for (address, it) in world.all::<Escrow>() {
        add(address, &[it.free]);
    }
    for (address, it) in world.all::<Allowance>() {
        add(address, &[it.reserved, it.released, it.debited, it.pending_release.amount]);
    }
    for (address, it) in world.all::<Node>() {
        add(address, &[it.stake, it.unbonding.amount]);
    }
    for (address, it) in world.all::<Coordinator>() {
        let bonds = [it.guarantee_bond, it.penalty_bond];
        add(address, &[it.debited, it.credited, it.fees, it.fees_paid, it.log.size]);
        add(address, &bonds);
    }
    for (address, it) in world.all::<Payout>() {
        add(address, &[it.credited, it.paid, it.guarantee]);
    }
    for (address, it) in world.all::<Ledger>() {
        add(address, &[it.escrow_liabilities, it.stake_liabilities, it.bond_liabilities]);
    }
    all.sort();
    all.into_iter().flat_map(|(_, values)| values).collect()
}

/// Cuts the instruction's bytes at every length, and gives it the names of no instruction. Bytes after
/// the arguments change nothing.
pub(crate) fn cut(case: Make) {
    let stage = Stage::new();
    let case = case(&stage);
    let mut world = stage.world.fork();
    let with = |data: &[u8]| Instruction { data: data.to_vec(), ..case.instruction.clone() };
    let data = &case.instruction.data;
    for length in 0..data.len() {
        let outcome = said(&stage.attempt(&mut world, &case.transaction(&[with(&data[..length])])));
        let expected =
            if length < 8 { "InstructionFallbackNotFound" } else { "InstructionDidNotDeserialize" };
        assert_eq!(outcome, expected, "{length} of {} bytes", data.len());
    }
    for byte in 0..8 {
        let mut other = data.clone();
        other[byte] ^= 1;
        assert_eq!(
            said(&stage.attempt(&mut world, &case.transaction(&[with(&other)]))),
            "InstructionFallbackNotFound"
        );
    }
    let longer = [data.as_slice(), &[0; 8]].concat();
    assert_eq!(said(&stage.attempt(&mut world, &case.transaction(&[with(&longer)]))), "accepted");
    let mut plain = stage.world.fork();
    assert_eq!(said(&stage.attempt(&mut plain, &case.transaction(&[with(data)]))), "accepted");
    assert!(world.footprint() == plain.footprint(), "more bytes, another effect");
}

/// The instruction before and after every other one, in one transaction: both or neither, and
/// everything adds up. Says which orders are refused.
pub(crate) fn pair(name: &str, all: &[(&'static str, Make)]) -> String {
    let stage = Stage::new();
    let (_, case) = all.iter().find(|(other, _)| *other == name).unwrap();
    let first = case(&stage);
    let mut refused = String::new();
    for (other, case) in all.iter().filter(|(other, _)| *other != name) {
        let second = case(&stage);
        let pair = second.transaction(std::slice::from_ref(&second.instruction));
        let transaction =
            first.transaction(&[std::slice::from_ref(&first.instruction), &pair].concat());
        let mut world = stage.world.fork();
        let outcome = stage.attempt(&mut world, &transaction);
        if outcome.is_err() {
            refused.push_str(&format!("{name}, {other}: {}\n", said(&outcome)));
        } else {
            // One after the other in two transactions comes to the same.
            let mut apart = stage.world.fork();
            for case in [&first, &second] {
                let transaction = case.transaction(std::slice::from_ref(&case.instruction));
                assert_eq!(said(&stage.attempt(&mut apart, &transaction)), "accepted");
            }
            assert!(world.footprint() == apart.footprint(), "{name}, {other} together");
        }
    }
    refused
}
