//! One answer has one canonical form, however it was delivered: the shapes of llama.cpp (captured
//! from a running server), vLLM and OpenAI, unary and streamed, and generated ones.
#![cfg(feature = "std")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod generated;
mod rules;
mod shapes;

use pinaivu_protocol::answer::{Answer, AnswerAssembler};
use serde_json::Value;

fn canonical(answer: &Answer) -> String {
    String::from_utf8(answer.canonical_bytes()).unwrap()
}

/// Both ways to read a unary answer.
fn unary(completion: &Value) -> Answer {
    let answer = Answer::from_completion(completion).unwrap();
    let text = serde_json::to_vec_pretty(completion).unwrap();
    assert_eq!(Answer::from_completion_json(&text).unwrap(), answer);
    answer
}

/// Both ways to read a stream.
fn streamed(chunks: &[Value]) -> Answer {
    let (mut from_values, mut from_bytes) = (AnswerAssembler::new(), AnswerAssembler::new());
    for chunk in chunks {
        from_values.push(chunk).unwrap();
        from_bytes.push_json(chunk.to_string().as_bytes()).unwrap();
        assert_eq!(from_values.output_bytes(), from_bytes.output_bytes());
    }
    let counted = from_bytes.output_bytes();
    let answer = from_bytes.finish();
    assert_eq!(from_values.finish(), answer);
    assert_eq!(answer.output_bytes(), counted);
    answer
}
