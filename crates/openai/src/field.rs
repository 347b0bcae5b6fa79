//! Reading, setting and adding top-level fields of a JSON object without rewriting the rest.
//!
//! What is not touched keeps every byte: order, spacing, escapes, number formats, unknown fields.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::{BufMut, BytesMut};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The bytes are not one JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object")]
pub struct NotAnObject;

/// A field ready to be added to many objects: `"name":value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectField {
    encoded: Vec<u8>,
}

impl ObjectField {
    /// A field whose value is the string `value`.
    #[must_use]
    pub fn string(name: &str, value: &str) -> Self {
        let mut encoded = Vec::with_capacity(name.len() + value.len() + 8);
        put_string(&mut encoded, name);
        encoded.push(b':');
        put_string(&mut encoded, value);
        Self { encoded }
    }

    /// Writes `object` with this field as its **last** to `out`.
    ///
    /// Looks only at the object's ends and copies the rest, so it costs a copy whatever is inside. An
    /// object that has the field already gets it twice; parsers of all common languages take the last,
    /// ours, so what a node puts there does not count.
    ///
    /// # Errors
    /// [`NotAnObject`] when `object` does not begin with `{` and end with `}`; `out` is unchanged.
    pub fn append_to(&self, object: &[u8], out: &mut BytesMut) -> Result<(), NotAnObject> {
        let object = object.trim_ascii();
        let inside = object
            .strip_prefix(b"{")
            .and_then(|rest| rest.strip_suffix(b"}"))
            .ok_or(NotAnObject)?
            .trim_ascii_end();
        out.reserve(inside.len() + self.encoded.len() + 3);
        out.put_u8(b'{');
        out.put_slice(inside);
        if !inside.is_empty() {
            out.put_u8(b',');
        }
        out.put_slice(&self.encoded);
        out.put_u8(b'}');
        Ok(())
    }

    /// Writes `data: {…}` and a blank line, the object being `object` with this field, to `out`:
    /// the event to forward in place of one whose data is `object`.
    ///
    /// # Errors
    /// [`NotAnObject`] as for [`Self::append_to`], and when `object` spans several lines; `out` is
    /// unchanged.
    pub fn append_to_event(&self, object: &[u8], out: &mut BytesMut) -> Result<(), NotAnObject> {
        if memchr::memchr2(b'\n', b'\r', object).is_some() {
            return Err(NotAnObject);
        }
        let before = out.len();
        out.reserve(object.len() + self.encoded.len() + 11);
        out.put_slice(b"data: ");
        if let Err(error) = self.append_to(object, out) {
            out.truncate(before);
            return Err(error);
        }
        out.put_slice(b"\n\n");
        Ok(())
    }
}

/// The value of the top-level field `name`, as it stands there; the last one if it stands there twice.
///
/// # Errors
/// [`NotAnObject`].
pub fn get_field<'a>(object: &'a [u8], name: &str) -> Result<Option<&'a str>, NotAnObject> {
    let fields = top_level(object)?;
    Ok(fields.into_iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.get()))
}

/// `object` with top-level fields set: in place where they stand, otherwise added at the end in the
/// given order. Values are JSON and are written as they are.
///
/// # Errors
/// [`NotAnObject`].
pub fn set_fields(object: &[u8], fields: &[(&str, &str)]) -> Result<Vec<u8>, NotAnObject> {
    let present = top_level(object)?;
    let mut replacements: Vec<(Range<usize>, &str)> = Vec::new();
    for (key, value) in &present {
        if let Some((_, new)) = fields.iter().rev().find(|(name, _)| name == key) {
            replacements.push((span(object, value), new));
        }
    }
    let added: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let mut out = Vec::with_capacity(object.len() + added);
    let mut copied = 0;
    for (range, new) in replacements {
        out.extend_from_slice(object.get(copied..range.start).ok_or(NotAnObject)?);
        out.extend_from_slice(new.as_bytes());
        copied = range.end;
    }
    let rest = object.get(copied..).ok_or(NotAnObject)?.trim_ascii_end();
    out.extend_from_slice(rest.strip_suffix(b"}").ok_or(NotAnObject)?.trim_ascii_end());
    let mut added = Vec::with_capacity(fields.len());
    for (at, (name, value)) in fields.iter().enumerate() {
        let repeated = fields.iter().skip(at + 1).any(|(later, _)| later == name);
        if !repeated && !present.iter().any(|(key, _)| key == name) {
            added.push((*name, *value));
        }
    }
    close(&mut out, present.is_empty(), added);
    Ok(out)
}

/// As [`set_fields`], for what was read as an object before: where none of the names occurs in it, the
/// fields go behind its last without reading it again.
///
/// # Errors
/// [`NotAnObject`]; not for every text that is none.
pub fn put_fields(object: &[u8], fields: &[(&str, &str)]) -> Result<Vec<u8>, NotAnObject> {
    if fields.iter().any(|(name, _)| memchr::memmem::find(object, name.as_bytes()).is_some()) {
        return set_fields(object, fields);
    }
    let inside = object.trim_ascii().strip_suffix(b"}").ok_or(NotAnObject)?.trim_ascii_end();
    let added: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let mut out = Vec::with_capacity(inside.len() + added + 1);
    out.extend_from_slice(inside);
    close(&mut out, inside == b"{", fields.iter().copied());
    Ok(out)
}

/// The fields of an object, in order, keys unescaped.
pub(crate) type TopLevel<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

pub(crate) fn top_level(object: &[u8]) -> Result<TopLevel<'_>, NotAnObject> {
    serde_json::from_slice::<Fields<'_>>(object).map(|fields| fields.0).map_err(|_| NotAnObject)
}

/// Where a value read from `json` stands in it.
pub(crate) fn span(json: &[u8], value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr().addr().saturating_sub(json.as_ptr().addr());
    start..start.saturating_add(value.get().len())
}

/// Adds fields to an object that lacks its last brace, and that. Values are JSON; `empty` says
/// whether the object has no field yet.
pub(crate) fn close<'a>(
    out: &mut Vec<u8>,
    mut empty: bool,
    added: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    for (name, value) in added {
        if !std::mem::take(&mut empty) {
            out.push(b',');
        }
        put_string(out, name);
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'}');
}

/// A string as JSON.
pub(crate) fn put_string(out: &mut Vec<u8>, text: &str) {
    let written = serde_json::to_writer(out, text);
    debug_assert!(written.is_ok(), "strings written to memory cannot fail");
}

struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    fields.push((key, map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }

        from.deserialize_map(Collect)
    }
}

/// A key, borrowed where it has no escapes. (`Cow` alone always copies.)
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
