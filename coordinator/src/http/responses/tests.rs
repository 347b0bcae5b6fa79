//! Requests as they are translated, and answers back.
#![expect(clippy::unwrap_used, reason = "tests")]

use bytes::{Bytes, BytesMut};
use pinaivu_openai::{ErrorCode, EventSplitter};
use pinaivu_protocol::commitment::Salt;
use pinaivu_protocol::ids::RequestId;
use pinaivu_protocol::units::UnixMillis;
use serde_json::{Value, json};

use super::stream::Events;
use super::{Frame, answer, translate};

fn chat(request: &Value) -> Value {
    serde_json::from_slice(&translate(request.to_string().as_bytes()).unwrap().chat).unwrap()
}

fn frame() -> Frame {
    let translated = translate(br#"{"model":"m","input":"Hi"}"#).unwrap();
    Frame {
        request: RequestId::new(UnixMillis(1), [2; 10]),
        salt: Salt([3; 32]),
        created: 9,
        echo: translated.echo,
        chat_request: String::from_utf8(translated.chat.to_vec()).unwrap(),
    }
}

#[test]
fn request_becomes_the_chat_it_means() {
    assert_eq!(
        chat(&json!({ "model": "m", "input": "Hi" })),
        json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] })
    );
    let request = json!({
        "model": "m", "instructions": "Be short.", "max_output_tokens": 9, "temperature": 0.5,
        "stream": true, "store": false, "top_k": 4, "reasoning": { "effort": "low" },
        "tools": [{ "type": "function", "name": "f", "parameters": { "type": "object" }, "strict": true }],
        "tool_choice": { "type": "function", "name": "f" },
        "text": { "format": { "type": "json_schema", "name": "s", "schema": {}, "strict": true } },
        "input": [
            { "role": "user", "content": [
                { "type": "input_text", "text": "Look" },
                { "type": "input_image", "image_url": "https://x/y.png", "detail": "low" } ] },
            { "type": "reasoning", "summary": [] },
            { "type": "message", "role": "assistant",
              "content": [{ "type": "output_text", "text": "I call." }] },
            { "type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}" },
            { "type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}" },
            { "type": "function_call_output", "call_id": "c1", "output": "42" },
        ],
    });
    let call = |id: &str| json!({ "id": id, "type": "function", "function": { "name": "f", "arguments": "{}" } });
    assert_eq!(
        chat(&request),
        json!({
            "model": "m",
            "messages": [
                { "role": "system", "content": "Be short." },
                { "role": "user", "content": [
                    { "type": "text", "text": "Look" },
                    { "type": "image_url", "image_url": { "url": "https://x/y.png", "detail": "low" } } ] },
                { "role": "assistant", "content": "I call.", "tool_calls": [call("c1"), call("c2")] },
                { "role": "tool", "tool_call_id": "c1", "content": "42" },
            ],
            "max_completion_tokens": 9, "temperature": 0.5, "reasoning_effort": "low",
            "tools": [{ "type": "function", "function": { "name": "f", "parameters": { "type": "object" }, "strict": true } }],
            "tool_choice": { "type": "function", "function": { "name": "f" } },
            "response_format": { "type": "json_schema", "json_schema": { "name": "s", "schema": {}, "strict": true } },
            "stream": true, "stream_options": { "include_usage": true }, "top_k": 4,
        })
    );
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    for (member, param) in [
        (json!({ "background": true }), "background"),
        (json!({ "previous_response_id": "resp_1" }), "previous_response_id"),
        (json!({ "conversation": "c" }), "conversation"),
        (json!({ "prompt": { "id": "p" } }), "prompt"),
        (json!({ "store": true }), "store"),
        (json!({ "truncation": "auto" }), "truncation"),
        (json!({ "tools": [{ "type": "web_search" }] }), "tools[0].type"),
        (json!({ "include": ["file_search_call.results"] }), "include"),
        (json!({ "top_logprobs": 3 }), "top_logprobs"),
        (json!({ "n": 2 }), "n"),
        (json!({ "input": [{ "type": "item_reference", "id": "x" }] }), "input[0].type"),
        (
            json!({ "input": [{ "role": "user", "content": [{ "type": "input_file" }] }] }),
            "input[0].content",
        ),
    ] {
        let mut request = json!({ "model": "m", "input": "Hi" });
        request.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
        let error = translate(request.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code, ErrorCode::UnsupportedParameter, "{member}");
        assert_eq!(error.param.as_deref(), Some(param), "{member}");
    }
    for (body, code) in [
        ("[]", ErrorCode::InvalidJson),
        (r#"{"model":"m","model":"n","input":"Hi"}"#, ErrorCode::InvalidJson),
        (r#"{"input":"Hi"}"#, ErrorCode::MissingRequiredParameter),
        (r#"{"model":"m"}"#, ErrorCode::MissingRequiredParameter),
        (r#"{"model":"m","input":[]}"#, ErrorCode::InvalidValue),
    ] {
        assert_eq!(translate(body.as_bytes()).unwrap_err().code, code, "{body}");
    }
}

fn completion(finish: &str) -> Value {
    json!({
        "choices": [{ "index": 0, "finish_reason": finish, "message": {
            "role": "assistant", "content": "Hello", "reasoning_content": "Hm.",
            "tool_calls": [{ "id": "c1", "type": "function",
                             "function": { "name": "f", "arguments": "{\"a\":1}" } }] } }],
        "usage": { "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5,
                   "prompt_tokens_details": { "cached_tokens": 1 } },
    })
}

#[test]
fn whole_answer_becomes_items_and_opens_the_receipt() {
    let object = answer::whole(&frame(), completion("stop").to_string().as_bytes()).unwrap();
    assert_eq!((&object["status"], &object["object"]), (&json!("completed"), &json!("response")));
    let kinds: Vec<&Value> =
        object["output"].as_array().unwrap().iter().map(|item| &item["type"]).collect();
    assert_eq!(kinds, ["reasoning", "message", "function_call"]);
    assert_eq!(object["output"][1]["content"][0]["text"], "Hello");
    assert_eq!(
        (&object["output"][2]["call_id"], &object["output"][2]["arguments"]),
        (&json!("c1"), &json!("{\"a\":1}"))
    );
    assert_eq!(
        object["usage"]["input_tokens_details"],
        json!({ "cached_tokens": 1, "cache_write_tokens": 0 })
    );
    assert_eq!(
        (&object["usage"]["input_tokens"], &object["usage"]["output_tokens"]),
        (&json!(3), &json!(2))
    );
    let canonical: Value =
        serde_json::from_str(object["pinaivu"]["chat_answer"].as_str().unwrap()).unwrap();
    assert_eq!(canonical["choices"][0]["message"]["content"], "Hello");
    assert_eq!(object["pinaivu"]["chat_request"], frame().chat_request);
    let cut = answer::whole(&frame(), completion("length").to_string().as_bytes()).unwrap();
    assert_eq!(
        (&cut["status"], &cut["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("max_output_tokens"))
    );
}

fn events(chunks: &[Value], done: bool) -> Vec<Value> {
    let mut events = Events::new(frame());
    let mut out = BytesMut::new();
    for chunk in chunks {
        events.feed(Bytes::from(format!("data: {chunk}\n\n")), &mut out);
    }
    if done {
        events.feed(Bytes::from_static(b"data: [DONE]\n\n"), &mut out);
    }
    events.end(&mut out);
    let mut splitter = EventSplitter::default();
    splitter.push(out.freeze());
    let mut found = Vec::new();
    while let Some(event) = splitter.next_event().unwrap() {
        let data: Value = serde_json::from_slice(&event.data).unwrap();
        assert_eq!(data["type"].as_str().unwrap().as_bytes(), event.kind.unwrap());
        assert_eq!(data["sequence_number"], found.len());
        found.push(data);
    }
    found
}

fn delta(delta: &Value, finish: Option<&str>) -> Value {
    json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] })
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn streamed_text_has_openais_events_in_openais_order() {
    let found = events(
        &[
            delta(&json!({ "role": "assistant", "content": "" }), None),
            delta(&json!({ "content": "Hel" }), None),
            delta(&json!({ "content": "lo" }), None),
            delta(&json!({}), Some("stop")),
            json!({ "choices": [], "usage": { "prompt_tokens": 3, "completion_tokens": 2 } }),
        ],
        true,
    );
    assert_eq!(
        kinds(&found),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let last = &found[9]["response"];
    assert_eq!(last["output"][0]["content"][0]["text"], "Hello");
    assert_eq!(last["usage"]["total_tokens"], 5);
    assert!(last["pinaivu"]["chat_answer"].as_str().unwrap().contains("\"Hello\""));
}

#[test]
fn streamed_calls_and_thoughts_are_items_of_their_own() {
    let call = |index: u64, id: &str, arguments: &str| {
        json!({ "tool_calls": [{ "index": index, "id": id,
                "function": { "name": "f", "arguments": arguments } }] })
    };
    let found = events(
        &[
            delta(&json!({ "reasoning_content": "Hm." }), None),
            delta(&call(0, "c1", ""), None),
            delta(&call(0, "", "{}"), None),
            delta(&call(1, "c2", "{\"b\":2}"), Some("tool_calls")),
        ],
        true,
    );
    let last = found.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    let output = last["response"]["output"].as_array().unwrap();
    assert_eq!(output[0]["content"][0]["text"], "Hm.");
    assert_eq!((&output[1]["call_id"], &output[1]["arguments"]), (&json!("c1"), &json!("{}")));
    assert_eq!(
        (&output[2]["call_id"], &output[2]["arguments"]),
        (&json!("c2"), &json!("{\"b\":2}"))
    );
    assert_eq!(kinds(&found).iter().filter(|kind| kind.ends_with("output_item.done")).count(), 3);
}

#[test]
fn answer_that_ends_at_its_limit_is_the_same_streamed_and_whole() {
    let call = json!([{ "index": 0, "id": "c1", "function": { "name": "f", "arguments": "{" } }]);
    for message in [
        json!({ "content": "Hel" }),
        json!({ "reasoning_content": "Hm.", "content": "Hel" }),
        json!({ "content": "Hel", "tool_calls": call }),
    ] {
        let whole = json!({ "choices": [{ "finish_reason": "length", "message": message }] });
        let whole = answer::whole(&frame(), whole.to_string().as_bytes()).unwrap();
        let found = events(&[delta(&message, None), delta(&json!({}), Some("length"))], true);
        let last = found.last().unwrap();
        assert_eq!(last["type"], "response.incomplete");
        let streamed = &last["response"];
        let states = |response: &Value| -> Vec<(Value, Value)> {
            let items = response["output"].as_array().unwrap();
            items.iter().map(|item| (item["type"].clone(), item["status"].clone())).collect()
        };
        assert_eq!(states(streamed), states(&whole));
        assert_eq!(streamed["output"].as_array().unwrap().last().unwrap()["status"], "incomplete");
        assert_eq!(streamed["incomplete_details"], whole["incomplete_details"]);
        // What was said to be done is what the response then shows.
        let done: Vec<&Value> = found
            .iter()
            .filter(|event| event["type"] == "response.output_item.done")
            .map(|event| &event["item"])
            .collect();
        assert_eq!(done, streamed["output"].as_array().unwrap().iter().collect::<Vec<_>>());
    }
}

#[test]
fn answer_that_is_cut_off_is_failed_and_never_completed() {
    let text = delta(&json!({ "content": "Hel" }), None);
    for chunks in [
        vec![text.clone()],
        vec![text, json!({ "error": { "message": "The node stopped." } })],
        Vec::new(),
    ] {
        let found = events(&chunks, false);
        assert_eq!(found.last().unwrap()["type"], "response.failed");
        let response = &found.last().unwrap()["response"];
        assert_eq!(response["error"]["code"], "server_error");
        // What came is charged, and can be checked.
        assert_eq!(response["pinaivu"]["chat_request"], frame().chat_request);
        let answer = response["pinaivu"]["chat_answer"].as_str().unwrap();
        assert_eq!(answer.contains("\"Hel\""), !chunks.is_empty(), "{answer}");
        assert!(!kinds(&found).contains(&"response.completed"));
    }
}
