//! How many receipts a second the pipeline makes durable: drafts with proofs and signed roots in, signed
//! and logged receipts on disk out. Everything is real: SQLite with full synchronisation, Ed25519, the
//! Merkle log. `RECEIPTS` sets how many (50,000), `DIRECTORY` where the database goes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints and may stop at the first surprise"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pinaivu_coordinator::clock::SystemClock;
use pinaivu_coordinator::receipts::{
    Billing, Draft, Metered, Observer, Receipted, Receipts, ReceiptsConfig, Signer,
};
use pinaivu_coordinator::store::{AccountHandle, Identity, NewAccount, Store, StoreConfig};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{
    AllowanceId, CoordinatorId, DeploymentId, EscrowId, NodeId, PublicKey, RequestId, Segment,
};
use pinaivu_protocol::merkle::MemoryTree;
use pinaivu_protocol::proof::{Outcome, ProofOfInference, ProofRoot};
use pinaivu_protocol::receipt::AuctionDigest;
use pinaivu_protocol::signed::SigningKey;
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::units::{Amount, Bps, Tariff, TokenCount, TokenPrice, UnixMillis};
use tokio_util::sync::CancellationToken;

const NODES: u64 = 16;
const ALLOWANCES: u64 = 200;
const PROOFS_PER_ROOT: u64 = 64;

struct Counter {
    made: AtomicU64,
    wanted: u64,
    done: CancellationToken,
}

impl Observer for Counter {
    fn receipted(&self, _receipt: &Receipted) {
        if self.made.fetch_add(1, Ordering::Relaxed) + 1 == self.wanted {
            self.done.cancel();
        }
    }
}

fn bytes(kind: u8, number: u64) -> [u8; 32] {
    let mut bytes = [kind; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn main() {
    let wanted = std::env::var("RECEIPTS").map_or(50_000, |text| text.parse().unwrap());
    let directory = std::env::var("DIRECTORY").map_or_else(|_| std::env::temp_dir(), Into::into);
    let directory = tempfile::tempdir_in(directory).unwrap();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(run(wanted, directory.path().join("coordinator.db")));
}

async fn run(wanted: u64, path: std::path::PathBuf) {
    let identity =
        Identity { deployment: DeploymentId(Hash32([1; 32])), coordinator: CoordinatorId([2; 32]) };
    let signer = Arc::new(Signer::from_seed(&[3; 32]).unwrap());
    let store = Store::open(&StoreConfig::at(&path), identity).unwrap();
    for number in 0..ALLOWANCES {
        let account = account(number);
        store.write(move |transaction| transaction.open_account(&account)).await.unwrap();
    }
    let done = CancellationToken::new();
    let counter = Arc::new(Counter { made: AtomicU64::new(0), wanted, done: done.clone() });
    let capacity = 16_384;
    let (receipts, pipeline) = Receipts::start(
        ReceiptsConfig { capacity, ..ReceiptsConfig::default() },
        identity,
        Arc::clone(&signer),
        store.clone(),
        Arc::new(SystemClock),
        counter,
        Bps(500),
    );
    let stop = CancellationToken::new();
    let task = tokio::spawn(pipeline.run(stop.clone()));

    let before = resident_kib();
    let started = Instant::now();
    let mut made = 0;
    while made < wanted {
        let count = PROOFS_PER_ROOT.min(wanted - made);
        submit_group(&receipts, &signer, identity, made, count).await;
        made += count;
    }
    let submitted = started.elapsed();
    done.cancelled().await;
    let elapsed = started.elapsed();
    let after = resident_kib();
    stop.cancel();
    task.await.unwrap();

    let bytes = std::fs::metadata(&path).unwrap().len();
    println!("{wanted} receipts in {elapsed:?} (submitted in {submitted:?})");
    println!("{:.0} receipts/s", wanted as f64 / elapsed.as_secs_f64());
    println!("{:.0} bytes of database a receipt", bytes as f64 / wanted as f64);
    println!("resident memory {before} KiB before, {after} KiB after");
}

fn account(number: u64) -> NewAccount {
    let mut handle = [0; 12];
    handle[..8].copy_from_slice(&number.to_be_bytes());
    NewAccount {
        handle: AccountHandle(handle),
        allowance: AllowanceId(bytes(4, number)),
        escrow: EscrowId(bytes(5, number)),
        owner: PublicKey(bytes(6, number)),
        created: UnixMillis(0),
        debited: Amount(0),
    }
}

/// What one node sends for one signed root: the drafts' proofs, then the root over them.
async fn submit_group(
    receipts: &Receipts,
    signer: &Signer,
    identity: Identity,
    first: u64,
    count: u64,
) {
    let node_number = (first / PROOFS_PER_ROOT) % NODES;
    let node = NodeId(bytes(7, node_number));
    let node_key = SigningKey::from_seed(&bytes(8, node_number)).unwrap();
    let mut tree = MemoryTree::new();
    let mut leaves = Vec::new();
    for number in first..first + count {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&number.to_be_bytes());
        let request = RequestId::new(UnixMillis(1_700_000_000_000 + number / 16), random);
        let flight = loop {
            match receipts.begin(request) {
                Ok(flight) => break flight,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(1)).await,
            }
        };
        let account = account(number % ALLOWANCES);
        let mut ticket = Ticket {
            deployment: identity.deployment,
            coordinator: identity.coordinator,
            node,
            request,
            segment: Segment(0),
            model: "smollm2-135m-instruct".to_owned(),
            max_output: TokenCount(512),
            tariff: Tariff { price: TokenPrice(150_000), input_weight: 1, output_weight: 4 },
            issued: UnixMillis(0),
            deadline: UnixMillis(0),
            salt: bytes(9, number),
            request_commitment: Hash32(bytes(10, number)),
            book_head: Hash32([11; 32]),
            billing: [0; 16],
            issuer_mac: [0; 32],
        };
        signer.seal_ticket(
            &mut ticket,
            Billing { account: account.handle, max_input: TokenCount(2_000) },
        );
        let metered = Metered {
            outcome: Outcome::Completed,
            response_commitment: Hash32(bytes(12, number)),
            input_tokens: TokenCount(321),
            output_tokens: TokenCount(123),
        };
        let proof = ProofOfInference {
            deployment: identity.deployment,
            coordinator: identity.coordinator,
            node,
            request,
            segment: Segment(0),
            ticket: ticket.hash(),
            model: "SmolLM2-135M-Instruct-Q4_K_M.gguf".to_owned(),
            backend: "llama.cpp b10434".to_owned(),
            response_commitment: metered.response_commitment,
            input_tokens: metered.input_tokens,
            output_tokens: metered.output_tokens,
            outcome: metered.outcome,
            finished: UnixMillis(0),
        };
        tree.push(proof.leaf()).unwrap();
        leaves.push(proof.leaf());
        let auction = AuctionDigest {
            book_head: ticket.book_head,
            candidates: 2,
            winner_ask: ticket.tariff.price,
            best_losing_ask: None,
        };
        receipts
            .submit(Draft {
                ticket,
                allowance: account.allowance,
                escrow: account.escrow,
                api_key: None,
                metered,
                auction,
                proof: Some(proof),
                flight,
                hold: None,
            })
            .unwrap();
    }
    let root = node_key.sign(ProofRoot {
        deployment: identity.deployment,
        coordinator: identity.coordinator,
        node,
        size: u32::try_from(count).unwrap(),
        root: tree.root(),
    });
    receipts.root(node, &node_key.public(), &root, leaves).unwrap();
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or_default()
}
