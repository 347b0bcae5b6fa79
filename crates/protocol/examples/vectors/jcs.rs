//! Canonical JSON: the examples of RFC 8785, what this protocol adds, and what it refuses.

use pinaivu_protocol::jcs::{JsonError, canonical_bytes, parse};
use serde_json::{Value, json};

const RFC_SERIALIZATION: &str = r#"{
  "numbers": [333333333.33333329, 1E30, 4.50,
              2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}"#;

const RFC_SORTING: &str = r#"{
  "\u20ac": "Euro Sign",
  "\r": "Carriage Return",
  "\ufb33": "Hebrew Letter Dalet With Dagesh",
  "1": "One",
  "\ud83d\ude00": "Emoji: Grinning Face",
  "\u0080": "Control",
  "\u00f6": "Latin Small Letter O With Diaeresis"
}"#;

/// RFC 8785 appendix B, by the bits of the double.
const RFC_DOUBLES: [u64; 24] = [
    0x0000_0000_0000_0000,
    0x8000_0000_0000_0000,
    0x0000_0000_0000_0001,
    0x8000_0000_0000_0001,
    0x7fef_ffff_ffff_ffff,
    0xffef_ffff_ffff_ffff,
    0x4340_0000_0000_0000,
    0xc340_0000_0000_0000,
    0x4430_0000_0000_0000,
    0x44b5_2d02_c7e1_4af5,
    0x44b5_2d02_c7e1_4af6,
    0x44b5_2d02_c7e1_4af7,
    0x444b_1ae4_d6e2_ef4e,
    0x444b_1ae4_d6e2_ef4f,
    0x444b_1ae4_d6e2_ef50,
    0x3eb0_c6f7_a0b5_ed8c,
    0x3eb0_c6f7_a0b5_ed8d,
    0x41b3_de43_5555_5553,
    0x41b3_de43_5555_5554,
    0x41b3_de43_5555_5555,
    0x41b3_de43_5555_5556,
    0x41b3_de43_5555_5557,
    0xbecb_f647_612f_3696,
    0x4314_3ff3_c1cb_0959,
];

/// Name, JSON, and whether RFC 8785 gives the same bytes.
const ACCEPTED: [(&str, &str, bool); 18] = [
    ("RFC 8785 section 3.2.2", RFC_SERIALIZATION, true),
    ("RFC 8785 section 3.2.3", RFC_SORTING, true),
    ("empty object", " { } ", true),
    ("empty array", "[ ]", true),
    ("text alone", "\"a\"", true),
    ("negative zero", "-0", true),
    ("a whole double", "1.0", true),
    ("more digits than a double has", "0.1000000000000000055511151231257827", true),
    ("escapes that are not needed", r#""\u0061\/\u00e9\u007f""#, true),
    ("escapes that are needed", r#""\u0000\b\t\n\f\r\u001f\"\\""#, true),
    ("a surrogate pair", r#""\uD83D\uDE00""#, true),
    ("order at every depth", r#"[{"b":{"d":1,"c":2},"a":[{"z":0,"y":0}]}]"#, true),
    ("the largest integer of I-JSON", "9007199254740991", true),
    ("an integer that a double rounds", "9007199254740993", false),
    ("the largest 64-bit integer", "18446744073709551615", false),
    ("the smallest 64-bit integer", "-9223372036854775808", false),
    ("a large double as JavaScript prints it", "[1152921504606847000,100000000000000000000]", true),
    (
        "an OpenAI request",
        r#"{"model":"m","messages":[{"role":"user","content":"hé"}],"temperature":0.70,"stream":true,"seed":9007199254740993}"#,
        false,
    ),
];

/// Name and JSON as bytes, since some is not UTF-8.
const REFUSED: [(&str, &[u8]); 14] = [
    ("a member twice", br#"{"a":1,"b":2,"a":3}"#),
    ("a member twice, spelled differently", br#"{"a":1,"\u0061":1}"#),
    ("a member twice, deep inside", br#"{"a":[{"b":{"c":1,"c":1}}]}"#),
    ("an integer beyond 64 bits", br#"{"seed":18446744073709551616}"#),
    ("an integer below 64 bits", br#"{"seed":-9223372036854775809}"#),
    ("an integer that ECMAScript prints with an exponent", b"1000000000000000000000"),
    ("a lone surrogate", br#""\ud800""#),
    ("surrogates in the wrong order", br#""\udc00\ud800""#),
    ("not UTF-8", b"\"\xff\""),
    ("a surrogate as UTF-8", b"\"\xed\xa0\x80\""),
    ("a number beyond doubles", b"1e400"),
    ("two values", b"{} {}"),
    ("a trailing comma", b"[1,]"),
    ("nothing", b""),
];

pub(super) fn vectors() -> Value {
    json!({
        "about": "Canonical JSON: RFC 8785, but integers of up to 64 bits keep all their digits. `rfc8785` tells whether plain RFC 8785 gives the same bytes.",
        "accepted": ACCEPTED.map(accepted),
        "doubles": RFC_DOUBLES.map(|bits| {
            let canonical = canonical_bytes(&json!(f64::from_bits(bits))).unwrap();
            json!({
                "bits": format!("{bits:016x}"),
                "canonical": String::from_utf8(canonical).unwrap(),
            })
        }),
        "refused": REFUSED.map(refused),
    })
}

fn accepted((name, json, rfc8785): (&str, &str, bool)) -> Value {
    let canonical = canonical_bytes(&parse(json.as_bytes()).unwrap()).unwrap();
    json!({
        "name": name,
        "json": json,
        "canonical": String::from_utf8(canonical.clone()).unwrap(),
        "canonical_hex": hex::encode(canonical),
        "rfc8785": rfc8785,
    })
}

fn refused((name, json): (&str, &[u8])) -> Value {
    let error = match parse(json).unwrap_err() {
        JsonError::Syntax(_) => "syntax",
        JsonError::DuplicateMember { .. } => "duplicate_member",
        JsonError::IntegerOutOfRange { .. } => "integer_out_of_range",
        _ => "other",
    };
    json!({ "name": name, "json_hex": hex::encode(json), "error": error })
}
