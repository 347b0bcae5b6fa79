//! Fields are added and replaced without touching the rest.
#![expect(clippy::unwrap_used, reason = "tests")]

use bytes::BytesMut;
use pinaivu_openai::{EventSplitter, NotAnObject, ObjectField, get_field, put_fields, set_fields};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn append(field: &ObjectField, object: &str) -> Result<String, NotAnObject> {
    let mut out = BytesMut::from(&b"before "[..]);
    let result = field.append_to(object.as_bytes(), &mut out);
    let written = String::from_utf8(out.to_vec()).unwrap();
    let written = written.strip_prefix("before ").unwrap().to_owned();
    match result {
        Ok(()) => Ok(written),
        Err(error) => {
            assert_eq!(written, "", "what was there before stays");
            Err(error)
        }
    }
}

fn set(object: &str, fields: &[(&str, &str)]) -> Result<String, NotAnObject> {
    set_fields(object.as_bytes(), fields).map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn appended_field_is_the_last_and_the_rest_keeps_every_byte() {
    let field = ObjectField::string("request_id", "req_1");
    assert_eq!(append(&field, "{}").unwrap(), r#"{"request_id":"req_1"}"#);
    assert_eq!(append(&field, " { } \n").unwrap(), r#"{"request_id":"req_1"}"#);
    assert_eq!(
        append(&field, "{ \"a\" : 1.0e5,\"b\":\"\\u00e9 }\" }").unwrap(),
        "{ \"a\" : 1.0e5,\"b\":\"\\u00e9 }\",\"request_id\":\"req_1\"}"
    );
}

#[test]
fn appended_field_wins_over_one_that_was_there() {
    let field = ObjectField::string("request_id", "ours");
    let object = append(&field, r#"{"request_id":"theirs"}"#).unwrap();
    let parsed: Value = serde_json::from_str(&object).unwrap();
    assert_eq!(parsed, json!({ "request_id": "ours" }));
}

#[test]
fn appended_names_and_values_are_escaped() {
    let field = ObjectField::string("a\"b", "c\\\n");
    assert_eq!(append(&field, "{}").unwrap(), r#"{"a\"b":"c\\\n"}"#);
}

#[test]
fn what_is_no_object_is_refused() {
    let field = ObjectField::string("a", "b");
    for text in ["", "[]", "null", "[DONE]", "{", "}", "{\"a\":1", "\"{}\" x"] {
        assert_eq!(append(&field, text), Err(NotAnObject), "{text}");
        assert_eq!(set(text, &[("a", "1")]), Err(NotAnObject), "{text}");
        assert_eq!(get_field(text.as_bytes(), "a"), Err(NotAnObject), "{text}");
    }
    assert_eq!(set("{} {}", &[("a", "1")]), Err(NotAnObject));
}

#[test]
fn appended_event_is_one_event() {
    let field = ObjectField::string("request_id", "req_1");
    let mut out = BytesMut::new();
    field.append_to_event(br#"{"a":1}"#, &mut out).unwrap();
    assert_eq!(out, &b"data: {\"a\":1,\"request_id\":\"req_1\"}\n\n"[..]);
    for bad in ["[DONE]", "{\"a\":\n1}", "{\r}"] {
        assert_eq!(field.append_to_event(bad.as_bytes(), &mut out), Err(NotAnObject));
    }
    let mut splitter = EventSplitter::default();
    splitter.push(out.freeze());
    assert!(splitter.next_event().unwrap().is_some());
    assert!(!splitter.is_mid_event() && splitter.next_event() == Ok(None));
}

#[test]
fn set_replaces_in_place_and_adds_at_the_end() {
    assert_eq!(
        set(r#"{"a" : 1 , "b": {"a": 2}, "c":"x"}"#, &[("d", "true"), ("a", "[9]"), ("e", "null")]),
        Ok(r#"{"a" : [9] , "b": {"a": 2}, "c":"x","d":true,"e":null}"#.to_owned())
    );
    assert_eq!(set(" {} ", &[("a", "1")]), Ok(r#" {"a":1}"#.to_owned()));
    assert_eq!(set(r#"{"a":1}"#, &[]), Ok(r#"{"a":1}"#.to_owned()));
}

#[test]
fn set_recognises_escaped_names_and_replaces_all_of_them() {
    assert_eq!(
        set(r#"{"max\u005ftokens":1,"max_tokens":2}"#, &[("max_tokens", "5")]),
        Ok(r#"{"max\u005ftokens":5,"max_tokens":5}"#.to_owned())
    );
}

#[test]
fn set_takes_the_last_of_repeated_fields() {
    assert_eq!(set("{}", &[("a", "1"), ("a", "2")]), Ok(r#"{"a":2}"#.to_owned()));
    assert_eq!(set(r#"{"a":0}"#, &[("a", "1"), ("a", "2")]), Ok(r#"{"a":2}"#.to_owned()));
}

#[test]
fn get_gives_the_value_as_it_stands() {
    let object = br#"{"a": {"x": 1.50}, "b": 2, "a": [ 3 ]}"#;
    assert_eq!(get_field(object, "a"), Ok(Some("[ 3 ]")));
    assert_eq!(get_field(object, "b"), Ok(Some("2")));
    assert_eq!(get_field(object, "x"), Ok(None));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            object_of(inner).prop_map(Value::from),
        ]
    })
}

fn object_of(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof!["[a-c]", ".{0,4}"];
    prop::collection::btree_map(name, values, 0..5).prop_map(|map| map.into_iter().collect())
}

proptest! {
    #[test]
    fn put_gives_the_bytes_that_set_gives(object in object_of(value()), number: i64) {
        let (text, number) = (serde_json::to_string(&object).unwrap(), number.to_string());
        for fields in [[("request_id", "\"x\""), ("pinaivu", "{}")], [("x", "1"), ("a", &*number)]] {
            prop_assert_eq!(
                put_fields(text.as_bytes(), &fields),
                set_fields(text.as_bytes(), &fields)
            );
        }
    }

    #[test]
    fn set_is_what_a_parser_would_do(
        object in object_of(value()),
        fields in prop::collection::vec(("[a-d]", value()), 0..4),
        pretty: bool,
    ) {
        let text = if pretty {
            serde_json::to_string_pretty(&object).unwrap()
        } else {
            serde_json::to_string(&object).unwrap()
        };
        let encoded: Vec<(String, String)> =
            fields.iter().map(|(name, value)| (name.clone(), value.to_string())).collect();
        let borrowed: Vec<(&str, &str)> =
            encoded.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let changed: Value = serde_json::from_str(&set(&text, &borrowed).unwrap()).unwrap();
        let mut expected = object;
        for (name, value) in fields {
            expected.insert(name, value);
        }
        prop_assert_eq!(changed, Value::from(expected));
    }

    #[test]
    fn append_is_what_a_parser_would_do(object in object_of(value()), name: String, text: String) {
        let field = ObjectField::string(&name, &text);
        let json = serde_json::to_string(&object).unwrap();
        let changed: Value = serde_json::from_str(&append(&field, &json).unwrap()).unwrap();
        let mut expected = object;
        expected.insert(name, Value::from(text));
        prop_assert_eq!(changed, Value::from(expected));
    }
}
