//! Goes on with an answer at another node when the one that streams it breaks off.
//!
//! The next node gets the client's request with the text so far as an assistant message that is not
//! finished, and a ticket of its own for the next segment, over a body of its own: each segment has its
//! receipt. The tokens of all segments stay within the request's limit and their price within the money
//! that was held at first, because the limit shrinks by what was delivered, which is what the node that
//! broke off is paid at most, and the prompt is paid once.
//! Only plain text can be taken over: a call, a schema or a list of alternatives cannot be begun in the
//! middle. Where nothing of the answer has come yet, the next node simply begins it.

use bytes::Bytes;
use pinaivu_auction::Candidate;
use pinaivu_openai::{ChatRequest, Endpoint, get_field, set_fields};
use pinaivu_protocol::ask::Features;
use pinaivu_protocol::commitment::request_commitment_raw;
use pinaivu_protocol::ids::{NodeId, Segment};
use pinaivu_protocol::units::TokenCount;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::Engine;
use super::assignment::{Assignment, Fault, Means};
use super::dispatch::{Begin, Begun, Errand};
use super::meter::Delivered;
use super::relay::Continued;

/// What going on takes.
pub(super) struct Continuation {
    engine: Engine,
    /// As the client sent it.
    errand: Errand,
    means: Means,
    /// In the order in which they are tried.
    candidates: Vec<Candidate>,
    tried: Vec<NodeId>,
    attempts: u16,
    /// Everything the client has got.
    text: String,
    tokens: TokenCount,
    segment: Segment,
    origin: Map<String, Value>,
}

/// An answer that goes on.
pub(super) struct Resumed {
    pub(super) begun: Begun,
    pub(super) assignment: Assignment,
    pub(super) continuation: Box<Continuation>,
}

/// Whether another node could take over the answer to a request.
pub(super) fn is_possible(request: &ChatRequest, candidates: &[Candidate]) -> bool {
    request.endpoint == Endpoint::Chat
        && request.stream
        && request.choices == 1
        && candidates.len() > 1
}

impl Continuation {
    /// For an answer that `node` streams now, after `attempts` nodes were tried.
    pub(super) fn new(
        engine: &Engine,
        errand: Errand,
        means: Means,
        candidates: &[Candidate],
        node: NodeId,
        attempts: u16,
    ) -> Box<Self> {
        Box::new(Self {
            engine: engine.clone(),
            segment: errand.facts.segment,
            errand,
            means,
            candidates: candidates.to_vec(),
            tried: vec![node],
            attempts,
            text: String::new(),
            tokens: TokenCount::ZERO,
            origin: Map::new(),
        })
    }

    /// Adds what another segment delivered, and gives the tokens it is counted as. Nothing when nobody can
    /// go on with it.
    pub(super) fn take_up(
        &mut self,
        delivered: &Delivered,
        origin: Option<Map<String, Value>>,
    ) -> Option<TokenCount> {
        let origin = origin?;
        let text = match delivered.answer.choices() {
            [] => "",
            [choice] => {
                let message = &choice.message;
                let only_text = message.tool_calls.is_empty()
                    && message.reasoning_content.is_empty()
                    && message.refusal.is_empty();
                only_text.then_some(&*message.content)?
            }
            _ => return None,
        };
        let request = &self.errand.request;
        if !text.is_empty() && (request.structured || request.logprobs) {
            return None;
        }
        // A piece may be several tokens, which only the model's tokenizer tells. No choice has ended.
        let (model, tokenizers) = (&self.errand.facts.model, &self.engine.tokenizers);
        let counted = tokenizers.output(model, &delivered.answer, 0).unwrap_or_default();
        let taken = counted.max(delivered.pieces);
        self.text.push_str(text);
        self.tokens = self.tokens.saturating_add(taken);
        self.segment = Segment(self.segment.0.saturating_add(1));
        self.origin = origin;
        let goes_on = self.tokens < self.errand.facts.bounds.output
            && self.attempts < self.engine.limits.attempts
            && Instant::now() < self.errand.deadline;
        goes_on.then_some(taken)
    }

    /// The first chunk of the rest, from the first node that gives one.
    pub(super) async fn go_on(mut self: Box<Self>) -> Option<Resumed> {
        let errand = self.errand_for_the_rest()?;
        let engine = self.engine.clone();
        let book = engine.nodes.book();
        // The others stay for when this one breaks off too.
        for candidate in self.candidates.clone() {
            let left = self.attempts < engine.limits.attempts && Instant::now() < errand.deadline;
            let offer = book
                .model(&errand.facts.model)
                .and_then(|model| model.offers().find(|offer| offer.node == candidate.node));
            let able = offer.is_some_and(|offer| {
                self.text.is_empty() || offer.features.contains(Features::CONTINUATION)
            });
            if !left || !able || self.tried.contains(&candidate.node) {
                continue;
            }
            let Some((node, seat)) = engine.nodes.seat(&candidate) else { continue };
            self.attempts = self.attempts.saturating_add(1);
            self.tried.push(candidate.node);
            let means = self.means.clone();
            let assignment = Assignment::new(&engine, &errand.facts, &candidate, node, seat, means);
            let (assignment, begin) = engine.attempt(assignment, &errand, false).await;
            match begin {
                Ok(Begin::Stream(begun)) => {
                    tracing::info!(
                        request = %self.means.flight.request(), node = %candidate.node,
                        segment = errand.facts.segment.0, "another node goes on with the answer"
                    );
                    return Some(Resumed { begun, assignment, continuation: self });
                }
                // Not asked for; nothing of it has reached the client.
                Ok(Begin::Whole(_)) => assignment.give_up(Fault::Other),
                Err(failure) => {
                    tracing::warn!(
                        request = %self.means.flight.request(), node = %candidate.node,
                        reason = %failure, "node did not go on with an answer"
                    );
                    assignment.give_up(failure.fault());
                }
            }
        }
        None
    }

    /// The request for what is still to come.
    fn errand_for_the_rest(&self) -> Option<Errand> {
        let mut errand = self.errand.clone();
        let body = match &*self.text {
            "" => errand.body,
            text => continued_body(&errand.body, text)?,
        };
        let facts = &mut errand.facts;
        facts.segment = self.segment;
        facts.commitment = request_commitment_raw(&facts.salt, &body).ok()?;
        facts.bounds.output = facts.bounds.output.saturating_sub(self.tokens);
        errand.body = body;
        errand.additions = errand.additions.going_on(Continued {
            segment: self.segment,
            origin: self.origin.clone(),
            tokens: self.tokens.get(),
            bytes: self.text.len(),
        });
        Some(errand)
    }
}

/// The client's request with `text` as the beginning of the answer. Nothing where the client itself has
/// begun an answer, or asked for something else than an answer.
fn continued_body(body: &[u8], text: &str) -> Option<Bytes> {
    let mut messages: Vec<Value> = serde_json::from_str(get_field(body, "messages").ok()??).ok()?;
    if messages.last()?.get("role")? == "assistant" {
        return None;
    }
    messages.push(json!({ "role": "assistant", "content": text }));
    let messages = Value::from(messages).to_string();
    let fields = [
        ("messages", messages.as_str()),
        ("add_generation_prompt", "false"),
        ("continue_final_message", "true"),
    ];
    set_fields(body, &fields).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn rest_is_asked_for_as_an_assistant_message_that_is_not_finished() {
        let body = br#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"seed":1e0}"#;
        assert_eq!(
            continued_body(body, "Once \"upon").unwrap(),
            r#"{"model":"m","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Once \"upon"}],"seed":1e0,"add_generation_prompt":false,"continue_final_message":true}"#
        );
    }

    #[test]
    fn answer_that_the_client_began_itself_is_not_taken_over() {
        let body =
            br#"{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"O"}]}"#;
        assert_eq!(continued_body(body, "nce"), None);
    }
}
