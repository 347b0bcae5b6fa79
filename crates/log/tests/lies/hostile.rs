//! Logs that invent nodes and keys, and nodes that the audit must find for itself.

use std::sync::atomic::{AtomicU64, Ordering};

use pinaivu_log::audit::{self, ChainReader, Contradiction, Opening, Report, Settled};
use pinaivu_log::source::SourceError;
use pinaivu_protocol::hash::sha256;
use pinaivu_protocol::ids::{NodeId, PublicKey};
use pinaivu_protocol::signed::SigningKey;
use pinaivu_protocol::units::Amount;

use super::audited;
use super::world::{ENTRIES, Story, node, node_key, stated};

/// Nodes and keys that are looked up although the chain does not know them, as docs/auditors.md has it.
const LOOKED_UP: u64 = 256;

/// A story's chain that counts what it is asked, and where one node was registered late.
struct Counted<'a> {
    story: &'a Story,
    late: Option<(NodeId, PublicKey)>,
    nodes: AtomicU64,
    keys: AtomicU64,
}

impl<'a> Counted<'a> {
    fn of(story: &'a Story) -> Self {
        Self { story, late: None, nodes: AtomicU64::new(0), keys: AtomicU64::new(0) }
    }

    async fn audited(&self) -> Report {
        audit::run(&self.story.serve(), self, self.story.evidence.clone(), |_| {}).await.unwrap()
    }

    fn asked(&self) -> (u64, u64) {
        (self.nodes.load(Ordering::Relaxed), self.keys.load(Ordering::Relaxed))
    }
}

impl ChainReader for Counted<'_> {
    async fn opening(&self) -> Result<Opening, SourceError> {
        self.story.opening().await
    }

    async fn node_key(&self, node: NodeId) -> Result<Option<PublicKey>, SourceError> {
        self.nodes.fetch_add(1, Ordering::Relaxed);
        Ok(self.late.filter(|(late, _)| *late == node).map(|(_, key)| key))
    }

    async fn former_key(&self, node: NodeId, key: PublicKey) -> Result<bool, SourceError> {
        self.keys.fetch_add(1, Ordering::Relaxed);
        self.story.former_key(node, key).await
    }

    async fn settled(
        &self,
        due: &std::collections::BTreeMap<NodeId, Amount>,
    ) -> Result<Settled, SourceError> {
        self.story.settled(due).await
    }
}

fn of_kind(report: &Report, kind: Contradiction) -> usize {
    report.contradictions.iter().filter(|finding| finding.kind == kind).count()
}

#[tokio::test]
async fn log_that_invents_a_node_for_each_receipt_is_contradicted_in_bounded_memory() {
    let mut story = Story::honest();
    for (index, entry) in story.entries.iter_mut().enumerate() {
        entry.head.node = NodeId(sha256(&[b"invented", &index.to_le_bytes()]).0);
        entry.body.statement = None;
    }
    story.relink();
    story.anchor();
    let chain = Counted::of(&story);
    let report = chain.audited().await;
    assert_eq!(chain.asked(), (LOOKED_UP, 0));
    assert_eq!(report.nodes as u64, LOOKED_UP);
    assert_eq!(of_kind(&report, Contradiction::UnknownNode), 10);
    assert!(report.further_contradictions >= LOOKED_UP - 10);
    let rest = format!("{} receipts name nodes or keys", ENTRIES - LOOKED_UP);
    assert!(report.not_checked.iter().any(|line| line.starts_with(&rest)), "{report:#?}");
}

#[tokio::test]
async fn log_that_invents_a_key_for_each_statement_is_contradicted_in_bounded_memory() {
    let mut story = Story::honest();
    for (index, entry) in story.entries.iter_mut().enumerate() {
        let key = SigningKey::from_seed(&sha256(&[b"invented", &index.to_le_bytes()]).0).unwrap();
        let statement = entry.body.statement.as_mut().unwrap();
        statement.evidence = stated(&statement.proof, &key);
    }
    story.relink();
    story.anchor();
    let chain = Counted::of(&story);
    let report = chain.audited().await;
    assert_eq!(chain.asked(), (LOOKED_UP, LOOKED_UP));
    assert_eq!(of_kind(&report, Contradiction::NodeKey), 10);
    let rest = format!("{} receipts name nodes or keys", ENTRIES - LOOKED_UP);
    assert!(report.not_checked.iter().any(|line| line.starts_with(&rest)), "{report:#?}");
}

#[tokio::test]
async fn log_of_duplicates_keeps_ten_and_counts_the_rest() {
    let mut story = Story::honest();
    let request = story.entries[0].head.request;
    for entry in &mut story.entries {
        entry.head.request = request;
        entry.body.statement = None;
    }
    story.relink();
    story.anchor();
    let report = audited(&story).await;
    assert_eq!(of_kind(&report, Contradiction::Duplicate), 10);
    assert_eq!(report.further_contradictions, ENTRIES - 1 - 10);
}

#[tokio::test]
async fn node_that_was_registered_after_the_audit_began_is_looked_up_and_not_accused() {
    let mut story = Story::honest();
    story.opening.node_keys.remove(&node(1));
    let mut chain = Counted::of(&story);
    chain.late = Some((node(1), node_key(1).public()));
    assert_eq!(chain.audited().await.contradictions, []);
    assert_eq!(chain.asked(), (1, 0));

    let report = audited(&story).await;
    let first = report.contradictions.first().unwrap();
    assert_eq!((first.kind, first.index), (Contradiction::UnknownNode, Some(1)));
    assert_eq!(of_kind(&report, Contradiction::NodeKey), 0);
}

#[tokio::test]
async fn node_that_closed_its_accounts_is_not_unpaid_when_its_key_is_brought() {
    let mut story = Story::honest();
    story.opening.gone.insert(node(1));
    // Its payout account went with it; what it was credited stays in the sum.
    story.settled.credits.remove(&node(1));
    let report = audited(&story).await;
    assert_eq!(report.contradictions, []);
    let line = "whether 1 nodes that closed their accounts were paid".to_owned();
    assert!(report.not_checked.contains(&line), "{:?}", report.not_checked);
}
