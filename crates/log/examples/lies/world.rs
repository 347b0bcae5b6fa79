//! An honest story in the real formats, to be bent: signed receipts, entry bundles, tiles, checkpoint,
//! and a chain that says what the coordinator made it say.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pinaivu_log::audit::{
    Anchor, ChainReader, Evidence, OWNER_ALLOWANCE_TAG, OWNER_CUMULATIVE_TAG, OWNER_ESCROW_TAG,
    Opening, OwnerRecord, OwnerRecordSalts, Settled,
};
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::entry::{self, Entry};
use pinaivu_log::origin;
use pinaivu_log::source::{LogSource, SourceError};
use pinaivu_log::tile::{Resource, Span, tiles_of};
use pinaivu_protocol::commitment::{Salt, value_commitment};
use pinaivu_protocol::hash::{Hash32, sha256};
use pinaivu_protocol::ids::{
    AllowanceId, ClusterId, CoordinatorId, DeploymentId, EscrowId, NodeId, ProgramId, PublicKey,
    RequestId, Segment,
};
use pinaivu_protocol::merkle::{MemoryTree, NodeSource as _, tree_root};
use pinaivu_protocol::proof::{NodeEvidence, Outcome, ProofOfInference, ProofRoot};
use pinaivu_protocol::receipt::{
    AuctionDigest, NodeStatement, OwnerCommitments, Receipt, ReceiptBody, ReceiptHead, fee_floor,
};
use pinaivu_protocol::signed::SigningKey;
use pinaivu_protocol::units::{
    Amount, Bps, FineAmount, Tariff, TokenCount, TokenPrice, UnixMillis,
};

/// Entries in the log: two full bundles and a partial one.
pub(crate) const ENTRIES: u64 = 600;
/// Entries the chain covers.
pub(crate) const ANCHORED: u64 = 590;
/// Entries of the first epoch's log that a backup still has, when there is a second one: all that the chain
/// covers, and not all there were.
pub(crate) const BACKED_UP: u64 = 595;
/// Entries of the second epoch's log.
pub(crate) const SECOND: u64 = 105;
/// Entries of it that the chain covers.
pub(crate) const SECOND_ANCHORED: u64 = 100;
/// Entries that a backup still has which lacks some that the chain covers.
pub(crate) const GAP_FROM: usize = 500;
pub(crate) const FEE_RATE: Bps = Bps(500);
pub(crate) const COORDINATOR: CoordinatorId = CoordinatorId([2; 32]);
const NODES: u8 = 3;
const ALLOWANCES: u8 = 2;

pub(crate) fn deployment() -> DeploymentId {
    DeploymentId::new(&ClusterId([1; 32]), &ProgramId([9; 32]))
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

pub(crate) fn coordinator_key() -> SigningKey {
    key(3)
}

pub(crate) fn node(number: u8) -> NodeId {
    NodeId([0x40 + number; 32])
}

pub(crate) fn node_key(number: u8) -> SigningKey {
    key(0x60 + number)
}

pub(crate) fn allowance(number: u8) -> AllowanceId {
    AllowanceId([0x80 + number; 32])
}

fn escrow(number: u8) -> EscrowId {
    EscrowId([0xa0 + number; 32])
}

fn salt(index: u64, what: u8) -> Salt {
    Salt(sha256(&[&index.to_le_bytes(), &[what]]).0)
}

/// Everything a coordinator shows: its log, and what the chain holds of it.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) entries: Vec<Entry>,
    /// The log of the epoch that was opened for a backup, when there was one.
    pub(crate) second: Vec<Entry>,
    pub(crate) opening: Opening,
    pub(crate) settled: Settled,
    pub(crate) evidence: Evidence,
    /// Whose signature is on the checkpoint.
    pub(crate) signer: u8,
    /// Files that are not served.
    pub(crate) withheld: Vec<String>,
    /// Keys that the chain says were nodes' before they rotated.
    pub(crate) former_keys: Vec<(NodeId, PublicKey)>,
}

impl Story {
    /// Nothing in it is a lie.
    pub(crate) fn honest() -> Self {
        let mut entries = Vec::new();
        let mut owner = Vec::new();
        let mut charged = [FineAmount::ZERO; ALLOWANCES as usize];
        for index in 0..ENTRIES {
            let mut entry = served(index);
            let record = charge(&mut charged, &mut entry, index);
            owner.push(record);
            entries.push(entry);
        }
        let mut story = Self {
            entries,
            second: Vec::new(),
            opening: Opening {
                deployment: deployment(),
                coordinator: COORDINATOR,
                signer: coordinator_key().public(),
                fee_rate: FEE_RATE,
                node_keys: (0..NODES).map(|n| (node(n), vec![node_key(n).public()])).collect(),
                gone: BTreeSet::new(),
                open: Anchor { epoch: 0, size: ANCHORED, root: Hash32::ZERO },
                closed: Vec::new(),
            },
            settled: Settled {
                open: Anchor { epoch: 0, size: ANCHORED, root: Hash32::ZERO },
                debited: Amount::ZERO,
                credited: Amount::ZERO,
                fees: Amount::ZERO,
                credits: BTreeMap::new(),
                debits: BTreeMap::new(),
            },
            evidence: Evidence { owner, ..Evidence::default() },
            signer: 3,
            withheld: Vec::new(),
            former_keys: Vec::new(),
        };
        story.relink();
        story.anchor();
        story.settle();
        story
    }

    /// Nothing in it is a lie either: the database was lost and came back from a backup without the newest
    /// receipts, none of which the chain covers. Their nodes presented the proofs again, and got receipts in
    /// the epoch that was opened for it.
    pub(crate) fn restored() -> Self {
        let mut story = Self::honest();
        let backed_up = usize::try_from(BACKED_UP).unwrap();
        story.entries.truncate(backed_up);
        story.evidence.owner.truncate(backed_up);
        let mut charged = [FineAmount::ZERO; ALLOWANCES as usize];
        for record in &story.evidence.owner {
            charged[usize::from(record.allowance.0[0] - 0x80)] = record.allowance_cumulative;
        }
        for index in 0..SECOND {
            let mut entry = served(BACKED_UP + index);
            entry.head.epoch = 1;
            let mut record = charge(&mut charged, &mut entry, BACKED_UP + index);
            (record.epoch, record.index) = (1, index);
            story.evidence.owner.push(record);
            story.second.push(entry);
        }
        story.opening.closed.push(Anchor { epoch: 0, size: ANCHORED, root: Hash32::ZERO });
        story.opening.open = Anchor { epoch: 1, size: SECOND_ANCHORED, root: Hash32::ZERO };
        story.settled.open = story.opening.open;
        story.relink();
        story.anchor();
        story.settle();
        story
    }

    /// A backup that lacks receipts which the chain covers and has settled. The epoch goes on from what each
    /// node had been credited, as a coordinator takes it over.
    pub(crate) fn restored_with_a_gap() -> Self {
        let mut story = Self::restored();
        let (anchored, left) = (usize::try_from(ANCHORED).unwrap(), GAP_FROM);
        let mut credited = earned(&story.entries[..anchored]);
        for fine in credited.values_mut() {
            *fine -= *fine % 1_000_000;
        }
        let mut total = earned(&story.entries[..left]);
        story.entries.truncate(left);
        story.evidence.owner.clear();
        for entry in &mut story.second {
            let total = total.entry(entry.head.node).or_default();
            *total = credited[&entry.head.node].max(*total);
            *total += entry.body.amount.0 - entry.body.fee.0;
            entry.head.node_cumulative = FineAmount(*total);
        }
        let covered = usize::try_from(SECOND_ANCHORED).unwrap();
        for entry in &story.second[..covered] {
            let floor = entry.head.node_cumulative.to_amount_floor().unwrap();
            story.settled.credits.insert(entry.head.node, floor);
        }
        story.sum();
        // The closed head stays: the chain never forgets it.
        story.anchor_second();
        story
    }

    /// Gives every entry its place, its node's cumulative and its body's hash again: what a liar does
    /// who can count.
    pub(crate) fn relink(&mut self) {
        let mut earned: HashMap<NodeId, u128> = HashMap::new();
        for log in [&mut self.entries, &mut self.second] {
            for (index, entry) in log.iter_mut().enumerate() {
                let total = earned.entry(entry.head.node).or_default();
                *total += entry.body.amount.0 - entry.body.fee.0;
                entry.head.node_cumulative = FineAmount(*total);
                entry.head.index = u64::try_from(index).unwrap();
                entry.head.body = entry.body.hash();
            }
        }
    }

    /// Makes the chain hold the heads of these logs, as it does when the lie came first.
    pub(crate) fn anchor(&mut self) {
        let root = tree_root(&self.tree(), ANCHORED).unwrap();
        match self.opening.closed.first_mut() {
            Some(closed) => closed.root = root,
            None => {
                self.opening.open.root = root;
                self.settled.open.root = root;
            }
        }
        self.anchor_second();
    }

    /// Makes the chain hold the head of the second log.
    pub(crate) fn anchor_second(&mut self) {
        if !self.second.is_empty() {
            let root = tree_root(&tree_of(&self.second), SECOND_ANCHORED).unwrap();
            self.opening.open.root = root;
            self.settled.open.root = root;
        }
    }

    /// Makes the chain's money follow from the covered receipts, as an honest settlement does.
    pub(crate) fn settle(&mut self) {
        let covered = match self.second.is_empty() {
            true => self.entries.iter().take(usize::try_from(ANCHORED).unwrap()).collect(),
            false => self.entries.iter().collect::<Vec<_>>(),
        };
        let second = self.second.iter().take(usize::try_from(SECOND_ANCHORED).unwrap());
        let (mut fees, mut earned) = (0, BTreeMap::<NodeId, u128>::new());
        let mut owed = BTreeMap::<AllowanceId, u128>::new();
        for (index, entry) in covered.into_iter().chain(second).enumerate() {
            let payer = u8::try_from(index % usize::from(ALLOWANCES)).unwrap();
            *owed.entry(allowance(payer)).or_default() += entry.body.amount.0;
            *earned.entry(entry.head.node).or_default() += entry.body.amount.0 - entry.body.fee.0;
            fees += entry.body.fee.0;
        }
        let floor = |fine: u128| FineAmount(fine).to_amount_floor().unwrap();
        let ceil = |fine: u128| FineAmount(fine).to_amount_ceil().unwrap();
        self.settled.debits = owed.into_iter().map(|(id, fine)| (id, ceil(fine))).collect();
        self.settled.credits = earned.into_iter().map(|(id, fine)| (id, floor(fine))).collect();
        self.settled.fees = floor(fees);
        self.sum();
    }

    /// The coordinator's own counters are the sums of the single ones, as the program keeps them.
    pub(crate) fn sum(&mut self) {
        self.settled.debited = Amount(self.settled.debits.values().map(|debit| debit.0).sum());
        self.settled.credited = Amount(self.settled.credits.values().map(|credit| credit.0).sum());
    }

    pub(crate) fn tree(&self) -> MemoryTree {
        tree_of(&self.entries)
    }

    /// The signed receipt of an entry, as its payer and its node got it.
    pub(crate) fn receipt(&self, index: usize) -> Receipt {
        let entry = &self.entries[index];
        Receipt { head: coordinator_key().sign(entry.head), body: entry.body.clone() }
    }

    /// The files of the logs.
    pub(crate) fn serve(&self) -> MemoryLog {
        let mut files = HashMap::new();
        self.serve_epoch(0, &self.entries, &mut files);
        if !self.second.is_empty() {
            self.serve_epoch(self.opening.open.epoch, &self.second, &mut files);
        }
        for path in &self.withheld {
            files.remove(&(0, path.clone()));
        }
        MemoryLog(files)
    }

    fn serve_epoch(
        &self,
        epoch: u32,
        entries: &[Entry],
        files: &mut HashMap<(u32, String), Vec<u8>>,
    ) {
        let tree = tree_of(entries);
        let size = tree.size();
        for span in Span::covering(size) {
            let start = usize::try_from(span.start()).unwrap();
            let mut bundle = Vec::new();
            for entry in &entries[start..start + usize::from(span.width)] {
                entry::push(&mut bundle, &entry.encode()).unwrap();
            }
            files.insert((epoch, Resource::Entries(span).to_string()), bundle);
        }
        for resource in tiles_of(size) {
            let Resource::Tile { level, span } = resource else { continue };
            let nodes = (span.start()..span.start() + u64::from(span.width))
                .flat_map(|index| tree.node(level * 8, index).unwrap().0);
            files.insert((epoch, resource.to_string()), nodes.collect());
        }
        let checkpoint = Checkpoint { origin: origin(COORDINATOR, epoch), size, root: tree.root() };
        let note = checkpoint.sign(&key(self.signer)).unwrap().to_string();
        files.insert((epoch, "checkpoint".to_owned()), note.into_bytes());
    }
}

fn tree_of(entries: &[Entry]) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for entry in entries {
        tree.push(entry.leaf()).unwrap();
    }
    tree
}

/// What each node's entries add up to.
fn earned(entries: &[Entry]) -> HashMap<NodeId, u128> {
    let mut earned = HashMap::new();
    for entry in entries {
        *earned.entry(entry.head.node).or_default() += entry.body.amount.0 - entry.body.fee.0;
    }
    earned
}

/// Charges the payer whose turn it is; its record.
fn charge(
    charged: &mut [FineAmount; ALLOWANCES as usize],
    entry: &mut Entry,
    index: u64,
) -> OwnerRecord {
    let payer = u8::try_from(index % u64::from(ALLOWANCES)).unwrap();
    let total = &mut charged[usize::from(payer)];
    *total = FineAmount(total.0 + entry.body.amount.0);
    let record = OwnerRecord {
        epoch: 0,
        index,
        allowance: allowance(payer),
        escrow: Some(escrow(payer)),
        allowance_cumulative: *total,
        salts: OwnerRecordSalts {
            escrow: salt(index, 0),
            allowance: salt(index, 1),
            cumulative: salt(index, 2),
        },
    };
    entry.body.owner = commitments(&record);
    record
}

/// The commitments that a record opens.
pub(crate) fn commitments(record: &OwnerRecord) -> OwnerCommitments {
    OwnerCommitments {
        escrow: value_commitment(OWNER_ESCROW_TAG, &record.salts.escrow, &record.escrow.unwrap().0),
        allowance: value_commitment(
            OWNER_ALLOWANCE_TAG,
            &record.salts.allowance,
            &record.allowance.0,
        ),
        cumulative: value_commitment(
            OWNER_CUMULATIVE_TAG,
            &record.salts.cumulative,
            &record.allowance_cumulative.0.to_le_bytes(),
        ),
    }
}

/// One answer as it is receipted: the node's statement under its own signature.
fn served(index: u64) -> Entry {
    let number = u8::try_from(index % u64::from(NODES)).unwrap();
    let mut random = [0; 10];
    random[2..].copy_from_slice(&index.to_be_bytes());
    let request = RequestId::new(UnixMillis(1_700_000_000_000 + index), random);
    let tokens = (
        TokenCount(10 + u32::try_from(index % 7).unwrap()),
        TokenCount(20 + u32::try_from(index % 11).unwrap()),
    );
    let tariff = Tariff { price: TokenPrice(210_001), input_weight: 1, output_weight: 4 };
    let (ticket, answer) =
        (sha256(&[b"ticket", &index.to_le_bytes()]), sha256(&[b"answer", &index.to_le_bytes()]));
    let proof = ProofOfInference {
        deployment: deployment(),
        coordinator: COORDINATOR,
        node: node(number),
        request,
        segment: Segment(0),
        ticket,
        model: "model.gguf".to_owned(),
        backend: "llama.cpp".to_owned(),
        response_commitment: answer,
        input_tokens: tokens.0,
        output_tokens: tokens.1,
        outcome: Outcome::Completed,
        finished: UnixMillis(1_700_000_000_500 + index),
    };
    let amount = tariff.amount(tokens.0, tokens.1);
    Entry {
        head: ReceiptHead {
            deployment: deployment(),
            coordinator: COORDINATOR,
            epoch: 0,
            index,
            request,
            segment: Segment(0),
            node: node(number),
            node_cumulative: FineAmount::ZERO,
            body: Hash32::ZERO,
        },
        body: ReceiptBody {
            model: "model".to_owned(),
            ticket,
            request_commitment: sha256(&[b"request", &index.to_le_bytes()]),
            response_commitment: answer,
            input_tokens: tokens.0,
            output_tokens: tokens.1,
            tariff,
            amount,
            fee: fee_floor(amount, FEE_RATE).unwrap(),
            fee_rate: FEE_RATE,
            outcome: Outcome::Completed,
            auction: AuctionDigest {
                book_head: Hash32([15; 32]),
                candidates: 2,
                winner_ask: TokenPrice(200_000),
                best_losing_ask: Some(TokenPrice(250_000)),
            },
            owner: OwnerCommitments {
                escrow: Hash32::ZERO,
                allowance: Hash32::ZERO,
                cumulative: Hash32::ZERO,
            },
            statement: Some(NodeStatement { evidence: stated(&proof, &node_key(number)), proof }),
            attestation: None,
            created: UnixMillis(1_700_000_001_000 + index),
        },
    }
}

/// A node's signature over a root with this one proof under it.
pub(crate) fn stated(proof: &ProofOfInference, key: &SigningKey) -> NodeEvidence {
    let root = key.sign(ProofRoot {
        deployment: proof.deployment,
        coordinator: proof.coordinator,
        node: proof.node,
        size: 1,
        root: proof.leaf(),
    });
    NodeEvidence { signer: key.public(), root, index: 0, path: Vec::new() }
}

/// A log's files in memory.
#[derive(Clone, Debug)]
pub(crate) struct MemoryLog(HashMap<(u32, String), Vec<u8>>);

impl LogSource for MemoryLog {
    async fn fetch(&self, epoch: u32, path: &str) -> Result<Vec<u8>, SourceError> {
        let file = self.0.get(&(epoch, path.to_owned()));
        file.cloned().ok_or_else(|| SourceError::Missing(path.to_owned()))
    }
}

/// What the chain says in a story.
impl ChainReader for Story {
    async fn opening(&self) -> Result<Opening, SourceError> {
        Ok(self.opening.clone())
    }

    async fn node_key(&self, _node: NodeId) -> Result<Option<PublicKey>, SourceError> {
        Ok(None)
    }

    async fn former_key(&self, node: NodeId, key: PublicKey) -> Result<bool, SourceError> {
        Ok(self.former_keys.contains(&(node, key)))
    }

    async fn settled(&self, _due: &BTreeMap<NodeId, Amount>) -> Result<Settled, SourceError> {
        Ok(self.settled.clone())
    }
}

/// A key that no node has.
pub(crate) fn stranger() -> (SigningKey, PublicKey) {
    let key = key(0xee);
    let public = key.public();
    (key, public)
}
