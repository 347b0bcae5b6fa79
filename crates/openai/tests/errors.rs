//! Every error: its shape, its page, what SDKs do with it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pinaivu_openai::{ApiError, ErrorCode, EventSplitter, RetryAdvice, UpstreamError};
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One error of every code, by the constructor that is usually taken.
fn every_error() -> Vec<ApiError> {
    let second = Duration::from_secs(1);
    let ticket = |code| ApiError::new(code, "The ticket is refused.");
    vec![
        ApiError::invalid_json("it ends too early (line 1, column 9)."),
        ApiError::invalid_type("max_tokens", "an integer", "a string"),
        ApiError::invalid_value("n", "an integer from 1 to 128"),
        ApiError::missing_parameter("model"),
        ApiError::unsupported_parameter("background", "Leave it out."),
        ApiError::feature_unavailable("smollm2-135m-instruct", "images"),
        ApiError::context_length_exceeded("smollm2-135m-instruct", 9_000, 8_192),
        ApiError::price_limit_too_low("smollm2-135m-instruct"),
        ApiError::hold_exceeded("max_completion_tokens", "1.250000 USDC", "0.100000 USDC"),
        ApiError::missing_api_key(),
        ApiError::invalid_api_key(),
        ApiError::revoked_api_key(),
        ApiError::expired_api_key(),
        ApiError::invalid_session(),
        ApiError::blob_unauthorized("its nonce was used before"),
        ApiError::allowance_missing(),
        ApiError::allowance_expired(),
        ApiError::allowance_released(),
        ApiError::model_not_allowed("smollm2-135m-instruct"),
        ticket(ErrorCode::TicketMalformed),
        ticket(ErrorCode::TicketForged),
        ticket(ErrorCode::TicketWrongParty),
        ticket(ErrorCode::TicketExpired),
        ticket(ErrorCode::TicketReplayed),
        ticket(ErrorCode::TicketWrongBody),
        ApiError::not_found("GET", "/v2"),
        ApiError::model_not_found("gpt-9"),
        ApiError::receipt_not_found("req_00000000000000000000000000000000"),
        ApiError::method_not_allowed("GET", "/v1/chat/completions"),
        ApiError::request_timeout(),
        ApiError::version_conflict(),
        ApiError::body_too_large(8_388_608),
        ApiError::unsupported_media_type(),
        ApiError::insufficient_quota(),
        ApiError::key_budget_exceeded("max_completion_tokens", "1.250000 USDC", "0.100000 USDC"),
        ApiError::rate_limited(second),
        ApiError::queue_full(second),
        ApiError::internal(),
        ApiError::upstream_failed(),
        ApiError::answer_interrupted(),
        ApiError::no_capacity("smollm2-135m-instruct", Duration::from_millis(1_500)),
        ApiError::unavailable(),
        ApiError::upstream_timeout(),
        ApiError::storage_full(16_777_216),
    ]
}

#[test]
fn error_bodies_have_openais_shape() {
    let shown: Vec<Value> = every_error()
        .iter()
        .map(|error| {
            let headers: serde_json::Map<String, Value> = error
                .headers()
                .map(|(name, value)| (name.to_owned(), Value::from(value)))
                .collect();
            let body: Value = serde_json::from_slice(&error.to_json()).unwrap();
            json!({ "status": error.status(), "headers": headers, "body": body })
        })
        .collect();
    insta::assert_json_snapshot!(shown);
}

#[test]
fn every_code_has_an_example_here() {
    let shown: Vec<ErrorCode> = every_error().iter().map(|error| error.code).collect();
    assert_eq!(shown, ErrorCode::ALL);
}

#[test]
fn every_code_has_a_page_that_says_its_status_and_every_page_a_code() {
    let mut pages = BTreeSet::from(["README.md".to_owned()]);
    let index = std::fs::read_to_string(root().join("docs/errors/README.md")).unwrap();
    for code in ErrorCode::ALL {
        let page = std::fs::read_to_string(root().join(code.docs_path())).unwrap();
        let retried = match code.retry() {
            RetryAdvice::Yes => "yes",
            RetryAdvice::Never => "no",
        };
        let (status, kind) = (code.status(), code.kind());
        let head =
            format!("# `{code}`\n\nStatus {status}, type `{kind}`. Retried by SDKs: {retried}.\n");
        assert!(page.starts_with(&head), "{code}");
        let row = format!("| [`{code}`]({code}.md) | {status} | {retried} | ");
        assert!(index.contains(&row), "{code}");
        pages.insert(format!("{code}.md"));
    }
    let found: BTreeSet<String> = std::fs::read_dir(root().join("docs/errors"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, pages);
}

#[test]
fn code_text_names_exactly_one_code() {
    for code in ErrorCode::ALL {
        assert_eq!(ErrorCode::from_text(code.as_str()), Some(*code));
    }
    assert_eq!(ErrorCode::from_text("teapot"), None);
}

#[test]
fn statuses_that_sdks_retry_by_themselves_are_those_worth_retrying_or_overruled() {
    for code in ErrorCode::ALL {
        let retried_by_status = matches!(code.status(), 408 | 409 | 429) || code.status() >= 500;
        let worth_it = code.retry() == RetryAdvice::Yes;
        // Without our header a client would err only here, as it does with OpenAI.
        let overruled = matches!(
            code,
            ErrorCode::InsufficientQuota | ErrorCode::KeyBudgetExceeded | ErrorCode::StorageFull
        );
        assert_eq!(retried_by_status, worth_it || overruled, "{code}");
    }
}

#[test]
fn error_event_is_one_event_with_the_same_body() {
    let error = ApiError::answer_interrupted();
    let mut splitter = EventSplitter::default();
    splitter.push(error.to_event());
    assert_eq!(splitter.next_event().unwrap().unwrap().data, error.to_json());
    assert_eq!(splitter.next_event(), Ok(None));
}

#[test]
fn llama_cpp_context_error_is_the_clients() {
    let body = br#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":8192}}"#;
    let UpstreamError::Request(error) = UpstreamError::read(400, body) else { unreachable!() };
    assert_eq!(error.code, ErrorCode::ContextLengthExceeded);
    assert_eq!(error.message, "the request exceeds the available context size");
}

#[test]
fn vllm_errors_are_read_whatever_their_shape() {
    let read = |status, body: &str| match UpstreamError::read(status, body.as_bytes()) {
        UpstreamError::Request(error) => Some((error.code, error.param.map(String::from))),
        UpstreamError::Server { .. } => None,
    };
    assert_eq!(
        read(
            400,
            r#"{"error":{"message":"This model's maximum context length is 2048 tokens.","type":"BadRequestError","param":null,"code":400}}"#
        ),
        Some((ErrorCode::ContextLengthExceeded, None))
    );
    assert_eq!(
        read(
            400,
            r#"{"object":"error","message":"bad","type":"BadRequestError","param":"tools","code":400}"#
        ),
        Some((ErrorCode::InvalidValue, Some("tools".to_owned())))
    );
    assert_eq!(
        read(
            404,
            r#"{"error":{"message":"The model does not exist.","type":"NotFoundError","param":"model","code":404}}"#
        ),
        Some((ErrorCode::ModelNotFound, Some("model".to_owned())))
    );
    assert_eq!(read(422, r#"{"error":"bad"}"#), Some((ErrorCode::InvalidValue, None)));
}

#[test]
fn server_faults_are_not_the_clients_and_their_text_is_kept_for_the_log() {
    for (status, body, message) in [
        (500, r#"{"error":{"message":"out of memory"}}"#, "out of memory"),
        (
            503,
            r#"{"error":{"message":"Loading model","type":"unavailable_error"}}"#,
            "Loading model",
        ),
        (429, "slow down", ""),
        (404, "<html>", ""),
        (401, "{}", ""),
    ] {
        assert_eq!(
            UpstreamError::read(status, body.as_bytes()),
            UpstreamError::Server { message: message.to_owned() }
        );
    }
}

#[test]
fn upstream_error_without_text_still_says_something() {
    let UpstreamError::Request(error) = UpstreamError::read(400, b"") else { unreachable!() };
    assert_eq!(error.code, ErrorCode::InvalidValue);
    assert_eq!(error.message, "The model's server refused the request.");
}
