//! From a draft to a durable receipt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pinaivu_protocol::commitment::value_commitment;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::verify_inclusion;
use pinaivu_protocol::units::{FineAmount, TokenCount, UnixMillis};
use tokio_util::sync::CancellationToken;

use super::world::{NOW, World};
use crate::receipts::fixtures::{
    FEE_RATE, ManualClock, Recorder, account, identity, metered, node, request, signer, ticket,
};
use crate::receipts::{
    Busy, EpochTree, InvalidDraft, OWNER_ALLOWANCE_TAG, OWNER_CUMULATIVE_TAG, OWNER_ESCROW_TAG,
    Observer, Receipted, Receipts, ReceiptsConfig,
};

#[tokio::test]
async fn draft_becomes_a_receipt_with_exact_sums_that_verifies_offline() {
    let world = World::new().await;
    let ticket = ticket(1, 0, 0);
    world.receipts.submit(world.draft(&ticket, 0, metered(321, 123))).unwrap();
    let heard = world.heard(1).await;

    let receipt = world.receipt(ticket.request).await;
    // (321 + 3 × 123) × 150,001, of which 2.5 % rounded down are the fee.
    let (amount, fee) = (FineAmount(103_500_690), FineAmount(2_587_517));
    assert_eq!((receipt.body.amount, receipt.body.fee), (amount, fee));
    assert_eq!(receipt.body.fee_rate, FEE_RATE);
    assert_eq!(receipt.body.created, UnixMillis(NOW));
    assert_eq!(receipt.body.statement, None);
    let head = &receipt.head.record;
    assert_eq!((head.epoch, head.index), (0, 0));
    assert_eq!(head.node_cumulative, FineAmount(103_500_690 - 2_587_517));
    assert_eq!(heard[0].head, receipt.head);
    assert_eq!(heard[0].allowance_cumulative, amount);
    assert_eq!(heard[0].ticket, ticket.hash());

    let log = world.store.read(|state| state.log_head()).await.unwrap();
    assert_eq!((log.epoch, log.size, log.root), (0, 1, receipt.leaf()));
    let totals = world.store.read(|state| state.totals()).await.unwrap();
    assert_eq!((totals.charged, totals.fees), (amount, fee));
    assert_eq!((totals.fees_baseline, totals.requests), (FineAmount(0), 1));
}

#[tokio::test]
async fn cumulatives_and_owner_commitments_follow_every_receipt() {
    let world = World::new().await;
    for number in 1..=3 {
        let ticket = ticket(number, 0, 1);
        world.receipts.submit(world.draft(&ticket, 1, metered(10, 0))).unwrap();
    }
    world.heard(3).await;
    for number in 1..=3_u64 {
        let receipt = world.receipt(request(number)).await;
        let stored = &world.stored(request(number)).await[0];
        let place = u128::from(receipt.head.record.index) + 1;
        let cumulative = FineAmount(1_500_010 * place);
        assert_eq!(stored.allowance_cumulative, cumulative);
        // 2.5 % of 1,500,010 are 37,500.25.
        assert_eq!(receipt.head.record.node_cumulative, FineAmount((1_500_010 - 37_500) * place));
        let owner = &receipt.body.owner;
        let salts = &stored.salts;
        assert_eq!(
            owner.escrow,
            value_commitment(OWNER_ESCROW_TAG, &salts.escrow, &account(1).escrow.0)
        );
        assert_eq!(
            owner.allowance,
            value_commitment(OWNER_ALLOWANCE_TAG, &salts.allowance, &account(1).allowance.0)
        );
        assert_eq!(
            owner.cumulative,
            value_commitment(OWNER_CUMULATIVE_TAG, &salts.cumulative, &cumulative.0.to_le_bytes())
        );
    }
}

#[tokio::test]
async fn every_receipt_is_included_in_the_newest_log() {
    let world = World::new().await;
    for number in 1..=21 {
        let ticket = ticket(number, 0, 0);
        world.receipts.submit(world.draft(&ticket, 0, metered(1, 1))).unwrap();
    }
    world.heard(21).await;
    let head = world.store.read(|state| state.log_head()).await.unwrap();
    assert_eq!(head.size, 21);
    for number in 1..=21 {
        let receipt = world.receipt(request(number)).await;
        let index = receipt.head.record.index;
        let path = world
            .store
            .read(move |state| EpochTree::new(state, 0).inclusion(index, 21))
            .await
            .unwrap();
        verify_inclusion(&receipt.leaf(), index, 21, &path, &head.root).unwrap();
    }
}

#[tokio::test]
async fn same_ticket_twice_is_receipted_once() {
    let world = World::new().await;
    let ticket = ticket(1, 0, 0);
    let first = world.draft(&ticket, 0, metered(10, 10));
    let mut second = first_again(&world, &first.ticket, first.flight.clone());
    second.metered = metered(500, 500);
    world.receipts.submit(first).unwrap();
    world.heard(1).await;
    world.receipts.submit(second).unwrap();
    let (_directory, recorder) = world.stop().await;
    assert_eq!(recorder.0.lock().len(), 1);
}

fn first_again(
    world: &World,
    ticket: &pinaivu_protocol::ticket::Ticket,
    flight: crate::receipts::Flight,
) -> crate::receipts::Draft {
    // The flight is open already, so the draft borrows another request's and gives it back.
    let mut draft = world.draft(&crate::receipts::fixtures::ticket(999, 0, 0), 0, metered(1, 1));
    (draft.ticket, draft.flight) = (ticket.clone(), flight);
    draft
}

#[tokio::test]
async fn segment_that_has_a_receipt_gets_no_second_one_from_another_node() {
    let world = World::new().await;
    let first = world.draft(&ticket(1, 0, 0), 0, metered(10, 10));
    let second = first_again(&world, &ticket(1, 1, 0), first.flight.clone());
    world.receipts.submit(first).unwrap();
    world.receipts.submit(second).unwrap();
    let store = world.store.clone();
    let (_directory, recorder) = world.stop().await;
    assert_eq!(recorder.0.lock().len(), 1);
    assert_eq!(recorder.0.lock()[0].node, node(0));
    let other = store.read(|state| state.node_total(&node(1))).await.unwrap();
    assert_eq!(other, None);
}

#[tokio::test]
async fn invalid_drafts_are_refused_and_their_holds_let_go() {
    let world = World::new().await;
    let mut foreign = world.draft(&ticket(1, 0, 0), 0, metered(1, 1));
    foreign.ticket.coordinator.0[0] ^= 1;
    assert_eq!(world.receipts.submit(foreign), Err(InvalidDraft::Party));
    let mut astray = world.draft(&ticket(2, 0, 0), 0, metered(1, 1));
    astray.ticket = ticket(3, 0, 0);
    assert_eq!(world.receipts.submit(astray), Err(InvalidDraft::Flight));
    let mut greedy = world.draft(&ticket(4, 0, 0), 0, metered(1, 1_001));
    let hold = Arc::new(());
    greedy.hold = Some(Box::new(Arc::clone(&hold)));
    let (metered, allowed) = (TokenCount(1_001), TokenCount(1_000));
    assert_eq!(world.receipts.submit(greedy), Err(InvalidDraft::Tokens { metered, allowed }));
    assert_eq!(Arc::strong_count(&hold), 1);
    let (_directory, recorder) = world.stop().await;
    assert!(recorder.0.lock().is_empty());
}

#[tokio::test]
async fn draft_without_an_account_charges_nobody() {
    let world = World::new().await;
    world.receipts.submit(world.draft(&ticket(1, 0, 9), 9, metered(1, 1))).unwrap();
    world.receipts.submit(world.draft(&ticket(2, 0, 0), 0, metered(1, 1))).unwrap();
    let store = world.store.clone();
    let (_directory, recorder) = world.stop().await;
    assert_eq!(recorder.0.lock().len(), 1);
    let totals = store.read(|state| state.totals()).await.unwrap();
    assert_eq!(totals.charged, FineAmount(4 * 150_001));
}

#[tokio::test]
async fn cumulative_that_would_not_fit_on_chain_is_not_charged() {
    let world = World::new().await;
    let full = FineAmount(u128::from(i64::MAX.unsigned_abs()) * 1_000_000);
    world
        .store
        .write(move |transaction| transaction.raise_account(&account(0).allowance, full))
        .await
        .unwrap();
    world.receipts.submit(world.draft(&ticket(1, 0, 0), 0, metered(1, 1))).unwrap();
    world.receipts.submit(world.draft(&ticket(2, 0, 1), 1, metered(1, 1))).unwrap();
    let store = world.store.clone();
    let (_directory, recorder) = world.stop().await;
    assert_eq!(recorder.0.lock().len(), 1);
    let stored = store.read(|state| state.account_of(&account(0).allowance)).await.unwrap();
    assert_eq!(stored.unwrap().receipted, full);
}

/// Sees whether the hold was still there when the charge was heard of.
struct HoldWatcher {
    hold: Arc<AtomicBool>,
    held_when_heard: AtomicBool,
}

impl Observer for HoldWatcher {
    fn receipted(&self, _: &Receipted) {
        self.held_when_heard.store(self.hold.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

struct Hold(Arc<AtomicBool>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn hold_is_let_go_after_the_charge_was_heard_of() {
    let world = World::new().await;
    let hold = Arc::new(AtomicBool::new(true));
    let watcher =
        Arc::new(HoldWatcher { hold: Arc::clone(&hold), held_when_heard: AtomicBool::new(false) });
    let (receipts, pipeline) = Receipts::start(
        ReceiptsConfig::default(),
        identity(),
        signer(),
        world.store.clone(),
        ManualClock::at(NOW),
        Arc::clone(&watcher) as _,
        FEE_RATE,
    );
    let mut draft = world.draft(&ticket(1, 0, 0), 0, metered(1, 1));
    draft.hold = Some(Box::new(Hold(Arc::clone(&hold))));
    receipts.submit(draft).unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    pipeline.run(stop).await;
    assert!(watcher.held_when_heard.load(Ordering::SeqCst));
    assert!(!hold.load(Ordering::SeqCst));
}

#[tokio::test]
async fn capacity_is_taken_by_open_requests_and_given_back_by_durable_ones() {
    let world = World::with(ReceiptsConfig { capacity: 2, ..ReceiptsConfig::default() }).await;
    let draft = world.draft(&ticket(1, 0, 0), 0, metered(1, 1));
    let other = world.receipts.begin(request(2)).unwrap();
    assert_eq!(world.receipts.begin(request(3)).unwrap_err(), Busy);
    assert_eq!(world.receipts.begin(request(2)).unwrap_err(), Busy);
    world.receipts.submit(draft).unwrap();
    world.heard(1).await;
    while world.receipts.begin(request(3)).is_err() {
        tokio::task::yield_now().await;
    }
    drop(other);
    assert!(world.receipts.begin(request(4)).is_ok());
}

#[tokio::test]
async fn pipeline_that_ends_commits_what_was_submitted_and_takes_no_more() {
    let world = World::new().await;
    let late = world.draft(&ticket(50, 0, 0), 0, metered(1, 1));
    for number in 1..=40 {
        world.receipts.submit(world.draft(&ticket(number, 0, 0), 0, metered(1, 1))).unwrap();
    }
    let receipts = world.receipts.clone();
    let (_directory, recorder) = world.stop().await;
    assert_eq!(recorder.0.lock().len(), 40);
    assert_eq!(receipts.submit(late), Err(InvalidDraft::Closed));
}

#[tokio::test]
async fn receipts_after_a_restart_continue_log_and_cumulatives() {
    let mut world = World::new().await;
    let mut leaves: Vec<Hash32> = Vec::new();
    for number in 1..=9_u64 {
        world.receipts.submit(world.draft(&ticket(number, 0, 0), 0, metered(10, 0))).unwrap();
        world.heard(1).await;
        world = world.kill().await;
        let receipt = world.receipt(request(number)).await;
        assert_eq!(receipt.head.record.index, number - 1);
        let share = 1_500_010 - 37_500;
        assert_eq!(receipt.head.record.node_cumulative, FineAmount(share * u128::from(number)));
        leaves.push(receipt.leaf());
    }
    let mut tree = pinaivu_protocol::merkle::MemoryTree::new();
    for leaf in leaves {
        tree.push(leaf).unwrap();
    }
    let head = world.store.read(|state| state.log_head()).await.unwrap();
    assert_eq!((head.size, head.root), (9, tree.root()));
}

#[tokio::test]
async fn halted_pipeline_signs_nothing() {
    let world = World::new().await;
    let (receipts, pipeline) = Receipts::start(
        ReceiptsConfig::default(),
        identity(),
        signer(),
        world.store.clone(),
        ManualClock::at(NOW),
        Arc::new(Recorder::default()),
        FEE_RATE,
    );
    receipts.submit(world.draft(&ticket(1, 0, 0), 0, metered(1, 1))).unwrap();
    receipts.halt();
    assert_eq!(receipts.begin(request(2)).unwrap_err(), Busy);
    pipeline.run(CancellationToken::new()).await;
    assert!(world.stored(request(1)).await.is_empty());
    let owed = world.store.read(|state| state.accounts_to_debit()).await.unwrap();
    assert!(owed.is_empty());
}
