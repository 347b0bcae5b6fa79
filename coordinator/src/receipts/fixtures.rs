//! What tests of receipts and settlement are made of.
#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]

use std::sync::Arc;

use parking_lot::Mutex;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{
    AllowanceId, ClusterId, CoordinatorId, DeploymentId, EscrowId, NodeId, ProgramId, PublicKey,
    RequestId, Segment,
};
use pinaivu_protocol::merkle::MemoryTree;
use pinaivu_protocol::proof::{NodeEvidence, Outcome, ProofOfInference, ProofRoot};
use pinaivu_protocol::receipt::AuctionDigest;
use pinaivu_protocol::signed::{Signed, SigningKey};
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::units::{Amount, Bps, Tariff, TokenCount, TokenPrice, UnixMillis};

use super::commit::{self, Facts, Fate, Group, Issuer};
use super::{Billing, Metered, Observer, Receipted, Signer};
use crate::clock::Clock;
use crate::store::{AccountHandle, Identity, NewAccount, Store, StoreConfig, StoreError};

pub(crate) const CLUSTER: ClusterId = ClusterId([11; 32]);
pub(crate) const PROGRAM: ProgramId = pinaivu_chain::PROGRAM_ID;
pub(crate) const FEE_RATE: Bps = Bps(250);

/// A clock that tests move.
#[derive(Debug)]
pub(crate) struct ManualClock(pub(crate) Mutex<UnixMillis>);

impl ManualClock {
    pub(crate) fn at(millis: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(UnixMillis(millis))))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        *self.0.lock()
    }
}

/// Remembers every receipt it hears of.
#[derive(Debug, Default)]
pub(crate) struct Recorder(pub(crate) Mutex<Vec<Receipted>>);

impl Observer for Recorder {
    fn receipted(&self, receipt: &Receipted) {
        self.0.lock().push(receipt.clone());
    }
}

pub(crate) fn identity() -> Identity {
    Identity {
        deployment: DeploymentId::new(&CLUSTER, &PROGRAM),
        coordinator: CoordinatorId([2; 32]),
    }
}

pub(crate) fn signer() -> Arc<Signer> {
    Arc::new(Signer::from_seed(&[3; 32]).unwrap())
}

pub(crate) fn node(number: u8) -> NodeId {
    NodeId([0x40 + number; 32])
}

pub(crate) fn node_key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[0x60 + number; 32]).unwrap()
}

pub(crate) fn allowance(number: u8) -> AllowanceId {
    AllowanceId([0x80 + number; 32])
}

pub(crate) fn account(number: u8) -> NewAccount {
    NewAccount {
        handle: AccountHandle([number; 12]),
        allowance: allowance(number),
        escrow: EscrowId([0xa0 + number; 32]),
        owner: PublicKey([0xc0 + number; 32]),
        created: UnixMillis(1),
        debited: Amount(0),
    }
}

/// A store with accounts `0 .. accounts`.
pub(crate) async fn store(directory: &tempfile::TempDir, accounts: u8) -> Store {
    let config = StoreConfig::at(directory.path().join("coordinator.db"));
    let store = Store::open(&config, identity()).unwrap();
    store
        .write(move |transaction| {
            for number in 0..accounts {
                transaction.open_account(&account(number))?;
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    store
}

pub(crate) fn request(number: u64) -> RequestId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    RequestId::new(UnixMillis(1_700_000_000_000), random)
}

/// A sealed ticket of request `number` for a node, paid from an account.
pub(crate) fn ticket(number: u64, node_number: u8, account_number: u8) -> Ticket {
    let mut ticket = Ticket {
        deployment: identity().deployment,
        coordinator: identity().coordinator,
        node: node(node_number),
        request: request(number),
        segment: Segment(0),
        model: "smollm2".to_owned(),
        max_output: TokenCount(1_000),
        tariff: Tariff { price: TokenPrice(150_001), input_weight: 1, output_weight: 3 },
        issued: UnixMillis(1_700_000_000_000),
        deadline: UnixMillis(1_700_000_060_000),
        salt: [13; 32],
        request_commitment: Hash32([14; 32]),
        book_head: Hash32([15; 32]),
        billing: [0; 16],
        issuer_mac: [0; 32],
    };
    seal(&mut ticket, account_number);
    ticket
}

pub(crate) fn seal(ticket: &mut Ticket, account_number: u8) {
    let billing = Billing { account: account(account_number).handle, max_input: TokenCount(500) };
    signer().seal_ticket(ticket, billing);
}

pub(crate) fn metered(input: u32, output: u32) -> Metered {
    Metered {
        outcome: Outcome::Completed,
        response_commitment: Hash32([16; 32]),
        input_tokens: TokenCount(input),
        output_tokens: TokenCount(output),
    }
}

pub(crate) fn auction() -> AuctionDigest {
    AuctionDigest {
        book_head: Hash32([15; 32]),
        candidates: 2,
        winner_ask: TokenPrice(150_000),
        best_losing_ask: Some(TokenPrice(160_000)),
    }
}

/// The proof an honest node makes for a ticket and what was metered.
pub(crate) fn proof(ticket: &Ticket, metered: &Metered) -> ProofOfInference {
    ProofOfInference {
        deployment: ticket.deployment,
        coordinator: ticket.coordinator,
        node: ticket.node,
        request: ticket.request,
        segment: ticket.segment,
        ticket: ticket.hash(),
        model: "SmolLM2.gguf".to_owned(),
        backend: "llama.cpp".to_owned(),
        response_commitment: metered.response_commitment,
        input_tokens: metered.input_tokens,
        output_tokens: metered.output_tokens,
        outcome: metered.outcome,
        finished: UnixMillis(1_700_000_000_500),
    }
}

/// A node's signed root over proofs, with its leaves.
pub(crate) fn root(
    node_number: u8,
    key: &SigningKey,
    proofs: &[ProofOfInference],
) -> (Signed<ProofRoot>, Vec<Hash32>) {
    let mut tree = MemoryTree::new();
    let leaves: Vec<_> = proofs.iter().map(ProofOfInference::leaf).collect();
    for leaf in &leaves {
        tree.push(*leaf).unwrap();
    }
    let root = ProofRoot {
        deployment: identity().deployment,
        coordinator: identity().coordinator,
        node: node(node_number),
        size: u32::try_from(leaves.len()).unwrap(),
        root: tree.root(),
    };
    (key.sign(root), leaves)
}

/// Evidence for a proof that stands alone under its root.
pub(crate) fn evidence(
    node_number: u8,
    key: &SigningKey,
    proof: &ProofOfInference,
) -> NodeEvidence {
    let (root, _) = root(node_number, key, std::slice::from_ref(proof));
    NodeEvidence { signer: key.public(), root, index: 0, path: Vec::new() }
}

/// One receipt to be made without a pipeline around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge {
    pub(crate) request: u64,
    pub(crate) node: u8,
    pub(crate) account: u8,
    pub(crate) input: u32,
    pub(crate) output: u32,
}

/// Commits receipts as the pipeline does; every one of them is new.
pub(crate) async fn commit_now(store: &Store, charges: &[Charge]) {
    let facts = charges
        .iter()
        .map(|charge| {
            let ticket = ticket(charge.request, charge.node, charge.account);
            Box::new(Facts {
                ticket_hash: ticket.hash(),
                allowance: account(charge.account).allowance,
                escrow: account(charge.account).escrow,
                api_key: None,
                metered: metered(charge.input, charge.output),
                auction: auction(),
                statement: None,
                salts: commit::fresh_salts(),
                represented: false,
                ticket,
            })
        })
        .collect();
    let group = Group { facts, abandoned: Vec::new() };
    let issuer = Issuer {
        identity: identity(),
        signer: signer(),
        fee_rate: FEE_RATE,
        now: UnixMillis(1_700_000_001_000),
        attestation: None,
        forget_before: UnixMillis(0),
    };
    let fates =
        store.write(move |transaction| commit::commit(transaction, &issuer, &group)).await.unwrap();
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Made(_))));
}
