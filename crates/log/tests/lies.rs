//! Every lie is found, an honest coordinator is not accused, and the program refuses what it can see.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "lies/evidence.rs"]
mod evidence;
#[path = "lies/hostile.rs"]
mod hostile;
#[path = "../examples/lies/lies.rs"]
mod lies;
#[path = "../examples/lies/world.rs"]
mod world;

use std::collections::BTreeSet;

use pinaivu_log::audit::{self, Anchor, Contradiction, Report};
use pinaivu_protocol::merkle::empty_root;
use world::{ANCHORED, BACKED_UP, ENTRIES, SECOND, SECOND_ANCHORED, Story};

async fn audited(story: &Story) -> Report {
    audit::run(&story.serve(), story, story.evidence.clone(), |_| {}).await.unwrap()
}

#[tokio::test]
async fn honest_coordinator_is_not_accused_and_its_sums_are_the_chains() {
    let story = Story::honest();
    let report = audited(&story).await;
    assert_eq!(report.contradictions, []);
    assert_eq!((report.totals.receipts, report.anchored.receipts), (ENTRIES, ANCHORED));
    assert_eq!(report.nodes, 3);
    assert_eq!(report.epochs[0].root, story.tree().root().to_string());
    let earned: u128 = report.anchored.earned.parse().unwrap();
    // Rounding of three nodes down and of two allowances up is all that separates them.
    let credited = u128::from(report.chain.credited.get()) * 1_000_000;
    assert!(credited <= earned && earned < credited + 3_000_000);
}

#[tokio::test]
async fn coordinator_restored_from_a_backup_is_not_accused() {
    let story = Story::restored();
    let report = audited(&story).await;
    assert_eq!(report.contradictions, []);
    let sizes: Vec<u64> = report.epochs.iter().map(|epoch| epoch.size).collect();
    assert_eq!(sizes, [BACKED_UP, SECOND]);
    assert_eq!(report.anchored.receipts, BACKED_UP + SECOND_ANCHORED);
    assert!(!report.not_checked.iter().any(|line| line.contains("no receipt")));
}

#[tokio::test]
async fn epoch_that_begins_above_the_receipts_is_found_where_the_money_went_too() {
    let mut story = Story::restored();
    lies::a_friend_gains_with_an_epoch(&mut story);
    let report = audited(&story).await;
    let found: Vec<(Contradiction, u32, Option<u64>)> = report
        .contradictions
        .iter()
        .map(|finding| (finding.kind, finding.epoch, finding.index))
        .collect();
    // The friend's first receipt in the epoch is the third entry: 597 is the first after 595 that is its.
    assert_eq!(
        found,
        [
            (Contradiction::Cumulative, 1, Some(2)),
            (Contradiction::Credits, 1, None),
            (Contradiction::Unpaid, 1, None),
        ]
    );
}

#[tokio::test]
async fn lost_anchored_receipts_are_found_and_what_was_taken_over_for_them_is_said() {
    let story = Story::restored_with_a_gap();
    let report = audited(&story).await;
    let kinds: BTreeSet<Contradiction> =
        report.contradictions.iter().map(|finding| finding.kind).collect();
    let lost = [Contradiction::Shrunk, Contradiction::Debits, Contradiction::Fees];
    assert_eq!(kinds, BTreeSet::from(lost));
    let line = report.not_checked.iter().find(|line| line.contains("no receipt")).unwrap();
    assert!(line.contains("of 3 nodes") && line.contains("90 entries"), "{line}");

    // A loss explains whole millionths that were credited, and not one fine unit more.
    let mut story = story;
    for entry in story.second.iter_mut().filter(|entry| entry.head.node == world::node(0)) {
        entry.head.node_cumulative.0 += 1;
    }
    story.anchor_second();
    let report = audited(&story).await;
    let jumps = report.contradictions.iter().filter(|it| it.kind == Contradiction::Cumulative);
    let places: Vec<_> = jumps.map(|it| (it.epoch, it.index)).collect();
    assert_eq!(places, [(1, Some(2))]);
}

#[tokio::test]
async fn epoch_that_was_never_used_may_be_left_out() {
    let mut story = Story::restored();
    let empty = Anchor { epoch: 1, size: 0, root: empty_root() };
    // The used one becomes the third; the second was opened and never written.
    for entry in &mut story.second {
        entry.head.epoch = 2;
    }
    story.evidence.owner.iter_mut().filter(|it| it.epoch == 1).for_each(|it| it.epoch = 2);
    story.opening.closed.push(empty);
    (story.opening.open.epoch, story.settled.open.epoch) = (2, 2);
    story.relink();
    story.anchor();
    assert_eq!(audited(&story).await.contradictions, []);
}

#[tokio::test]
async fn honest_coordinator_is_not_accused_by_what_people_hold() {
    let mut story = Story::honest();
    for index in [0, 255, 256, 511, 589, 599] {
        story.evidence.held.push(story.receipt(index));
    }
    let tree = story.tree();
    for size in [1, 256, ANCHORED, ENTRIES] {
        let root = pinaivu_protocol::merkle::tree_root(&tree, size).unwrap();
        story.evidence.heads.push((0, size, root, "a saved checkpoint".to_owned()));
    }
    assert_eq!(audited(&story).await.contradictions, []);
}

#[tokio::test]
async fn key_that_a_node_rotated_counts_when_the_chain_has_a_record_of_it_and_only_then() {
    let mut story = Story::honest();
    let (node, former) = (world::node(1), world::node_key(1).public());
    let (_, today) = world::stranger();
    story.opening.node_keys.insert(node, vec![today]);
    story.former_keys.push((node, former));
    assert_eq!(audited(&story).await.contradictions, []);
    // A record of another node's key does not help.
    story.former_keys = vec![(world::node(2), former)];
    let report = audited(&story).await;
    let first = report.contradictions.first().unwrap();
    assert_eq!((first.kind, first.index), (Contradiction::NodeKey, Some(1)));
}

#[tokio::test]
async fn every_lie_is_found_by_its_name() {
    let honest = Story::honest();
    for lie in lies::LIES {
        let mut told = honest.clone();
        (lie.tell)(&mut told);
        let report = audited(&told).await;
        let kinds: BTreeSet<Contradiction> =
            report.contradictions.iter().map(|finding| finding.kind).collect();
        assert!(kinds.contains(&lie.kind), "{}: {}: {kinds:?}", lie.way, lie.name);
    }
}

#[test]
fn every_kind_of_contradiction_has_a_lie_that_shows_it() {
    let shown: BTreeSet<Contradiction> = lies::LIES.iter().map(|lie| lie.kind).collect();
    for kind in Contradiction::ALL {
        assert!(shown.contains(&kind), "no lie for {kind:?}");
    }
    let ways: BTreeSet<&str> = lies::LIES.iter().map(|lie| lie.way).collect();
    assert_eq!(ways.len(), 8);
}

#[test]
fn program_refuses_rewritten_history_and_money_that_is_not_there() {
    let honest = Story::honest();
    assert_eq!(lies::refusal(&honest, &honest), None);
    let refused: Vec<&str> = lies::LIES
        .iter()
        .filter(|lie| {
            let mut told = honest.clone();
            (lie.tell)(&mut told);
            lies::refusal(&honest, &told).is_some()
        })
        .map(|lie| lie.name)
        .collect();
    assert_eq!(
        refused,
        [
            "an anchored receipt is left out",
            "the newest anchored receipts are left out",
            "two anchored receipts change places",
            "a model's name is changed in an anchored receipt",
            "a log of its own for the auditor",
            "fees above the rate",
            "a higher rate in receipts than on chain",
            "more is given out than was debited",
        ]
    );
}
