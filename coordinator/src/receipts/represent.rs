//! Proofs presented again: after a crash on either side, or after a client went away.
//!
//! The coordinator may have forgotten everything about the request but what the ticket carries under its
//! own MAC. What it charges is bounded by what it can check: prompt tokens by the bound the hold was
//! made with, generated tokens by the ticket and by the text that is shown, and that text must be the one
//! committed to. Of segments of one request only the first that comes is charged for the prompt, and what
//! later ones generated counts towards an earlier one's limit. The same ticket always leads to the same
//! receipt.

use std::sync::Arc;

use pinaivu_protocol::answer::Answer;
use pinaivu_protocol::commitment::{RESPONSE_TAG, Salt, value_commitment};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{NodeId, PublicKey, Segment};
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::receipt::{AuctionDigest, NodeStatement, Receipt, ReceiptHead};
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::tunnel::Represented;
use pinaivu_protocol::units::{TokenCount, UnixMillis};

use super::commit::{self, Facts, Fate, Guard, Ready};
use super::pipeline::{self, Inner, mismatch};
use super::{Metered, Receipts, RepresentOutcome, RepresentRefusal};
use crate::store::{Billed, StoreError, StoredReceipt};

/// What the store knows of a ticket.
enum Known {
    Receipted(Box<Signed<ReceiptHead>>),
    Superseded,
    Billed(Box<Billed>, Others),
    NoAccount,
}

/// What other segments of the same request were charged. The engine, which knows what was held for all of
/// them together, has forgotten it; while a proof is considered nobody else receipts the request.
#[derive(Clone, Copy, Debug, Default)]
struct Others {
    /// Whether one of them paid for the prompt.
    prompt: bool,
    /// Generated tokens of those that come later.
    later: TokenCount,
}

impl Others {
    fn of(stored: &[StoredReceipt], segment: Segment) -> Result<Self, StoreError> {
        stored.iter().try_fold(Self::default(), |mut others, stored| {
            let body = decode(stored)?.body;
            others.prompt |= body.input_tokens > TokenCount::ZERO;
            if stored.segment > segment {
                others.later = others.later.saturating_add(body.output_tokens);
            }
            Ok(others)
        })
    }
}

fn decode(stored: &StoredReceipt) -> Result<Receipt, StoreError> {
    Receipt::decode(&stored.bytes).map_err(|_| StoreError::Corrupt("a receipt does not decode"))
}

impl Receipts {
    /// Takes a proof that a node presents again on its tunnel. `session_key` is the key of that tunnel,
    /// which the chain says is the node's signer.
    pub async fn represent(
        &self,
        node: NodeId,
        session_key: &PublicKey,
        represented: Represented,
    ) -> RepresentOutcome {
        let ticket = represented.ticket.hash();
        match self.consider(ticket, node, *session_key, represented).await {
            Ok(Some(head)) => RepresentOutcome::Receipted { ticket, head },
            Ok(None) => RepresentOutcome::Later,
            Err(refusal) => RepresentOutcome::Refused { ticket, refusal },
        }
    }

    async fn consider(
        &self,
        ticket_hash: Hash32,
        node: NodeId,
        session_key: PublicKey,
        represented: Represented,
    ) -> Result<Option<Box<Signed<ReceiptHead>>>, RepresentRefusal> {
        let ticket = &represented.ticket;
        let identity = &self.inner.identity;
        if (ticket.deployment, ticket.coordinator) != (identity.deployment, identity.coordinator)
            || !self.inner.signer.issued(ticket)
        {
            return Err(RepresentRefusal::TicketNotOurs);
        }
        if ticket.node != node {
            return Err(RepresentRefusal::WrongNode);
        }
        // Held until the end: while the engine serves the request, only the engine receipts it.
        let Ok(flight) = self.inner.flights.begin(ticket.request) else { return Ok(None) };
        let billing = self.inner.signer.billing(ticket);
        let (billed, others) = match self.look_up(&represented, ticket_hash, billing.account).await
        {
            Ok(Known::Receipted(head)) => return Ok(Some(head)),
            Ok(Known::Superseded) => return Err(RepresentRefusal::Superseded),
            Ok(Known::NoAccount) => return Err(RepresentRefusal::UnknownAccount),
            Ok(Known::Billed(billed, others)) => (billed, others),
            Err(error) => {
                tracing::warn!(%error, "a proof presented again could not be looked up");
                return Ok(None);
            }
        };
        let inner = Arc::clone(&self.inner);
        // Hashing and parsing an answer of some megabytes is too long for the runtime's threads.
        let checked = tokio::task::spawn_blocking(move || {
            check(&inner, ticket_hash, &session_key, represented, billing.max_input, others)
        });
        let Ok(checked) = checked.await else { return Ok(None) };
        let (represented, metered) = checked?;
        let Represented { ticket, proof, evidence, .. } = represented;
        let auction = AuctionDigest {
            book_head: ticket.book_head,
            // Unknown after a crash: zero stands for that, no auction has it.
            candidates: 0,
            winner_ask: ticket.tariff.price,
            best_losing_ask: None,
        };
        let (reply, fate) = pipeline::reply();
        let queued = self.queue(Ready {
            facts: Box::new(Facts {
                ticket,
                ticket_hash,
                allowance: billed.account.allowance,
                escrow: billed.account.escrow,
                api_key: billed.api_key,
                metered,
                auction,
                statement: Some(Box::new(NodeStatement { proof, evidence })),
                salts: commit::fresh_salts(),
                represented: true,
            }),
            awaits: None,
            guard: Guard { _flight: Some(flight), _hold: None, reply: Some(reply) },
        });
        if queued.is_err() {
            return Ok(None);
        }
        match fate.await {
            Ok(Fate::Made(receipt)) => Ok(Some(Box::new(receipt.head))),
            Ok(Fate::Superseded) => Err(RepresentRefusal::Superseded),
            Ok(Fate::Abandoned) => Err(RepresentRefusal::Abandoned),
            Ok(Fate::NoAccount) => Err(RepresentRefusal::UnknownAccount),
            // Made before: the next time it is found. Overflow and a pipeline that ended: an operator
            // has to look, the node keeps its proof.
            Ok(Fate::MadeBefore | Fate::Overflow) | Err(_) => Ok(None),
        }
    }

    async fn look_up(
        &self,
        represented: &Represented,
        ticket: Hash32,
        account: crate::store::AccountHandle,
    ) -> Result<Known, StoreError> {
        let (request, segment) = (represented.ticket.request, represented.ticket.segment);
        self.inner
            .store
            .read(move |look| {
                if let Some(stored) = look.receipt(&request, segment)? {
                    if stored.ticket != ticket {
                        return Ok(Known::Superseded);
                    }
                    return Ok(Known::Receipted(Box::new(decode(&stored)?.head)));
                }
                let Some(billed) = look.billed(&account)? else { return Ok(Known::NoAccount) };
                let others = Others::of(&look.receipts_of(&request)?, segment)?;
                Ok(Known::Billed(Box::new(billed), others))
            })
            .await
    }
}

/// Everything that follows from ticket, proof and text alone; gives what to charge.
fn check(
    inner: &Inner,
    ticket_hash: Hash32,
    session_key: &PublicKey,
    represented: Represented,
    max_input: TokenCount,
    others: Others,
) -> Result<(Represented, Metered), RepresentRefusal> {
    let Represented { ticket, proof, evidence, answer_json } = &represented;
    let window = u64::try_from(inner.config.represent_window.as_millis()).unwrap_or(u64::MAX);
    if UnixMillis(ticket.issued.0.saturating_add(window)) < inner.clock.now() {
        return Err(RepresentRefusal::TooOld);
    }
    if let Some(field) = mismatch(proof, ticket, &ticket_hash, &proof.response_commitment) {
        return Err(RepresentRefusal::ProofMismatch(field));
    }
    if evidence.signer != *session_key || evidence.verify(proof).is_err() {
        return Err(RepresentRefusal::Evidence);
    }
    let commitment = value_commitment(RESPONSE_TAG, &Salt(ticket.salt), answer_json);
    let answer =
        Answer::from_completion_json(answer_json).map_err(|_| RepresentRefusal::AnswerMismatch)?;
    // The text must be the canonical one, or what was hashed could hide what is counted.
    if commitment != proof.response_commitment || answer.canonical_bytes() != *answer_json {
        return Err(RepresentRefusal::AnswerMismatch);
    }
    // A request's prompt is paid once, and a ticket's limit is for everything from its segment on.
    let max_input = if others.prompt { TokenCount::ZERO } else { max_input };
    let output = proof
        .output_tokens
        .min(ticket.max_output.saturating_sub(others.later))
        .min(inner.config.tokenizers.most_output(&ticket.model, &answer, inner.config.choices));
    let delivered = answer.output_bytes() > 0;
    let (input_tokens, output_tokens) = if proof.outcome == Outcome::Failed && !delivered {
        // It failed before it said anything: nothing to pay for.
        (TokenCount::ZERO, TokenCount::ZERO)
    } else {
        (proof.input_tokens.min(max_input), output)
    };
    let metered = Metered {
        outcome: proof.outcome,
        response_commitment: commitment,
        input_tokens,
        output_tokens,
    };
    Ok((represented, metered))
}
