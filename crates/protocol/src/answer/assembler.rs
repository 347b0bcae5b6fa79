//! Puts a streamed answer together, chunk by chunk.

use serde::Deserialize as _;
use serde_json::Value;

use super::finish::FinishReason;
use super::frame::{Frame, Grows};
use super::wire::{ChoiceWire, CompletionWire, MessageWire, Text, ToolCallWire, UsageWire};
use super::{Answer, AnswerError, Choice, FunctionCall, Message, ToolCall, Usage};

/// Collects the chunks of one streamed answer, in order.
///
/// Contents and arguments are appended; role, ids, types and names are taken where they first show;
/// of finish reasons and usages the last one stays (vLLM can send usage with every chunk). A chunk
/// without choices, such as the last one with the usage, is fine.
#[derive(Clone, Debug, Default)]
pub struct AnswerAssembler {
    choices: Vec<Partial>,
    usage: Option<Usage>,
    output_bytes: usize,
    held_bytes: usize,
    /// Choices from this index on are refused.
    most_choices: Option<u32>,
    /// What chunks look like that only add text.
    frame: Option<Box<Frame>>,
}

/// What a chunk was, seen in passing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// It has no choices.
    pub is_bare: bool,
    /// One of its choices has a finish reason.
    pub has_finished: bool,
    /// It has usage.
    pub has_usage: bool,
    /// It has an `error` that is neither null nor empty. Nothing of it was added.
    pub has_error: bool,
}

impl Pushed {
    /// Text and nothing else.
    const TEXT: Self =
        Self { is_bare: false, has_finished: false, has_usage: false, has_error: false };
}

/// A choice and the stream indices of its tool calls, in the same (ascending) order as the calls.
#[derive(Clone, Debug)]
struct Partial {
    choice: Choice,
    call_indices: Vec<u32>,
}

/// What a choice and a call take up beside their texts, about.
const PART_BYTES: usize = 128;

impl AnswerAssembler {
    /// Nothing received yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            choices: Vec::new(),
            usage: None,
            output_bytes: 0,
            held_bytes: 0,
            most_choices: None,
            frame: None,
        }
    }

    /// The same for an answer of at most so many choices: whatever has another index is refused.
    #[must_use]
    pub fn of_choices(most: u32) -> Self {
        Self { most_choices: Some(most), ..Self::new() }
    }

    /// Adds a chunk as it is after `data: `, without building a [`Value`].
    ///
    /// # Errors
    ///
    /// [`AnswerError::Shape`], [`AnswerError::DuplicateChoice`] or [`AnswerError::UnaskedChoice`]; nothing
    /// of the chunk was added.
    pub fn push_json(&mut self, chunk: &[u8]) -> Result<Pushed, AnswerError> {
        if let Some((index, grows, text)) = self.frame.as_ref().and_then(|frame| frame.read(chunk))
        {
            self.grow(index, grows, text);
            return Ok(Pushed::TEXT);
        }
        let wire = serde_json::from_slice(chunk).map_err(AnswerError::Shape)?;
        let frame = Frame::of(chunk, &wire);
        let pushed = self.push_wire(wire)?;
        if let Some(frame) = frame {
            self.frame = Some(Box::new(frame));
        }
        Ok(pushed)
    }

    /// Adds text to a choice that is there.
    fn grow(&mut self, index: u32, grows: Grows, text: &str) {
        let message = &mut self.choice(index).choice.message;
        match grows {
            Grows::Content => message.content.push_str(text),
            Grows::Reasoning => message.reasoning_content.push_str(text),
        }
        self.output_bytes = self.output_bytes.saturating_add(text.len());
        self.held_bytes = self.held_bytes.saturating_add(text.len());
    }

    /// Adds a chunk that is an object already.
    ///
    /// # Errors
    ///
    /// As [`AnswerAssembler::push_json`].
    pub fn push(&mut self, chunk: &Value) -> Result<Pushed, AnswerError> {
        self.push_wire(CompletionWire::deserialize(chunk).map_err(AnswerError::Shape)?)
    }

    fn push_wire(&mut self, wire: CompletionWire<'_>) -> Result<Pushed, AnswerError> {
        let choices = wire.choices.unwrap_or_default();
        let ends = |choice: &ChoiceWire<'_>| {
            choice.finish_reason.as_ref().is_some_and(|reason| !reason.0.is_empty())
        };
        let pushed = Pushed {
            is_bare: choices.is_empty(),
            has_finished: choices.iter().any(ends),
            has_usage: wire.usage.is_some(),
            has_error: wire.error.is_some_and(|error| !error.is_empty()),
        };
        if pushed.has_error {
            return Ok(pushed);
        }
        self.add(choices, wire.usage, ChoiceWire::piece)?;
        Ok(pushed)
    }

    /// Adds choices, a unary answer being a single chunk whose deltas are the messages.
    pub(super) fn add<'a>(
        &mut self,
        choices: Vec<ChoiceWire<'a>>,
        usage: Option<UsageWire>,
        delta: impl Fn(ChoiceWire<'a>) -> Option<MessageWire<'a>>,
    ) -> Result<(), AnswerError> {
        refuse_duplicates(&choices)?;
        if let Some(most) = self.most_choices {
            refuse_unasked(&choices, most)?;
        }
        for (position, mut choice) in (0_u32..).zip(choices) {
            let index = choice.index.unwrap_or(position);
            let finish_reason = choice.finish_reason.take();
            let delta = delta(choice);
            let partial = self.choice(index);
            let mut held = 0;
            if let Some(reason) = finish_reason.and_then(|Text(said)| FinishReason::read(&said)) {
                partial.choice.finish_reason = Some(reason);
            }
            if let Some(delta) = delta {
                let added = partial.append(delta);
                self.output_bytes = self.output_bytes.saturating_add(added.output);
                held = added.output.saturating_add(added.other);
            }
            self.held_bytes = self.held_bytes.saturating_add(held);
        }
        if let Some(usage) = usage {
            self.usage = Some(usage.into());
        }
        Ok(())
    }

    fn choice(&mut self, index: u32) -> &mut Partial {
        let place = match self.choices.binary_search_by_key(&index, |partial| partial.choice.index)
        {
            Ok(place) => place,
            Err(place) => {
                self.choices.insert(place, Partial::new(index));
                self.held_bytes = self.held_bytes.saturating_add(PART_BYTES);
                place
            }
        };
        &mut self.choices[place]
    }

    /// The usage received so far.
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Bytes of generated text received so far; see [`Answer::output_bytes`].
    #[must_use]
    pub const fn output_bytes(&self) -> usize {
        self.output_bytes
    }

    /// Bytes that what was received takes up here, about: the generated text, and roles, ids,
    /// choices and calls.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// What was received, complete or cut off.
    #[must_use]
    pub fn finish(self) -> Answer {
        let choices = self
            .choices
            .into_iter()
            .map(|Partial { mut choice, .. }| {
                set_default(&mut choice.message.role, "assistant");
                for call in &mut choice.message.tool_calls {
                    set_default(&mut call.r#type, "function");
                }
                choice
            })
            .collect();
        Answer { choices, usage: self.usage }
    }
}

/// Bytes that a piece of a message added.
#[derive(Clone, Copy, Default)]
struct Added {
    /// Of generated text.
    output: usize,
    /// Of everything else.
    other: usize,
}

impl Added {
    const fn plus(self, more: Self) -> Self {
        Self {
            output: self.output.saturating_add(more.output),
            other: self.other.saturating_add(more.other),
        }
    }
}

impl Partial {
    fn new(index: u32) -> Self {
        let message = Message {
            content: String::new(),
            reasoning_content: String::new(),
            refusal: String::new(),
            role: String::new(),
            tool_calls: Vec::new(),
        };
        Self { choice: Choice { finish_reason: None, index, message }, call_indices: Vec::new() }
    }

    /// Adds a piece of the message.
    fn append(&mut self, delta: MessageWire<'_>) -> Added {
        let message = &mut self.choice.message;
        let other = set_once(&mut message.role, delta.role);
        let reasoning =
            delta.reasoning_content.filter(|text| !text.0.is_empty()).or(delta.reasoning);
        let output = extend(&mut message.content, delta.content)
            .saturating_add(extend(&mut message.reasoning_content, reasoning))
            .saturating_add(extend(&mut message.refusal, delta.refusal));
        (0_u32..)
            .zip(delta.tool_calls.unwrap_or_default())
            .fold(Added { output, other }, |added, (at, call)| {
                added.plus(self.append_call(at, call))
            })
    }

    fn append_call(&mut self, position: u32, piece: ToolCallWire<'_>) -> Added {
        let index = piece.index.unwrap_or(position);
        let known = self.call_indices.len();
        let calls = &mut self.choice.message.tool_calls;
        let place = match self.call_indices.binary_search(&index) {
            Ok(place) => place,
            Err(place) => {
                self.call_indices.insert(place, index);
                calls.insert(
                    place,
                    ToolCall {
                        function: FunctionCall::default(),
                        id: String::new(),
                        r#type: String::new(),
                    },
                );
                place
            }
        };
        let call = &mut calls[place];
        let mut other = set_once(&mut call.id, piece.id)
            .saturating_add(set_once(&mut call.r#type, piece.r#type));
        if self.call_indices.len() > known {
            other = other.saturating_add(PART_BYTES);
        }
        let output = piece.function.map_or(0, |function| {
            set_once(&mut call.function.name, function.name)
                .saturating_add(extend(&mut call.function.arguments, function.arguments))
        });
        Added { output, other }
    }
}

/// A choice that nobody asked for: what it says could not be charged, and how many there are could.
fn refuse_unasked(choices: &[ChoiceWire<'_>], most: u32) -> Result<(), AnswerError> {
    let mut indices = (0_u32..).zip(choices).map(|(at, choice)| choice.index.unwrap_or(at));
    match indices.find(|index| *index >= most) {
        Some(index) => Err(AnswerError::UnaskedChoice { index }),
        None => Ok(()),
    }
}

/// Two choices of one index in one object: which one counts is not defined.
fn refuse_duplicates(choices: &[ChoiceWire<'_>]) -> Result<(), AnswerError> {
    // Nearly every chunk has one choice, and then there is nothing to compare.
    if choices.len() < 2 {
        return Ok(());
    }
    let mut indices: Vec<u32> =
        (0_u32..).zip(choices).map(|(position, choice)| choice.index.unwrap_or(position)).collect();
    indices.sort_unstable();
    match indices.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(AnswerError::DuplicateChoice { index: pair[0] }),
        None => Ok(()),
    }
}

/// Appends text; its length.
fn extend(to: &mut String, text: Option<Text<'_>>) -> usize {
    let Some(Text(text)) = text else { return 0 };
    to.push_str(&text);
    text.len()
}

/// Keeps the first text that is not empty; the length of what was kept now.
fn set_once(to: &mut String, text: Option<Text<'_>>) -> usize {
    match text {
        Some(Text(text)) if to.is_empty() => {
            *to = text.into_owned();
            to.len()
        }
        _ => 0,
    }
}

fn set_default(to: &mut String, default: &str) {
    if to.is_empty() {
        default.clone_into(to);
    }
}
