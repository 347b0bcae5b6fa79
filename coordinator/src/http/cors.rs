//! Who may call from a page of another origin: public views and what a key pays for; never keys,
//! sessions or blobs, which belong to this coordinator's own pages.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderValue,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};

use super::body::ResponseBody;

/// Views anybody may read from anywhere.
const VIEWS: [&str; 9] = [
    "/v1/attestation",
    "/v1/receipts",
    "/v1/network",
    "/v1/models",
    "/v1/nodes",
    "/v1/figures",
    "/v1/settlements",
    "/v1/book",
    "/v1/openapi.json",
];

/// What costs money, and is paid by the key in the request.
const PAID: [&str; 4] =
    ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"];

const ANYONE: HeaderValue = HeaderValue::from_static("*");

/// What a page may read beside the body.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, x-pinaivu-salt, openai-processing-ms, retry-after, x-should-retry, \
     x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, \
     x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens",
);

/// What a page of another origin may do with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Read it.
    View,
    /// Ask for it with a key.
    Paid,
    /// Nothing.
    None,
}

/// By path alone; unknown paths are nobody's.
pub(super) fn sharing(path: &str) -> Sharing {
    let below = |prefix: &str| {
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if PAID.contains(&path) {
        Sharing::Paid
    } else if VIEWS.iter().any(|view| below(view)) {
        Sharing::View
    } else {
        Sharing::None
    }
}

/// The answer to a preflight, if this is one that is granted.
pub(super) fn preflight<B>(request: &Request<B>) -> Option<Response<ResponseBody>> {
    if request.method() != Method::OPTIONS
        || !request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    {
        return None;
    }
    let methods = match sharing(request.uri().path()) {
        Sharing::View => "GET, HEAD",
        Sharing::Paid => "POST",
        Sharing::None => return None,
    };
    let mut response = Response::new(ResponseBody::full(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANYONE);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        // With what official SDKs send from a browser. A wildcard would not cover `authorization`.
        HeaderValue::from_static(
            "authorization, content-type, user-agent, x-pinaivu-max-price, x-pinaivu-sort, \
             x-pinaivu-only, x-pinaivu-ignore, x-pinaivu-hedge-after-ms, x-pinaivu-direct, \
             openai-organization, openai-project, openai-beta, x-stainless-arch, x-stainless-async, \
             x-stainless-custom-poll-interval, x-stainless-helper-method, x-stainless-lang, \
             x-stainless-os, x-stainless-package-version, x-stainless-poll-helper, \
             x-stainless-retry-count, x-stainless-runtime, x-stainless-runtime-version, \
             x-stainless-timeout",
        ),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    Some(response)
}

/// The headers of a granted answer.
pub(super) fn grant(response: &mut HeaderMap) {
    response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANYONE);
    response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}
