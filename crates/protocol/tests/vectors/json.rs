//! `jcs.json`, `commitments.json` and `answers.json`: canonical bytes by another library, hashes by
//! `sha2`, and the rules of the canonical answer applied to whole JSON values.

use serde_json::{Map, Value, json};

use super::{Fields, read, tagged};

#[test]
fn canonical_json_is_rfc_8785_where_the_file_says_so() {
    for case in read("jcs.json").list("accepted") {
        let canonical = case.text("canonical");
        assert_eq!(case.bytes("canonical_hex"), canonical.as_bytes());
        let other = serde_json_canonicalizer::pipe(case.text("json")).unwrap();
        assert_eq!(other == canonical, case["rfc8785"].as_bool().unwrap(), "{case}");
        // Whatever the digits of its integers, it is the same JSON, without white space.
        let [before, after]: [Value; 2] =
            [case.text("json"), canonical].map(|json| serde_json::from_str(json).unwrap());
        assert_eq!(serde_json_canonicalizer::to_string(&before).unwrap(), other);
        assert_eq!(serde_json_canonicalizer::to_string(&after).unwrap(), other);
    }
}

/// The results printed in RFC 8785, sections 3.2.2 and 3.2.3 (as UTF-8 bytes) and appendix B.
#[test]
fn the_examples_of_rfc_8785_have_the_results_of_rfc_8785() {
    let vectors = read("jcs.json");
    let accepted = vectors.list("accepted");
    let section_3_2_4 = "\
        7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e\
        756d62657273223a5b3333333333333333332e333333333333332c31652b3330\
        2c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac24\
        5c75303030665c6e412742\
        5c225c5c5c5c5c222f227d";
    assert_eq!(accepted[0].text("name"), "RFC 8785 section 3.2.2");
    assert_eq!(
        accepted[0].bytes("canonical_hex"),
        hex::decode(section_3_2_4.replace(' ', "")).unwrap()
    );
    assert_eq!(accepted[1].text("name"), "RFC 8785 section 3.2.3");
    let sorted: Map<String, Value> = serde_json::from_str(accepted[1].text("canonical")).unwrap();
    let order: Vec<_> = sorted.values().map(|value| value.as_str().unwrap()).collect();
    assert_eq!(
        order,
        [
            "Carriage Return",
            "One",
            "Control",
            "Latin Small Letter O With Diaeresis",
            "Euro Sign",
            "Emoji: Grinning Face",
            "Hebrew Letter Dalet With Dagesh",
        ]
    );
    let printed = [
        "0",
        "0",
        "5e-324",
        "-5e-324",
        "1.7976931348623157e+308",
        "-1.7976931348623157e+308",
        "9007199254740992",
        "-9007199254740992",
        "295147905179352830000",
        "9.999999999999997e+22",
        "1e+23",
        "1.0000000000000001e+23",
        "999999999999999700000",
        "999999999999999900000",
        "1e+21",
        "9.999999999999997e-7",
        "0.000001",
        "333333333.3333332",
        "333333333.33333325",
        "333333333.3333333",
        "333333333.3333334",
        "333333333.33333343",
        "-0.0000033333333333333333",
        "1424953923781206.2",
    ];
    let doubles = vectors.list("doubles");
    assert_eq!(doubles.len(), printed.len());
    for (case, expected) in doubles.iter().zip(printed) {
        assert_eq!(case.text("canonical"), expected);
        let double: f64 = expected.parse().unwrap();
        let bits = u64::from_str_radix(case.text("bits"), 16).unwrap();
        // The sign of zero is the only thing that does not survive.
        assert!(double.to_bits() == bits || (double == 0.0 && bits == 1 << 63), "{case}");
    }
}

#[test]
fn refused_json_is_wrong_in_the_way_the_file_says() {
    for case in read("jcs.json").list("refused") {
        let json = case.bytes("json_hex");
        let lenient = serde_json::from_slice::<Value>(&json);
        // What is no JSON at all is so for everyone; the rest is what lenient readers let pass.
        assert_eq!(case.text("error") == "syntax", lenient.is_err(), "{case}");
    }
}

#[test]
fn commitments_are_salted_hashes_of_canonical_bytes() {
    let vectors = read("commitments.json");
    for case in vectors.list("requests") {
        let canonical = case.text("canonical").as_bytes();
        let salt = case.bytes("salt");
        assert_eq!(salt.len(), 32);
        assert_eq!(case.text("commitment"), tagged("pinaivu/request/v1", &[&salt, canonical]));
        let [sent, kept] = ["json", "canonical"]
            .map(|member| serde_json_canonicalizer::pipe(case.text(member)).unwrap());
        assert_eq!(sent, kept);
    }
    for case in vectors.list("values") {
        let (salt, bytes) = (case.bytes("salt"), case.bytes("bytes"));
        assert_eq!(case.text("commitment"), tagged(case.text("tag"), &[&salt, &bytes]));
    }
}

#[test]
fn one_request_has_one_commitment_and_two_seeds_have_two() {
    let vectors = read("commitments.json");
    let of = |name: &str| {
        let mut all = vectors.list("requests").iter().filter(|case| case.text("name") == name);
        let commitments: Vec<_> = all.by_ref().map(|case| case.text("commitment")).collect();
        assert_eq!(commitments.len(), 2, "{name}");
        assert_ne!(commitments[0], commitments[1], "two salts");
        commitments
    };
    assert_eq!(of("the least request"), of("the same, spelled differently"));
    assert_ne!(of("a seed that a double rounds"), of("the seed it would be rounded to"));
}

#[test]
fn answers_have_the_canonical_form_the_rules_say() {
    let vectors = read("answers.json");
    let salt: Vec<u8> = (0..32).collect();
    for case in vectors.list("cases") {
        let usage = &case["receipt_tokens"];
        let mut deliveries = Vec::new();
        if !case["completion"].is_null() {
            deliveries.push(by_the_rules(&case["completion"], usage));
        }
        if !case.list("chunks").is_empty() {
            deliveries.push(by_the_rules(&joined(case.list("chunks")), usage));
        }
        assert!(!deliveries.is_empty(), "{case}");
        for delivery in deliveries {
            let canonical = serde_json_canonicalizer::to_string(&delivery).unwrap();
            assert_eq!(canonical, case.text("canonical"));
        }
        let canonical: Value = serde_json::from_str(case.text("canonical")).unwrap();
        let texts: usize = canonical.list("choices").iter().map(text_bytes).sum();
        assert_eq!(case["output_bytes"].as_u64(), Some(texts as u64));
        let expected = tagged("pinaivu/response/v1", &[&salt, case.text("canonical").as_bytes()]);
        assert_eq!(case.text("commitment"), expected);
    }
}

fn text_bytes(choice: &Value) -> usize {
    let message = &choice["message"];
    let length = |value: &Value| value.as_str().map_or(0, str::len);
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    ["content", "reasoning_content", "refusal"]
        .iter()
        .map(|member| length(&message[member]))
        .sum::<usize>()
        + calls
            .map(|call| length(&call["function"]["name"]) + length(&call["function"]["arguments"]))
            .sum::<usize>()
}

/// A stream as the unary answer it amounts to, by adding up strings member by member.
fn joined(chunks: &[Value]) -> Value {
    let mut choices: Vec<Value> = Vec::new();
    let mut usage = Value::Null;
    for chunk in chunks {
        if !chunk["usage"].is_null() {
            usage = chunk["usage"].clone();
        }
        for piece in chunk.list("choices") {
            let at = choices.iter().position(|choice| choice["index"] == piece["index"]);
            let at = at.unwrap_or_else(|| {
                choices.push(json!({"index": piece["index"], "message": {"tool_calls": []}}));
                choices.len() - 1
            });
            let choice = &mut choices[at];
            if !piece["finish_reason"].is_null() && piece["finish_reason"] != "" {
                choice["finish_reason"] = piece["finish_reason"].clone();
            }
            if let Some(more) = piece["text"].as_str() {
                let before = choice["message"]["content"].as_str().unwrap_or_default();
                choice["message"]["content"] = json!(format!("{before}{more}"));
            }
            let delta = &piece["delta"];
            for member in ["content", "reasoning", "reasoning_content", "refusal"] {
                if let Some(more) = delta[member].as_str() {
                    let before = choice["message"][member].as_str().unwrap_or_default();
                    choice["message"][member] = json!(format!("{before}{more}"));
                }
            }
            for more in delta["tool_calls"].as_array().into_iter().flatten() {
                let calls = choice["message"]["tool_calls"].as_array_mut().unwrap();
                let at = usize::try_from(more["index"].as_u64().unwrap()).unwrap();
                if at == calls.len() {
                    calls.push(more.clone());
                } else {
                    let arguments = &mut calls[at]["function"]["arguments"];
                    let before = arguments.as_str().unwrap();
                    *arguments = json!(format!("{before}{}", more["function"].text("arguments")));
                }
            }
        }
    }
    json!({"choices": choices, "usage": usage})
}

/// The rules of the canonical answer, on a unary answer.
fn by_the_rules(completion: &Value, receipt: &Value) -> Value {
    let mut choices: Vec<Value> = match completion["data"].as_array() {
        Some(vectors) => vectors.iter().zip(0..).map(one_vector).collect(),
        None => completion.list("choices").iter().map(one_choice).collect(),
    };
    choices.sort_by_key(|choice| choice["index"].as_u64());
    let mut answer = json!({"choices": choices});
    let usage = &completion["usage"];
    if !usage.is_null() {
        answer["usage"] = json!({
            "prompt_tokens": usage["prompt_tokens"],
            // Embeddings generate nothing, and their usage says nothing of it.
            "completion_tokens": usage["completion_tokens"].as_u64().unwrap_or_default(),
            "total_tokens": usage["total_tokens"],
        });
    } else if !receipt.is_null() {
        let [prompt, generated] =
            ["prompt_tokens", "completion_tokens"].map(|member| receipt[member].as_u64().unwrap());
        answer["usage"] = json!({
            "prompt_tokens": prompt,
            "completion_tokens": generated,
            "total_tokens": prompt + generated,
        });
    }
    answer
}

/// A vector as a choice that says its canonical JSON.
fn one_vector((vector, position): (&Value, u32)) -> Value {
    let index = vector["index"].as_u64().unwrap_or(u64::from(position));
    let content = serde_json_canonicalizer::to_string(&vector["embedding"]).unwrap();
    json!({"index": index, "finish_reason": null,
           "message": {"role": "assistant", "content": content}})
}

fn one_choice(choice: &Value) -> Value {
    let whole;
    let message = if choice["text"].is_string() {
        whole = json!({ "content": choice["text"] });
        &whole
    } else {
        &choice["message"]
    };
    let mut kept = json!({"role": "assistant"});
    for (from, to) in [
        ("content", "content"),
        ("refusal", "refusal"),
        ("reasoning", "reasoning_content"),
        ("reasoning_content", "reasoning_content"),
    ] {
        if message[from].as_str().is_some_and(|text| !text.is_empty()) {
            kept[to] = message[from].clone();
        }
    }
    let calls: Vec<Value> = message["tool_calls"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|call| {
            json!({"id": call["id"], "type": call["type"], "function": {
                "name": call["function"]["name"], "arguments": call["function"]["arguments"]}})
        })
        .collect();
    if !calls.is_empty() {
        kept["tool_calls"] = json!(calls);
    }
    let reason = openai_reason(&choice["finish_reason"]);
    json!({"index": choice["index"], "finish_reason": reason, "message": kept})
}

/// The table of finish reasons in docs/protocol.md.
fn openai_reason(said: &Value) -> Value {
    let Some(said) = said.as_str().filter(|said| !said.is_empty()) else { return Value::Null };
    let page = include_str!("../../../../docs/protocol.md");
    let rows = page.split("**Finish reasons.**").nth(1).unwrap().split("The same words").next();
    let row = rows.unwrap().lines().find(|row| {
        row.split('`').skip(1).step_by(2).any(|word| word == said.to_ascii_lowercase())
    });
    let reason = row.map_or("stop", |row| row.split('`').nth(1).unwrap());
    json!(reason)
}
