//! What an earlier program wrote must stay usable: accounts, and the transactions that its clients send.
//!
//! `written_by/version_N.json` holds, frozen, one account of every kind and more as the program wrote them
//! at version N, and for every instruction a transaction that it accepted on them. The present program
//! must accept all of these. A file is written once, for a version that has none yet, and never again:
//! `cargo test -p pinaivu-program --test program -- --ignored freeze_the_present_version`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anchor_lang::{AccountDeserialize as _, AccountSerialize as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pinaivu::state;
use pinaivu::state::VERSION;
use serde_json::{Value, json};
use solana_account::{Account, ReadableAccount as _};
use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;

use crate::harness::World;
use crate::hostile::{Idl, Stage, said};
use crate::instructions::ALL;

/// Kinds of accounts, and instructions, at version 1; there are no fewer later.
const KINDS: usize = 13;
const INSTRUCTIONS: usize = 55;

fn file(version: u8) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/written_by");
    PathBuf::from(folder).join(format!("version_{version}.json"))
}

/// Bytes, without the zeros that they end with.
fn packed(bytes: &[u8]) -> Value {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    json!({ "len": bytes.len(), "base64": BASE64.encode(&bytes[..used]) })
}

fn unpacked(value: &Value) -> Vec<u8> {
    let mut bytes = BASE64.decode(value["base64"].as_str().unwrap()).unwrap();
    bytes.resize(usize::try_from(value["len"].as_u64().unwrap()).unwrap(), 0);
    bytes
}

fn address(value: &Value) -> Pubkey {
    value.as_str().unwrap().parse().unwrap()
}

fn frozen_instruction(it: &Instruction) -> Value {
    let accounts: Vec<Value> = it
        .accounts
        .iter()
        .map(|meta| json!([meta.pubkey.to_string(), meta.is_signer, meta.is_writable]))
        .collect();
    json!({
        "program": it.program_id.to_string(),
        "accounts": accounts,
        "data": packed(&it.data),
    })
}

fn thawed_instruction(it: &Value) -> Instruction {
    let meta = |it: &Value| AccountMeta {
        pubkey: address(&it[0]),
        is_signer: it[1].as_bool().unwrap(),
        is_writable: it[2].as_bool().unwrap(),
    };
    Instruction {
        program_id: address(&it["program"]),
        accounts: it["accounts"].as_array().unwrap().iter().map(meta).collect(),
        data: unpacked(&it["data"]),
    }
}

#[test]
#[ignore = "writes the file of a version that has none"]
fn freeze_the_present_version() {
    let path = file(VERSION);
    assert!(!path.exists(), "what version {VERSION} wrote is frozen already");
    let stage = Stage::new();
    let mut transactions = serde_json::Map::new();
    let mut used = BTreeMap::new();
    let there = stage.world.footprint();
    for (name, case) in ALL {
        let case = case(&stage);
        let transaction = case.transaction(std::slice::from_ref(&case.instruction));
        for meta in transaction.iter().flat_map(|it| &it.accounts) {
            if let Some(account) = there.get(&meta.pubkey) {
                used.insert(meta.pubkey, account.clone());
            }
        }
        let all: Vec<Value> = transaction.iter().map(frozen_instruction).collect();
        transactions.insert((*name).to_owned(), all.into());
    }
    // Of kinds that no transaction needs, too.
    for (address, account) in &there {
        let mark = account.data().get(..8);
        if *account.owner() == pinaivu::ID && used.values().all(|it| it.data().get(..8) != mark) {
            used.insert(*address, account.clone());
        }
    }
    let accounts: serde_json::Map<String, Value> = used
        .into_iter()
        .map(|(address, account)| {
            let it = json!({
                "owner": account.owner().to_string(),
                "lamports": account.lamports(),
                "data": packed(account.data()),
            });
            (address.to_string(), it)
        })
        .collect();
    let frozen = json!({
        "slot": stage.world.slot(),
        "time": stage.world.time(),
        "accounts": accounts,
        "transactions": transactions,
    });
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("{}\n", serde_json::to_string_pretty(&frozen).unwrap())).unwrap();
}

/// An account read as what it is and written back, in as many bytes as it has.
fn written_again(kind: &str, data: &[u8]) -> Vec<u8> {
    macro_rules! again {
        ($($known:ident),*) => {
            match kind {
                $(stringify!($known) => {
                    let account = state::$known::try_deserialize(&mut &*data).expect(kind);
                    let mut bytes = Vec::new();
                    account.try_serialize(&mut bytes).unwrap();
                    bytes
                })*
                other => panic!("{other} is read nowhere"),
            }
        };
    }
    let mut bytes = again!(
        Allowance,
        Coordinator,
        EpochHead,
        Escrow,
        EvidenceBuffer,
        Ledger,
        Market,
        Measurement,
        Node,
        Payout,
        Proposal,
        ReceiptRecord,
        RetiredSigner
    );
    bytes.resize(data.len(), 0);
    bytes
}

#[test]
fn accounts_and_transactions_of_every_version_still_work() {
    assert!(file(VERSION).exists(), "nothing of version {VERSION} is frozen");
    for version in 1..=VERSION {
        let frozen: Value =
            serde_json::from_str(&std::fs::read_to_string(file(version)).unwrap()).unwrap();
        let mut world = World::without_market();
        world.set_clock(frozen["slot"].as_u64().unwrap(), frozen["time"].as_i64().unwrap());
        let sponsor = world.sponsor();
        let mut kinds = std::collections::BTreeSet::new();
        let idl = Idl::read();
        for (at, it) in frozen["accounts"].as_object().unwrap() {
            let (owner, data) = (address(&it["owner"]), unpacked(&it["data"]));
            if owner == pinaivu::ID {
                assert_eq!(data[8], version, "{at}");
                let kind = idl.kinds.iter().find(|(_, mark)| data.starts_with(mark));
                let kind = kind.expect("a kind that there still is").0.clone();
                assert_eq!(written_again(&kind, &data), data, "{at}");
                kinds.insert(kind);
            }
            let lamports = it["lamports"].as_u64().unwrap();
            let account = Account { lamports, data, owner, ..Account::default() };
            world.set_account(at.parse().unwrap(), account);
        }
        assert!(kinds.len() >= KINDS, "version {version}: {kinds:?}");
        let transactions = frozen["transactions"].as_object().unwrap();
        assert!(transactions.len() >= INSTRUCTIONS);
        for (name, transaction) in transactions {
            let transaction: Vec<Instruction> =
                transaction.as_array().unwrap().iter().map(thawed_instruction).collect();
            let outcome = world.fork().send_sponsored(&transaction, &sponsor);
            assert_eq!(said(&outcome), "accepted", "version {version}: {name}");
        }
    }
}
