//! A text's canonical form with its strings left where they are: what most requests need, at half the cost
//! of building a [`Value`](serde_json::Value).

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::{TWO_POW_63, write_array, write_number, write_object, write_string};

/// The canonical bytes; nothing for a text that has to be looked at more closely, because it is refused or
/// holds a number that may have been rounded.
pub(super) fn canonical(json: &[u8]) -> Option<Vec<u8>> {
    let node: Node<'_> = serde_json::from_slice(json).ok()?;
    let mut out = Vec::with_capacity(json.len());
    node.write(&mut out).ok()?;
    Some(out)
}

enum Node<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Array(Vec<Self>),
    /// No two members have one name.
    Object(Vec<(Cow<'a, str>, Self)>),
}

impl Node<'_> {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(number) => write_number(out, number)?,
            Self::Text(text) => write_string(out, text)?,
            Self::Array(values) => write_array(out, values, Self::write)?,
            Self::Object(members) => {
                let members = members.iter().map(|(name, value)| (&**name, value));
                write_object(out, members.collect(), Self::write)?;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node<'de>, E> {
        let number = Number::from_f64(value).filter(|_| value.abs() < TWO_POW_63);
        number.map(Node::Number).ok_or_else(|| E::custom("to be looked at more closely"))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Node<'de>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = from.next_element()? {
            values.push(value);
        }
        Ok(Node::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Node<'de>, A::Error> {
        let mut members: Vec<(Cow<'de, str>, Node<'de>)> = Vec::new();
        while let Some(Name(name)) = from.next_key()? {
            members.push((name, from.next_value()?));
        }
        if has_repeated(&members) {
            return Err(A::Error::custom("to be looked at more closely"));
        }
        Ok(Node::Object(members))
    }
}

/// A name, borrowed where it has no escapes. (`Cow` alone always copies.)
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn has_repeated(members: &[(Cow<'_, str>, Node<'_>)]) -> bool {
    /// Up to this many are compared each with each.
    const FEW: usize = 16;
    if members.len() <= FEW {
        let later = |at: usize| members.iter().skip(at.saturating_add(1));
        return members
            .iter()
            .enumerate()
            .any(|(at, (name, _))| later(at).any(|(other, _)| name == other));
    }
    let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}
