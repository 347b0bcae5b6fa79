#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use pinaivu_chain::{PreparedTransaction, Signature};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, NodeId, RequestId, Segment};
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::signed::{Signed, SigningKey};
use pinaivu_protocol::units::{Amount, FineAmount, UnixMillis};

use super::{
    Appended, ClaimRecord, ClaimState, Entry, Journal, JournalError, PromiseBreach, PromiseOrder,
    Settlement, compare_promises,
};
use crate::fixtures::{COORDINATOR, NODE, answered_ticket, deployment};
use crate::serving::replay::FIRST_USE;

fn entry(number: u8) -> Entry {
    Entry { presented: answered_ticket(number), amount: FineAmount(u128::from(number) * 10) }
}

fn head(index: u64, cumulative: u128) -> Signed<ReceiptHead> {
    SigningKey::from_seed(&[9; 32]).unwrap().sign(ReceiptHead {
        deployment: deployment(),
        coordinator: COORDINATOR,
        epoch: 0,
        index,
        request: RequestId::default(),
        segment: Segment(0),
        node: NODE,
        node_cumulative: FineAmount(cumulative),
        body: Hash32([u8::try_from(index).unwrap(); 32]),
    })
}

async fn presented(journal: &Journal) -> Vec<Vec<u8>> {
    let all = journal.unsettled(COORDINATOR, 0, 100).await.unwrap();
    all.into_iter().map(|entry| entry.presented).collect()
}

#[tokio::test]
async fn entries_survive_reopening_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), NODE).unwrap();
    let batch = vec![entry(1), entry(2)];
    let expected: Vec<_> =
        batch.iter().map(|entry| borsh::to_vec(&entry.presented).unwrap()).collect();
    assert_eq!(journal.append(Arc::new(batch)).await.unwrap(), Appended::Durable);
    drop(journal);
    let journal = Journal::open(folder.path(), NODE).unwrap();
    assert_eq!(presented(&journal).await, expected);
    let holdings = journal.holdings(COORDINATOR).await.unwrap();
    assert_eq!(holdings.unreceipted, FineAmount(30));
    assert_eq!(holdings.bytes, expected.iter().map(|bytes| bytes.len() as u64).sum::<u64>());
}

#[tokio::test]
async fn second_proof_for_a_ticket_stores_nothing_of_its_batch() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), NODE).unwrap();
    journal.append(Arc::new(vec![entry(1)])).await.unwrap();
    let ticket = entry(1).presented.proof.ticket;
    // Settled or not makes no difference: the hash stays.
    let refused = vec![Settlement::Refused { ticket }];
    let settled = journal.settle(COORDINATOR, refused).await.unwrap();
    assert_eq!(settled[0].released.unwrap().0, FineAmount(10));
    let appended = journal.append(Arc::new(vec![entry(2), entry(1)])).await.unwrap();
    assert_eq!(appended, Appended::AlreadySigned(vec![ticket]));
    assert!(presented(&journal).await.is_empty());
}

#[tokio::test]
async fn receipt_settles_its_entry_and_becomes_the_promise() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), NODE).unwrap();
    journal.append(Arc::new(vec![entry(1), entry(2)])).await.unwrap();
    let ticket = entry(1).presented.proof.ticket;
    let receipt = Settlement::Receipted { ticket, head: head(4, 10) };
    let settled = journal.settle(COORDINATOR, vec![receipt.clone(), receipt]).await.unwrap();
    assert_eq!(settled[0].promise, Some(PromiseOrder::Newer));
    assert_eq!(settled[0].released.unwrap().0, FineAmount(10));
    assert_eq!((settled[1].promise, settled[1].released), (Some(PromiseOrder::Same), None));
    drop(journal);
    let journal = Journal::open(folder.path(), NODE).unwrap();
    let holdings = journal.holdings(COORDINATOR).await.unwrap();
    assert_eq!(holdings.promise, Some(head(4, 10)));
    assert_eq!(holdings.unreceipted, FineAmount(20));
}

#[tokio::test]
async fn receipt_with_a_fallen_cumulative_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), NODE).unwrap();
    journal.append(Arc::new(vec![entry(1), entry(2)])).await.unwrap();
    let receipt =
        |number, head| Settlement::Receipted { ticket: entry(number).presented.proof.ticket, head };
    journal.settle(COORDINATOR, vec![receipt(1, head(4, 10))]).await.unwrap();
    let settled = journal.settle(COORDINATOR, vec![receipt(2, head(5, 9))]).await.unwrap();
    let breach = PromiseBreach::Fell { earlier: FineAmount(10), later: FineAmount(9) };
    assert_eq!(settled[0].breach, Some(breach));
    assert_eq!(settled[0].released, None);
    assert_eq!(presented(&journal).await.len(), 1);
    assert_eq!(journal.holdings(COORDINATOR).await.unwrap().promise, Some(head(4, 10)));
}

#[test]
fn promises_are_ordered_by_epoch_and_index() {
    let (low, high) = (head(1, 5).record, head(2, 5).record);
    assert_eq!(compare_promises(None, &low), Ok(PromiseOrder::Newer));
    assert_eq!(compare_promises(Some(&low), &high), Ok(PromiseOrder::Newer));
    assert_eq!(compare_promises(Some(&high), &low), Ok(PromiseOrder::Older));
    let new_epoch = ReceiptHead { epoch: 1, node_cumulative: FineAmount(4), ..low };
    assert_eq!(
        compare_promises(Some(&high), &new_epoch),
        Err(PromiseBreach::Fell { earlier: FineAmount(5), later: FineAmount(4) })
    );
    let other = ReceiptHead { node_cumulative: FineAmount(6), ..low };
    assert_eq!(
        compare_promises(Some(&low), &other),
        Err(PromiseBreach::Equivocation { epoch: 0, index: 1 })
    );
}

/// An answer whose ticket was issued at `millis`.
fn issued(number: u8, millis: u64) -> Entry {
    let mut entry = entry(number);
    entry.presented.ticket.issued = UnixMillis(millis);
    entry
}

fn ticket_of(number: u8) -> pinaivu_protocol::hash::Hash32 {
    entry(number).presented.proof.ticket
}

async fn refuse(journal: &Journal, number: u8) {
    let refused = vec![Settlement::Refused { ticket: ticket_of(number) }];
    assert!(journal.settle(COORDINATOR, refused).await.unwrap()[0].released.is_some());
}

#[tokio::test]
async fn settled_tickets_are_known_until_newer_ones_make_them_late() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), NODE).unwrap();
    let start = 1_000_000;
    journal.append(Arc::new(vec![issued(1, start), issued(2, start)])).await.unwrap();
    journal.append(Arc::new(vec![issued(3, start)])).await.unwrap();
    refuse(&journal, 1).await;
    refuse(&journal, 3).await;
    let late = start + FIRST_USE.0;
    journal.append(Arc::new(vec![issued(4, late)])).await.unwrap();
    drop(journal);
    let journal = Journal::open(folder.path(), NODE).unwrap();
    let holdings = journal.holdings(COORDINATOR).await.unwrap();
    assert_eq!(holdings.newest_issue, UnixMillis(late));
    let known: Vec<_> = holdings.answered.iter().map(|(ticket, _)| *ticket).collect();
    assert_eq!(known, [1, 2, 3, 4].map(ticket_of));
    // Far enough on for the first ones to be forgotten; what is not settled stays.
    journal.append(Arc::new(vec![issued(5, late + FIRST_USE.0)])).await.unwrap();
    let again = |number| journal.append(Arc::new(vec![issued(number, start)]));
    assert_eq!(again(1).await.unwrap(), Appended::AlreadySigned(vec![ticket_of(1)]));
    assert_eq!(again(3).await.unwrap(), Appended::Durable);
    refuse(&journal, 4).await;
    refuse(&journal, 5).await;
    let holdings = journal.holdings(COORDINATOR).await.unwrap();
    assert_eq!(holdings.newest_issue, UnixMillis(late + FIRST_USE.0));
    assert_eq!(presented(&journal).await.len(), 2);
}

#[tokio::test]
async fn answers_of_a_long_batch_are_presented_page_by_page_and_settled_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), NODE).unwrap();
    let batch: Vec<_> = (0..150).map(entry).collect();
    journal.append(Arc::new(batch)).await.unwrap();
    for number in (0..150).filter(|number| number % 3 != 0) {
        refuse(&journal, number).await;
    }
    drop(journal);
    let journal = Journal::open(folder.path(), NODE).unwrap();
    let (mut after, mut found) = (0, Vec::new());
    loop {
        let page = journal.unsettled(COORDINATOR, after, 16).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.sequence;
        found.extend(page.into_iter().map(|entry| entry.presented));
    }
    let left = (0..150).filter(|number| number % 3 == 0);
    let expected: Vec<_> =
        left.map(|number| borsh::to_vec(&entry(number).presented).unwrap()).collect();
    assert_eq!(found, expected);
    assert_eq!(journal.unsettled(CoordinatorId([1; 32]), 0, 16).await.unwrap(), []);
}

#[tokio::test]
async fn journal_of_the_first_version_keeps_what_is_unsettled_and_refuses_what_is_older() {
    let folder = tempfile::tempdir().unwrap();
    drop(Journal::open(folder.path(), NODE).unwrap());
    let old = rusqlite::Connection::open(folder.path().join("journal.sqlite")).unwrap();
    old.execute_batch(
        "DROP TABLE presented; DROP TABLE answered;
         CREATE TABLE proofs (
             sequence INTEGER PRIMARY KEY AUTOINCREMENT, ticket BLOB NOT NULL UNIQUE,
             coordinator BLOB NOT NULL, deadline INTEGER NOT NULL, finished INTEGER NOT NULL,
             amount BLOB NOT NULL, presented BLOB
         ) STRICT;
         PRAGMA user_version = 1;",
    )
    .unwrap();
    for (number, finished, settled) in [(1, 900_000, false), (2, 2_000_000, true)] {
        let Entry { presented, amount } = entry(number);
        let bytes = (!settled).then(|| borsh::to_vec(&presented).unwrap());
        old.execute(
            "INSERT INTO proofs (ticket, coordinator, deadline, finished, amount, presented)
             VALUES (?1, ?2, 0, ?3, ?4, ?5)",
            (presented.proof.ticket.0, COORDINATOR.0, finished, amount.0.to_le_bytes(), bytes),
        )
        .unwrap();
    }
    drop(old);
    let journal = Journal::open(folder.path(), NODE).unwrap();
    assert_eq!(presented(&journal).await, [borsh::to_vec(&entry(1).presented).unwrap()]);
    let holdings = journal.holdings(COORDINATOR).await.unwrap();
    assert_eq!(holdings.unreceipted, FineAmount(10));
    assert_eq!(holdings.newest_issue, UnixMillis(2_000_000 + FIRST_USE.0));
    refuse(&journal, 1).await;
}

#[tokio::test]
async fn entries_older_than_the_limit_are_given_up_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), NODE).unwrap();
    journal.append(Arc::new(vec![entry(1)])).await.unwrap();
    let finished = entry(1).presented.proof.finished;
    assert!(journal.prune(finished).await.unwrap().is_empty());
    let pruned = journal.prune(UnixMillis(finished.0 + 1)).await.unwrap();
    assert_eq!(pruned[0].ticket, entry(1).presented.proof.ticket);
    assert_eq!(pruned[0].amount, FineAmount(10));
    assert!(presented(&journal).await.is_empty());
}

#[tokio::test]
async fn ask_sequence_rises_across_reopening_and_a_clock_set_back() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), NODE).unwrap();
    assert_eq!(journal.next_ask_sequence(1_000).await.unwrap(), 1_000);
    drop(journal);
    let journal = Journal::open(folder.path(), NODE).unwrap();
    assert_eq!(journal.next_ask_sequence(5).await.unwrap(), 1_001);
}

#[tokio::test]
async fn journal_of_another_node_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(Journal::open(folder.path(), NODE).unwrap());
    let error = Journal::open(folder.path(), NodeId([0xee; 32])).unwrap_err();
    assert!(matches!(error, JournalError::OtherNode(NODE)));
}

#[tokio::test]
async fn claim_is_open_until_closed() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), NODE).unwrap();
    let claim = ClaimRecord {
        coordinator: COORDINATOR,
        amount: Amount(7),
        transaction: PreparedTransaction {
            signature: Signature::from([3; 64]),
            bytes: vec![1, 2, 3],
            last_valid_block_height: 99,
        },
    };
    journal.open_claim(claim.clone(), UnixMillis(5)).await.unwrap();
    drop(journal);
    let journal = Journal::open(folder.path(), NODE).unwrap();
    assert_eq!(journal.claim_in_flight(COORDINATOR).await.unwrap(), Some(claim.clone()));
    assert_eq!(journal.claim_in_flight(CoordinatorId([1; 32])).await.unwrap(), None);
    journal.close_claim(claim.transaction.signature, ClaimState::Paid).await.unwrap();
    assert_eq!(journal.claim_in_flight(COORDINATOR).await.unwrap(), None);
    assert_eq!(journal.last_paid_claim(COORDINATOR).await.unwrap(), Some(UnixMillis(5)));
}
