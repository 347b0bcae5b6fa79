//! Salted commitments to requests and to bytes. Those to answers are in `answers.json`.

use pinaivu_protocol::commitment::{Salt, request_commitment_raw, value_commitment};
use pinaivu_protocol::jcs::{canonical_bytes, parse};
use serde_json::{Value, json};

const REQUESTS: [(&str, &str); 5] = [
    ("the least request", r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#),
    (
        "the same, spelled differently",
        "{ \"messages\" : [ { \"content\" : \"\\u0068i\", \"role\" : \"user\" } ],\n  \"model\" : \"m\" }",
    ),
    (
        "every kind of value",
        r#"{"model":"smollm2-135m-instruct","messages":[{"role":"system","content":"Antworte höflich."},{"role":"user","content":[{"type":"text","text":"😀\n"}]}],"temperature":0.2,"top_p":1.0,"max_tokens":64,"stream":true,"stream_options":{"include_usage":true},"stop":null,"logit_bias":{"50256":-100},"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}]}"#,
    ),
    ("a seed that a double rounds", r#"{"model":"m","messages":[],"seed":9007199254740993}"#),
    ("the seed it would be rounded to", r#"{"model":"m","messages":[],"seed":9007199254740992}"#),
];

const VALUES: [(&str, &str); 4] = [
    ("pinaivu/owner-escrow/v1", "1111111111111111111111111111111111111111111111111111111111111111"),
    (
        "pinaivu/owner-allowance/v1",
        "2222222222222222222222222222222222222222222222222222222222222222",
    ),
    // 5,000,000 as 16 bytes, little endian.
    ("pinaivu/owner-cumulative/v1", "404b4c00000000000000000000000000"),
    ("pinaivu/owner-cumulative/v1", ""),
];

pub(super) fn vectors() -> Value {
    json!({
        "about": "commitment = SHA-256(tag ‖ 0x00 ‖ salt ‖ bytes). For requests the tag is pinaivu/request/v1 and the bytes are canonical JSON.",
        "requests": REQUESTS.iter().flat_map(|(name, json)| {
            [Salt([0; 32]), counting_salt()].map(|salt| request(name, json, &salt))
        }).collect::<Vec<_>>(),
        "values": VALUES.map(|(tag, bytes)| {
            let salt = counting_salt();
            let commitment = value_commitment(tag, &salt, &hex::decode(bytes).unwrap());
            json!({
                "tag": tag,
                "salt": salt.to_string(),
                "bytes": bytes,
                "commitment": commitment.to_string(),
            })
        }),
    })
}

/// 00 01 02 … 1f.
pub(super) fn counting_salt() -> Salt {
    Salt(core::array::from_fn(|i| u8::try_from(i).unwrap()))
}

fn request(name: &str, json: &str, salt: &Salt) -> Value {
    let canonical = canonical_bytes(&parse(json.as_bytes()).unwrap()).unwrap();
    let commitment = request_commitment_raw(salt, json.as_bytes()).unwrap();
    json!({
        "name": name,
        "salt": salt.to_string(),
        "json": json,
        "canonical": String::from_utf8(canonical).unwrap(),
        "commitment": commitment.to_string(),
    })
}
