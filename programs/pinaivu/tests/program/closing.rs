//! What can be closed: every kind of account but three, and its rent goes back to who paid it.

use std::collections::{BTreeMap, BTreeSet};

use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::harness::World;
use crate::hostile::{Idl, Stage, said};
use crate::instructions::ALL;

/// These stay for good, and why.
const STAYS: [(&str, &str); 3] = [
    (
        "EpochHead",
        "receipts of a closed log are checked against it, also when the coordinator is gone",
    ),
    ("Ledger", "says what the vaults owe; goes on for as long as the market"),
    ("Market", "its address has no opening slot, and proposals count on from its number"),
];

/// What the program holds, with kinds and lamports.
fn holdings(world: &World, idl: &Idl) -> BTreeMap<Pubkey, (String, u64)> {
    let all = world.svm.get_program_accounts(&pinaivu::ID).into_iter();
    all.filter(|(_, account)| account.lamports > 0)
        .map(|(address, account)| {
            let kind = idl.kinds.iter().find(|(_, mark)| account.data.starts_with(mark)).unwrap();
            (address, (kind.0.clone(), account.lamports))
        })
        .collect()
}

#[test]
fn accounts_of_every_kind_but_three_close_and_return_their_rent_to_who_paid_it() {
    let (stage, idl) = (Stage::new(), Idl::read());
    let before = holdings(&stage.world, &idl);
    let payers = [stage.world.payer.pubkey(), stage.alice.address()];
    let lamports = |world: &World, of: &Pubkey| world.svm.get_balance(of).unwrap_or_default();
    let mut closed = BTreeSet::new();
    for (name, case) in ALL {
        let case = case(&stage);
        let mut world = stage.world.fork();
        let transaction = case.transaction(std::slice::from_ref(&case.instruction));
        assert_eq!(said(&stage.attempt(&mut world, &transaction)), "accepted", "{name}");
        let after = holdings(&world, &idl);
        let gone: Vec<_> = before.iter().filter(|(it, _)| !after.contains_key(it)).collect();
        let made: u64 = after
            .iter()
            .filter(|(it, _)| !before.contains_key(it))
            .map(|(_, (_, rent))| rent)
            .sum();
        let freed: u64 = gone.iter().map(|(_, (_, rent))| rent).sum();
        if gone.is_empty() {
            continue;
        }
        // On the stage the payer pays every rent but that of evidence, which is alice's.
        let evidence = gone.iter().any(|(_, (kind, _))| kind == "EvidenceBuffer");
        let (owed, other) = if evidence { (payers[1], payers[0]) } else { (payers[0], payers[1]) };
        let grown = lamports(&world, &owed) + made - lamports(&stage.world, &owed);
        assert_eq!(grown, freed, "{name}");
        assert_eq!(lamports(&world, &other), lamports(&stage.world, &other), "{name}");
        closed.extend(gone.iter().map(|(_, (kind, _))| kind.clone()));
    }
    let stays: BTreeSet<String> = STAYS.iter().map(|(kind, _)| (*kind).to_owned()).collect();
    let all: BTreeSet<String> = idl.kinds.iter().map(|(kind, _)| kind.clone()).collect();
    assert!(closed.is_disjoint(&stays), "{closed:?}");
    assert_eq!(&closed | &stays, all, "every kind closes or has its reason not to");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
    let protocol = std::fs::read_to_string(path).unwrap();
    for (kind, reason) in STAYS {
        assert!(protocol.contains(&format!("| `{kind}` | {reason} |")), "protocol.md: {kind}");
    }
}
