//! Commitments against the `sha2` crate, and what makes two of them differ.
#![cfg(feature = "std")]
#![expect(clippy::unwrap_used, reason = "tests")]

use pinaivu_protocol::answer::Answer;
use pinaivu_protocol::commitment::{
    REQUEST_TAG, RESPONSE_TAG, Salt, SaltError, request_commitment, request_commitment_raw,
    response_commitment, value_commitment,
};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::jcs::JsonError;
use serde_json::json;
use sha2::{Digest, Sha256};

const SALT: Salt = Salt([0x5a; 32]);

fn expected(tag: &str, salt: &Salt, bytes: &[u8]) -> Hash32 {
    let digest = Sha256::new()
        .chain_update(tag)
        .chain_update([0])
        .chain_update(salt.0)
        .chain_update(bytes)
        .finalize();
    Hash32(digest.into())
}

#[test]
fn request_commitment_is_the_tagged_salted_hash_of_canonical_json() {
    let canonical =
        br#"{"messages":[{"content":"hi","role":"user"}],"model":"m","seed":9007199254740993}"#;
    let sent = r#"{"model": "m", "seed": 9007199254740993,
                   "messages": [{"role": "user", "content": "\u0068i"}]}"#;
    let commitment = expected(REQUEST_TAG, &SALT, canonical);
    assert_eq!(request_commitment_raw(&SALT, sent.as_bytes()).unwrap(), commitment);
    let object = json!({
        "seed": 9_007_199_254_740_993_u64,
        "messages": [{"role": "user", "content": "hi"}],
        "model": "m",
    });
    assert_eq!(request_commitment(&SALT, &object).unwrap(), commitment);
}

#[test]
fn requests_that_differ_only_beyond_double_precision_have_different_commitments() {
    let of = |seed: u64| request_commitment(&SALT, &json!({ "seed": seed })).unwrap();
    assert_ne!(of(9_007_199_254_740_992), of(9_007_199_254_740_993));
    assert_ne!(of(u64::MAX), of(u64::MAX - 1));
}

#[test]
fn requests_without_one_clear_meaning_get_no_commitment() {
    assert!(matches!(
        request_commitment_raw(&SALT, br#"{"model":"a","model":"b"}"#),
        Err(JsonError::DuplicateMember { line: 1, column: 20 })
    ));
    assert!(matches!(
        request_commitment_raw(&SALT, br#"{"seed":18446744073709551616}"#),
        Err(JsonError::IntegerOutOfRange { offset: 8 })
    ));
    assert!(matches!(request_commitment_raw(&SALT, b"{"), Err(JsonError::Syntax(_))));
}

#[test]
fn response_commitment_is_the_tagged_salted_hash_of_the_canonical_answer() {
    let answer = Answer::from_completion(&json!({
        "id": "chatcmpl-1",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "yes"}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }))
    .unwrap();
    let canonical = concat!(
        r#"{"choices":[{"finish_reason":"stop","index":0,"#,
        r#""message":{"content":"yes","role":"assistant"}}],"#,
        r#""usage":{"completion_tokens":2,"prompt_tokens":3,"total_tokens":5}}"#
    );
    assert_eq!(
        response_commitment(&SALT, &answer),
        expected(RESPONSE_TAG, &SALT, canonical.as_bytes())
    );
}

#[test]
fn tag_salt_and_bytes_each_change_the_commitment() {
    let commitment = value_commitment("pinaivu/test/v1", &SALT, b"bytes");
    assert_eq!(commitment, expected("pinaivu/test/v1", &SALT, b"bytes"));
    let mut other_salt = SALT;
    other_salt.0[31] ^= 1;
    assert_ne!(commitment, value_commitment("pinaivu/test/v2", &SALT, b"bytes"));
    assert_ne!(commitment, value_commitment("pinaivu/test/v1", &other_salt, b"bytes"));
    assert_ne!(commitment, value_commitment("pinaivu/test/v1", &SALT, b"byteS"));
    assert_ne!(REQUEST_TAG, RESPONSE_TAG);
}

#[test]
fn salts_are_random_and_round_trip_as_text_and_json() {
    let salt = Salt::random();
    assert_ne!(salt, Salt::random());
    assert_eq!(salt.to_string().parse(), Ok(salt));
    assert_eq!(salt.to_string().to_uppercase().parse(), Ok(salt));
    let json = serde_json::to_string(&salt).unwrap();
    assert_eq!(json, format!("\"{salt}\""));
    assert_eq!(serde_json::from_str::<Salt>(&json).unwrap(), salt);
    for text in ["", "5a", &"5a".repeat(33), &"5g".repeat(32), &format!("0x{}", "5a".repeat(31))] {
        assert_eq!(text.parse::<Salt>(), Err(SaltError), "{text}");
    }
}

#[test]
fn a_salt_does_not_show_in_debug_output() {
    assert_eq!(format!("{SALT:?}"), "Salt(…)");
}
