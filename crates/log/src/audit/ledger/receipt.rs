//! What one receipt must be, by itself, by the ones before it and by the chain.

use pinaivu_protocol::ids::{NodeId, PublicKey};
use pinaivu_protocol::receipt::fee_floor;
use pinaivu_protocol::units::{FineAmount, TokenPrice};

use super::{FINE, Ledger};
use crate::audit::finding::Contradiction;
use crate::audit::nodes::Standing;
use crate::entry::Entry;

/// A winner is paid at most this share of its ask (docs/adr/0003-second-price.md).
const PRICE_CAP_BPS: u128 = 11_000;
const WHOLE_BPS: u128 = 10_000;

pub(super) fn unknown_node(node: &NodeId) -> String {
    format!("node {node} is not on chain")
}

pub(super) fn unknown_key(node: &NodeId, key: &PublicKey) -> String {
    format!("signed with {key}, which is not a known key of node {node}")
}

impl Ledger {
    /// Everything about one receipt that the ones before it and the chain decide.
    pub(super) fn check(&mut self, entry: &Entry) {
        let (head, body) = (&entry.head, &entry.body);
        if (head.epoch, head.index) != (self.epoch, self.tree.size()) {
            self.here(
                Contradiction::Place,
                format!("the receipt says epoch {}, entry {}", head.epoch, head.index),
            );
        }
        if (head.deployment, head.coordinator) != (self.deployment, self.coordinator) {
            self.here(Contradiction::Party, "of another deployment or coordinator");
        }
        if body.hash() != head.body {
            self.here(Contradiction::Body, "the body is not the one the head names");
        }
        let amount = body.tariff.amount(body.input_tokens, body.output_tokens);
        if amount != body.amount || fee_floor(amount, body.fee_rate) != Some(body.fee) {
            self.here(
                Contradiction::Arithmetic,
                format!(
                    "tokens times tariff are {amount}, the receipt charges {} with a fee of {}",
                    body.amount, body.fee
                ),
            );
        }
        if body.fee_rate != self.fee_rate {
            self.here(
                Contradiction::FeeRate,
                format!("the rate is {} bps, on chain {}", body.fee_rate.0, self.fee_rate.0),
            );
        }
        let price = body.tariff.price;
        let ask = body.auction.winner_ask;
        // Rounded down, as clearing rounds it.
        let cap = u128::from(ask.0)
            .checked_mul(PRICE_CAP_BPS)
            .and_then(|cap| cap.checked_div(WHOLE_BPS))
            .and_then(|cap| u64::try_from(cap).ok())
            .map_or(TokenPrice::MAX, TokenPrice);
        if price < ask || price > cap {
            self.here(
                Contradiction::Price,
                format!("the price is {price}, the winner asked {ask}"),
            );
        }
        if self.nodes.meet(head.node, self.place()) == Standing::Refuted {
            self.here(Contradiction::UnknownNode, unknown_node(&head.node));
        }
        self.check_statement(entry);
        self.check_cumulative(entry);
        self.sums.receipts = self.sums.receipts.saturating_add(1);
        self.sums.charged = self.sums.charged.saturating_add(body.amount.0);
        self.sums.fees = self.sums.fees.saturating_add(body.fee.0);
    }

    fn check_statement(&mut self, entry: &Entry) {
        let (head, body) = (&entry.head, &entry.body);
        let Some(statement) = &body.statement else {
            self.unproved = self.unproved.saturating_add(1);
            return;
        };
        let proof = &statement.proof;
        let about = (proof.deployment, proof.coordinator, proof.node, proof.request, proof.segment)
            == (head.deployment, head.coordinator, head.node, head.request, head.segment)
            && (proof.ticket, proof.response_commitment) == (body.ticket, body.response_commitment);
        if !about {
            self.here(Contradiction::Statement, "the node's statement is about another answer");
            return;
        }
        if let Err(error) = statement.evidence.check_inclusion(proof) {
            self.here(Contradiction::Statement, error.to_string());
            return;
        }
        let evidence = (statement.evidence.root.clone(), statement.evidence.signer);
        let signer = evidence.1;
        let book = self.nodes.book(head.node);
        let verified = book.as_ref().and_then(|book| book.verified.as_ref());
        if verified != Some(&evidence) {
            if evidence.0.verify(&signer).is_err() {
                self.here(Contradiction::Statement, "the node's signature does not verify");
                return;
            }
            if let Some(book) = book {
                book.verified = Some(evidence);
            }
        }
        if self.nodes.meet_key(head.node, signer, self.place()) == Standing::Refuted {
            self.here(Contradiction::NodeKey, unknown_key(&head.node, &signer));
        }
        if body.input_tokens > proof.input_tokens || body.output_tokens > proof.output_tokens {
            self.here(
                Contradiction::Tokens,
                format!(
                    "charged {} and {} tokens, the node counted {} and {}",
                    body.input_tokens, body.output_tokens, proof.input_tokens, proof.output_tokens
                ),
            );
        }
    }

    fn check_cumulative(&mut self, entry: &Entry) {
        let (head, body) = (&entry.head, &entry.body);
        let (place, lost) = (self.place(), self.lost);
        let Some(book) = self.nodes.book(head.node) else { return };
        let (before, first) = (book.cumulative, book.epoch != Some(head.epoch));
        let share = body.amount.checked_sub(body.fee);
        let expected = share.and_then(|share| before.checked_add(share));
        book.cumulative = head.node_cumulative;
        book.epoch = Some(head.epoch);
        book.earned = book.earned.saturating_add(share.unwrap_or_default());
        if expected == Some(head.node_cumulative) {
            return;
        }
        // An epoch that was opened for a backup goes on from what the chain has credited, in whole units.
        // That is above the receipts only when anchored ones are lost; by how much, the chain must bear out.
        let resumed = share.and_then(|share| head.node_cumulative.checked_sub(share));
        let resumed = resumed.filter(|from| {
            first && head.epoch > 0 && lost > 0 && *from > before && from.0.is_multiple_of(FINE)
        });
        if let Some(from) = resumed {
            let more = FineAmount(from.0.saturating_sub(before.0));
            book.taken_over = book.taken_over.saturating_add(more);
            book.resumed = Some((place, from));
            return;
        }
        let began = if first && head.epoch > 0 {
            "; it is the node's first in this epoch, and no anchored receipt is lost that could explain more"
        } else {
            ""
        };
        let detail = format!(
            "node {} had earned {before}, earns {} here, and is said to have {}{began}",
            head.node,
            share.unwrap_or_default(),
            head.node_cumulative
        );
        self.here(Contradiction::Cumulative, detail);
    }
}
