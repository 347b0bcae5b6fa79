//! Versions and reserved bytes: every account begins with the version it was written as, nothing takes
//! an account of another version for one of its own, and what is kept for later is zero.

use pinaivu::state;
use pinaivu::state::VERSION;

use crate::hostile::{Idl, Stage, said};
use crate::instructions::ALL;

/// Where the version is, in every account.
const OFFSET: usize = 8;

#[test]
fn accounts_of_every_kind_carry_the_present_version() {
    let (stage, idl) = (Stage::new(), Idl::read());
    let mut seen = std::collections::BTreeSet::new();
    for (_, account) in stage.world.svm.get_program_accounts(&pinaivu::ID) {
        let kind = idl.kinds.iter().find(|(_, mark)| account.data.starts_with(mark)).unwrap();
        assert_eq!(account.data[OFFSET], VERSION, "{}", kind.0);
        seen.insert(kind.0.clone());
    }
    let all: std::collections::BTreeSet<String> =
        idl.kinds.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(seen, all, "the stage has an account of every kind");
}

/// What is kept for later versions must be zero in what this one writes, or those cannot tell.
#[test]
fn bytes_kept_for_later_are_zero_in_every_account() {
    let stage = Stage::new();
    let mut seen = std::collections::BTreeSet::new();
    macro_rules! zero {
        ($($kind:ident: $($field:ident),*;)*) => {
            $(for (_, account) in stage.world.all::<state::$kind>() {
                $(
                    assert!(account.$field.iter().all(|byte| *byte == 0), stringify!($kind.$field));
                    seen.insert((stringify!($kind).to_owned(), stringify!($field).to_owned()));
                )*
            })*
        };
    }
    zero! {
        Allowance: reserved_bytes;
        Coordinator: reserved;
        EpochHead: reserved;
        Escrow: reserved;
        Ledger: reserved;
        Market: reserved;
        Measurement: reserved;
        Node: endpoint_reserved, reserved;
        Payout: reserved;
        Proposal: reserved;
        ReceiptRecord: reserved;
        RetiredSigner: reserved;
    }
    // None is forgotten: these are the fields of the IDL that say so.
    let mut said = std::collections::BTreeSet::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../idls/pinaivu.json");
    let idl: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for kind in idl["types"].as_array().unwrap() {
        for field in kind["type"]["fields"].as_array().into_iter().flatten() {
            let about = field["docs"][0].as_str().unwrap_or_default();
            if about.starts_with("Zero; for") {
                let name = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
                said.insert((name(kind), name(field)));
            }
        }
    }
    assert_eq!(seen, said);
}

/// These write or close what holds rent and nothing else, for whoever paid it: whichever version it
/// is, nobody else can lose by it.
const ONLY_RENT: [&str; 6] = [
    "evidence_close",
    "evidence_write",
    "measurement_revoke",
    "proposal_cancel",
    "receipt_close",
    "signer_close",
];

#[test]
fn account_of_another_version_is_not_written_by_any_instruction() {
    let stage = Stage::new();
    let mut wrote = Vec::new();
    for (name, case) in ALL {
        let case = case(&stage);
        for (index, meta) in case.instruction.accounts.iter().enumerate() {
            let Some(mut account) = stage.world.svm.get_account(&meta.pubkey) else { continue };
            if account.owner != pinaivu::ID || !meta.is_writable {
                continue;
            }
            account.data[OFFSET] = VERSION + 1;
            let mut world = stage.world.fork();
            world.set_account(meta.pubkey, account.clone());
            let transaction = case.transaction(std::slice::from_ref(&case.instruction));
            let outcome = said(&stage.attempt(&mut world, &transaction));
            let after = world.svm.get_account(&meta.pubkey).unwrap_or_default();
            if outcome == "accepted" && after.data != account.data {
                wrote.push(format!("{name} account {index}"));
                assert!(ONLY_RENT.contains(name), "{name} writes account {index}");
            }
        }
    }
    assert_eq!(wrote.len(), ONLY_RENT.len(), "{wrote:#?}");
}
