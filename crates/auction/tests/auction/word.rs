//! What a coordinator says of a clearing: its word for an ask, the clearing's terms, the receipt.

use pinaivu_auction::{Clearing, Terms, Wish, next_head};
use pinaivu_protocol::acknowledgement::AskAcknowledgement;
use pinaivu_protocol::ask::Ask;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{NodeId, PublicKey, Segment};
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::receipt::{OwnerCommitments, Receipt, ReceiptBody, ReceiptHead, fee_floor};
use pinaivu_protocol::signed::{Signed, SigningKey};
use pinaivu_protocol::units::{Bps, FineAmount, TokenCount};

use super::market::{COORDINATOR, DEPLOYMENT, Market, NOW, key, request};

pub(crate) fn coordinator() -> SigningKey {
    key(u16::MAX)
}

pub(crate) fn keys() -> [PublicKey; 1] {
    [coordinator().public()]
}

pub(crate) fn heads(entries: &[Vec<u8>]) -> Vec<Hash32> {
    let heads = entries.iter().scan(Hash32::ZERO, |head, entry| {
        *head = next_head(head, entry);
        Some(*head)
    });
    heads.collect()
}

/// The coordinator's word that `ask` is the newest in the book as it is.
pub(crate) fn acknowledged(entries: &[Vec<u8>], ask: &Ask) -> Signed<AskAcknowledgement> {
    let heads = heads(entries);
    coordinator().sign(AskAcknowledgement {
        deployment: DEPLOYMENT,
        coordinator: COORDINATOR,
        node: ask.node,
        ask: ask.hash(),
        book: heads[0],
        version: heads.len() as u64,
        head: *heads.last().unwrap(),
        at: NOW,
    })
}

/// Clears a request as the book says, but for nodes that the coordinator keeps out.
pub(crate) fn clear(market: &Market, kept_out: &[NodeId], busy: &[u32]) -> (Terms, Clearing) {
    let asked = pinaivu_auction::Request { excluded: kept_out, ..request(1) };
    let slots: Vec<_> = busy.iter().map(|slot| pinaivu_auction::NodeSlot(*slot)).collect();
    let clearing = pinaivu_auction::clear(
        &market.book.snapshot(),
        &asked,
        &pinaivu_auction::BusyNodes(&slots),
    );
    let clearing = clearing.unwrap();
    (Terms::of(&asked, &clearing, Wish::default()), clearing)
}

/// The receipt when the one at `rank` served.
pub(crate) fn receipt(clearing: &Clearing, rank: usize) -> Receipt {
    let candidate = &clearing.ranked()[rank];
    let tokens = TokenCount(10);
    let amount = candidate.tariff.amount(tokens, tokens);
    let body = ReceiptBody {
        model: request(1).model.to_owned(),
        ticket: Hash32::ZERO,
        request_commitment: Hash32::ZERO,
        response_commitment: Hash32::ZERO,
        input_tokens: tokens,
        output_tokens: tokens,
        tariff: candidate.tariff,
        amount,
        fee: fee_floor(amount, Bps(100)).unwrap(),
        fee_rate: Bps(100),
        outcome: Outcome::Completed,
        auction: clearing.digest(candidate),
        owner: OwnerCommitments {
            escrow: Hash32::ZERO,
            allowance: Hash32::ZERO,
            cumulative: Hash32::ZERO,
        },
        statement: None,
        attestation: None,
        created: NOW,
    };
    let head = ReceiptHead {
        deployment: DEPLOYMENT,
        coordinator: COORDINATOR,
        epoch: 0,
        index: 0,
        request: request(1).id,
        segment: Segment(0),
        node: candidate.node,
        node_cumulative: FineAmount(0),
        body: body.hash(),
    };
    Receipt { head: coordinator().sign(head), body }
}
