//! Canonical JSON: one byte string for each JSON value, so that a hash of it means the value.
//!
//! The form is RFC 8785 (JCS): members sorted by UTF-16 code units, no white space, strings with the
//! shortest escapes, doubles as ECMAScript prints them. RFC 8785 is defined for I-JSON (RFC 7493)
//! only, where every number is a double. OpenAI requests are not I-JSON: `seed` is a 64-bit integer,
//! and as a double 9007199254740993 would become 9007199254740992, another seed. So there is one
//! extension: **an integer of up to 64 bits is written with all its digits.** For integers up to
//! 2⁵³ in magnitude, and for everything that ECMAScript can print, that is what RFC 8785 writes too.
//!
//! [`parse`] reads bytes so that nothing changes its meaning on the way. It refuses what readers
//! disagree about: a member given twice (the first counts for some, the last for others), an integer
//! beyond 64 bits that is not the decimal form of a double, a lone surrogate.

mod borrowed;

use core::cell::Cell;
use core::fmt;
use std::io::Write as _;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// Why bytes are not JSON with one clear meaning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON, not UTF-8, a lone surrogate, a number too large for a double, or more than 127
    /// levels deep.
    #[error("not valid JSON")]
    Syntax(#[source] serde_json::Error),
    /// An object has two members of one name.
    #[error("an object has two members of the same name, at line {line} column {column}")]
    DuplicateMember {
        /// Line of the second name, from 1.
        line: usize,
        /// Column where the second name ends, in bytes from 1.
        column: usize,
    },
    /// An integer has more than 64 bits and is not what a double prints as, so it would be rounded.
    #[error("the integer at byte {offset} does not fit 64 bits")]
    IntegerOutOfRange {
        /// Offset of its first byte, from 0.
        offset: usize,
    },
    /// A number that JSON cannot express. No value that was parsed contains one.
    #[error("a number has no JSON form")]
    Number(#[source] serde_json::Error),
}

/// Reads one JSON value, refusing anything that two readers could understand differently.
///
/// # Errors
///
/// See [`JsonError`].
pub fn parse(json: &[u8]) -> Result<Value, JsonError> {
    let findings = Findings::default();
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = Strict { findings: &findings }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| {
            if findings.duplicate.get() {
                JsonError::DuplicateMember { line: error.line(), column: error.column() }
            } else {
                JsonError::Syntax(error)
            }
        })?;
    if findings.large_double.get() {
        refuse_rounded_integers(json)?;
    }
    Ok(value)
}

/// What the visitor saw and cannot put into a deserializer's error.
#[derive(Default)]
struct Findings {
    duplicate: Cell<bool>,
    large_double: Cell<bool>,
}

/// Builds a [`Value`]. `serde_json`'s own reader keeps the last of two equal members, and takes an
/// object with one specially named member for raw JSON.
#[derive(Clone, Copy)]
struct Strict<'a> {
    findings: &'a Findings,
}

/// Integers of 64 bits reach the visitor as integers, so a double from here on may be a rounded one.
const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        if value.abs() >= TWO_POW_63 {
            self.findings.large_double.set(true);
        }
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = from.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = from.next_key::<String>()? {
            let Entry::Vacant(place) = members.entry(name) else {
                self.findings.duplicate.set(true);
                return Err(A::Error::custom("duplicate member"));
            };
            place.insert(from.next_value_seed(self)?);
        }
        Ok(Value::Object(members))
    }
}

/// Looks at every number of a JSON text that has been parsed already. An integer beyond 64 bits is
/// accepted only when it is what its double prints as, which is how JavaScript writes such a double.
fn refuse_rounded_integers(json: &[u8]) -> Result<(), JsonError> {
    let mut bytes = json.iter().copied().enumerate().peekable();
    while let Some((offset, byte)) = bytes.next() {
        match byte {
            b'"' => {
                while let Some((_, inner)) = bytes.next() {
                    match inner {
                        b'"' => break,
                        b'\\' => {
                            bytes.next();
                        }
                        _ => {}
                    }
                }
            }
            b'-' | b'0'..=b'9' => {
                let mut literal = String::from(char::from(byte));
                while let Some((_, next)) = bytes
                    .next_if(|(_, b)| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
                {
                    literal.push(char::from(next));
                }
                if is_rounded(&literal) {
                    return Err(JsonError::IntegerOutOfRange { offset });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_rounded(literal: &str) -> bool {
    if literal.contains(['.', 'e', 'E'])
        || literal.parse::<u64>().is_ok()
        || literal.parse::<i64>().is_ok()
    {
        return false;
    }
    let printed = literal
        .parse::<f64>()
        .ok()
        .and_then(|double| serde_json_canonicalizer::to_string(&double).ok());
    printed.as_deref() != Some(literal)
}

/// The canonical bytes of a text: [`canonical_bytes`] of what [`parse`] reads.
///
/// # Errors
///
/// See [`JsonError`].
pub fn canonicalize(json: &[u8]) -> Result<Vec<u8>, JsonError> {
    match borrowed::canonical(json) {
        Some(canonical) => Ok(canonical),
        None => canonical_bytes(&parse(json)?),
    }
}

/// The canonical bytes of a value. The same as RFC 8785, but for integers beyond 2⁵³, which keep all
/// their digits.
///
/// # Errors
///
/// [`JsonError::Number`] for a number that JSON cannot express.
pub fn canonical_bytes(value: &Value) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::with_capacity(256);
    write_value(&mut out, value).map_err(JsonError::Number)?;
    Ok(out)
}

fn write_value(out: &mut Vec<u8>, value: &Value) -> Result<(), serde_json::Error> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(out, number)?,
        Value::String(text) => write_string(out, text)?,
        Value::Array(values) => write_array(out, values, |value, out| write_value(out, value))?,
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.as_str(), value));
            write_object(out, members.collect(), |value, out| write_value(out, value))?;
        }
    }
    Ok(())
}

fn write_array<T>(
    out: &mut Vec<u8>,
    values: &[T],
    write: impl Fn(&T, &mut Vec<u8>) -> Result<(), serde_json::Error>,
) -> Result<(), serde_json::Error> {
    out.push(b'[');
    for (position, value) in values.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write(value, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_object<T>(
    out: &mut Vec<u8>,
    mut members: Vec<(&str, &T)>,
    write: impl Fn(&T, &mut Vec<u8>) -> Result<(), serde_json::Error>,
) -> Result<(), serde_json::Error> {
    // Not the order of the UTF-8 bytes: U+FFFD sorts after a surrogate pair.
    members.sort_unstable_by(|(a, _), (b, _)| match a.is_ascii() && b.is_ascii() {
        true => a.cmp(b),
        false => a.encode_utf16().cmp(b.encode_utf16()),
    });
    out.push(b'{');
    for (position, (name, value)) in members.into_iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_string(out, name)?;
        out.push(b':');
        write(value, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// `serde_json` escapes exactly what RFC 8785 section 3.2.2.2 wants, with lower-case digits.
fn write_string(out: &mut Vec<u8>, text: &str) -> Result<(), serde_json::Error> {
    serde_json::to_writer(out, text)
}

fn write_number(out: &mut Vec<u8>, number: &Number) -> Result<(), serde_json::Error> {
    if let Some(integer) = number.as_u64() {
        write!(out, "{integer}").map_err(serde_json::Error::io)
    } else if let Some(integer) = number.as_i64() {
        write!(out, "{integer}").map_err(serde_json::Error::io)
    } else {
        serde_json_canonicalizer::to_writer(number, out)
    }
}
