//! A unary answer: small, so it is collected before anything reaches the client, and a node that dies in
//! the middle can still be replaced by the next one.

use bytes::Bytes;
use pinaivu_openai::{ChatRequest, normalise_whole};
use pinaivu_protocol::answer::Answer;
use pinaivu_tunnel::{Body, CollectError};

use super::assignment::Assignment;
use super::meter::Delivered;
use super::relay::Additions;
use super::stream::proof;

/// Why a unary answer cannot be passed on. The node's fault.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnaryError {
    #[error("the answer broke off or is longer than {limit} bytes")]
    Body {
        limit: usize,
        #[source]
        source: CollectError,
    },
    #[error("the answer is not a chat completion")]
    NotAnAnswer,
    #[error("the answer has a choice with index {index}, {asked} were asked for")]
    UnaskedChoice { index: u32, asked: u32 },
}

/// A collected answer, not yet accounted for.
pub(super) struct Collected {
    body: Bytes,
    delivered: Delivered,
    proof: Option<pinaivu_protocol::proof::ProofOfInference>,
}

/// Reads the whole answer, fills in what OpenAI's schema requires and adds our fields.
pub(super) async fn collect(
    upstream: Body,
    request: &ChatRequest,
    additions: &Additions,
    limit: usize,
) -> Result<Collected, UnaryError> {
    let collected = upstream.collect(limit).await;
    let (object, attachment) = collected.map_err(|source| UnaryError::Body { limit, source })?;
    let proof = proof(additions.request_id(), &attachment);
    let answer = Answer::from_server(&object).map_err(|_| UnaryError::NotAnAnswer)?;
    let asked = request.most_choices();
    // Choices are in the order of their indices.
    if let Some(index) = answer.choices().last().map(|last| last.index).filter(|at| *at >= asked) {
        return Err(UnaryError::UnaskedChoice { index, asked });
    }
    let filled = additions
        .with_defaults(request, |defaults| normalise_whole(request.endpoint, &object, defaults));
    let object = filled.as_deref().unwrap_or(&object);
    // What the client holds is what is committed to.
    debug_assert_eq!(Answer::from_completion_json(object).ok().as_ref(), Some(&answer));
    let body = additions.both(object).ok_or(UnaryError::NotAnAnswer)?;
    Ok(Collected { body, delivered: Delivered::whole(answer), proof })
}

impl Collected {
    /// Accounts for it and gives what the client gets.
    pub(super) fn complete(self, assignment: Assignment) -> Bytes {
        assignment.complete(&self.delivered, self.proof);
        self.body
    }
}
