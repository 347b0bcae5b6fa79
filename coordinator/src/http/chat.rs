//! `POST /v1/chat/completions`: the hot route.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use pinaivu_openai::ApiError;
use pinaivu_protocol::ids::RequestId;
use tracing::Instrument as _;

use super::App;
use super::body::{self, BodyError, Discard, ResponseBody};
use super::error::{self, REQUEST_ID_HEADER, of_key, of_request, request_id};
use crate::accounts::{ApiKeys, Caller};
use crate::engine::{Answer, Reply};

/// Header with the salt of the commitments to request and answer, in hexadecimal.
const SALT_HEADER: HeaderName = HeaderName::from_static("x-pinaivu-salt");

/// Serves one request. Dropping the future is the client going away.
pub(super) async fn serve(app: &App, request: Request<Incoming>) -> Response<ResponseBody> {
    let id = app.engine.new_request();
    let span = tracing::info_span!("chat", request = %id);
    match answer(app, id, request).instrument(span).await {
        Ok(reply) => success(reply),
        Err(Failure { error, unread: None }) => error::response(&error, id),
        Err(Failure { error, unread: Some(rest) }) => {
            let body = Discard::after(Bytes::from(error.to_json()), rest);
            error::respond(&error, id, ResponseBody::Discard(Box::new(body)))
        }
    }
}

/// An error, and the request's body where that has not been read.
struct Failure {
    error: ApiError,
    unread: Option<Incoming>,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self { error, unread: None }
    }
}

async fn answer(app: &App, id: RequestId, request: Request<Incoming>) -> Result<Reply, Failure> {
    let (head, body) = request.into_parts();
    let checked = async {
        let caller = authenticate(&app.keys, &head.headers).await?;
        check_media_type(&head.headers)?;
        Ok(caller)
    };
    let caller = match checked.await {
        Ok(caller) => caller,
        Err(error) => return Err(Failure { error, unread: Some(body) }),
    };
    let limit = app.limits.body_bytes;
    let body = match body::read(body, limit, app.timeouts.request_body).await {
        Ok(body) => body,
        Err(failed) => {
            let error = failed.error(limit);
            let unread = match failed {
                BodyError::TooLong(rest) => Some(rest),
                BodyError::TimedOut | BodyError::Gone => None,
            };
            return Err(Failure { error, unread });
        }
    };
    Ok(app.engine.chat(id, &caller, body).await.map_err(of_request)?)
}

/// Who calls, by the key in the `Authorization` header.
pub(super) async fn authenticate(keys: &ApiKeys, headers: &HeaderMap) -> Result<Caller, ApiError> {
    keys.look_up(bearer(headers)?).await.map_err(of_key)
}

/// What the `Authorization` header holds.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let header = headers.get(AUTHORIZATION).ok_or_else(ApiError::missing_api_key)?;
    let text = header.to_str().map_err(|_| ApiError::invalid_api_key())?;
    let (scheme, key) = text.split_once(' ').unwrap_or((text, ""));
    let key = key.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || key.is_empty() {
        return Err(ApiError::missing_api_key());
    }
    Ok(key)
}

fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let given = given.as_bytes();
    let end = given.iter().position(|byte| *byte == b';').unwrap_or(given.len());
    let media_type = given.get(..end).unwrap_or_default().trim_ascii();
    if media_type.eq_ignore_ascii_case(b"application/json") {
        Ok(())
    } else {
        Err(ApiError::unsupported_media_type())
    }
}

fn success(Reply { request, salt, answer }: Reply) -> Response<ResponseBody> {
    let (body, content_type) = match answer {
        Answer::Whole(json) => (ResponseBody::full(json), "application/json"),
        Answer::Stream(stream) => (ResponseBody::Stream(stream), "text/event-stream"),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(REQUEST_ID_HEADER, request_id(request));
    if let Ok(salt) = HeaderValue::from_str(&salt.to_string()) {
        headers.insert(SALT_HEADER, salt);
    }
    response
}
