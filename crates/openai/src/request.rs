//! What routing and billing need to know of a request to a model.
//!
//! The body itself is forwarded as it came. A field the gateway reads must not stand there twice: two
//! parsers could take different ones, and somebody would pay for the difference.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::endpoint::Endpoint;
use crate::error::ApiError;
use crate::message::Messages;
use crate::preferences::Preferences;
use crate::prompt::Prompts;

/// Most alternatives (`n`) one request may ask for, as OpenAI has it.
pub const MAX_CHOICES: u32 = 128;

/// Most of the likeliest tokens a completion may tell, as servers have it.
const MAX_LOGPROBS: u32 = 20;

/// The client's own limit on generated tokens, and which field holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// `max_completion_tokens` or `max_tokens`.
    pub field: &'static str,
    /// At least 1.
    pub tokens: u32,
}

/// The facts of a body for one of the [`Endpoint`]s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatRequest {
    /// What is asked of the model.
    pub endpoint: Endpoint,
    /// The model, as the client named it. Not empty.
    pub model: String,
    /// Whether to stream.
    pub stream: bool,
    /// Whether the client wants the usage as last chunk of a stream.
    pub include_usage: bool,
    /// The client's limit on generated tokens for each choice.
    pub output_limit: Option<OutputLimit>,
    /// How many alternatives over all prompts, at least 1; for one prompt at most [`MAX_CHOICES`].
    pub choices: u32,
    /// Where the client wants it to go.
    pub preferences: Option<Box<Preferences>>,
    /// Whether tools (or the older functions) are offered to the model.
    pub tools: bool,
    /// Whether the answer must follow a format other than text.
    pub structured: bool,
    /// Whether log-probabilities are wanted.
    pub logprobs: bool,
    /// Whether a message holds an image.
    pub images: bool,
    /// How many messages or prompts.
    pub messages: u32,
    /// Bytes of text in messages, tools and format, escapes resolved in messages: what an estimate of
    /// the prompt's tokens starts from. A tokenizer over bytes makes no more tokens than bytes, apart
    /// from a few that the chat template adds to each message.
    pub text_bytes: usize,
}

impl ChatRequest {
    /// Reads the body of a chat completion request.
    ///
    /// # Errors
    /// As [`Self::parse_for`].
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        Self::parse_for(Endpoint::Chat, body)
    }

    /// The most choices an answer to it has; of embeddings the most vectors.
    #[must_use]
    pub const fn most_choices(&self) -> u32 {
        match self.endpoint {
            Endpoint::Chat | Endpoint::Completions => self.choices,
            Endpoint::Embeddings => self.messages,
        }
    }

    /// Reads a body.
    ///
    /// # Errors
    /// `invalid_json`, `missing_required_parameter`, `invalid_type` or `invalid_value`, naming the
    /// field; the message never quotes the body.
    pub fn parse_for(endpoint: Endpoint, body: &[u8]) -> Result<Self, ApiError> {
        let fields = TopLevel::parse(body)?;
        let model = match present(fields.model) {
            None => return Err(ApiError::missing_parameter("model")),
            Some(raw) => text(raw, "model")?,
        };
        if model.is_empty() {
            return Err(ApiError::invalid_value("model", "the name of a model"));
        }
        let stream = match present(fields.stream) {
            None => false,
            Some(raw) => boolean(raw, "stream")?,
        };
        let include_usage = match present(fields.stream_options) {
            None => false,
            Some(raw) => include_usage(raw)?,
        };
        let messages = contents(endpoint, &fields)?;
        let structured = match present(fields.response_format) {
            None => false,
            Some(raw) => format_type(raw)? != "text",
        };
        let logprobs = match present(fields.logprobs) {
            None => false,
            Some(raw) if endpoint == Endpoint::Chat => boolean(raw, "logprobs")?,
            // How many of the likeliest tokens to tell.
            Some(raw) => integer(raw, "logprobs", 0, MAX_LOGPROBS).map(|_| true)?,
        };
        let choices = match present(fields.n) {
            None => 1,
            Some(raw) => integer(raw, "n", 1, MAX_CHOICES)?,
        };
        if let Some(raw) = present(fields.best_of)
            && integer(raw, "best_of", 1, MAX_CHOICES)? > choices
        {
            let why = "Completions that are not returned cannot be charged; ask for them with n.";
            return Err(ApiError::unsupported_parameter("best_of", why));
        }
        let tools = is_filled_array(present(fields.tools), "tools")?
            | is_filled_array(present(fields.functions), "functions")?;
        let extra = [fields.tools, fields.functions, fields.response_format];
        let extra_bytes: usize =
            extra.into_iter().filter_map(present).map(|raw| raw.get().len()).sum();
        Ok(Self {
            endpoint,
            model: model.into_owned(),
            stream: stream && endpoint != Endpoint::Embeddings,
            include_usage: stream && include_usage,
            output_limit: output_limit(&fields)?,
            choices: match endpoint {
                Endpoint::Chat => choices,
                Endpoint::Completions => choices.saturating_mul(messages.count),
                Endpoint::Embeddings => 1,
            },
            preferences: present(fields.provider)
                .map(|raw| Preferences::parse(raw).map(Box::new))
                .transpose()?,
            tools,
            structured,
            logprobs,
            images: messages.images,
            messages: messages.count,
            text_bytes: messages.text_bytes.saturating_add(extra_bytes),
        })
    }
}

/// The fields that are read, as they stand in the body.
#[derive(Default)]
struct TopLevel<'a> {
    model: Option<&'a RawValue>,
    messages: Option<&'a RawValue>,
    stream: Option<&'a RawValue>,
    stream_options: Option<&'a RawValue>,
    max_tokens: Option<&'a RawValue>,
    max_completion_tokens: Option<&'a RawValue>,
    n: Option<&'a RawValue>,
    tools: Option<&'a RawValue>,
    functions: Option<&'a RawValue>,
    response_format: Option<&'a RawValue>,
    logprobs: Option<&'a RawValue>,
    prompt: Option<&'a RawValue>,
    input: Option<&'a RawValue>,
    best_of: Option<&'a RawValue>,
    provider: Option<&'a RawValue>,
}

/// What the model is to read.
fn contents(endpoint: Endpoint, fields: &TopLevel<'_>) -> Result<Messages, ApiError> {
    let (raw, param) = match endpoint {
        Endpoint::Chat => {
            let raw = present(fields.messages);
            return Messages::parse(raw.ok_or_else(|| ApiError::missing_parameter("messages"))?);
        }
        Endpoint::Completions => (present(fields.prompt), "prompt"),
        Endpoint::Embeddings => (present(fields.input), "input"),
    };
    let raw = raw.ok_or_else(|| ApiError::missing_parameter(param))?;
    let Prompts { count, text_bytes } = Prompts::parse(raw, param)?;
    Ok(Messages { count, text_bytes, images: false })
}

impl<'a> TopLevel<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, ApiError> {
        let mut duplicate = None;
        let mut parser = serde_json::Deserializer::from_slice(body);
        let fields = TopLevelSeed { duplicate: &mut duplicate }
            .deserialize(&mut parser)
            .and_then(|fields| parser.end().map(|()| fields));
        match (fields, duplicate) {
            (Ok(fields), None) => Ok(fields),
            (_, Some(name)) => {
                let error = ApiError::invalid_json("a field stands in the object twice.");
                Err(error.with_param(name))
            }
            (Err(error), None) => Err(ApiError::invalid_json(&describe(&error))),
        }
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<&'a RawValue>> {
        Some(match name {
            "model" => &mut self.model,
            "messages" => &mut self.messages,
            "stream" => &mut self.stream,
            "stream_options" => &mut self.stream_options,
            "max_tokens" => &mut self.max_tokens,
            "max_completion_tokens" => &mut self.max_completion_tokens,
            "n" => &mut self.n,
            "tools" => &mut self.tools,
            "functions" => &mut self.functions,
            "response_format" => &mut self.response_format,
            "logprobs" => &mut self.logprobs,
            "prompt" => &mut self.prompt,
            "input" => &mut self.input,
            "best_of" => &mut self.best_of,
            "provider" => &mut self.provider,
            _ => return None,
        })
    }
}

struct TopLevelSeed<'s> {
    duplicate: &'s mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for TopLevelSeed<'_> {
    type Value = TopLevel<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TopLevelSeed<'_> {
    type Value = TopLevel<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = TopLevel::default();
        let mut others: HashSet<Cow<'de, str>> = HashSet::new();
        while let Some(Name(name)) = map.next_key()? {
            let repeated = if let Some(slot) = fields.slot(&name) {
                slot.replace(map.next_value()?).is_some()
            } else {
                map.next_value::<IgnoredAny>()?;
                !others.insert(name.clone())
            };
            if repeated {
                *self.duplicate = Some(name.into_owned());
                return Err(serde::de::Error::custom("duplicate field"));
            }
        }
        Ok(fields)
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn output_limit(fields: &TopLevel<'_>) -> Result<Option<OutputLimit>, ApiError> {
    let read = |raw: Option<&RawValue>, field| match present(raw) {
        None => Ok(None),
        Some(raw) => {
            integer(raw, field, 1, u32::MAX).map(|tokens| Some(OutputLimit { field, tokens }))
        }
    };
    let newer = read(fields.max_completion_tokens, "max_completion_tokens")?;
    let older = read(fields.max_tokens, "max_tokens")?;
    match (newer, older) {
        (Some(_), Some(_)) => Err(ApiError::invalid_value(
            "max_tokens",
            "only one of max_tokens and max_completion_tokens",
        )),
        (limit, None) | (None, limit) => Ok(limit),
    }
}

fn include_usage(raw: &RawValue) -> Result<bool, ApiError> {
    #[derive(Deserialize)]
    struct Options<'a> {
        #[serde(borrow)]
        include_usage: Option<&'a RawValue>,
    }
    let options: Options<'_> = serde_json::from_str(raw.get())
        .map_err(|_| ApiError::invalid_type("stream_options", "an object", kind_of(raw)))?;
    match present(options.include_usage) {
        None => Ok(false),
        Some(raw) => boolean(raw, "stream_options.include_usage"),
    }
}

fn format_type(raw: &RawValue) -> Result<Cow<'_, str>, ApiError> {
    #[derive(Deserialize)]
    struct Format<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    serde_json::from_str::<Format<'_>>(raw.get()).map(|format| format.kind).map_err(|_| {
        ApiError::invalid_type("response_format", "an object with a type", kind_of(raw))
    })
}

/// A field that is null counts as absent.
fn present(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| raw.get() != "null")
}

fn text<'a>(raw: &'a RawValue, param: &'static str) -> Result<Cow<'a, str>, ApiError> {
    serde_json::from_str::<Name<'a>>(raw.get())
        .map(|name| name.0)
        .map_err(|_| ApiError::invalid_type(param, "a string", kind_of(raw)))
}

fn boolean(raw: &RawValue, param: &'static str) -> Result<bool, ApiError> {
    match raw.get() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ApiError::invalid_type(param, "a boolean", kind_of(raw))),
    }
}

fn integer(raw: &RawValue, param: &'static str, low: u32, high: u32) -> Result<u32, ApiError> {
    let text = raw.get();
    if kind_of(raw) != "an integer" {
        return Err(ApiError::invalid_type(param, "an integer", kind_of(raw)));
    }
    text.parse()
        .ok()
        .filter(|number| (low..=high).contains(number))
        .ok_or_else(|| ApiError::invalid_value(param, &format!("an integer from {low} to {high}")))
}

fn is_filled_array(raw: Option<&RawValue>, param: &'static str) -> Result<bool, ApiError> {
    let Some(raw) = raw else { return Ok(false) };
    let inside = raw
        .get()
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or_else(|| ApiError::invalid_type(param, "an array", kind_of(raw)))?;
    Ok(!inside.trim_ascii().is_empty())
}

/// What kind of JSON value this is, in words.
pub(crate) fn kind_of(raw: &RawValue) -> &'static str {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ if text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => "a decimal",
        _ => "an integer",
    }
}

/// Where and of what kind a JSON error is, without quoting anything.
fn describe(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Eof => "it ends too early",
        Category::Syntax => "it is not valid JSON",
        Category::Data | Category::Io => "it is not a JSON object",
    };
    format!("{what} (line {}, column {}).", error.line(), error.column())
}
