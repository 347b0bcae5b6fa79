//! From the events of a streamed chat completion to those of a response.
//!
//! Pulls as the client's connection does; holds the text said so far, which the last event repeats.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame as HttpFrame};
use pinaivu_openai::EventSplitter;
use pinaivu_protocol::answer::{AnswerAssembler, FinishReason};
use serde_json::{Value, json};

use super::answer::{function_call, message, output_text, reasoning};
use super::{Frame, Status, usage};
use crate::engine::{AnswerStream, ClientStalled};

/// The body of a streamed response.
pub(in crate::http) struct ResponsesStream {
    upstream: AnswerStream,
    events: Events,
    ended: bool,
}

impl ResponsesStream {
    pub(super) fn new(upstream: AnswerStream, frame: Frame) -> Self {
        Self { upstream, events: Events::new(frame), ended: false }
    }
}

impl Body for ResponsesStream {
    type Data = Bytes;
    type Error = ClientStalled;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<HttpFrame<Bytes>, ClientStalled>>> {
        let mut out = BytesMut::new();
        while !self.ended && out.is_empty() {
            match ready!(Pin::new(&mut self.upstream).poll_frame(context)) {
                None => {
                    self.ended = true;
                    self.events.end(&mut out);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.events.feed(data, &mut out);
                    }
                }
            }
        }
        if out.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(HttpFrame::data(out.freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

/// One output item as far as it has been said.
enum Item {
    Reasoning { text: String, done: bool },
    Message { text: String, refusal: String, done: bool },
    Call { index: u64, id: String, name: String, arguments: String },
}

/// The translation itself; pure.
pub(super) struct Events {
    frame: Frame,
    splitter: EventSplitter,
    assembler: AnswerAssembler,
    items: Vec<Item>,
    number: u64,
    begun: bool,
    finish_reason: Option<FinishReason>,
    usage: Option<Value>,
    closed: bool,
}

impl Events {
    pub(super) fn new(frame: Frame) -> Self {
        Self {
            frame,
            splitter: EventSplitter::default(),
            assembler: AnswerAssembler::new(),
            items: Vec::new(),
            number: 0,
            begun: false,
            finish_reason: None,
            usage: None,
            closed: false,
        }
    }

    /// Takes what the engine sends the client of a chat and writes what one of responses gets.
    pub(super) fn feed(&mut self, piece: Bytes, out: &mut BytesMut) {
        self.splitter.push(piece);
        // The engine splits the same events; what it forwards is short enough.
        while let Ok(Some(event)) = self.splitter.next_event() {
            self.begin(out);
            if event.is_done() {
                self.close(out);
            } else if let Ok(chunk) = serde_json::from_slice::<Value>(&event.data) {
                self.chunk(&event.data, &chunk, out);
            }
        }
    }

    /// The stream has ended, as it should or not.
    pub(super) fn end(&mut self, out: &mut BytesMut) {
        self.begin(out);
        if !self.closed {
            self.fail(&json!({ "message": "The answer was cut off." }), out);
        }
    }

    fn begin(&mut self, out: &mut BytesMut) {
        if !std::mem::replace(&mut self.begun, true) {
            for kind in ["response.created", "response.in_progress"] {
                let response =
                    self.frame.object(Status::InProgress, &[], Value::Null, Value::Null, None);
                self.emit(kind, json!({ "response": response }), out);
            }
        }
    }

    /// Writes one event; `type` and `sequence_number` are added.
    fn emit(&mut self, kind: &str, mut event: Value, out: &mut BytesMut) {
        event["type"] = kind.into();
        event["sequence_number"] = self.number.into();
        self.number = self.number.saturating_add(1);
        out.extend_from_slice(format!("event: {kind}\ndata: {event}\n\n").as_bytes());
    }

    fn chunk(&mut self, bytes: &[u8], chunk: &Value, out: &mut BytesMut) {
        if self.closed {
            return;
        }
        if let Some(error) = chunk.get("error").filter(|error| error.is_object()) {
            return self.fail(error, out);
        }
        // The engine has assembled the same chunk already.
        let _ = self.assembler.push_json(bytes);
        if let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) {
            self.usage = Some(usage.clone());
        }
        let Some(choice) = chunk.pointer("/choices/0") else { return };
        let text = |name: &str| {
            let text = choice.get("delta")?.get(name)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        if let Some(piece) = text("reasoning_content").or_else(|| text("reasoning")) {
            self.think(&piece, out);
        }
        if let Some(piece) = text("content") {
            self.say(&piece, false, out);
        }
        if let Some(piece) = text("refusal") {
            self.say(&piece, true, out);
        }
        let calls = choice.pointer("/delta/tool_calls").and_then(Value::as_array);
        for (position, call) in (0_u64..).zip(calls.into_iter().flatten()) {
            self.call(position, call, out);
        }
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            self.finish_reason = FinishReason::read(reason);
        }
    }

    fn think(&mut self, piece: &str, out: &mut BytesMut) {
        if !matches!(self.items.last(), Some(Item::Reasoning { done: false, .. })) {
            self.finish_texts(Status::Completed, out);
            self.items.push(Item::Reasoning { text: String::new(), done: false });
            self.added(out);
        }
        let (at, id) = self.newest();
        if let Some(Item::Reasoning { text, .. }) = self.items.last_mut() {
            text.push_str(piece);
        }
        let event = json!({
            "item_id": id, "output_index": at, "content_index": 0, "delta": piece,
        });
        self.emit("response.reasoning_text.delta", event, out);
    }

    fn say(&mut self, piece: &str, refuses: bool, out: &mut BytesMut) {
        // A message is text and then perhaps a refusal; text after that is another message.
        let fits = match self.items.last() {
            Some(Item::Message { refusal, done: false, .. }) => refuses || refusal.is_empty(),
            _ => false,
        };
        if !fits {
            self.finish_texts(Status::Completed, out);
            let (text, refusal) = (String::new(), String::new());
            self.items.push(Item::Message { text, refusal, done: false });
            self.added(out);
        }
        let (at, id) = self.newest();
        let Some(Item::Message { text, refusal, .. }) = self.items.last_mut() else { return };
        let first = if refuses { refusal.is_empty() } else { text.is_empty() };
        let part_index = u64::from(refuses && !text.is_empty());
        if refuses {
            refusal.push_str(piece)
        } else {
            text.push_str(piece)
        }
        if first {
            let part = match refuses {
                true => json!({ "type": "refusal", "refusal": "" }),
                false => output_text(""),
            };
            let event = json!({
                "item_id": id, "output_index": at, "content_index": part_index, "part": part,
            });
            self.emit("response.content_part.added", event, out);
        }
        let mut event = json!({
            "item_id": id, "output_index": at, "content_index": part_index, "delta": piece,
        });
        if refuses {
            return self.emit("response.refusal.delta", event, out);
        }
        event["logprobs"] = json!([]);
        self.emit("response.output_text.delta", event, out);
    }

    fn call(&mut self, position: u64, piece: &Value, out: &mut BytesMut) {
        let wanted = piece.get("index").and_then(Value::as_u64).unwrap_or(position);
        let text = |path: &str| piece.pointer(path).and_then(Value::as_str).unwrap_or("");
        let known = self
            .items
            .iter()
            .position(|item| matches!(item, Item::Call { index, .. } if *index == wanted));
        let at = match known {
            Some(at) => at,
            None => {
                self.finish_texts(Status::Completed, out);
                self.items.push(Item::Call {
                    index: wanted,
                    id: text("/id").to_owned(),
                    name: text("/function/name").to_owned(),
                    arguments: String::new(),
                });
                self.added(out);
                self.items.len().saturating_sub(1)
            }
        };
        let added = text("/function/arguments");
        if added.is_empty() {
            return;
        }
        if let Some(Item::Call { arguments, .. }) = self.items.get_mut(at) {
            arguments.push_str(added);
        }
        let event = json!({ "item_id": self.id(at), "output_index": at, "delta": added });
        self.emit("response.function_call_arguments.delta", event, out);
    }

    fn newest(&self) -> (usize, String) {
        let at = self.items.len().saturating_sub(1);
        (at, self.id(at))
    }

    fn id(&self, at: usize) -> String {
        let prefix = match self.items.get(at) {
            Some(Item::Reasoning { .. }) => "rs",
            Some(Item::Call { .. }) => "fc",
            _ => "msg",
        };
        format!("{}_{at}", self.frame.id(prefix))
    }

    /// What an item is at the end of an answer: all but the last one were finished.
    fn ended(&self, at: usize, status: Status) -> &'static str {
        let last = at.saturating_add(1) == self.items.len();
        if last { status.text() } else { Status::Completed.text() }
    }

    /// An item as it is shown while it goes on, or once it is done.
    fn shown(&self, at: usize, status: &str) -> Value {
        let id = self.id(at);
        match self.items.get(at) {
            Some(Item::Reasoning { text, .. }) => reasoning(&id, text),
            Some(Item::Message { text, refusal, .. }) => {
                let mut content = Vec::new();
                if !text.is_empty() {
                    content.push(output_text(text));
                }
                if !refusal.is_empty() {
                    content.push(json!({ "type": "refusal", "refusal": refusal }));
                }
                message(&id, status, content)
            }
            Some(Item::Call { id: call, name, arguments, .. }) => {
                function_call(&id, status, call, name, arguments)
            }
            None => Value::Null,
        }
    }

    fn added(&mut self, out: &mut BytesMut) {
        let (at, _) = self.newest();
        let event = json!({ "output_index": at, "item": self.shown(at, "in_progress") });
        self.emit("response.output_item.added", event, out);
    }

    /// Ends the text or thought that is open.
    fn finish_texts(&mut self, status: Status, out: &mut BytesMut) {
        let (at, id) = self.newest();
        match self.items.last_mut() {
            Some(Item::Reasoning { text, done: done @ false }) => {
                *done = true;
                let text = text.clone();
                let event = json!({
                    "item_id": id, "output_index": at, "content_index": 0, "text": text,
                });
                self.emit("response.reasoning_text.done", event, out);
            }
            Some(Item::Message { text, refusal, done: done @ false }) => {
                *done = true;
                let (text, refusal) = (text.clone(), refusal.clone());
                self.finish_parts(at, &id, &text, &refusal, out);
            }
            _ => return,
        }
        let event = json!({ "output_index": at, "item": self.shown(at, status.text()) });
        self.emit("response.output_item.done", event, out);
    }

    fn finish_parts(&mut self, at: usize, id: &str, text: &str, refusal: &str, out: &mut BytesMut) {
        let mut index = 0;
        if !text.is_empty() {
            let place = json!({ "item_id": id, "output_index": at, "content_index": index });
            let mut done = place.clone();
            done["text"] = text.into();
            done["logprobs"] = json!([]);
            self.emit("response.output_text.done", done, out);
            let mut part = place;
            part["part"] = output_text(text);
            self.emit("response.content_part.done", part, out);
            index = 1;
        }
        if !refusal.is_empty() {
            let place = json!({ "item_id": id, "output_index": at, "content_index": index });
            let mut done = place.clone();
            done["refusal"] = refusal.into();
            self.emit("response.refusal.done", done, out);
            let mut part = place;
            part["part"] = json!({ "type": "refusal", "refusal": refusal });
            self.emit("response.content_part.done", part, out);
        }
    }

    fn finish_calls(&mut self, status: Status, out: &mut BytesMut) {
        for at in 0..self.items.len() {
            let Some(Item::Call { name, arguments, .. }) = self.items.get(at) else { continue };
            let event = json!({
                "item_id": self.id(at), "output_index": at, "name": name, "arguments": arguments,
            });
            self.emit("response.function_call_arguments.done", event, out);
            let item = self.shown(at, self.ended(at, status));
            let event = json!({ "output_index": at, "item": item });
            self.emit("response.output_item.done", event, out);
        }
    }

    /// The answer is whole.
    fn close(&mut self, out: &mut BytesMut) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let status = Status::of_finish_reason(self.finish_reason);
        self.finish_texts(status, out);
        self.finish_calls(status, out);
        let output: Vec<Value> =
            (0..self.items.len()).map(|at| self.shown(at, self.ended(at, status))).collect();
        let answer = std::mem::take(&mut self.assembler).finish();
        let usage = usage(self.usage.as_ref());
        let response = self.frame.object(status, &output, usage, Value::Null, Some(&answer));
        let kind = format!("response.{}", status.text());
        self.emit(&kind, json!({ "response": response }), out);
    }

    /// The answer was cut off. What came of it is charged, so what opens its receipt is told.
    fn fail(&mut self, error: &Value, out: &mut BytesMut) {
        self.closed = true;
        let output: Vec<Value> =
            (0..self.items.len()).map(|at| self.shown(at, "incomplete")).collect();
        let error = json!({ "code": "server_error", "message": error.get("message") });
        let answer = std::mem::take(&mut self.assembler).finish();
        let response =
            self.frame.object(Status::Failed, &output, Value::Null, error, Some(&answer));
        self.emit("response.failed", json!({ "response": response }), out);
    }
}
