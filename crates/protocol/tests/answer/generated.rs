//! Generated answers, streamed one character a chunk.

use pinaivu_protocol::answer::{Answer, AnswerAssembler};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{streamed, unary};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), any::<String>(), "[a-z\"\\\\\n\u{1}é😀]{0,12}"]
}

fn message() -> impl Strategy<Value = Value> {
    let call = (text(), text(), text()).prop_map(|(id, name, arguments)| {
        json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
    });
    (text(), text(), text(), prop::collection::vec(call, 0..3)).prop_map(
        |(content, refusal, reasoning, calls)| {
            json!({"role": "assistant", "content": content, "refusal": refusal,
                   "reasoning_content": reasoning, "tool_calls": calls})
        },
    )
}

fn completion() -> impl Strategy<Value = Value> {
    (prop::collection::vec(message(), 1..4), any::<u16>(), any::<u16>()).prop_map(
        |(messages, prompt, generated)| {
            let choices: Vec<_> = messages
                .into_iter()
                .enumerate()
                .map(
                    |(i, message)| json!({"index": i, "finish_reason": "stop", "message": message}),
                )
                .collect();
            json!({"choices": choices, "usage": {
                "prompt_tokens": prompt, "completion_tokens": generated,
                "total_tokens": u32::from(prompt) + u32::from(generated)}})
        },
    )
}

/// A stream of the completion with one character a chunk, its choices taking turns as `order` says.
fn as_stream(completion: &Value, order: &[usize]) -> Vec<Value> {
    let mut queues = Vec::new();
    for choice in completion["choices"].as_array().unwrap() {
        let message = &choice["message"];
        let mut deltas = vec![json!({"role": "assistant", "content": ""})];
        for member in ["reasoning_content", "content", "refusal"] {
            let text = message[member].as_str().unwrap();
            deltas.extend(text.chars().map(|letter| json!({member: letter})));
        }
        for (at, call) in message["tool_calls"].as_array().unwrap().iter().enumerate() {
            let function = &call["function"];
            deltas.push(json!({"tool_calls": [{"index": at, "id": call["id"], "type": "function",
                "function": {"name": function["name"], "arguments": ""}}]}));
            let arguments = function["arguments"].as_str().unwrap();
            deltas.extend(arguments.chars().map(
                |letter| json!({"tool_calls": [{"index": at, "function": {"arguments": letter}}]}),
            ));
        }
        let index = &choice["index"];
        let mut chunks: Vec<_> = deltas
            .into_iter()
            .map(|delta| json!({"choices": [{"index": index, "delta": delta, "finish_reason": null}]}))
            .collect();
        chunks.push(json!({"choices": [
            {"index": index, "delta": {}, "finish_reason": choice["finish_reason"]}]}));
        chunks.reverse();
        queues.push(chunks);
    }
    let mut stream = Vec::new();
    let mut turns = order.iter().cycle();
    while queues.iter().any(|queue| !queue.is_empty()) {
        let turn = turns.next().unwrap() % queues.len();
        let queue = if queues[turn].is_empty() {
            queues.iter_mut().find(|queue| !queue.is_empty()).unwrap()
        } else {
            &mut queues[turn]
        };
        stream.push(queue.pop().unwrap());
    }
    stream.push(json!({"choices": [], "usage": completion["usage"]}));
    stream
}

proptest! {
    #[test]
    fn any_answer_is_the_same_unary_and_streamed(
        completion in completion(),
        order in prop::collection::vec(any::<usize>(), 1..20),
    ) {
        let answer = unary(&completion);
        prop_assert_eq!(&streamed(&as_stream(&completion, &order)), &answer);
    }

    #[test]
    fn chunk_by_chunk_bytes_say_what_values_say(
        completion in completion(),
        order in prop::collection::vec(any::<usize>(), 1..20),
        oddities in prop::collection::vec((any::<prop::sample::Index>(), 0..6_u8), 0..6),
    ) {
        let mut chunks: Vec<String> =
            as_stream(&completion, &order).iter().map(Value::to_string).collect();
        for (at, oddity) in &oddities {
            let chunk = at.get(&chunks).clone();
            let changed = match oddity {
                0 => chunk.replace("null", "\"length\""),
                1 => chunk.replacen('{', "{\"id\":1,", 1),
                2 => chunk.replacen("\"delta\":{", "\"delta\":{\"role\":\"tool\",", 1),
                3 => chunk.replacen("\":\"", "\":\"\\u0041", 1),
                4 => chunk.replacen("\":\"", "\":\"more", 1),
                _ => chunk.replacen("\":\"", "\":\"\",\"content\":\"", 1),
            };
            let place = at.index(chunks.len());
            chunks[place] = changed;
        }
        let (mut bytes, mut values) = (AnswerAssembler::of_choices(3), AnswerAssembler::of_choices(3));
        for chunk in &chunks {
            // What a value cannot show, a member that is there twice, is an error in bytes.
            let pushed = bytes.push_json(chunk.as_bytes());
            let alone = AnswerAssembler::of_choices(3).push_json(chunk.as_bytes());
            prop_assert_eq!(pushed.is_ok(), alone.is_ok(), "{}", chunk);
            if let Ok(pushed) = pushed {
                let value: Value = serde_json::from_str(chunk).unwrap();
                prop_assert_eq!(values.push(&value).unwrap(), pushed);
            }
            prop_assert_eq!(bytes.output_bytes(), values.output_bytes());
            prop_assert_eq!(bytes.held_bytes(), values.held_bytes());
        }
        prop_assert_eq!(bytes.finish(), values.finish());
    }

    #[test]
    fn canonical_bytes_are_rfc_8785_and_their_own_canonical_form(completion in completion()) {
        let answer = unary(&completion);
        let bytes = answer.canonical_bytes();
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(&serde_json_canonicalizer::to_vec(&value).unwrap(), &bytes);
        prop_assert_eq!(&unary(&value), &answer);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Answer::from_completion_json(&bytes);
        let _ = AnswerAssembler::new().push_json(&bytes);
    }
}
