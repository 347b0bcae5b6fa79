//! `volume [RECEIPTS]`: audits an honest log of that many receipts (a million unless given), made while it
//! is read, and prints how long it took and how much memory.
//!
//! Forty nodes, each signing one root over 64 proofs, as real ones do. The log is made twice: once for its
//! root, which the chain must hold, and once as the audit reads it; only the second time is measured, making
//! included.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "an example that measures")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use pinaivu_log::audit::{self, Anchor, ChainReader, Evidence, Opening, Settled};
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::entry::{self, Entry, entries};
use pinaivu_log::origin;
use pinaivu_log::source::{LogSource, SourceError};
use pinaivu_log::tile::{Resource, Span};
use pinaivu_protocol::hash::{Hash32, sha256};
use pinaivu_protocol::ids::{
    AllowanceId, ClusterId, CoordinatorId, DeploymentId, NodeId, ProgramId, PublicKey, RequestId,
    Segment,
};
use pinaivu_protocol::merkle::{CompactRange, MemoryTree, inclusion_proof, leaf_hash};
use pinaivu_protocol::proof::{NodeEvidence, Outcome, ProofOfInference, ProofRoot};
use pinaivu_protocol::receipt::{
    AuctionDigest, NodeStatement, OwnerCommitments, ReceiptBody, ReceiptHead, fee_floor,
};
use pinaivu_protocol::signed::SigningKey;
use pinaivu_protocol::units::{
    Amount, Bps, FineAmount, Tariff, TokenCount, TokenPrice, UnixMillis,
};

/// Entries of a bundle, nodes that share one, proofs of each under one signature, bundles until all nodes
/// have had their turn.
const BUNDLE: u64 = 256;
const AT_ONCE: u64 = 4;
const PROOFS: u64 = BUNDLE / AT_ONCE;
const TURNS: u64 = 10;

const COORDINATOR: CoordinatorId = CoordinatorId([2; 32]);
const FEE_RATE: Bps = Bps(500);
const TARIFF: Tariff = Tariff { price: TokenPrice(210_001), input_weight: 1, output_weight: 4 };
const TOKENS: (TokenCount, TokenCount) = (TokenCount(412), TokenCount(187));

fn deployment() -> DeploymentId {
    DeploymentId::new(&ClusterId([1; 32]), &ProgramId([9; 32]))
}

fn key(seed: u64) -> SigningKey {
    SigningKey::from_seed(&sha256(&[b"volume", &seed.to_le_bytes()]).0).unwrap()
}

fn node(number: u64) -> NodeId {
    NodeId(sha256(&[b"node", &number.to_le_bytes()]).0)
}

fn amounts() -> (FineAmount, FineAmount) {
    let amount = TARIFF.amount(TOKENS.0, TOKENS.1);
    (amount, fee_floor(amount, FEE_RATE).unwrap())
}

struct Log {
    size: u64,
    root: Hash32,
    keys: Vec<SigningKey>,
}

impl Log {
    fn of(size: u64) -> Self {
        let keys = (0..AT_ONCE * TURNS).map(key).collect();
        let mut log = Self { size, root: Hash32::ZERO, keys };
        let mut tree = CompactRange::new();
        for bundle in 0..size / BUNDLE {
            for entry in entries(&log.bundle(bundle)) {
                tree.push(leaf_hash(entry.unwrap())).unwrap();
            }
        }
        log.root = tree.root();
        log
    }

    /// The entries of one bundle: its nodes take turns.
    fn bundle(&self, number: u64) -> Vec<u8> {
        let first = (number % TURNS) * AT_ONCE;
        let mut statements: Vec<Vec<NodeStatement>> =
            (first..first + AT_ONCE).map(|node| self.statements(number, node)).collect();
        for of_node in &mut statements {
            of_node.reverse();
        }
        let (amount, fee) = amounts();
        let mut bundle = Vec::new();
        for place in 0..BUNDLE {
            let of_node = &mut statements[usize::try_from(place % AT_ONCE).unwrap()];
            let statement = of_node.pop().unwrap();
            let served = number / TURNS * PROOFS + place / AT_ONCE + 1;
            let earned = (amount.0 - fee.0) * u128::from(served);
            let index = number * BUNDLE + place;
            let body = ReceiptBody {
                model: "smollm2-135m-instruct".to_owned(),
                ticket: statement.proof.ticket,
                request_commitment: sha256(&[b"request", &index.to_le_bytes()]),
                response_commitment: statement.proof.response_commitment,
                input_tokens: TOKENS.0,
                output_tokens: TOKENS.1,
                tariff: TARIFF,
                amount,
                fee,
                fee_rate: FEE_RATE,
                outcome: Outcome::Completed,
                auction: AuctionDigest {
                    book_head: Hash32([15; 32]),
                    candidates: 40,
                    winner_ask: TokenPrice(200_000),
                    best_losing_ask: Some(TokenPrice(250_000)),
                },
                owner: OwnerCommitments {
                    escrow: Hash32([1; 32]),
                    allowance: Hash32([2; 32]),
                    cumulative: Hash32([3; 32]),
                },
                attestation: None,
                created: UnixMillis(1_700_000_001_000 + index),
                statement: Some(statement),
            };
            let head = ReceiptHead {
                deployment: deployment(),
                coordinator: COORDINATOR,
                epoch: 0,
                index,
                request: request(index),
                segment: Segment(0),
                node: node(first + place % AT_ONCE),
                node_cumulative: FineAmount(earned),
                body: body.hash(),
            };
            entry::push(&mut bundle, &Entry { head, body }.encode()).unwrap();
        }
        bundle
    }

    /// A node's statements of one bundle, under one signature.
    fn statements(&self, bundle: u64, number: u64) -> Vec<NodeStatement> {
        let proofs: Vec<ProofOfInference> = (0..PROOFS)
            .map(|proof| {
                let index = bundle * BUNDLE + proof * AT_ONCE + number % AT_ONCE;
                ProofOfInference {
                    deployment: deployment(),
                    coordinator: COORDINATOR,
                    node: node(number),
                    request: request(index),
                    segment: Segment(0),
                    ticket: sha256(&[b"ticket", &index.to_le_bytes()]),
                    model: "model.gguf".to_owned(),
                    backend: "llama.cpp".to_owned(),
                    response_commitment: sha256(&[b"answer", &index.to_le_bytes()]),
                    input_tokens: TOKENS.0,
                    output_tokens: TOKENS.1,
                    outcome: Outcome::Completed,
                    finished: UnixMillis(1_700_000_000_500 + index),
                }
            })
            .collect();
        let mut tree = MemoryTree::new();
        for proof in &proofs {
            tree.push(proof.leaf()).unwrap();
        }
        let key = &self.keys[usize::try_from(number).unwrap()];
        let root = key.sign(ProofRoot {
            deployment: deployment(),
            coordinator: COORDINATOR,
            node: node(number),
            size: u32::try_from(PROOFS).unwrap(),
            root: tree.root(),
        });
        let statement = |(place, proof): (usize, ProofOfInference)| {
            let path = inclusion_proof(&tree, u64::try_from(place).unwrap(), PROOFS).unwrap();
            let index = u32::try_from(place).unwrap();
            let evidence = NodeEvidence { signer: key.public(), root: root.clone(), index, path };
            NodeStatement { proof, evidence }
        };
        proofs.into_iter().enumerate().map(statement).collect()
    }
}

fn request(index: u64) -> RequestId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&index.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    RequestId::new(UnixMillis(1_700_000_000_000 + index), random)
}

impl LogSource for Log {
    async fn fetch(&self, _epoch: u32, path: &str) -> Result<Vec<u8>, SourceError> {
        if path == "checkpoint" {
            let origin = origin(COORDINATOR, 0);
            let head = Checkpoint { origin, size: self.size, root: self.root };
            return Ok(head.sign(&key(u64::MAX)).unwrap().to_string().into_bytes());
        }
        match path.parse() {
            Ok(Resource::Entries(Span { index, .. })) => Ok(self.bundle(index)),
            _ => Err(SourceError::Missing(path.to_owned())),
        }
    }
}

impl ChainReader for Log {
    async fn opening(&self) -> Result<Opening, SourceError> {
        let numbers = 0..AT_ONCE * TURNS;
        let keys =
            numbers.map(|n| (node(n), vec![self.keys[usize::try_from(n).unwrap()].public()]));
        Ok(Opening {
            deployment: deployment(),
            coordinator: COORDINATOR,
            signer: key(u64::MAX).public(),
            fee_rate: FEE_RATE,
            node_keys: keys.collect(),
            gone: BTreeSet::new(),
            open: Anchor { epoch: 0, size: self.size, root: self.root },
            closed: Vec::new(),
        })
    }

    async fn node_key(&self, _: NodeId) -> Result<Option<PublicKey>, SourceError> {
        Ok(None)
    }

    async fn former_key(&self, _: NodeId, _: PublicKey) -> Result<bool, SourceError> {
        Ok(false)
    }

    async fn settled(&self, due: &BTreeMap<NodeId, Amount>) -> Result<Settled, SourceError> {
        let (amount, fee) = amounts();
        let all = |fine: FineAmount| FineAmount(fine.0 * u128::from(self.size));
        let debited = all(amount).to_amount_ceil().unwrap();
        Ok(Settled {
            open: Anchor { epoch: 0, size: self.size, root: self.root },
            debited,
            credited: Amount(due.values().map(|due| due.0).sum()),
            fees: all(fee).to_amount_floor().unwrap(),
            credits: due.clone(),
            debits: [(AllowanceId([7; 32]), debited)].into(),
        })
    }
}

/// The most memory this process has had, in MiB; nothing where the system does not say.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let asked: u64 = std::env::args().nth(1).map_or(1_000_000, |count| count.parse().unwrap());
    let unit = BUNDLE * TURNS;
    let size = asked.div_ceil(unit).max(1) * unit;
    let log = Log::of(size);
    let before = peak_memory().unwrap_or_default();
    let began = Instant::now();
    let report = audit::run(&log, &log, Evidence::default(), |_| {}).await.unwrap();
    let took = began.elapsed();
    assert_eq!(report.contradictions, []);
    println!(
        "{size} receipts of {} nodes audited in {:.1} s, {:.0} a second, making them included; \
         memory at most {} MiB, {before} before",
        report.nodes,
        took.as_secs_f64(),
        f64::from(u32::try_from(size).unwrap_or(u32::MAX)) / took.as_secs_f64(),
        peak_memory().unwrap_or_default(),
    );
}
