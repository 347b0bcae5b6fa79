//! From what went wrong inside to what the client is told.

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use pinaivu_openai::{ApiError, ErrorCode};
use pinaivu_protocol::ids::RequestId;
use pinaivu_protocol::units::FineAmount;

use super::body::ResponseBody;
use crate::accounts::{CommandError, HoldError, KeyError};
use crate::engine::RequestError;
use crate::store::StoreError;

/// Header with the request's id, on every answer.
pub(super) const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// An error response.
pub(super) fn response(error: &ApiError, request: RequestId) -> Response<ResponseBody> {
    respond(error, request, ResponseBody::full(error.to_json()))
}

/// An error response with a body of its own kind.
pub(super) fn respond(
    error: &ApiError,
    request: RequestId,
    body: ResponseBody,
) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status(error);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(REQUEST_ID_HEADER, request_id(request));
    for (name, value) in error.headers() {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

pub(super) fn status(error: &ApiError) -> StatusCode {
    StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

pub(super) fn request_id(request: RequestId) -> HeaderValue {
    HeaderValue::from_str(&request.to_string()).unwrap_or(HeaderValue::from_static(""))
}

/// A request that was not served.
pub(super) fn of_request(error: RequestError) -> ApiError {
    match error {
        RequestError::Invalid(error) | RequestError::Refused(error) => error,
        RequestError::OutputLimit { field, asked, limit } => ApiError::new(
            ErrorCode::InvalidValue,
            format!(
                "{asked} generated tokens are asked for, over all choices; this coordinator allows \
                 {limit}. Lower {field}."
            ),
        )
        .with_param(field),
        RequestError::Choices { asked, limit } => ApiError::new(
            ErrorCode::InvalidValue,
            format!("{asked} choices are asked for; this coordinator allows {limit}."),
        )
        .with_param("n"),
        RequestError::ModelNotAllowed(model) => ApiError::model_not_allowed(&model),
        RequestError::UnknownModel(model) => ApiError::model_not_found(&model),
        RequestError::Feature { model, feature } => ApiError::feature_unavailable(&model, feature),
        RequestError::Context { model, needed, longest } => {
            ApiError::context_length_exceeded(&model, needed.get(), longest.get())
        }
        RequestError::AboveLimit(model) => ApiError::price_limit_too_low(&model),
        RequestError::NoOffer { model, retry_after } => ApiError::new(
            ErrorCode::NoCapacity,
            format!("No node offers the model '{model}' right now. Try again in a moment."),
        )
        .with_retry_after(retry_after),
        RequestError::NoCapacity { model, retry_after } => {
            ApiError::no_capacity(&model, retry_after)
        }
        RequestError::QueueFull { retry_after } => ApiError::queue_full(retry_after),
        RequestError::Hold { error, field } => of_hold(error, field),
        RequestError::AllFailed => ApiError::upstream_failed(),
        RequestError::TimedOut => ApiError::upstream_timeout(),
        RequestError::Unavailable => ApiError::unavailable(),
    }
}

fn of_hold(error: HoldError, field: &'static str) -> ApiError {
    match error {
        HoldError::Unknown(_) => ApiError::allowance_missing(),
        HoldError::Expired(_) => ApiError::allowance_expired(),
        HoldError::Released => ApiError::allowance_released(),
        HoldError::Empty => ApiError::insufficient_quota(),
        HoldError::KeyEnded => ApiError::revoked_api_key(),
        HoldError::KeyBudget { needed, available } => {
            ApiError::key_budget_exceeded(field, &rounded_up(needed), &rounded_down(available))
        }
        HoldError::KeyTokens { needed, limit } => ApiError::new(
            ErrorCode::HoldExceeded,
            format!(
                "This request may take up to {needed} tokens, but this API key may use {limit} a \
                 minute. Lower {field} or shorten the prompt."
            ),
        )
        .with_param(field),
        HoldError::KeyRate(wait) => ApiError::rate_limited(wait),
        HoldError::Exceeded { needed, available } => {
            ApiError::hold_exceeded(field, &rounded_up(needed), &rounded_down(available))
        }
    }
}

/// What may be owed, rounded **up** to what the chain can move.
fn rounded_up(amount: FineAmount) -> String {
    let whole = amount.to_amount_ceil();
    whole.map_or_else(|| "more than can be paid".into(), |whole| whole.to_usdc_string() + " USDC")
}

/// What is there, rounded **down** to what the chain can move.
fn rounded_down(amount: FineAmount) -> String {
    let whole = amount.to_amount_floor().unwrap_or(pinaivu_protocol::units::Amount::MAX);
    whole.to_usdc_string() + " USDC"
}

/// A key that does not open anything.
pub(super) fn of_key(error: KeyError) -> ApiError {
    match error {
        KeyError::Unknown => ApiError::invalid_api_key(),
        KeyError::Revoked => ApiError::revoked_api_key(),
        KeyError::Expired => ApiError::expired_api_key(),
        KeyError::Store(error) => of_store(&error),
    }
}

/// A key command that was not carried out.
pub(super) fn of_command(error: CommandError) -> ApiError {
    let code = match &error {
        CommandError::Store(error) => return of_store(error),
        CommandError::Chain(error) => {
            tracing::warn!(%error, "a key command could not be checked on chain");
            return ApiError::unavailable();
        }
        CommandError::NoAllowance(_) | CommandError::NotOwner(_) => ErrorCode::AllowanceMissing,
        CommandError::NoKey(_) => ErrorCode::NotFound,
        CommandError::Party
        | CommandError::Stale
        | CommandError::Domain(_)
        | CommandError::Over
        | CommandError::Signature(_)
        | CommandError::Replayed
        | CommandError::Label
        | CommandError::Text(_)
        | CommandError::Models
        | CommandError::TooManyKeys => ErrorCode::InvalidValue,
    };
    ApiError::new(code, format!("The key command is refused: {error}.")).with_param("command")
}

pub(super) fn of_store(error: &StoreError) -> ApiError {
    tracing::error!(%error, "the store failed");
    ApiError::unavailable()
}
