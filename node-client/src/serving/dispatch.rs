//! One request from the moment the backend is asked: ends in exactly one proof, unless no answer was
//! begun.
//!
//! A [`Dispatch`] that is dropped means that the client went away: its proof says so, with what had been
//! delivered. A [`Concluded`] that is dropped before its proof was sent has a proof the coordinator has
//! not seen: it is presented in full.

use std::sync::Arc;

use bytes::Bytes;
use pinaivu_protocol::answer::Answer;
use pinaivu_protocol::commitment::{RESPONSE_TAG, Salt, value_commitment};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::RequestId;
use pinaivu_protocol::proof::{Outcome, ProofOfInference};
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::units::TokenCount;
use tokio::sync::OwnedSemaphorePermit;

use super::Server;
use crate::counterparty::Counterparty;
use crate::evidence::Work;

/// What runs the request.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    /// The model as the backend names it.
    pub(super) model: String,
    /// The backend's label.
    pub(super) backend: String,
    /// What it was sent.
    pub(super) request: Bytes,
}

struct Running {
    server: Arc<Server>,
    counterparty: Arc<Counterparty>,
    ticket: Ticket,
    /// The ticket's.
    hash: Hash32,
    ran: Ran,
    place: OwnedSemaphorePermit,
    /// Whether the coordinator does not see the answer.
    direct: bool,
}

pub(super) struct Dispatch {
    running: Option<Running>,
}

impl Dispatch {
    pub(super) const fn new(
        server: Arc<Server>,
        counterparty: Arc<Counterparty>,
        ticket: Ticket,
        hash: Hash32,
        ran: Ran,
        place: OwnedSemaphorePermit,
        direct: bool,
    ) -> Self {
        Self { running: Some(Running { server, counterparty, ticket, hash, ran, place, direct }) }
    }

    /// Which request is run; of one that has ended nobody asks.
    pub(super) fn request(&self) -> RequestId {
        self.running.as_ref().map_or_else(RequestId::default, |running| running.ticket.request)
    }

    /// No answer was begun: nothing to prove.
    pub(super) fn abandon(mut self) {
        self.running = None;
    }

    /// The answer has ended. Without usage from the backend, `seen` generated tokens count.
    pub(super) fn conclude(
        mut self,
        outcome: Outcome,
        answer: &Answer,
        seen: u32,
    ) -> Option<Concluded> {
        let Running { server, counterparty, ticket, hash, ran, place, direct } =
            self.running.take()?;
        let (input, output) = match answer.usage {
            Some(usage) => (usage.prompt_tokens, usage.completion_tokens),
            None => (TokenCount::ZERO, TokenCount(seen)),
        };
        let work = work(&server, (ticket, hash), &ran, answer, (input, output), outcome);
        let work = Work { delivered: !direct, ..work };
        Some(Concluded { counterparty, work: Some(work), _place: place })
    }

    /// The client is gone. Without usage from the backend, its tokenizer counts, or else what was seen.
    pub(super) fn cancel(mut self, answer: Answer, seen: u32) {
        if let Some(running) = self.running.take() {
            running.cancel(answer, seen);
        }
    }
}

impl Drop for Dispatch {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.cancel(Answer::default(), 0);
        }
    }
}

impl Running {
    fn cancel(self, answer: Answer, seen: u32) {
        let Self { server, counterparty, ticket, hash, ran, place, .. } = self;
        let afterwork = server.afterwork.clone();
        let runtime = server.runtime.clone();
        let count = async move {
            tracing::info!(request = %ticket.request, "client gone; the answer is cut off");
            let tokens = match answer.usage {
                Some(usage) => (usage.prompt_tokens, usage.completion_tokens),
                None => count(&server, &ran, &answer, seen).await,
            };
            let outcome = Outcome::Cancelled;
            let work = work(&server, (ticket, hash), &ran, &answer, tokens, outcome);
            counterparty.submit(Work { delivered: false, ..work });
            drop(place);
        };
        afterwork.spawn_on(count, &runtime);
    }
}

async fn count(server: &Server, ran: &Ran, answer: &Answer, seen: u32) -> (TokenCount, TokenCount) {
    let backend = &server.backend;
    let input = backend.count_prompt(&ran.request).await.unwrap_or_default();
    let mut output = TokenCount::ZERO;
    for choice in answer.choices() {
        let message = &choice.message;
        let mut text = format!("{}{}", message.reasoning_content, message.content);
        for call in &message.tool_calls {
            text.push_str(&call.function.name);
            text.push_str(&call.function.arguments);
        }
        match backend.count_text(&ran.model, &text).await {
            Some(tokens) => output = output.saturating_add(tokens),
            None => return (input, TokenCount(seen)),
        }
    }
    (input, output)
}

fn work(
    server: &Server,
    (ticket, hash): (Ticket, Hash32),
    ran: &Ran,
    answer: &Answer,
    (input_tokens, output_tokens): (TokenCount, TokenCount),
    outcome: Outcome,
) -> Work {
    // The same bytes are committed to and journaled, so they are made once.
    let answer_json = answer.canonical_bytes();
    let proof = ProofOfInference {
        deployment: ticket.deployment,
        coordinator: ticket.coordinator,
        node: ticket.node,
        request: ticket.request,
        segment: ticket.segment,
        ticket: hash,
        model: ran.model.clone(),
        backend: ran.backend.clone(),
        response_commitment: value_commitment(RESPONSE_TAG, &Salt(ticket.salt), &answer_json),
        input_tokens,
        output_tokens,
        outcome,
        finished: server.clock.now(),
    };
    tracing::debug!(
        request = %ticket.request,
        input = input_tokens.0,
        output = output_tokens.0,
        ?outcome,
        model = ran.model,
        "answered"
    );
    Work { ticket, proof, answer_json, delivered: true }
}

/// A proof on its way to the coordinator.
pub(super) struct Concluded {
    counterparty: Arc<Counterparty>,
    work: Option<Work>,
    _place: OwnedSemaphorePermit,
}

impl Concluded {
    /// The proof, given out for sending.
    pub(super) fn deliver(mut self) -> Bytes {
        let Some(work) = self.work.take() else { return Bytes::new() };
        let proof = borsh::to_vec(&work.proof).unwrap_or_default();
        self.counterparty.submit(work);
        proof.into()
    }
}

impl Drop for Concluded {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.counterparty.submit(Work { delivered: false, ..work });
        }
    }
}
