//! Whether a request may be served, by whom and at most for how much.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pinaivu_auction::{Candidate, Clearing, NoWinner, NoWinnerCause, Snapshot, Terms, clear};
use pinaivu_openai::{ApiError, ChatRequest, Endpoint, Preferences};
use pinaivu_protocol::ask::Features;
use pinaivu_protocol::commitment::{Salt, request_commitment_raw};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{NodeId, RequestId};
use pinaivu_protocol::jcs::JsonError;
use pinaivu_protocol::units::TokenCount;

use super::Engine;
use super::error::RequestError;
use super::meter::Bounds;
use super::wishes::Wishes;
use crate::accounts::{Caller, Hold};
use crate::config::Limits;
use crate::receipts::Flight;
use crate::recount::{Tokenizers, at_most};

/// Bodies longer than this are parsed beside the runtime's threads.
const LARGE_BODY: usize = 128 * 1024;

/// The same where tokens are counted, which takes some tens of nanoseconds a byte.
const LARGE_COUNTED_BODY: usize = 8 * 1024;

/// When to come back after all nodes were full.
pub(super) const CAPACITY_RETRY: Duration = Duration::from_secs(1);

/// What a completion without a limit generates at most, for each alternative.
const COMPLETION_TOKENS: TokenCount = TokenCount(16);

/// When to come back after no offer stood: about how long a node takes to connect again.
const OFFER_RETRY: Duration = Duration::from_secs(5);

/// The field to lower when a request asks for too much and does not say how much itself.
const OUTPUT_FIELD: &str = "max_completion_tokens";

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Of which route.
    pub endpoint: Endpoint,
    /// As it came.
    pub body: Bytes,
    /// Wishes given beside the body; each goes before the body's.
    pub preferences: Option<Preferences>,
    /// Whether the client may be sent to the node: not where the node's answer is not the client's.
    pub redirectable: bool,
}

/// A request that may be served. Holds money and a place until it is dropped or handed on.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) body: Bytes,
    pub(super) request: Arc<ChatRequest>,
    pub(super) salt: Salt,
    pub(super) commitment: Hash32,
    pub(super) bounds: Bounds,
    pub(super) clearing: Clearing,
    /// Whether how it goes counts in anybody's rating: not when the client chose who serves.
    pub(super) rated: bool,
    /// Whom to try, where that is not the auction's own order.
    pub(super) order: Option<Vec<Candidate>>,
    /// After how long without a first byte a second node is asked as well.
    pub(super) hedge: Option<Duration>,
    /// Whether the client takes a redirect to the node.
    pub(super) direct: bool,
    pub(super) hold: Hold,
    pub(super) flight: Flight,
}

/// What was asked, with what was read from its body. Cheap to clone.
#[derive(Clone)]
pub(super) struct Read {
    asked: Asked,
    request: Arc<ChatRequest>,
    salt: Salt,
    commitment: Hash32,
    /// Tokens of the prompt, where they can be counted here.
    counted: Option<TokenCount>,
}

impl Read {
    /// Which model is asked for.
    pub(super) fn model(&self) -> &str {
        &self.request.model
    }
}

impl Engine {
    pub(super) fn admit(
        &self,
        id: RequestId,
        caller: &Caller,
        read: Read,
    ) -> Result<Admitted, RequestError> {
        let Read { asked, request, salt, commitment, counted } = read;
        let Asked { body, preferences, redirectable, .. } = asked;
        let wishes = Wishes::of(preferences, request.preferences.as_deref())?;
        if !caller.may_ask_for(&request.model) {
            return Err(RequestError::ModelNotAllowed(request.model.clone()));
        }
        let flight = self.receipts.begin(id).map_err(|_| RequestError::NoCapacity {
            model: request.model.clone(),
            retry_after: CAPACITY_RETRY,
        })?;

        let book = self.nodes.book();
        let estimate = counted.unwrap_or_else(|| estimated_input(&request));
        let per_choice = output_for_each(&request, &self.limits, &book, estimate)?;
        let bounds = Bounds {
            input: counted.map_or(TokenCount(u32::MAX), at_most).min(most_input(
                &request,
                body.len(),
                &self.limits,
            )),
            output: total_output(&request, per_choice, &self.limits)?,
            choices: request.most_choices(),
        };
        let excluded = wishes.excluded(&book, &request.model);
        let now = self.clock.now();
        let clear_without = |excluded: &[NodeId]| -> Result<_, NoWinner> {
            let wanted = pinaivu_auction::Request {
                id,
                model: &request.model,
                input_tokens: estimate,
                // Choices are generated side by side, each in a context of its own.
                max_output: per_choice,
                features: features(&request),
                max_price: wishes.max_price,
                excluded,
                pinned: None,
                warm: &[],
                now,
            };
            let clearing = clear(&book, &wanted, self.nodes.occupancy())?;
            Ok((Terms::of(&wanted, &clearing, wishes.published()), clearing))
        };
        let resting = self.nodes.resting(&request.model);
        let clearing = if resting.is_empty() {
            clear_without(&excluded)
        } else {
            let avoided = [excluded.as_slice(), resting.as_slice()].concat();
            // Better one that failed of late than none.
            clear_without(&avoided).or_else(|_| clear_without(&excluded))
        };
        let (terms, clearing) = clearing
            .map_err(|none| no_winner(none.cause, &request, &book, estimate, per_choice))?;

        let worst_case = clearing.worst_case(bounds.input, bounds.output);
        let hold = self
            .accounts
            .hold_through(caller, worst_case, estimate.saturating_add(bounds.output).get())
            .map_err(|error| RequestError::Hold { error, field: output_field(&request) })?;
        let order = wishes.order(&clearing, |node| self.nodes.speed(&request.model, node));
        // Only of requests that are served: nobody fills the disk for nothing.
        self.nodes.cleared(&terms);
        let stream = request.stream;
        Ok(Admitted {
            body,
            request,
            salt,
            commitment,
            bounds,
            clearing,
            order,
            hedge: wishes.hedge.filter(|_| stream),
            direct: wishes.direct && redirectable,
            rated: !wishes.is_pinned(),
            hold,
            flight,
        })
    }

    /// Reads a request's body: parsed, committed to and counted once, however often it is tried.
    pub(super) async fn read(&self, asked: Asked) -> Result<Read, RequestError> {
        let tokenizers = &self.tokenizers;
        let large = if tokenizers.is_empty() { LARGE_BODY } else { LARGE_COUNTED_BODY };
        if asked.body.len() <= large {
            return read_now(asked, tokenizers);
        }
        let tokenizers = tokenizers.clone();
        let reading = tokio::task::spawn_blocking(move || read_now(asked, &tokenizers));
        reading.await.unwrap_or(Err(RequestError::Unavailable))
    }
}

fn read_now(asked: Asked, tokenizers: &Tokenizers) -> Result<Read, RequestError> {
    let body = &asked.body;
    let request = ChatRequest::parse_for(asked.endpoint, body).map_err(RequestError::Invalid)?;
    let salt = Salt::random();
    let commitment = request_commitment_raw(&salt, body).map_err(|error| {
        RequestError::Invalid(ApiError::invalid_json(match error {
            JsonError::DuplicateMember { .. } => "an object has two fields of one name.",
            JsonError::IntegerOutOfRange { .. } => "an integer does not fit 64 bits.",
            _ => "it is not valid JSON.",
        }))
    })?;
    let counted = tokenizers.prompt(&request, body);
    Ok(Read { request: Arc::new(request), asked, salt, commitment, counted })
}

fn features(request: &ChatRequest) -> Features {
    [
        (request.tools, Features::TOOLS),
        (request.structured, Features::STRUCTURED),
        (request.logprobs, Features::LOGPROBS),
        (request.images, Features::IMAGES),
    ]
    .into_iter()
    .filter(|(needed, _)| *needed)
    .fold(route(request.endpoint), |all, (_, feature)| all.union(feature))
}

const fn route(endpoint: Endpoint) -> Features {
    match endpoint {
        Endpoint::Chat => Features::CHAT,
        Endpoint::Completions => Features::COMPLETIONS,
        Endpoint::Embeddings => Features::EMBEDDINGS,
    }
}

/// In words, the first feature that no offer for the model has.
fn missing_feature(request: &ChatRequest, book: &Snapshot) -> &'static str {
    let offered = book.model(&request.model).map_or(Features::default(), |model| {
        model.offers().fold(Features::default(), |all, offer| all.union(offer.features))
    });
    let needed = features(request);
    [
        (Features::TOOLS, "tools"),
        (Features::STRUCTURED, "structured output"),
        (Features::LOGPROBS, "log-probabilities"),
        (Features::IMAGES, "images"),
        (route(request.endpoint), request.endpoint.words()),
    ]
    .into_iter()
    .find(|(feature, _)| needed.contains(*feature) && !offered.contains(*feature))
    .map_or("all of the request's features together", |(_, words)| words)
}

/// About four bytes of text are a token, and a message's frame a few more. Rounded up. Decides which
/// contexts are long enough, never what is charged.
fn estimated_input(request: &ChatRequest) -> TokenCount {
    let text = u32::try_from(request.text_bytes.div_ceil(4)).unwrap_or(u32::MAX);
    TokenCount(text.saturating_add(request.messages.saturating_mul(4)))
}

/// The most prompt tokens the request can be charged: a tokenizer over bytes makes at most one of each
/// byte of the body, whose JSON punctuation already outweighs what a template puts around a message;
/// what the template says on its own comes on top.
fn most_input(request: &ChatRequest, body_bytes: usize, limits: &Limits) -> TokenCount {
    let images = match request.images {
        true => limits.image_tokens.get().saturating_mul(request.messages),
        false => 0,
    };
    let bytes = u32::try_from(body_bytes).unwrap_or(u32::MAX);
    TokenCount(bytes.saturating_add(images)).saturating_add(limits.template_tokens)
}

/// The limit of each choice: the client's own, or as much as usual and as fits.
fn output_for_each(
    request: &ChatRequest,
    limits: &Limits,
    book: &Snapshot,
    estimate: TokenCount,
) -> Result<TokenCount, RequestError> {
    if request.choices > u32::from(limits.choices) {
        return Err(RequestError::Choices { asked: request.choices, limit: limits.choices });
    }
    match (request.endpoint, request.output_limit) {
        // Nothing is generated.
        (Endpoint::Embeddings, _) => return Ok(TokenCount::ZERO),
        (_, Some(limit)) => return Ok(TokenCount(limit.tokens)),
        // OpenAI's default.
        (Endpoint::Completions, None) => return Ok(COMPLETION_TOKENS),
        (Endpoint::Chat, None) => {}
    }
    let room = TokenCount(longest_context(request, book).get()).saturating_sub(estimate);
    // At least one token, so that a prompt that fills every context is found too long by clearing.
    Ok(limits.default_max_tokens.min(room).max(TokenCount(1)))
}

fn longest_context(request: &ChatRequest, book: &Snapshot) -> TokenCount {
    let offers = book.model(&request.model).into_iter().flat_map(|model| model.offers());
    TokenCount(offers.map(|offer| offer.context_length).max().unwrap_or(0))
}

fn total_output(
    request: &ChatRequest,
    per_choice: TokenCount,
    limits: &Limits,
) -> Result<TokenCount, RequestError> {
    let asked = u64::from(per_choice.get()).saturating_mul(u64::from(request.choices));
    match u32::try_from(asked) {
        Ok(total) if TokenCount(total) <= limits.max_tokens => Ok(TokenCount(total)),
        _ => Err(RequestError::OutputLimit {
            field: output_field(request),
            asked,
            limit: limits.max_tokens,
        }),
    }
}

fn output_field(request: &ChatRequest) -> &'static str {
    request.output_limit.map_or(OUTPUT_FIELD, |limit| limit.field)
}

fn no_winner(
    cause: NoWinnerCause,
    request: &ChatRequest,
    book: &Snapshot,
    estimate: TokenCount,
    per_choice: TokenCount,
) -> RequestError {
    let model = request.model.clone();
    match cause {
        NoWinnerCause::UnknownModel => RequestError::UnknownModel(model),
        // Nodes come back; a model that was offered once is worth another try.
        NoWinnerCause::NoOffer | NoWinnerCause::PinnedAbsent => {
            RequestError::NoOffer { model, retry_after: OFFER_RETRY }
        }
        NoWinnerCause::Features => {
            RequestError::Feature { model, feature: missing_feature(request, book) }
        }
        NoWinnerCause::Context => RequestError::Context {
            model,
            needed: estimate.saturating_add(per_choice),
            longest: longest_context(request, book),
        },
        NoWinnerCause::AboveLimit => RequestError::AboveLimit(model),
        NoWinnerCause::Busy => RequestError::NoCapacity { model, retry_after: CAPACITY_RETRY },
    }
}
