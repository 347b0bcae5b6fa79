//! A directory as Hugging Face publishes models: `tokenizer.json`, `tokenizer_config.json`, and the chat
//! template in the latter or in `chat_template.jinja`.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::template::{Marks, Template};
use crate::{LoadError, Tokenizer};

#[derive(Debug, Default, Deserialize)]
struct Settings {
    #[serde(default)]
    add_bos_token: bool,
    bos_token: Option<Value>,
    eos_token: Option<Value>,
    /// One, or several by name.
    chat_template: Option<Value>,
}

/// Reads it.
pub(crate) fn load(directory: &Path) -> Result<Tokenizer, LoadError> {
    let path = directory.join("tokenizer.json");
    let model = tokenizers::Tokenizer::from_bytes(read(&path)?).map_err(|source| {
        LoadError::Malformed { path, expected: "a tokenizer", source: Some(source) }
    })?;
    let path = directory.join("tokenizer_config.json");
    let settings: Settings = if path.exists() {
        serde_json::from_slice(&read(&path)?).map_err(|source| LoadError::Malformed {
            path: path.clone(),
            expected: "a tokenizer's configuration",
            source: Some(Box::new(source)),
        })?
    } else {
        Settings::default()
    };
    let marks = Marks { begin: token(settings.bos_token), end: token(settings.eos_token) };
    let beside = directory.join("chat_template.jinja");
    let (text, path) = if beside.exists() {
        let text = String::from_utf8(read(&beside)?).map_err(|source| LoadError::Malformed {
            path: beside.clone(),
            expected: "text",
            source: Some(Box::new(source)),
        })?;
        (Some(text), beside)
    } else {
        (settings.chat_template.and_then(default_template), path)
    };
    let template = match text {
        None => None,
        Some(text) => Some(
            Template::compile(text, marks)
                .map_err(|source| LoadError::Template { path, source: Box::new(source) })?,
        ),
    };
    Ok(Tokenizer { model, template, begins: settings.add_bos_token })
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|source| LoadError::Read { path: path.into(), source })
}

/// A token is its text, or an object that holds it.
fn token(value: Option<Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text),
        Value::Object(object) => object.get("content")?.as_str().map(str::to_owned),
        _ => None,
    }
}

/// The one named `default` where there are several.
fn default_template(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(named) => named
            .iter()
            .find(|it| it.get("name").and_then(Value::as_str) == Some("default"))
            .and_then(|it| it.get("template")?.as_str())
            .map(str::to_owned),
        _ => None,
    }
}
