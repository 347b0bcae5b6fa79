//! The tokenizer in a GGUF file's metadata.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little endian. Only
//! the metadata at the beginning is read; lengths are checked before anything is allocated for them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::template::{Marks, Template};
use crate::vocabulary::{Entry, Vocabulary};
use crate::{LoadError, Tokenizer};

/// Longest text; templates are the longest.
const MAX_TEXT: u64 = 1 << 20;
/// Most elements of an array: four times the largest vocabulary.
const MAX_ELEMENTS: u64 = 1 << 20;
/// Most keys.
const MAX_KEYS: u64 = 1 << 16;

/// What is wrong with a file's bytes.
#[derive(Debug, thiserror::Error)]
enum Malformed {
    #[error("it ends in the middle or cannot be read")]
    Read(#[from] std::io::Error),
    #[error("it does not begin with GGUF version 2 or 3")]
    Header,
    #[error("a text, an array or the number of keys is longer than any model's")]
    TooLong,
    #[error("a text is not UTF-8")]
    Text(#[from] std::string::FromUtf8Error),
    #[error("a value has the unknown type {0}")]
    Type(u32),
    #[error("{0} is missing or of another type")]
    Key(&'static str),
}

/// The keys that say how text becomes tokens.
#[derive(Debug, Default)]
struct Keys {
    model: Option<String>,
    pre: Option<String>,
    tokens: Vec<String>,
    kinds: Vec<u32>,
    merges: Vec<String>,
    begin: Option<u32>,
    end: Option<u32>,
    begins: Option<bool>,
    template: Option<String>,
}

/// Reads a file.
pub(crate) fn load(path: &Path) -> Result<Tokenizer, LoadError> {
    let file = File::open(path).map_err(|source| LoadError::Read { path: path.into(), source })?;
    let malformed = |source: Malformed| LoadError::Malformed {
        path: path.into(),
        expected: "a GGUF file with a tokenizer",
        source: Some(Box::new(source)),
    };
    let keys = keys(&mut BufReader::new(file)).map_err(malformed)?;
    let kind = keys.model.ok_or(malformed(Malformed::Key("tokenizer.ggml.model")))?;
    let unsupported = |kind: String| LoadError::Unsupported { path: path.into(), kind };
    if kind != "gpt2" {
        return Err(unsupported(kind));
    }
    // Older files do not say how text is cut; they are GPT-2's.
    let pre = keys.pre.as_deref().unwrap_or("gpt-2");
    let text_of = |id: Option<u32>| {
        let id = usize::try_from(id?).ok()?;
        keys.tokens.get(id).cloned()
    };
    let marks = Marks { begin: text_of(keys.begin), end: text_of(keys.end) };
    if keys.tokens.is_empty() {
        return Err(malformed(Malformed::Key("tokenizer.ggml.tokens")));
    }
    let entries: Vec<Entry> = keys
        .tokens
        .iter()
        .enumerate()
        .map(|(index, text)| Entry::of(text, keys.kinds.get(index).copied()))
        .collect();
    let vocabulary = Vocabulary { entries, merges: &keys.merges, pre };
    let model = vocabulary.build().map_err(|error| match error {
        crate::vocabulary::Unbuildable::Pre => unsupported(format!("{kind}, {pre}")),
        crate::vocabulary::Unbuildable::Tables(source) => LoadError::Malformed {
            path: path.into(),
            expected: "a vocabulary with its merges",
            source: Some(source),
        },
    })?;
    let template = match keys.template {
        None => None,
        Some(text) => Some(Template::compile(text, marks).map_err(|source| {
            LoadError::Template { path: path.into(), source: Box::new(source) }
        })?),
    };
    Ok(Tokenizer { model, template, begins: keys.begins.unwrap_or(false) })
}

fn keys(from: &mut BufReader<File>) -> Result<Keys, Malformed> {
    if bytes::<4>(from)? != *b"GGUF" || !matches!(u32_of(from)?, 2 | 3) {
        return Err(Malformed::Header);
    }
    let _tensors = u64_of(from)?;
    let count = u64_of(from)?;
    if count > MAX_KEYS {
        return Err(Malformed::TooLong);
    }
    let mut keys = Keys::default();
    for _ in 0..count {
        let name = text(from)?;
        let kind = u32_of(from)?;
        match name.as_str() {
            "tokenizer.ggml.model" => keys.model = Some(text_of(from, kind, "its model")?),
            "tokenizer.ggml.pre" => keys.pre = Some(text_of(from, kind, "its pre-tokenizer")?),
            "tokenizer.chat_template" => {
                keys.template = Some(text_of(from, kind, "its chat template")?);
            }
            "tokenizer.ggml.tokens" => keys.tokens = array(from, kind, STRING, text)?,
            "tokenizer.ggml.merges" => keys.merges = array(from, kind, STRING, text)?,
            "tokenizer.ggml.token_type" => keys.kinds = array(from, kind, INT32, u32_of)?,
            "tokenizer.ggml.bos_token_id" => keys.begin = Some(number(from, kind)?),
            "tokenizer.ggml.eos_token_id" => keys.end = Some(number(from, kind)?),
            "tokenizer.ggml.add_bos_token" => keys.begins = Some(flag(from, kind)?),
            _ => skip(from, kind)?,
        }
    }
    Ok(keys)
}

/// Numbers of the value types.
const UINT32: u32 = 4;
const INT32: u32 = 5;
const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

fn bytes<const N: usize>(from: &mut impl Read) -> Result<[u8; N], Malformed> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u32_of(from: &mut BufReader<File>) -> Result<u32, Malformed> {
    Ok(u32::from_le_bytes(bytes(from)?))
}

fn u64_of(from: &mut BufReader<File>) -> Result<u64, Malformed> {
    Ok(u64::from_le_bytes(bytes(from)?))
}

fn text(from: &mut BufReader<File>) -> Result<String, Malformed> {
    let len = u64_of(from)?;
    if len > MAX_TEXT {
        return Err(Malformed::TooLong);
    }
    let mut bytes = Vec::new();
    let read = from.by_ref().take(len).read_to_end(&mut bytes)?;
    if u64::try_from(read) != Ok(len) {
        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
    }
    Ok(String::from_utf8(bytes)?)
}

fn text_of(from: &mut BufReader<File>, kind: u32, what: &'static str) -> Result<String, Malformed> {
    if kind == STRING { text(from) } else { Err(Malformed::Key(what)) }
}

fn number(from: &mut BufReader<File>, kind: u32) -> Result<u32, Malformed> {
    if matches!(kind, UINT32 | INT32) { u32_of(from) } else { Err(Malformed::Key("a token's id")) }
}

fn flag(from: &mut BufReader<File>, kind: u32) -> Result<bool, Malformed> {
    if kind == BOOL { Ok(bytes(from)? != [0]) } else { Err(Malformed::Key("add_bos_token")) }
}

fn array<T>(
    from: &mut BufReader<File>,
    kind: u32,
    of: u32,
    element: impl Fn(&mut BufReader<File>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    if kind != ARRAY || u32_of(from)? != of {
        return Err(Malformed::Key("an array of the tokenizer"));
    }
    let len = u64_of(from)?;
    if len > MAX_ELEMENTS {
        return Err(Malformed::TooLong);
    }
    (0..len).map(|_| element(from)).collect()
}

/// Passes over a value.
fn skip(from: &mut BufReader<File>, kind: u32) -> Result<(), Malformed> {
    match kind {
        STRING => {
            text(from)?;
        }
        ARRAY => {
            let of = u32_of(from)?;
            let len = u64_of(from)?;
            match width(of) {
                Some(width) => forward(from, len.saturating_mul(width))?,
                None if of == STRING && len <= MAX_ELEMENTS => {
                    for _ in 0..len {
                        text(from)?;
                    }
                }
                None if of == STRING => return Err(Malformed::TooLong),
                None => return Err(Malformed::Type(of)),
            }
        }
        other => forward(from, width(other).ok_or(Malformed::Type(other))?)?,
    }
    Ok(())
}

fn forward(from: &mut BufReader<File>, len: u64) -> Result<(), Malformed> {
    // Beyond the end the next read fails.
    from.seek_relative(i64::try_from(len).map_err(|_| Malformed::TooLong)?)?;
    Ok(())
}

/// Bytes of a value of fixed width.
const fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}
