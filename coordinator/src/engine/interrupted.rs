//! Answers that were cut off, and answers that did not pass here, waiting for the node's own count.
//!
//! After a cancellation nobody but the node knows how long the prompt was. It presents its proof again
//! within moments; then its count, cut to what was delivered, is what the client pays. A node that says
//! nothing in time is paid for the pieces that were delivered. The hold stays until then.
//!
//! Of an answer that went straight from the node to the client nothing is known but what the node says,
//! with the answer's text. A node that says nothing before the ticket's deadline is paid nothing.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use pinaivu_auction::Seat;
use pinaivu_protocol::answer::Answer;
use pinaivu_protocol::commitment::{RESPONSE_TAG, value_commitment};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{NodeId, PublicKey};
use pinaivu_protocol::proof::{NodeEvidence, Outcome, ProofOfInference};
use pinaivu_protocol::tunnel::Represented;
use tokio::time::Instant;

use super::assignment::{Claim, Handed};
use super::direct::DirectTicket;
use super::meter::{Counted, Delivered};
use crate::receipts::{Draft, Metered};

struct Waiting {
    claim: Claim,
    answer: Passed,
    until: Instant,
}

/// What is known of an answer.
enum Passed {
    /// It passed here until it was cut off.
    Here(Delivered, Outcome),
    /// The client fetched it from the node, which keeps its place until it reports.
    Elsewhere(
        #[expect(dead_code, reason = "kept for what happens when they are dropped")]
        (Option<Seat>, DirectTicket),
    ),
}

/// All answers that wait. Cheap to clone.
#[derive(Clone)]
pub(super) struct Interrupted {
    waiting: Arc<DashMap<Hash32, Waiting>>,
    patience: Duration,
}

impl Interrupted {
    pub(super) fn new(patience: Duration) -> Self {
        Self { waiting: Arc::default(), patience }
    }

    /// Begins to wait for the node's count.
    pub(super) fn wait(&self, claim: Claim, delivered: Delivered, outcome: Outcome) {
        let until = Instant::now() + self.patience;
        let answer = Passed::Here(delivered, outcome);
        self.waiting.insert(claim.hash, Waiting { claim, answer, until });
    }

    /// Begins to wait for the node's report of an answer that the client fetches itself.
    pub(super) fn wait_for_report(&self, handed: Handed, ticket: DirectTicket, until: Instant) {
        let Handed { claim, seat } = handed;
        let answer = Passed::Elsewhere((seat, ticket));
        self.waiting.insert(claim.hash, Waiting { claim, answer, until });
    }

    /// Lets go of answers that clients fetch themselves. The node presents them to the next process, which
    /// knows its own tickets.
    pub(super) fn forget_reports(&self) {
        self.waiting.retain(|_, waiting| matches!(waiting.answer, Passed::Here(..)));
    }

    /// The draft that a node's presented proof completes, with the evidence for that proof when it holds.
    /// Nothing when no answer here waits for it.
    pub(super) fn answer(
        &self,
        node: NodeId,
        signer: &PublicKey,
        represented: &Represented,
    ) -> Option<(Draft, Option<NodeEvidence>)> {
        let hash = represented.ticket.hash();
        let (_, waiting) =
            self.waiting.remove_if(&hash, |_, waiting| waiting.claim.ticket.node == node)?;
        match waiting.judge(signer, represented) {
            Some((metered, proof)) => {
                let draft = waiting.claim.draft(metered, Some(proof));
                Some((draft, Some(represented.evidence.clone())))
            }
            None => {
                let request = waiting.claim.ticket.request;
                tracing::warn!(%request, %node, "a presented proof does not hold; charged without it");
                waiting.without_count().map(|draft| (draft, None))
            }
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The drafts of answers whose nodes have said nothing in time.
    pub(super) fn overdue(&self) -> Vec<Draft> {
        let now = Instant::now();
        let due: Vec<Hash32> = self
            .waiting
            .iter()
            .filter(|entry| entry.until <= now)
            .map(|entry| *entry.key())
            .collect();
        due.iter()
            .filter_map(|hash| self.waiting.remove(hash))
            .filter_map(|(_, waiting)| waiting.without_count())
            .collect()
    }
}

impl Waiting {
    fn without_count(self) -> Option<Draft> {
        let Self { claim, answer, .. } = self;
        let Passed::Here(delivered, outcome) = answer else { return None };
        let bounds = claim.bounds_of(&delivered.answer);
        let metered = delivered.interrupted(outcome, None, bounds, &claim.salt());
        Some(claim.draft(metered, None))
    }

    /// What to charge by a node's proof, if it is about this ticket, under its key, and about an answer
    /// that begins with what was delivered.
    fn judge(
        &self,
        signer: &PublicKey,
        represented: &Represented,
    ) -> Option<(Metered, ProofOfInference)> {
        let Represented { proof, evidence, answer_json, .. } = represented;
        let salt = self.claim.salt();
        let commitment = value_commitment(RESPONSE_TAG, &salt, answer_json);
        if !self.claim.is_proved_by(proof)
            || evidence.signer != *signer
            || evidence.verify(proof).is_err()
            || proof.response_commitment != commitment
        {
            return None;
        }
        let answer = Answer::from_completion_json(answer_json).ok()?;
        // What nobody asked for is no answer, also where it did not pass here.
        if answer.choices().last().is_some_and(|last| last.index >= self.claim.bounds.choices) {
            return None;
        }
        let mut counted =
            Counted { input: proof.input_tokens, output: proof.output_tokens, all_delivered: true };
        let metered = match &self.answer {
            Passed::Here(delivered, outcome) => {
                if !delivered.is_begun_by(&answer) {
                    return None;
                }
                counted.all_delivered = answer.choices() == delivered.answer.choices();
                let bounds = self.claim.bounds_of(&delivered.answer);
                delivered.interrupted(*outcome, Some(counted), bounds, &salt)
            }
            Passed::Elsewhere(_) => {
                let bounds = self.claim.bounds_of(&answer);
                Delivered::reported(&answer, proof.outcome, counted, commitment, bounds)
            }
        };
        // The receipt is about the node's answer, of which the client has seen the beginning.
        Some((Metered { response_commitment: commitment, ..metered }, proof.clone()))
    }
}
