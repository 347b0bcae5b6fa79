//! Answers as servers send them, and the canonical answer each one is.

use pinaivu_protocol::answer::{Answer, AnswerAssembler};
use pinaivu_protocol::commitment::response_commitment;
use pinaivu_protocol::units::TokenCount;
use serde_json::{Value, json};

use super::commitments::counting_salt;

pub(super) fn vectors() -> Value {
    json!({
        "about": "Each case is one answer in up to two deliveries: `completion` (unary) and `chunks` (streamed), with the counts of the receipt where the answer has no usage. The commitment is under the salt 000102…1f with the tag pinaivu/response/v1.",
        "cases": cases(),
    })
}

struct Case {
    name: &'static str,
    completion: Option<Value>,
    chunks: Vec<Value>,
    /// Prompt and completion tokens of the receipt.
    receipt: Option<(u32, u32)>,
}

fn cases() -> Vec<Value> {
    vec![
        llama_cpp(),
        vllm(),
        openai_tools(),
        two_choices(),
        refusal(),
        no_usage(),
        cut_off(),
        plain_completion(),
        embeddings(),
        embeddings_base64(),
        words_of_its_own(),
    ]
    .into_iter()
    .map(finished)
    .collect()
}

fn finished(case: Case) -> Value {
    let mut forms = Vec::new();
    if let Some(completion) = &case.completion {
        forms.push(Answer::from_completion(completion).unwrap());
    }
    if !case.chunks.is_empty() {
        let mut assembler = AnswerAssembler::new();
        for chunk in &case.chunks {
            assembler.push(chunk).unwrap();
        }
        forms.push(assembler.finish());
    }
    if let Some((prompt, generated)) = case.receipt {
        for form in &mut forms {
            *form = form.clone().with_usage(TokenCount(prompt), TokenCount(generated));
        }
    }
    assert!(forms.windows(2).all(|pair| pair[0] == pair[1]), "{}", case.name);
    let answer = &forms[0];
    json!({
        "name": case.name,
        "completion": case.completion,
        "chunks": case.chunks,
        "receipt_tokens": case.receipt.map(|(prompt, generated)| {
            json!({"prompt_tokens": prompt, "completion_tokens": generated})
        }),
        "canonical": String::from_utf8(answer.canonical_bytes()).unwrap(),
        "output_bytes": answer.output_bytes(),
        "commitment": response_commitment(&counting_salt(), answer).to_string(),
    })
}

fn chunk(index: u32, delta: Value, finish_reason: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}],
    })
}

fn usage_chunk(prompt: u32, generated: u32) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [],
        "usage": usage(prompt, generated),
    })
}

fn usage(prompt: u32, generated: u32) -> Value {
    json!({"prompt_tokens": prompt, "completion_tokens": generated,
           "total_tokens": prompt + generated})
}

fn llama_cpp() -> Case {
    Case {
        name: "llama.cpp, text",
        completion: Some(json!({
            "choices": [{"finish_reason": "stop", "index": 0,
                         "message": {"role": "assistant", "content": "Grüß \"dich\"\n😀"}}],
            "created": 1, "model": "m", "system_fingerprint": "b1-7e4c0a9",
            "object": "chat.completion",
            "usage": {"completion_tokens": 9, "prompt_tokens": 39, "total_tokens": 48,
                      "prompt_tokens_details": {"cached_tokens": 38}},
            "id": "chatcmpl-2", "timings": {"cache_n": 38, "predicted_ms": 92.809},
        })),
        chunks: vec![
            chunk(0, json!({"role": "assistant", "content": null}), None),
            chunk(0, json!({"content": "Grüß"}), None),
            chunk(0, json!({"content": " \"dich\"\n"}), None),
            chunk(0, json!({"content": "😀"}), None),
            chunk(0, json!({}), Some("stop")),
            usage_chunk(39, 9),
        ],
        receipt: None,
    }
}

fn vllm() -> Case {
    let with_usage = |mut chunk: Value, generated: u32| {
        chunk["usage"] = usage(10, generated);
        chunk
    };
    Case {
        name: "vLLM, reasoning, usage in every chunk",
        completion: Some(json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "four", "refusal": null,
                            "annotations": null, "audio": null, "function_call": null,
                            "tool_calls": [], "reasoning": "two and two"},
                "logprobs": null, "finish_reason": "stop", "stop_reason": null, "token_ids": null,
            }],
            "service_tier": null, "system_fingerprint": null, "usage": usage(10, 6),
            "prompt_logprobs": null, "prompt_token_ids": null, "kv_transfer_params": null,
        })),
        chunks: vec![
            with_usage(chunk(0, json!({"role": "assistant", "content": ""}), None), 0),
            with_usage(chunk(0, json!({"reasoning": "two and"}), None), 2),
            with_usage(chunk(0, json!({"reasoning": " two", "content": null}), None), 3),
            with_usage(chunk(0, json!({"content": "fo"}), None), 5),
            with_usage(chunk(0, json!({"content": "ur", "reasoning": null}), Some("stop")), 6),
            usage_chunk(10, 6),
        ],
        receipt: None,
    }
}

fn openai_tools() -> Case {
    let call = |index: u32, id: &str, name: &str| {
        json!({"tool_calls": [{"index": index, "id": id, "type": "function",
                               "function": {"name": name, "arguments": ""}}]})
    };
    let piece = |index: u32, arguments: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]});
    Case {
        name: "OpenAI, parallel tool calls",
        completion: Some(json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{
                "index": 0,
                "message": {
                    "role": "assistant", "content": null,
                    "tool_calls": [
                        {"id": "call_a", "type": "function",
                         "function": {"name": "get_weather", "arguments": "{\"city\": \"Paris\"}"}},
                        {"id": "call_b", "type": "function",
                         "function": {"name": "get_time", "arguments": "{}"}},
                    ],
                    "refusal": null, "annotations": [],
                },
                "logprobs": null, "finish_reason": "tool_calls",
            }],
            "usage": {"prompt_tokens": 82, "completion_tokens": 40, "total_tokens": 122,
                      "completion_tokens_details": {"reasoning_tokens": 0}},
            "service_tier": "default",
        })),
        chunks: vec![
            chunk(0, json!({"role": "assistant", "content": null, "refusal": null}), None),
            chunk(0, call(0, "call_a", "get_weather"), None),
            chunk(0, piece(0, "{\"city\":"), None),
            chunk(0, call(1, "call_b", "get_time"), None),
            chunk(0, piece(1, "{"), None),
            chunk(0, piece(0, " \"Paris\"}"), None),
            chunk(0, piece(1, "}"), None),
            chunk(0, json!({}), Some("tool_calls")),
            usage_chunk(82, 40),
        ],
        receipt: None,
    }
}

fn two_choices() -> Case {
    Case {
        name: "two choices that arrive interleaved, the second first",
        completion: Some(json!({
            "choices": [
                {"finish_reason": "stop", "index": 1, "message": {"role": "assistant", "content": "I see"}},
                {"finish_reason": "length", "index": 0, "message": {"role": "assistant", "content": "I'm"}},
            ],
            "usage": usage(39, 4),
        })),
        chunks: vec![
            chunk(1, json!({"role": "assistant", "content": null}), None),
            chunk(1, json!({"content": "I"}), None),
            chunk(0, json!({"role": "assistant", "content": null}), None),
            chunk(0, json!({"content": "I"}), None),
            chunk(1, json!({"content": " see"}), None),
            chunk(1, json!({}), Some("stop")),
            chunk(0, json!({"content": "'m"}), Some("length")),
            usage_chunk(39, 4),
        ],
        receipt: None,
    }
}

fn refusal() -> Case {
    Case {
        name: "OpenAI, a refusal",
        completion: Some(json!({
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": null, "refusal": "I can't."}}],
            "usage": usage(5, 4),
        })),
        chunks: vec![
            chunk(0, json!({"role": "assistant", "content": "", "refusal": null}), None),
            chunk(0, json!({"refusal": "I can"}), None),
            chunk(0, json!({"refusal": "'t."}), None),
            chunk(0, json!({}), Some("stop")),
            usage_chunk(5, 4),
        ],
        receipt: None,
    }
}

fn no_usage() -> Case {
    Case {
        name: "a stream without usage, completed from the receipt",
        completion: None,
        chunks: vec![
            chunk(0, json!({"role": "assistant", "content": ""}), None),
            chunk(0, json!({"content": "yes"}), Some("stop")),
        ],
        receipt: Some((12, 2)),
    }
}

fn cut_off() -> Case {
    Case {
        name: "a stream that broke off, completed from the receipt",
        completion: None,
        chunks: vec![
            chunk(0, json!({"role": "assistant", "content": ""}), None),
            chunk(0, json!({"content": "ha"}), None),
            chunk(0, json!({"content": "lf"}), None),
        ],
        receipt: Some((12, 2)),
    }
}

fn plain_completion() -> Case {
    let piece = |index: u32, text: &str, finish_reason: Option<&str>| {
        json!({
            "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m",
            "choices": [{"index": index, "text": text, "logprobs": null,
                         "finish_reason": finish_reason}],
        })
    };
    Case {
        name: "a completion without a chat, two choices",
        completion: Some(json!({
            "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m",
            "choices": [
                {"index": 0, "text": " upon a \"time\"", "logprobs": null, "finish_reason": "length"},
                {"index": 1, "text": "", "logprobs": null, "finish_reason": "stop"},
            ],
            "usage": usage(2, 4),
        })),
        chunks: vec![
            piece(0, " upon", None),
            piece(1, "", Some("stop")),
            piece(0, " a \"time\"", Some("length")),
            json!({"id": "cmpl-1", "object": "text_completion", "choices": [],
                   "usage": usage(2, 4)}),
        ],
        receipt: None,
    }
}

fn embeddings() -> Case {
    Case {
        name: "embeddings, the second vector first",
        completion: Some(json!({
            "object": "list", "model": "m",
            "data": [
                {"object": "embedding", "index": 1, "embedding": [1.0, -0.0, 1e-7, 0.1, -2.5e21]},
                {"object": "embedding", "index": 0,
                 "embedding": [-0.006_929_283_495_992_422, 0.000_001, 100.0]},
            ],
            "usage": {"prompt_tokens": 8, "total_tokens": 8},
        })),
        chunks: Vec::new(),
        receipt: None,
    }
}

fn embeddings_base64() -> Case {
    Case {
        name: "embeddings as base64, without indices",
        completion: Some(json!({
            "object": "list", "model": "m",
            "data": [{"object": "embedding", "embedding": "AACAPwAAAMA="},
                     {"object": "embedding", "embedding": ""}],
            "usage": {"prompt_tokens": 3, "total_tokens": 3},
        })),
        chunks: Vec::new(),
        receipt: None,
    }
}

/// Finish reasons that OpenAI's schema does not have.
fn words_of_its_own() -> Case {
    let words = [
        "stop",
        "length",
        "tool_calls",
        "content_filter",
        "max_output_tokens",
        "aborted",
        "canceled",
        "cancelled",
        "timeout",
        "tool_call",
        "content_filtered",
        "eos_token",
        "stop_sequence",
        "STOP",
        "max_tokens",
        "MAX_TOKENS",
        "model_length",
        "abort",
        "error",
        "tool_use",
        "SAFETY",
        "function_call",
        "",
        // Its K is the Kelvin sign, which is no ASCII letter.
        "MAX_TO\u{212a}ENS",
    ];
    let choice = |(index, word): (usize, &&str)| {
        json!({"index": index, "finish_reason": word,
               "message": {"role": "assistant", "content": "Hi"}})
    };
    let choices: Vec<Value> = words.iter().enumerate().map(choice).collect();
    let mut chunks = Vec::new();
    for (index, word) in (0..).zip(words) {
        // Some servers say "" until the end, and one more time after it.
        chunks.push(chunk(index, json!({"content": "Hi"}), Some("")));
        chunks.push(chunk(index, json!({}), Some(word)));
        chunks.push(chunk(index, json!({}), Some("")));
    }
    Case {
        name: "finish reasons in servers' own words",
        completion: Some(json!({"object": "chat.completion", "choices": choices})),
        chunks,
        receipt: Some((3, 48)),
    }
}
