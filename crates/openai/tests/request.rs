//! What is read of a request, and how a bad one is refused.
#![expect(clippy::unwrap_used, reason = "tests")]

use pinaivu_openai::{ChatRequest, Endpoint, ErrorCode, OutputLimit, Preferences, Sort};
use serde_json::{Value, json};

fn parse(body: &Value) -> ChatRequest {
    ChatRequest::parse(body.to_string().as_bytes()).unwrap()
}

/// Code, param and message of a refusal.
fn refusal(body: &str) -> (ErrorCode, Option<String>, String) {
    let error = ChatRequest::parse(body.as_bytes()).unwrap_err();
    (error.code, error.param.map(String::from), error.message)
}

/// A valid request with these fields on top.
fn with(fields: &Value) -> Value {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] });
    let object = body.as_object_mut().unwrap();
    object.extend(fields.as_object().unwrap().clone());
    body
}

fn refused_with(fields: &Value) -> (ErrorCode, Option<String>, String) {
    refusal(&with(fields).to_string())
}

#[test]
fn smallest_request_has_openais_defaults() {
    assert_eq!(
        parse(&with(&json!({}))),
        ChatRequest {
            endpoint: Endpoint::Chat,
            preferences: None,
            model: "m".to_owned(),
            stream: false,
            include_usage: false,
            output_limit: None,
            choices: 1,
            tools: false,
            structured: false,
            logprobs: false,
            images: false,
            messages: 1,
            text_bytes: "user".len() + "Hi".len(),
        }
    );
}

#[test]
fn every_field_that_routing_needs_is_read() {
    let tools = json!([{ "type": "function", "function": { "name": "f" } }]);
    let format = json!({ "type": "json_object" });
    let request = parse(&with(&json!({
        "stream": true,
        "stream_options": { "include_usage": true, "include_obfuscation": false },
        "max_completion_tokens": 77,
        "n": 3,
        "tools": tools,
        "response_format": format,
        "logprobs": true,
        "unknown_to_us": { "deep": [1, 2, 3] },
    })));
    assert!(request.stream && request.include_usage && request.tools);
    assert!(request.structured && request.logprobs && !request.images);
    assert_eq!(request.choices, 3);
    let limit = OutputLimit { field: "max_completion_tokens", tokens: 77 };
    assert_eq!(request.output_limit, Some(limit));
    let extra = tools.to_string().len() + format.to_string().len();
    assert_eq!(request.text_bytes, "user".len() + "Hi".len() + extra);
}

#[test]
fn nulls_count_as_absent() {
    let fields = json!({
        "stream": null, "stream_options": null, "max_tokens": null,
        "max_completion_tokens": null, "n": null, "tools": null, "functions": null,
        "response_format": null, "logprobs": null,
    });
    assert_eq!(parse(&with(&fields)), parse(&with(&json!({}))));
}

#[test]
fn older_limit_and_functions_are_read_too() {
    let request = parse(&with(&json!({ "max_tokens": 5, "functions": [{ "name": "f" }] })));
    assert_eq!(request.output_limit, Some(OutputLimit { field: "max_tokens", tokens: 5 }));
    assert!(request.tools);
}

#[test]
fn empty_tools_and_text_format_need_no_feature() {
    let fields = json!({ "tools": [], "response_format": { "type": "text" } });
    let request = parse(&with(&fields));
    assert!(!request.tools && !request.structured);
}

#[test]
fn usage_is_included_only_in_streams() {
    let options = json!({ "stream_options": { "include_usage": true } });
    assert!(!parse(&with(&options)).include_usage);
}

#[test]
fn content_parts_are_measured_and_images_noticed() {
    let request = parse(&with(&json!({ "messages": [
        { "role": "system", "content": [{ "type": "text", "text": "Look é" }] },
        { "role": "user", "content": [
            { "type": "text", "text": "here" },
            { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
        ]},
        { "role": "assistant", "content": null, "tool_calls": [{ "id": "1" }] },
    ]})));
    assert!(request.images);
    assert_eq!(request.messages, 3);
    let texts = ["system", "Look é", "user", "here", "assistant", r#"[{"id":"1"}]"#];
    assert_eq!(request.text_bytes, texts.concat().len());
}

#[test]
fn escapes_are_resolved_before_text_is_measured() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"\u00e9\n"}]}"#;
    let request = ChatRequest::parse(body.as_bytes()).unwrap();
    assert_eq!(request.text_bytes, "user".len() + "é\n".len());
}

#[test]
fn malformed_json_is_located_and_not_quoted() {
    let (code, param, message) = refusal(r#"{"model": "secret", "messages": ["#);
    assert_eq!((code, param), (ErrorCode::InvalidJson, None));
    assert_eq!(
        message,
        "We could not parse the JSON body of your request: it ends too early (line 1, column 33)."
    );
    for body in ["", "nonsense", "[]", "\"text\"", "{} {}", "{\"model\": }", "{\"a\":1,}"] {
        assert_eq!(refusal(body).0, ErrorCode::InvalidJson, "{body}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let error = ChatRequest::parse(b"{\"model\":\"\xff\",\"messages\":[]}").unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidJson);
}

#[test]
fn field_that_stands_there_twice_is_refused_however_it_is_written() {
    for (body, name) in [
        (r#"{"model":"a","model":"b","messages":[]}"#, "model"),
        (r#"{"max_tokens":1,"max\u005ftokens":9,"model":"a","messages":[]}"#, "max_tokens"),
        (r#"{"seed":1,"seed":2,"model":"a","messages":[]}"#, "seed"),
    ] {
        let (code, param, _) = refusal(body);
        assert_eq!((code, param.as_deref()), (ErrorCode::InvalidJson, Some(name)), "{body}");
    }
    let twice = r#"{"model":"a","messages":[{"role":"user","content":"a","content":"b"}]}"#;
    assert_eq!(refusal(twice).0, ErrorCode::InvalidValue);
    assert_eq!(refusal(twice).1.as_deref(), Some("messages[0]"));
}

#[test]
fn missing_fields_are_named() {
    let messages = r#"{"messages":[{"role":"user","content":"a"}]}"#;
    for (body, name) in [
        ("{}", "model"),
        (messages, "model"),
        (r#"{"model":null,"messages":[]}"#, "model"),
        (r#"{"model":"a"}"#, "messages"),
        (r#"{"model":"a","messages":null}"#, "messages"),
    ] {
        let (code, param, message) = refusal(body);
        assert_eq!(code, ErrorCode::MissingRequiredParameter, "{body}");
        assert_eq!(param.as_deref(), Some(name), "{body}");
        assert_eq!(message, format!("Missing required parameter: '{name}'."));
    }
}

#[test]
fn wrong_types_are_named_as_openai_does() {
    let cases = [
        (json!({ "model": 5 }), "model", "a string, but got an integer"),
        (json!({ "messages": "Hi" }), "messages", "an array of objects, but got a string"),
        (json!({ "stream": "yes" }), "stream", "a boolean, but got a string"),
        (json!({ "stream_options": true }), "stream_options", "an object, but got a boolean"),
        (
            json!({ "stream_options": { "include_usage": 1 } }),
            "stream_options.include_usage",
            "a boolean, but got an integer",
        ),
        (json!({ "max_tokens": "9" }), "max_tokens", "an integer, but got a string"),
        (json!({ "max_tokens": 1.5 }), "max_tokens", "an integer, but got a decimal"),
        (json!({ "n": [1] }), "n", "an integer, but got an array"),
        (json!({ "tools": { "a": 1 } }), "tools", "an array, but got an object"),
        (json!({ "logprobs": 2 }), "logprobs", "a boolean, but got an integer"),
        (
            json!({ "response_format": "json" }),
            "response_format",
            "an object with a type, but got a string",
        ),
    ];
    for (fields, param, difference) in cases {
        let (code, named, message) = refused_with(&fields);
        assert_eq!((code, named.as_deref()), (ErrorCode::InvalidType, Some(param)), "{fields}");
        let expected = format!("Invalid type for '{param}': expected {difference} instead.");
        assert_eq!(message, expected);
    }
}

#[test]
fn values_out_of_range_are_named() {
    let cases = [
        (json!({ "model": "" }), "model"),
        (json!({ "messages": [] }), "messages"),
        (json!({ "messages": ["Hi"] }), "messages[0]"),
        (json!({ "messages": [{ "content": "a" }, { "content": 5 }] }), "messages[1]"),
        (json!({ "messages": [{ "content": [{ "text": "no type" }] }] }), "messages[0]"),
        (json!({ "max_tokens": 0 }), "max_tokens"),
        (json!({ "max_tokens": -1 }), "max_tokens"),
        (json!({ "max_tokens": 4_294_967_296_u64 }), "max_tokens"),
        (json!({ "max_tokens": 5, "max_completion_tokens": 5 }), "max_tokens"),
        (json!({ "n": 0 }), "n"),
        (json!({ "n": 129 }), "n"),
    ];
    for (fields, param) in cases {
        let (code, named, _) = refused_with(&fields);
        assert_eq!((code, named.as_deref()), (ErrorCode::InvalidValue, Some(param)), "{fields}");
    }
    assert_eq!(parse(&with(&json!({ "n": 128 }))).choices, 128);
}

#[test]
fn deep_nesting_in_unknown_fields_is_skipped_without_harm() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"a"}}],"metadata":{deep}}}"#
    );
    assert_eq!(ChatRequest::parse(body.as_bytes()).unwrap().model, "m");
}

fn parse_for(
    endpoint: Endpoint,
    fields: &Value,
) -> Result<ChatRequest, (ErrorCode, Option<String>)> {
    let mut body = json!({ "model": "m" });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    ChatRequest::parse_for(endpoint, body.to_string().as_bytes())
        .map_err(|error| (error.code, error.param.map(Into::into)))
}

#[test]
fn prompts_are_counted_with_their_alternatives() {
    for (prompt, count, bytes) in [
        (json!("four"), 1, 4),
        (json!(["a", "bc"]), 2, 3),
        (json!([1, 2, 3]), 1, 12),
        (json!([[1, 2], [3]]), 2, 12),
    ] {
        let fields = json!({ "prompt": prompt, "n": 2, "logprobs": 3 });
        let request = parse_for(Endpoint::Completions, &fields).unwrap();
        assert_eq!(
            (request.choices, request.messages, request.text_bytes),
            (2 * count, count, bytes)
        );
        assert!(request.logprobs);
    }
    for (fields, code, param) in [
        (json!({}), ErrorCode::MissingRequiredParameter, "prompt"),
        (json!({ "prompt": [] }), ErrorCode::InvalidValue, "prompt"),
        (json!({ "prompt": [1, "a"] }), ErrorCode::InvalidValue, "prompt"),
        (json!({ "prompt": {} }), ErrorCode::InvalidValue, "prompt"),
        (json!({ "prompt": "a", "best_of": 2 }), ErrorCode::UnsupportedParameter, "best_of"),
        (json!({ "prompt": "a", "logprobs": true }), ErrorCode::InvalidType, "logprobs"),
    ] {
        let refused = parse_for(Endpoint::Completions, &fields).unwrap_err();
        assert_eq!(refused, (code, Some(param.into())), "{fields}");
    }
    let fields = json!({ "input": ["a", "bc"], "n": 9, "stream": true });
    let request = parse_for(Endpoint::Embeddings, &fields).unwrap();
    assert_eq!((request.choices, request.messages, request.stream), (1, 2, false));
}

#[test]
fn provider_says_where_to_go_and_its_faults_are_named() {
    let provider = json!({
        "max_price": 250000, "sort": "latency", "only": ["a"], "ignore": ["b", "c"],
        "allow_fallbacks": false, "data_collection": "allow", "zdr": false, "hedge_after_ms": 250, "direct": true,
    });
    let request = parse(&with(&json!({ "provider": provider })));
    assert_eq!(
        *request.preferences.unwrap(),
        Preferences {
            max_price: Some(250_000),
            sort: Sort::Latency,
            only: vec!["a".into()],
            ignore: vec!["b".into(), "c".into()],
            no_fallbacks: true,
            hedge: Some(250),
            direct: true,
        }
    );
    for (provider, param) in [
        (json!(7), "provider"),
        (json!({ "max_price": "1" }), "provider.max_price"),
        (json!({ "max_price": 1.5 }), "provider.max_price"),
        (json!({ "sort": "luck" }), "provider.sort"),
        (json!({ "only": "a" }), "provider.only"),
        (json!({ "ignore": [1] }), "provider.ignore"),
        (json!({ "allow_fallbacks": 1 }), "provider.allow_fallbacks"),
        (json!({ "hedge_after_ms": "1" }), "provider.hedge_after_ms"),
        (json!({ "direct": 1 }), "provider.direct"),
        (json!({ "data_collection": "maybe" }), "provider.data_collection"),
        (json!({ "zdr": "yes" }), "provider.zdr"),
    ] {
        let (code, found, _) = refused_with(&json!({ "provider": provider }));
        assert_eq!((code, found.as_deref()), (ErrorCode::InvalidValue, Some(param)));
    }
}

#[test]
fn privacy_that_nobody_can_enforce_is_refused() {
    for (provider, param) in [
        (json!({ "data_collection": "deny" }), "provider.data_collection"),
        (json!({ "zdr": true }), "provider.zdr"),
    ] {
        let (code, found, message) = refused_with(&json!({ "provider": provider }));
        assert_eq!((code, found.as_deref()), (ErrorCode::UnsupportedParameter, Some(param)));
        assert!(message.contains("provider.only"), "{message}");
    }
}
