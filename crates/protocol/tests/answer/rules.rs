//! What is kept, what is left out, and what is no answer.

use pinaivu_protocol::answer::{Answer, AnswerAssembler, AnswerError, Usage};
use pinaivu_protocol::units::TokenCount;
use serde_json::{Value, json};

use super::{canonical, unary};

#[test]
fn what_means_nothing_changes_nothing() {
    let bare = unary(&json!({"choices": [{"message": {"content": "x"}}]}));
    assert_eq!(
        canonical(&bare),
        r#"{"choices":[{"finish_reason":null,"index":0,"message":{"content":"x","role":"assistant"}}]}"#
    );
    for same in [
        json!({"choices": [{"index": 0, "finish_reason": null, "message": {"content": "x"}}]}),
        json!({"choices": [{"message": {"content": "x", "role": "assistant"}}], "usage": null}),
        json!({"choices": [{"message": {"content": "x", "role": null, "refusal": null,
               "reasoning_content": null, "reasoning": null, "tool_calls": null}}]}),
        json!({"choices": [{"message": {"content": "x", "role": "", "refusal": "",
               "reasoning_content": "", "reasoning": "", "tool_calls": []}}]}),
        json!({"id": "a", "model": "b", "created": 3, "request_id": "req_1",
               "choices": [{"logprobs": {"content": []}, "stop_reason": 2,
                            "message": {"content": "x", "annotations": [{}], "audio": null}}]}),
    ] {
        assert_eq!(unary(&same), bare, "{same}");
    }
}

#[test]
fn what_means_something_changes_the_canonical_bytes() {
    let base = json!({
        "choices": [{"index": 0, "finish_reason": "stop", "message": {
            "role": "assistant", "content": "c", "refusal": "f", "reasoning_content": "r",
            "tool_calls": [{"id": "i", "type": "function",
                            "function": {"name": "n", "arguments": "a"}}]}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    });
    let original = canonical(&unary(&base));
    let changes = [
        ("/choices/0/index", json!(1)),
        ("/choices/0/finish_reason", json!("length")),
        ("/choices/0/finish_reason", Value::Null),
        ("/choices/0/message/role", json!("tool")),
        ("/choices/0/message/content", json!("C")),
        ("/choices/0/message/content", Value::Null),
        ("/choices/0/message/refusal", json!("F")),
        ("/choices/0/message/reasoning_content", json!("R")),
        ("/choices/0/message/tool_calls", json!([])),
        ("/choices/0/message/tool_calls/0/id", json!("I")),
        ("/choices/0/message/tool_calls/0/type", json!("custom")),
        ("/choices/0/message/tool_calls/0/function/name", json!("N")),
        ("/choices/0/message/tool_calls/0/function/arguments", json!("A")),
        ("/usage/prompt_tokens", json!(9)),
        ("/usage/completion_tokens", json!(9)),
        ("/usage/total_tokens", json!(9)),
        ("/usage", Value::Null),
        ("/choices", json!([])),
    ];
    let mut seen = vec![original];
    for (pointer, value) in changes {
        let mut changed = base.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        let bytes = canonical(&unary(&changed));
        assert!(!seen.contains(&bytes), "{pointer}");
        seen.push(bytes);
    }
}

#[test]
fn usage_is_filled_in_only_where_there_is_none() {
    let counts = (TokenCount(10), TokenCount(6));
    let without = unary(&json!({"choices": [{"message": {"content": "x"}}]}));
    let with = unary(&json!({"choices": [{"message": {"content": "x"}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 16}}));
    assert_ne!(without.canonical_bytes(), with.canonical_bytes());
    assert_eq!(without.clone().with_usage(counts.0, counts.1), with);
    let kept = with.clone().with_usage(TokenCount(1), TokenCount(1));
    assert_eq!(kept, with);
    let no_total = unary(&json!({"choices": [{"message": {"content": "x"}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 6}}));
    assert_eq!(no_total, with);
    let empty =
        unary(&json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": null}}));
    assert_eq!(empty.usage, Some(Usage::new(TokenCount(10), TokenCount(0))));
}

#[test]
fn a_stream_that_breaks_off_is_the_answer_so_far() {
    let mut assembler = AnswerAssembler::new();
    assembler
        .push_json(br#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"ha"}}]}"#)
        .unwrap();
    assembler.push_json(br#"{"choices":[{"index":0,"delta":{"content":"lf"}}]}"#).unwrap();
    assert_eq!(assembler.output_bytes(), 4);
    assert_eq!(assembler.usage(), None);
    let answer = assembler.finish().with_usage(TokenCount(3), TokenCount(2));
    assert_eq!(
        canonical(&answer),
        concat!(
            r#"{"choices":[{"finish_reason":null,"index":0,"#,
            r#""message":{"content":"half","role":"assistant"}}],"#,
            r#""usage":{"completion_tokens":2,"prompt_tokens":3,"total_tokens":5}}"#
        )
    );
}

#[test]
fn objects_of_another_shape_are_refused() {
    for wrong in [
        json!([]),
        json!({"choices": 1}),
        json!({"choices": [{"index": -1, "message": {}}]}),
        json!({"choices": [{"index": 4_294_967_296_u64, "message": {}}]}),
        json!({"choices": [{"message": {"content": ["part"]}}]}),
        json!({"choices": [{"message": {"tool_calls": [{"function": {"arguments": {}}}]}}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 1.5}}),
        json!({"choices": [], "usage": {"completion_tokens": 4_294_967_296_u64}}),
    ] {
        assert!(matches!(Answer::from_completion(&wrong), Err(AnswerError::Shape(_))), "{wrong}");
    }
    for wrong in [
        r#"{"choices":[],"choices":[]}"#,
        r#"{"choices":[{"message":{"content":"a","content":"b"}}]}"#,
        r#"{"choices":[{"message":{"content":"\ud800"}}]}"#,
        r#"{"choices":[]"#,
        r#"{"choices":[]} {}"#,
    ] {
        let result = Answer::from_completion_json(wrong.as_bytes());
        assert!(matches!(result, Err(AnswerError::Shape(_))), "{wrong}");
    }
    let error = json!({"error": {"message": "no"}});
    assert!(matches!(Answer::from_completion(&error), Err(AnswerError::NoChoices)));
    // With an error beside it, it is none of a server's; an empty one says nothing.
    for (error, is_one) in [
        (json!({"message": "no"}), false),
        (json!("no"), false),
        (json!(["no"]), false),
        (json!(null), true),
        (json!(""), true),
        (json!([]), true),
    ] {
        let answer = json!({"choices": [{"message": {"content": "Hi"}}], "error": error});
        let read = Answer::from_server(answer.to_string().as_bytes());
        assert_eq!(read.is_ok(), is_one, "{answer}");
        assert!(is_one || matches!(read, Err(AnswerError::Error)), "{answer}");
    }
    let twice = json!({"choices": [{"index": 2, "message": {}}, {"index": 0, "message": {}},
                                   {"index": 2, "message": {}}]});
    assert!(matches!(
        Answer::from_completion(&twice),
        Err(AnswerError::DuplicateChoice { index: 2 })
    ));
}

#[test]
fn a_choice_that_nobody_asked_for_is_refused() {
    let mut assembler = AnswerAssembler::of_choices(2);
    assembler.push(&json!({"choices": [{"index": 1, "delta": {"content": "a"}}]})).unwrap();
    let before = assembler.clone().finish();
    for (wrong, index) in [
        (json!({"choices": [{"index": 2, "delta": {}}]}), 2),
        (json!({"choices": [{"index": 0, "delta": {}}, {"index": 7, "delta": {}}]}), 7),
        // Without an index the position counts.
        (json!({"choices": [{"delta": {}}, {"delta": {}}, {"delta": {}}]}), 2),
    ] {
        let error = assembler.push(&wrong).unwrap_err();
        assert!(
            matches!(error, AnswerError::UnaskedChoice { index: of } if of == index),
            "{error}"
        );
    }
    assert_eq!(assembler.finish(), before);
}

#[test]
fn what_is_held_is_text_and_everything_beside_it() {
    let mut assembler = AnswerAssembler::new();
    let call = json!({"index": 3, "id": "call_1", "function": {"name": "f", "arguments": "{}"}});
    assembler
        .push(&json!({"choices": [{"index": 0, "delta": {"role": "assistant", "tool_calls": [call]}}]}))
        .unwrap();
    assert_eq!(assembler.output_bytes(), "f{}".len());
    // A choice and a call, 128 each.
    assert_eq!(assembler.held_bytes(), 2 * 128 + "assistant".len() + "call_1".len() + "f{}".len());
    let before = assembler.held_bytes();
    let again = json!({"index": 3, "id": "call_1", "function": {"arguments": "[]"}});
    assembler.push(&json!({"choices": [{"delta": {"tool_calls": [again]}}]})).unwrap();
    assert_eq!(assembler.held_bytes(), before + "[]".len());
}

#[test]
fn a_refused_chunk_adds_nothing() {
    let mut assembler = AnswerAssembler::new();
    assembler.push(&json!({"choices": [{"index": 0, "delta": {"content": "a"}}]})).unwrap();
    let before = assembler.clone().finish();
    for wrong in [
        json!({"choices": [{"index": 0, "delta": {"content": "b"}}, {"index": 0, "delta": {}}]}),
        json!({"choices": [{"index": 0, "delta": {"content": "b"}}, {"index": 1, "delta": 3}]}),
        json!({"choices": [{"index": 0, "delta": {"content": "b"}}], "usage": 7}),
    ] {
        assert!(assembler.push(&wrong).is_err(), "{wrong}");
        assert!(assembler.push_json(wrong.to_string().as_bytes()).is_err(), "{wrong}");
        assert_eq!(assembler.clone().finish(), before);
        assert_eq!(assembler.output_bytes(), 1);
    }
    // A chunk that only carries a keep-alive or an error has no choices, and is none of our business.
    assembler.push(&json!({"error": {"message": "no"}})).unwrap();
    assert_eq!(assembler.finish(), before);
}

#[test]
fn pushed_chunk_tells_its_facts_and_an_error_adds_nothing() {
    let mut assembler = AnswerAssembler::new();
    let mut push = |chunk: &str| {
        let facts = assembler.push_json(chunk.as_bytes()).unwrap();
        let facts = [facts.is_bare, facts.has_finished, facts.has_usage, facts.has_error];
        (facts, assembler.output_bytes())
    };
    for (chunk, facts, bytes) in [
        (r#"{"choices":[{"delta":{"content":"ab"}}]}"#, [false, false, false, false], 2),
        (r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, [false, true, false, false], 2),
        (r#"{"choices":[{"delta":{},"finish_reason":""}]}"#, [false, false, false, false], 2),
        (r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, [true, false, true, false], 2),
        (r#"{"choices":[{"delta":{"content":"c"}}],"error":null}"#, [false; 4], 3),
        (r#"{"choices":[{"delta":{"content":"c"}}],"error":""}"#, [false; 4], 4),
        (r#"{"choices":[{"delta":{"content":"c"}}],"error":[]}"#, [false; 4], 5),
        (
            r#"{"choices":[{"delta":{"content":"c"}}],"\u0065rror":{}}"#,
            [false, false, false, true],
            5,
        ),
        (r#"{"error":"broken"}"#, [true, false, false, true], 5),
    ] {
        assert_eq!(push(chunk), (facts, bytes), "{chunk}");
    }
}
