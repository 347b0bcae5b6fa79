//! Canonical JSON against RFC 8785's own examples and against another implementation, and what is
//! refused because readers disagree about it.
#![cfg(feature = "std")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use pinaivu_protocol::jcs::{JsonError, canonical_bytes, canonicalize};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Reads in both ways: they agree on what is refused, and on the canonical form of the rest.
fn parse(json: &[u8]) -> Result<Value, JsonError> {
    let value = pinaivu_protocol::jcs::parse(json);
    match (&value, canonicalize(json)) {
        (Ok(value), Ok(canonical)) => assert_eq!(canonical, canonical_bytes(value).unwrap()),
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        (one, other) => panic!("{one:?}, {other:?}"),
    }
    value
}

fn canonical(json: &str) -> String {
    String::from_utf8(canonical_bytes(&parse(json.as_bytes()).unwrap()).unwrap()).unwrap()
}

#[test]
fn rfc_8785_section_3_2_2_example_is_reproduced() {
    let input = r#"{
        "numbers": [333333333.33333329, 1E30, 4.50,
                    2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false]
    }"#;
    let expected = "{\"literals\":[null,true,false],\
                    \"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
                    \"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
    assert_eq!(canonical(input), expected);
}

#[test]
fn rfc_8785_section_3_2_3_members_sort_by_utf_16_code_units() {
    let input = r#"{
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\ud83d\ude00": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis"
    }"#;
    let sorted = [
        ("\\r", "Carriage Return"),
        ("1", "One"),
        ("\u{80}", "Control"),
        ("\u{f6}", "Latin Small Letter O With Diaeresis"),
        ("\u{20ac}", "Euro Sign"),
        ("\u{1f600}", "Emoji: Grinning Face"),
        ("\u{fb33}", "Hebrew Letter Dalet With Dagesh"),
    ];
    let members: Vec<_> =
        sorted.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
    assert_eq!(canonical(input), format!("{{{}}}", members.join(",")));
}

#[test]
fn rfc_8785_appendix_b_doubles_print_as_ecmascript_does() {
    for (bits, expected) in [
        (0x0000_0000_0000_0000_u64, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        let value = json!(f64::from_bits(bits));
        assert_eq!(canonical_bytes(&value).unwrap(), expected.as_bytes(), "{bits:016x}");
        // Seventeen digits name every double exactly, and reading them back gives the same form.
        assert_eq!(canonical(&format!("{:.17e}", f64::from_bits(bits))), expected);
    }
}

#[test]
fn spellings_of_one_number_have_one_form() {
    for (spelling, expected) in [
        ("-0", "0"),
        ("-0.0", "0"),
        ("1.0", "1"),
        ("1E0", "1"),
        ("100e-2", "1"),
        ("1e21", "1e+21"),
        ("1e20", "100000000000000000000"),
        ("0.1000000000000000055511151231257827", "0.1"),
        ("9007199254740991", "9007199254740991"),
        ("-9007199254740991", "-9007199254740991"),
    ] {
        assert_eq!(canonical(spelling), expected, "{spelling}");
    }
}

/// As doubles, the members of each pair are one number.
#[test]
fn integers_of_64_bits_keep_all_their_digits() {
    for (one, other) in [
        ("9007199254740992", "9007199254740993"),
        ("-9007199254740992", "-9007199254740993"),
        ("9223372036854775807", "9223372036854775806"),
        ("-9223372036854775808", "-9223372036854775807"),
        ("18446744073709551615", "18446744073709551614"),
    ] {
        let as_doubles = [one, other].map(|json| serde_json_canonicalizer::pipe(json).unwrap());
        assert_eq!(as_doubles[0], as_doubles[1]);
        assert_eq!(canonical(one), one);
        assert_eq!(canonical(other), other);
        assert_eq!(canonical(&format!("{{\"seed\":{one}}}")), format!("{{\"seed\":{one}}}"));
    }
}

/// JavaScript writes a large double as an integer with zeros at the end; that text and the double
/// have the same canonical form, also beyond 64 bits.
#[test]
fn integers_as_javascript_prints_large_doubles_are_those_doubles() {
    for (integer, double) in [
        ("1152921504606847000", "1.152921504606846976e18"),
        ("18446744073709552000", "1.8446744073709551616e19"),
        ("100000000000000000000", "1e20"),
        ("999999999999999900000", "9.999999999999999e20"),
        ("-295147905179352830000", "-2.95147905179352825856e20"),
    ] {
        assert_eq!(canonical(integer), integer);
        assert_eq!(canonical(double), integer);
    }
}

#[test]
fn integers_beyond_64_bits_that_would_be_rounded_are_refused_where_they_stand() {
    for (json, expected) in [
        ("18446744073709551616", 0),
        ("-9223372036854775809", 0),
        ("1000000000000000000000", 0),
        ("[1e300,123456789012345678901]", 7),
        (r#"{"99999999999999999999":1e30,"a\"":99999999999999999999}"#, 35),
        (r#"{"t":"\\","seed":-36893488147419103233}"#, 17),
    ] {
        match parse(json.as_bytes()) {
            Err(JsonError::IntegerOutOfRange { offset }) => assert_eq!(offset, expected, "{json}"),
            other => panic!("{json}: {other:?}"),
        }
    }
    let only_text = r#"{"99999999999999999999":"123456789012345678901","b":1e30,"c":-1E25}"#;
    assert!(parse(only_text.as_bytes()).is_ok());
}

#[test]
fn members_given_twice_are_refused() {
    for (json, expected) in [
        (r#"{"a":1,"a":1}"#, (1, 10)),
        (r#"{"a":1,"b":{"c":[{"d":1,"d":2}]}}"#, (1, 27)),
        (
            r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"h":1}"#,
            (1, 106),
        ),
        ("{\"a\":1,\n\"\\u0061\":2}", (2, 8)),
    ] {
        match parse(json.as_bytes()) {
            Err(JsonError::DuplicateMember { line, column }) => {
                assert_eq!((line, column), expected, "{json}");
            }
            other => panic!("{json}: {other:?}"),
        }
    }
    assert!(parse(br#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
}

#[test]
fn bytes_that_are_not_one_json_value_are_refused() {
    let deep = "[".repeat(128) + &"]".repeat(128);
    for json in [
        b"".as_slice(),
        b" ",
        b"{",
        b"{} {}",
        b"[1,]",
        b"{'a':1}",
        b"nul",
        b"NaN",
        b"01",
        b"+1",
        b".5",
        b"1e400",
        b"\"\xff\"",
        b"\"\xed\xa0\x80\"",
        br#""\ud800""#,
        br#""\udc00\ud800""#,
        br#"{"\ud83d":1}"#,
        b"\"\n\"",
        deep.as_bytes(),
    ] {
        let text = String::from_utf8_lossy(json);
        assert!(matches!(parse(json), Err(JsonError::Syntax(_))), "{text}");
    }
    let nested = "[".repeat(127) + &"]".repeat(127);
    assert_eq!(canonical(&nested), nested);
}

/// `serde_json`'s own reader takes this object for the value written in the string.
#[test]
fn a_member_named_like_an_implementation_detail_is_an_ordinary_member() {
    let json = r#"{"$serde_json::private::RawValue":"[1]"}"#;
    assert_eq!(serde_json::from_str::<Value>(json).unwrap(), json!([1]));
    assert_eq!(canonical(json), json);
}

/// Values as I-JSON allows them: integers up to 2⁵³ in magnitude.
fn i_json() -> impl Strategy<Value = Value> {
    let largest = 1_i64 << 53;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-largest..=largest).prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn reversed(value: &Value) -> Value {
    match value {
        Value::Array(values) => Value::Array(values.iter().map(reversed).collect()),
        Value::Object(members) => {
            let turned: Map<_, _> =
                members.iter().rev().map(|(name, value)| (name.clone(), reversed(value))).collect();
            Value::Object(turned)
        }
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn i_json_gets_the_bytes_of_rfc_8785(value in i_json()) {
        let ours = canonical_bytes(&value).unwrap();
        prop_assert_eq!(&ours, &serde_json_canonicalizer::to_vec(&value).unwrap());
        // The form is its own canonical form, whatever the order or spelling it came from.
        prop_assert_eq!(&canonical_bytes(&parse(&ours).unwrap()).unwrap(), &ours);
        prop_assert_eq!(&canonical_bytes(&reversed(&value)).unwrap(), &ours);
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        prop_assert_eq!(canonical(&pretty).into_bytes(), ours);
    }

    #[test]
    fn integers_of_64_bits_are_exact(seed in any::<u64>(), signed in any::<i64>()) {
        prop_assert_eq!(canonical(&seed.to_string()), seed.to_string());
        prop_assert_eq!(canonical(&signed.to_string()), signed.to_string());
    }

    #[test]
    fn any_double_is_read_exactly(bits in any::<u64>()) {
        let number = f64::from_bits(bits);
        prop_assume!(number.is_finite());
        let read = parse(format!("{number:e}").as_bytes()).unwrap().as_f64().unwrap();
        prop_assert_eq!(read.to_bits(), number.to_bits());
        // More digits than needed still mean the nearest double.
        let read = parse(format!("{number:.25e}").as_bytes()).unwrap().as_f64().unwrap();
        prop_assert_eq!(read.to_bits(), number.to_bits());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn bytes_that_look_like_json_never_panic(text in "[\\[\\]{}:,\"\\\\u0-9eE+.a-d-]{0,40}") {
        if let Ok(value) = parse(text.as_bytes()) {
            prop_assert!(canonical_bytes(&value).is_ok());
        }
    }
}
