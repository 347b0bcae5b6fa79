//! What a database must give back, and what it must refuse.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod views;

use std::path::PathBuf;

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, PublicKey};
use pinaivu_protocol::units::{Amount, FineAmount, Slot, UnixMillis};
use rusqlite::Connection;
use tempfile::TempDir;

use super::archive::Archive;
use super::writer::Writer;
use super::{
    ApiKey, ApiKeyId, Entry, EntryKind, Identity, NewSettlement, SettlementKind, SettlementState,
    Store, StoreConfig, StoreError, Write, sqlite,
};
use crate::receipts::fixtures::{
    Charge, account, allowance, commit_now, identity, node, request, store,
};

fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("coordinator.db")
}

fn reopen(directory: &TempDir) -> Result<Store, StoreError> {
    Store::open(&StoreConfig::at(path(directory)), identity())
}

async fn write<T: Send + 'static>(
    store: &Store,
    job: impl FnOnce(&mut dyn Write) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    store.write(job).await
}

fn charges(count: u64) -> Vec<Charge> {
    (1..=count)
        .map(|request| Charge {
            request,
            node: u8::try_from(request % 2).unwrap(),
            account: u8::try_from(request % 3).unwrap(),
            input: 10,
            output: 10,
        })
        .collect()
}

#[tokio::test]
async fn database_in_use_is_refused_until_it_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let open = store(&directory, 1).await;
    assert!(matches!(reopen(&directory), Err(StoreError::InUse)));
    drop(open);
    reopen(&directory).unwrap();
}

#[tokio::test]
async fn database_of_another_coordinator_or_of_newer_software_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(store(&directory, 1).await);
    let other = Identity { coordinator: CoordinatorId([99; 32]), ..identity() };
    let refused = Store::open(&StoreConfig::at(path(&directory)), other);
    assert!(matches!(refused, Err(StoreError::OtherIdentity)));
    let connection = Connection::open(path(&directory)).unwrap();
    connection.pragma_update(None, "user_version", 1_000).unwrap();
    drop(connection);
    let refused = reopen(&directory);
    assert!(matches!(refused, Err(StoreError::SchemaTooNew { found: 1_000, known: 3 })));
}

#[tokio::test]
async fn failed_job_leaves_nothing_and_does_not_touch_others_in_its_group() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 0).await;
    let jobs = (0..60_u8).map(|number| {
        write(&store, move |transaction| {
            transaction.open_account(&account(number))?;
            if number % 3 == 0 { Err(StoreError::Range("on purpose")) } else { Ok(()) }
        })
    });
    let results = futures::future::join_all(jobs).await;
    for (number, result) in results.into_iter().enumerate() {
        assert_eq!(result.is_ok(), number % 3 != 0);
    }
    let accounts = store.read(|state| state.accounts()).await.unwrap();
    assert_eq!(accounts.len(), 40);
}

#[tokio::test]
async fn clearing_is_written_with_the_next_job_that_stays_or_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 0).await;
    let stored = async |store: &Store, number: u64| {
        store.read(move |state| state.clearing(&request(number))).await.unwrap()
    };
    store.put_clearing_with_next(request(1), vec![1]);
    assert_eq!(stored(&store, 1).await, None);
    let failed = write(&store, |_| Err::<(), _>(StoreError::Range("on purpose"))).await;
    failed.unwrap_err();
    assert_eq!(stored(&store, 1).await, None);
    store.put_clearing_with_next(request(2), vec![2]);
    write(&store, |transaction| transaction.open_account(&account(1))).await.unwrap();
    assert_eq!(stored(&store, 1).await, Some(vec![1]));
    assert_eq!(stored(&store, 2).await, Some(vec![2]));
    // One that cannot be written takes nothing from others.
    store.put_clearing_with_next(request(1), vec![9]);
    store.put_clearing_with_next(request(3), vec![3]);
    store.flush();
    write(&store, |_| Ok(())).await.unwrap();
    assert_eq!(stored(&store, 1).await, Some(vec![1]));
    assert_eq!(stored(&store, 3).await, Some(vec![3]));
    store.put_clearing_with_next(request(4), vec![4]);
    drop(store);
    assert_eq!(stored(&reopen(&directory).unwrap(), 4).await, Some(vec![4]));
}

#[tokio::test]
async fn full_disk_fails_what_does_not_fit_and_keeps_what_was_durable() {
    let directory = tempfile::tempdir().unwrap();
    drop(store(&directory, 3).await);
    let mut connection = sqlite::open_writer(&path(&directory), 1_024).unwrap();
    sqlite::claim(&mut connection, identity()).unwrap();
    let pages: u32 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    connection.pragma_update_and_check(None, "max_page_count", pages + 4, |_| Ok(())).unwrap();
    let archive = Archive::open(&path(&directory), None, 1).unwrap();
    let writer = Writer::spawn(connection, archive).unwrap();
    let mut stored = 0;
    let failure = loop {
        let settlement = settlement(stored, vec![0; 3_000]);
        let reply = writer
            .submit(move |transaction: &mut dyn Write| transaction.insert_settlement(&settlement))
            .unwrap();
        match reply.await.unwrap() {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(failure, StoreError::Database { .. } | StoreError::NotCommitted(_)));
    // The thread goes on: what fits is still stored.
    let reply = writer
        .submit(|transaction: &mut dyn Write| transaction.set_debited(&allowance(0), Amount(7)))
        .unwrap();
    assert!(matches!(reply.await.unwrap(), Ok(())));
    drop(writer);
    let store = reopen(&directory).unwrap();
    let open = store.read(|state| state.open_settlements()).await.unwrap();
    assert_eq!(open.len(), usize::from(stored));
    let account = store.read(|state| state.account_of(&allowance(0))).await.unwrap().unwrap();
    assert_eq!(account.debited, Amount(7));
}

#[tokio::test]
async fn database_that_contradicts_itself_is_refused() {
    for (change, reason) in [
        ("UPDATE epochs SET size = size + 1", "the log's size is not its number of receipts"),
        ("DELETE FROM receipts WHERE position = 4", "the log's size is not its number of receipts"),
        ("UPDATE epochs SET root = zeroblob(32)", "the log's peaks do not lead to its root"),
        ("DELETE FROM tree WHERE level = 2", "a peak of the log is missing"),
        (
            "UPDATE tree SET hash = zeroblob(32) WHERE level = 2",
            "the log's peaks do not lead to its root",
        ),
        (
            "UPDATE receipts SET bytes = x'00' WHERE position = 4",
            "the newest receipt does not decode",
        ),
        (
            "UPDATE receipts SET bytes = (SELECT bytes FROM receipts WHERE position = 3)
             WHERE position = 4",
            "the newest receipt contradicts the log or the accounts",
        ),
        (
            "UPDATE receipts SET ticket = zeroblob(32) WHERE position = 4",
            "the newest receipt contradicts the log or the accounts",
        ),
        (
            "UPDATE nodes SET earned = baseline",
            "the newest receipt contradicts the log or the accounts",
        ),
        (
            "UPDATE totals SET charged = x'00000000000000000000000000000001'",
            "accounts were not charged what receipts say",
        ),
        ("UPDATE totals SET fees = zeroblob(16)", "earnings and fees are not what was charged"),
        ("DELETE FROM epochs", "no epoch is open"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&directory, 3).await;
        commit_now(&store, &charges(5)).await;
        drop(store);
        drop(reopen(&directory).unwrap());
        let connection = Connection::open(path(&directory)).unwrap();
        connection.execute_batch(change).unwrap();
        drop(connection);
        match reopen(&directory) {
            Err(StoreError::Corrupt(found)) => assert_eq!(found, reason, "{change}"),
            other => panic!("{change}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn receipt_that_does_not_continue_what_is_stored_is_refused_and_nothing_changes() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 3).await;
    commit_now(&store, &charges(3)).await;
    let last = store.read(|state| state.receipt_at(0, 2)).await.unwrap().unwrap();
    let before = store.read(|state| state.totals()).await.unwrap();
    let next = super::NewReceipt {
        epoch: 0,
        index: 3,
        request: request(50),
        segment: last.segment,
        ticket: last.ticket,
        node: last.node,
        node_cumulative: last.node_cumulative.checked_add(FineAmount(90)).unwrap(),
        allowance: last.allowance,
        allowance_cumulative: last.allowance_cumulative.checked_add(FineAmount(100)).unwrap(),
        amount: FineAmount(100),
        fee: FineAmount(10),
        api_key: None,
        model: "smollm2".to_owned(),
        outcome: pinaivu_protocol::proof::Outcome::Completed,
        salts: last.salts,
        signer: last.signer,
        bytes: last.bytes.clone(),
    };
    let changes: [fn(&mut super::NewReceipt); 7] = [
        |receipt| receipt.epoch = 1,
        |receipt| receipt.index = 2,
        |receipt| receipt.index = 4,
        |receipt| receipt.node_cumulative.0 += 1,
        |receipt| receipt.allowance_cumulative.0 -= 1,
        |receipt| receipt.fee = FineAmount(101),
        |receipt| receipt.allowance = AllowanceId([1; 32]),
    ];
    for (place, change) in changes.into_iter().enumerate() {
        let mut receipt = next.clone();
        change(&mut receipt);
        let refused = write(&store, move |transaction| {
            transaction.append_receipts(std::slice::from_ref(&receipt))
        });
        let refused = refused.await;
        assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{place}: {refused:?}");
        // The same as the second of a group, of which the first is in order.
        let mut group = [next.clone(), next.clone()];
        group[1].index = 4;
        group[1].request = request(51);
        group[1].node_cumulative.0 += 90;
        group[1].allowance_cumulative.0 += 100;
        change(&mut group[1]);
        if place == 2 {
            // Its right place is here what was the wrong one above.
            group[1].index = 5;
        }
        let refused = write(&store, move |transaction| transaction.append_receipts(&group)).await;
        assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{place}: {refused:?}");
    }
    let mut twice = next.clone();
    twice.request = last.request;
    let refused =
        write(&store, move |transaction| transaction.append_receipts(std::slice::from_ref(&twice)));
    let refused = refused.await;
    assert!(matches!(refused, Err(StoreError::Exists(_))));
    assert_eq!(store.read(|state| state.totals()).await.unwrap(), before);
    // The head must be the number of receipts.
    let refused = write(&store, |transaction| transaction.set_log_head(4, &Hash32::ZERO)).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))));
    drop(store);
    reopen(&directory).unwrap();
}

#[tokio::test]
async fn account_opened_twice_is_the_first_one_and_starts_at_what_was_debited() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 0).await;
    let first = super::NewAccount { debited: Amount(5), ..account(0) };
    let opened = write(&store, move |transaction| transaction.open_account(&first)).await.unwrap();
    assert_eq!(opened.receipted, FineAmount(5_000_000));
    let again = super::NewAccount { debited: Amount(9), handle: account(1).handle, ..account(0) };
    let same = write(&store, move |transaction| transaction.open_account(&again)).await.unwrap();
    assert_eq!(same, opened);
    let named = store.read(|state| state.billed(&account(0).handle)).await.unwrap();
    assert_eq!(named, Some(super::Billed { account: opened, api_key: None }));
    assert!(store.read(|state| state.accounts_to_debit()).await.unwrap().is_empty());
    drop(store);
    reopen(&directory).unwrap();
}

#[tokio::test]
async fn unsettled_accounts_and_nodes_are_those_above_what_is_finalized() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 3).await;
    // 40 weighted tokens at 150,001 each: 6,000,040, of which the node has 5,850,039.
    let charge = Charge { request: 1, node: 0, account: 0, input: 10, output: 10 };
    commit_now(&store, &[charge]).await;
    let pending = |store: Store| async move {
        let debits = store.read(|state| state.accounts_to_debit()).await.unwrap();
        let credits = store.read(|state| state.nodes_to_credit()).await.unwrap();
        (debits.len(), credits.len())
    };
    assert_eq!(pending(store.clone()).await, (1, 1));
    for (debited, credited, left) in
        [(6, 4, (1, 1)), (7, 4, (0, 1)), (7, 5, (0, 0)), (6, 5, (1, 0))]
    {
        write(&store, move |transaction| {
            transaction.set_debited(&allowance(0), Amount(debited))?;
            transaction.set_credited(&node(0), Amount(credited))
        })
        .await
        .unwrap();
        assert_eq!(pending(store.clone()).await, left);
    }
}

fn key(number: u8) -> ApiKey {
    ApiKey {
        handle: super::AccountHandle([0xf0 ^ number; 12]),
        limits: super::KeyLimits::default(),
        revision: 0,
        spent: FineAmount::ZERO,
        requests: 0,
        last_used: None,
        id: ApiKeyId([number; 16]),
        hash: Hash32([number; 32]),
        owner: account(0).owner,
        allowance: allowance(0),
        label: "laptop".to_owned(),
        created: UnixMillis(u64::from(number)),
        revoked: None,
    }
}

#[tokio::test]
async fn api_keys_are_found_by_hash_listed_by_owner_and_revoked_once_by_their_owner() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 1).await;
    write(&store, |transaction| transaction.insert_api_key(&key(2))).await.unwrap();
    write(&store, |transaction| transaction.insert_api_key(&key(1))).await.unwrap();
    let mut same_hash = key(3);
    same_hash.hash = key(1).hash;
    let refused = write(&store, move |transaction| transaction.insert_api_key(&same_hash)).await;
    assert!(matches!(refused, Err(StoreError::Exists(_))));
    let mut no_account = key(4);
    no_account.allowance = allowance(9);
    let refused = write(&store, move |transaction| transaction.insert_api_key(&no_account)).await;
    assert!(matches!(refused, Err(StoreError::Missing(_))));

    assert_eq!(store.read(|state| state.api_key(&key(1).hash)).await.unwrap(), Some(key(1)));
    assert_eq!(store.read(|state| state.api_key(&Hash32([9; 32]))).await.unwrap(), None);
    let listed = store.read(|state| state.api_keys_of(&account(0).owner)).await.unwrap();
    assert_eq!(listed, [key(1), key(2)]);

    let revoke = |owner: PublicKey, at| {
        write(&store, move |transaction| {
            transaction.revoke_api_key(&key(1).id, &owner, UnixMillis(at))
        })
    };
    assert!(!revoke(PublicKey([0; 32]), 5).await.unwrap());
    assert!(revoke(account(0).owner, 6).await.unwrap());
    assert!(!revoke(account(0).owner, 7).await.unwrap());
    let revoked = store.read(|state| state.api_key(&key(1).hash)).await.unwrap().unwrap();
    assert_eq!(revoked.revoked, Some(UnixMillis(6)));
    assert_eq!("key_".len() + 32, revoked.id.to_string().len());
    assert_eq!(revoked.id.to_string().parse::<ApiKeyId>().unwrap(), revoked.id);
}

#[tokio::test]
async fn nonce_is_taken_once_until_it_expires() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 0).await;
    let take = |owner: u8, nonce: u8, expires, now| {
        write(&store, move |transaction| {
            let (expires, now) = (UnixMillis(expires), UnixMillis(now));
            transaction.take_nonce(&PublicKey([owner; 32]), &[nonce; 16], expires, now)
        })
    };
    assert!(take(1, 1, 100, 50).await.unwrap());
    assert!(!take(1, 1, 100, 60).await.unwrap());
    assert!(take(2, 1, 100, 60).await.unwrap());
    assert!(take(1, 2, 100, 60).await.unwrap());
    assert!(!take(1, 1, 200, 100).await.unwrap());
    assert!(take(1, 1, 200, 101).await.unwrap());
}

fn settlement(number: u8, bytes: Vec<u8>) -> NewSettlement {
    NewSettlement {
        kind: SettlementKind::Debit,
        signature: [number; 64],
        bytes,
        last_valid_block_height: 100,
        created: UnixMillis(1),
        entries: vec![Entry {
            kind: EntryKind::Debit,
            account: allowance(0).0,
            cumulative: 10 * u64::from(number),
        }],
    }
}

#[tokio::test]
async fn settlement_is_found_by_what_it_reached_only_once_it_landed() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 0).await;
    let mut ids = Vec::new();
    for number in 1..=3 {
        let new = settlement(number, vec![1, 2, 3]);
        ids.push(
            write(&store, move |transaction| transaction.insert_settlement(&new)).await.unwrap(),
        );
    }
    let twice = settlement(1, vec![]);
    let refused = write(&store, move |transaction| transaction.insert_settlement(&twice)).await;
    assert!(matches!(refused, Err(StoreError::Exists(_))));

    let set = |place: usize, state, slot: Option<u64>| {
        let id = ids[place];
        write(&store, move |transaction| {
            transaction.set_settlement_state(id, state, slot.map(Slot), None)
        })
    };
    let reaching = |cumulative| {
        let store = store.clone();
        async move {
            let found = store
                .read(move |state| {
                    state.settlement_reaching(EntryKind::Debit, &allowance(0).0, cumulative)
                })
                .await
                .unwrap();
            found.map(|record| record.signature[0])
        }
    };
    assert_eq!(reaching(5).await, None);
    set(1, SettlementState::Landed, Some(7)).await.unwrap();
    assert_eq!(
        (reaching(5).await, reaching(20).await, reaching(21).await),
        (Some(2), Some(2), None)
    );
    // Its block was undone.
    set(1, SettlementState::Prepared, None).await.unwrap();
    assert_eq!(reaching(5).await, None);
    set(0, SettlementState::Finalized, Some(8)).await.unwrap();
    set(1, SettlementState::Expired, None).await.unwrap();
    assert_eq!((reaching(5).await, reaching(11).await), (Some(1), None));
    // What is final stays.
    assert!(matches!(set(1, SettlementState::Prepared, None).await, Err(StoreError::Missing(_))));
    let open = store.read(|state| state.open_settlements()).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].signature, open[0].bytes.as_slice()), ([3; 64], [1, 2, 3].as_slice()));
    let recent = store.read(|state| state.recent_settlements(2)).await.unwrap();
    assert_eq!(recent.iter().map(|record| record.signature[0]).collect::<Vec<_>>(), [3, 2]);
    assert!(recent[1].bytes.is_empty());
}

#[tokio::test]
async fn numbers_beyond_the_databases_integers_are_refused_not_cut() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 1).await;
    let refused =
        write(&store, |transaction| transaction.set_debited(&allowance(0), Amount(u64::MAX))).await;
    assert!(refused.is_err());
    let mut new = settlement(1, vec![]);
    new.entries[0].cumulative = u64::MAX;
    let refused = write(&store, move |transaction| transaction.insert_settlement(&new)).await;
    assert!(matches!(refused, Err(StoreError::Range(_))));
    assert!(store.read(|state| state.recent_settlements(9)).await.unwrap().is_empty());
}

#[tokio::test]
async fn epoch_that_is_opened_starts_an_empty_log_and_keeps_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 3).await;
    commit_now(&store, &charges(5)).await;
    let old = store.read(|state| state.log_head()).await.unwrap();
    let refused = write(&store, |transaction| transaction.open_epoch(0)).await;
    assert!(matches!(refused, Err(StoreError::Exists(_))));
    write(&store, |transaction| transaction.open_epoch(3)).await.unwrap();
    commit_now(&store, &[Charge { request: 77, node: 0, account: 0, input: 1, output: 1 }]).await;
    let head = store.read(|state| state.log_head()).await.unwrap();
    assert_eq!((head.epoch, head.size), (3, 1));
    assert_eq!(store.read(|state| state.epoch_head(0)).await.unwrap(), Some(old));
    let stored = store.read(|state| state.receipt(&request(77), pinaivu_protocol::ids::Segment(0)));
    let stored = stored.await.unwrap().unwrap();
    assert_eq!((stored.epoch, stored.index), (3, 0));
    let last = store.read(|state| state.receipt_at(0, 4)).await.unwrap().unwrap();
    assert_eq!((last.epoch, last.index), (0, 4));
    assert_eq!(store.read(|state| state.receipt_at(0, 5)).await.unwrap(), None);
    drop(store);
    reopen(&directory).unwrap();
}
