//! A database that receipts are made in, and what must be true of it whatever happened.

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::sync::Arc;

use pinaivu_coordinator::receipts::{Draft, Metered, Observer, Receipted, Receipts, Signer};
use pinaivu_coordinator::store::{AccountHandle, Identity, NewAccount, Store, StoreError};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{
    AllowanceId, CoordinatorId, DeploymentId, EscrowId, NodeId, PublicKey, RequestId, Segment,
};
use pinaivu_protocol::merkle::MemoryTree;
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::receipt::{AuctionDigest, Receipt, ReceiptHead};
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::units::{Amount, Tariff, TokenCount, TokenPrice, UnixMillis};

/// Names the database to the process that is killed.
pub(crate) const DATABASE: &str = "PINAIVU_KILLED_DATABASE";

pub(crate) const fn identity() -> Identity {
    Identity { deployment: DeploymentId(Hash32([1; 32])), coordinator: CoordinatorId([2; 32]) }
}

pub(crate) fn signer() -> Arc<Signer> {
    Arc::new(Signer::from_seed(&[3; 32]).unwrap())
}

/// Shows every receipt to the world: one line of hexadecimal digits each.
pub(crate) struct Shown;

impl Observer for Shown {
    fn receipted(&self, receipt: &Receipted) {
        let line = format!("head {}\n", hex::encode(receipt.head.encode()));
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}

/// A part of an answer; every number is another. Every answer has two: one node broke off, another took
/// over.
pub(crate) fn draft(receipts: &Receipts, number: u64) -> Option<Draft> {
    let (answer, part) = (number / 2, u8::try_from(number % 2).unwrap());
    let mut random = [0; 10];
    random[2..].copy_from_slice(&answer.to_be_bytes());
    let request = RequestId::new(UnixMillis(1), random);
    let flight = receipts.begin(request).ok()?;
    let ticket = Ticket {
        deployment: identity().deployment,
        coordinator: identity().coordinator,
        node: NodeId([u8::try_from(number % 3).unwrap(); 32]),
        request,
        segment: Segment(part.into()),
        model: "model".to_owned(),
        max_output: TokenCount(1_000),
        tariff: Tariff { price: TokenPrice(777), input_weight: 1, output_weight: 4 },
        issued: UnixMillis(1),
        deadline: UnixMillis(2),
        salt: [4; 32],
        request_commitment: Hash32([5; 32]),
        book_head: Hash32([6; 32]),
        billing: [0; 16],
        issuer_mac: [0; 32],
    };
    Some(Draft {
        auction: AuctionDigest {
            book_head: ticket.book_head,
            candidates: 1,
            winner_ask: ticket.tariff.price,
            best_losing_ask: None,
        },
        ticket,
        allowance: AllowanceId([7; 32]),
        escrow: EscrowId([8; 32]),
        api_key: None,
        metered: Metered {
            outcome: if part == 0 { Outcome::Failed } else { Outcome::Completed },
            response_commitment: Hash32([9; 32]),
            input_tokens: TokenCount(u32::try_from(number % 100).unwrap()),
            output_tokens: TokenCount(u32::try_from(number % 77).unwrap()),
        },
        proof: None,
        flight,
        hold: None,
    })
}

/// The account that pays, when it is not there yet.
pub(crate) async fn open_account(store: &Store) {
    let account = NewAccount {
        handle: AccountHandle([1; 12]),
        allowance: AllowanceId([7; 32]),
        escrow: EscrowId([8; 32]),
        owner: PublicKey([9; 32]),
        created: UnixMillis(1),
        debited: Amount(0),
    };
    store.write(move |transaction| transaction.open_account(&account)).await.unwrap();
}

/// Holds the database against itself and against what was shown.
pub(crate) async fn check(store: &Store, shown: &BTreeMap<u64, Signed<ReceiptHead>>) {
    let head = store.read(|state| state.log_head()).await.unwrap();
    let receipts = store
        .read(move |state| {
            (0..head.size)
                .map(|index| state.receipt_at(0, index)?.ok_or(StoreError::Missing("receipt")))
                .collect::<Result<Vec<_>, _>>()
        })
        .await
        .unwrap();
    let mut tree = MemoryTree::new();
    let mut charged = 0_u128;
    let mut parts = HashSet::new();
    for (index, stored) in (0..).zip(&receipts) {
        let receipt = Receipt::decode(&stored.bytes).unwrap();
        receipt.verify(&signer().public()).unwrap();
        let record = &receipt.head.record;
        assert!(parts.insert((record.request, record.segment)), "paid twice: {record:?}");
        charged += receipt.body.amount.0;
        assert_eq!(stored.allowance_cumulative.0, charged);
        tree.push(receipt.leaf()).unwrap();
        if let Some(shown) = shown.get(&index) {
            assert_eq!(*shown, receipt.head);
        }
    }
    assert!(shown.keys().all(|index| *index < head.size));
    assert_eq!(tree.root(), head.root);
    let totals = store.read(|state| state.totals()).await.unwrap();
    assert_eq!(totals.charged.0, charged);
}
