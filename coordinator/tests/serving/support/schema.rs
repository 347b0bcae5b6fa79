//! Values held against the schemas of `coordinator/openapi.json`. Knows the keywords that document uses and
//! refuses others, so that none goes unchecked.

use serde_json::Value;

/// Keywords that constrain nothing.
const NOTES: [&str; 3] = ["description", "examples", "format"];

/// The committed document.
pub(crate) fn document() -> Value {
    serde_json::from_str(include_str!("../../../openapi.json")).unwrap()
}

/// Fails unless `value` is a `name` of the document's schemas.
pub(crate) fn assert_is(name: &str, value: &Value) {
    let document = document();
    let schema = &document["components"]["schemas"][name];
    assert!(schema.is_object(), "there is no schema {name}");
    if let Err(why) = check(&document, schema, value, "$") {
        panic!("not a {name}: {why}\n{value:#}");
    }
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (keyword, rule) in schema.as_object().unwrap() {
        let holds = match keyword.as_str() {
            "$ref" => {
                let target = document.pointer(rule.as_str().unwrap().trim_start_matches('#'));
                check(document, target.unwrap(), value, at)?;
                true
            }
            "anyOf" => {
                let mut failures = Vec::new();
                for schema in rule.as_array().unwrap() {
                    match check(document, schema, value, at) {
                        Ok(()) => break,
                        Err(why) => failures.push(why),
                    }
                }
                if failures.len() == rule.as_array().unwrap().len() {
                    return Err(failures.join(" and "));
                }
                true
            }
            "type" => match rule {
                Value::Array(kinds) => kinds.iter().any(|kind| is_of(kind, value)),
                kind => is_of(kind, value),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "required" => match value.as_object() {
                Some(members) => {
                    for name in rule.as_array().unwrap() {
                        if !members.contains_key(name.as_str().unwrap()) {
                            return Err(format!("{at} has no {name}"));
                        }
                    }
                    true
                }
                None => true,
            },
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(member) = value.get(name) {
                        check(document, schema, member, &format!("{at}.{name}"))?;
                    }
                }
                true
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, rule, item, &format!("{at}[{index}]"))?;
                }
                true
            }
            "minItems" => {
                value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap())
            }
            "maxItems" => {
                value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap())
            }
            "minLength" => {
                value.as_str().is_none_or(|text| text.len() as u64 >= rule.as_u64().unwrap())
            }
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| matches(rule.as_str().unwrap(), text)),
            "additionalProperties" => {
                assert_eq!(rule, &Value::Bool(false));
                let known = &schema["properties"];
                value
                    .as_object()
                    .is_none_or(|members| members.keys().all(|name| known.get(name).is_some()))
            }
            note if NOTES.contains(&note) => true,
            unknown => panic!("the keyword {unknown} is not checked here"),
        };
        if !holds {
            return Err(format!("{at} breaks {keyword}: {rule}"));
        }
    }
    Ok(())
}

fn is_of(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        kind => panic!("no type {kind}"),
    }
}

/// The patterns of the document: an optional prefix, a class of digits and how many.
fn matches(pattern: &str, text: &str) -> bool {
    let digits = |text: &str, hex: bool| {
        text.bytes().all(|b| b.is_ascii_digit() || hex && (b'a'..=b'f').contains(&b))
    };
    match pattern {
        "^[0-9]+$" => !text.is_empty() && digits(text, false),
        "^[0-9a-f]{64}$" => text.len() == 64 && digits(text, true),
        "^req_[0-9a-f]{32}$" => {
            text.strip_prefix("req_").is_some_and(|id| id.len() == 32 && digits(id, true))
        }
        pattern => panic!("the pattern {pattern} is not checked here"),
    }
}
