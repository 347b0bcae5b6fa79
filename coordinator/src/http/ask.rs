//! What models serve: the hot routes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use pinaivu_openai::{ApiError, Endpoint, Preferences};
use pinaivu_protocol::commitment::Salt;
use pinaivu_protocol::ids::RequestId;

use super::App;
use super::body::{self, BodyError, Discard, ResponseBody};
use super::error::{self, REQUEST_ID_HEADER, of_key, of_request, request_id};
use super::responses::{self, RESPONSES_PATH};
use crate::accounts::{ApiKeys, Caller, RateView, Rates};
use crate::engine::{Answer, Asked, Reply};

/// Header with the salt of the commitments to request and answer, in hexadecimal.
const SALT_HEADER: HeaderName = HeaderName::from_static("x-pinaivu-salt");

/// How long it took until the answer began.
const PROCESSING_HEADER: HeaderName = HeaderName::from_static("openai-processing-ms");

/// Preferences beside the body.
const MAX_PRICE_HEADER: HeaderName = HeaderName::from_static("x-pinaivu-max-price");
const SORT_HEADER: HeaderName = HeaderName::from_static("x-pinaivu-sort");
const ONLY_HEADER: HeaderName = HeaderName::from_static("x-pinaivu-only");
const IGNORE_HEADER: HeaderName = HeaderName::from_static("x-pinaivu-ignore");
const HEDGE_HEADER: HeaderName = HeaderName::from_static("x-pinaivu-hedge-after-ms");
const DIRECT_HEADER: HeaderName = HeaderName::from_static("x-pinaivu-direct");

/// Serves one request. Dropping the future is the client going away.
pub(super) async fn serve(
    app: &App,
    route: Route,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let started = Instant::now();
    let id = app.engine.new_request();
    let mut caller = None;
    let answered = answer(app, id, route, request, &mut caller).await;
    let mut response = match answered {
        Ok(response) => response,
        Err(Failure { error, unread: None }) => error::response(&error, id),
        Err(Failure { error, unread: Some(rest) }) => {
            let body = Discard::after(Bytes::from(error.to_json()), rest);
            error::respond(&error, id, ResponseBody::Discard(Box::new(body)))
        }
    };
    let headers = response.headers_mut();
    tell_processing(started.elapsed(), headers);
    if let Some(caller) = caller {
        tell_rates(&caller.rates(app.clock.now()), headers);
    }
    response
}

/// What is served, and in which of OpenAI's shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// As nodes serve it.
    Plain(Endpoint),
    /// `/v1/responses`, over chat completions.
    Responses,
}

impl Route {
    /// The one at a path.
    pub(super) fn at(path: &str) -> Option<Self> {
        match Endpoint::at(path) {
            Some(endpoint) => Some(Self::Plain(endpoint)),
            None => (path == RESPONSES_PATH).then_some(Self::Responses),
        }
    }
}

/// Says how long it took until an answer began.
pub(super) fn tell_processing(took: Duration, headers: &mut HeaderMap) {
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    headers.insert(PROCESSING_HEADER, millis.into());
}

/// Says what the limits of a key leave; nothing for a key without limits.
fn tell_rates(rates: &Rates, headers: &mut HeaderMap) {
    let mut tell = |rate: Option<RateView>, names: [&'static str; 3]| {
        let Some(RateView { limit, remaining, reset }) = rate else { return };
        let [limit_name, remaining_name, reset_name] = names.map(HeaderName::from_static);
        headers.insert(limit_name, limit.into());
        headers.insert(remaining_name, remaining.into());
        if let Ok(reset) = HeaderValue::from_str(&format!("{}ms", reset.as_millis())) {
            headers.insert(reset_name, reset);
        }
    };
    tell(
        rates.requests,
        [
            "x-ratelimit-limit-requests",
            "x-ratelimit-remaining-requests",
            "x-ratelimit-reset-requests",
        ],
    );
    tell(
        rates.tokens,
        ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
    );
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

async fn answer(
    app: &App,
    id: RequestId,
    route: Route,
    request: Request<Incoming>,
    known: &mut Option<Caller>,
) -> Result<Response<ResponseBody>, Failure> {
    let (head, body) = request.into_parts();
    let checked = async {
        let caller = authenticate(&app.keys, &head.headers).await?;
        check_media_type(&head.headers)?;
        Ok((caller, preferences(&head.headers)?))
    };
    let (caller, preferences) = match checked.await {
        Ok(checked) => checked,
        Err(error) => return Err(Failure { error, unread: Some(body) }),
    };
    let caller = known.insert(caller);
    let limit = app.limits.body_bytes;
    let body = match body::read(body, limit, app.timeouts.request_body, &app.bodies).await {
        Ok(body) => body,
        Err(failed) => {
            let error = failed.error(limit);
            let unread = match failed {
                BodyError::TooLong(rest) | BodyError::NoRoom(rest) => Some(rest),
                BodyError::TimedOut | BodyError::Gone => None,
            };
            return Err(Failure { error, unread });
        }
    };
    // What the node would say is a chat completion.
    let redirectable = matches!(route, Route::Plain(_));
    let (endpoint, body, translated) = match route {
        Route::Plain(endpoint) => (endpoint, body, None),
        Route::Responses => {
            let translated = responses::translate(&body)?;
            let chat = body::in_place_of(body, translated.chat.clone());
            (Endpoint::Chat, chat, Some(translated))
        }
    };
    let asked = Asked { endpoint, body, preferences, redirectable };
    let reply = app.engine.serve(id, caller, asked).await.map_err(of_request)?;
    Ok(match translated {
        None => success(reply),
        Some(translated) => responses::success(reply, translated, app.clock.now())?,
    })
}

/// The wishes in a request's headers; nothing when there are none.
fn preferences(headers: &HeaderMap) -> Result<Option<Preferences>, ApiError> {
    let text = |name: HeaderName, param| {
        headers
            .get(name)
            .map(|value| value.to_str().map_err(|_| ApiError::invalid_value(param, "ASCII text")))
            .transpose()
    };
    let mut read = Preferences::default();
    if let Some(price) = text(MAX_PRICE_HEADER, "x-pinaivu-max-price")? {
        read.set_max_price(price, "x-pinaivu-max-price")?;
    }
    if let Some(sort) = text(SORT_HEADER, "x-pinaivu-sort")? {
        read.set_sort(sort, "x-pinaivu-sort")?;
    }
    if let Some(only) = text(ONLY_HEADER, "x-pinaivu-only")? {
        read.only = Preferences::list(only, "x-pinaivu-only")?;
    }
    if let Some(ignore) = text(IGNORE_HEADER, "x-pinaivu-ignore")? {
        read.ignore = Preferences::list(ignore, "x-pinaivu-ignore")?;
    }
    if let Some(millis) = text(HEDGE_HEADER, "x-pinaivu-hedge-after-ms")? {
        read.set_hedge(millis, "x-pinaivu-hedge-after-ms")?;
    }
    if let Some(direct) = text(DIRECT_HEADER, "x-pinaivu-direct")? {
        read.set_direct(direct, "x-pinaivu-direct")?;
    }
    Ok(Some(read).filter(|read| *read != Preferences::default()))
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
        Answer::Elsewhere(url) => return redirect(request, &salt, &url),
    };
    respond(request, &salt, body, content_type)
}

/// Sends the client to the node with its method and body. The key stays here: clients leave it out when
/// they are sent to another host.
fn redirect(request: RequestId, salt: &Salt, url: &str) -> Response<ResponseBody> {
    let body = ResponseBody::full("");
    let mut response = respond(request, salt, body, "application/json");
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(url) = HeaderValue::from_str(url) {
        headers.insert(LOCATION, url);
    }
    response
}

/// An answer that has begun.
pub(super) fn respond(
    request: RequestId,
    salt: &Salt,
    body: ResponseBody,
    content_type: &'static str,
) -> Response<ResponseBody> {
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
