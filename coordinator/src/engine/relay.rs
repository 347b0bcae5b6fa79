//! Turns a node's events into the client's, one by one, and meters them on the way.
//!
//! Every chunk gets the `request_id`; the last one the salt as well. Which one is the last shows only
//! when `[DONE]` follows, so chunks that may be it (those with a finish reason or without choices) are
//! held until the next event. A usage chunk the client did not ask for is metered and not forwarded.
//! Everything else keeps every byte. Pure: no I/O, no time.
//!
//! Where a node goes on with the answer of another, its chunks are made to look like that one's: the same
//! id, no second role, usage over both.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pinaivu_openai::{
    ApiError, ChatRequest, DONE_EVENT, Defaults, EventSplitter, EventTooLong, ObjectField,
    encode_event, has_foreign_reason, lacks_members, normalise_chunk, put_fields,
};
use pinaivu_protocol::answer::AnswerError;
use pinaivu_protocol::commitment::Salt;
use pinaivu_protocol::ids::{RequestId, Segment};
use pinaivu_protocol::units::TokenCount;
use serde_json::{Map, Value, json};

use super::meter::{Delivered, Meter};

/// Name of the field that tells the client its request's id.
const REQUEST_FIELD: &str = "request_id";
/// Name of the field that tells the client its salt.
const SALT_FIELD: &str = "pinaivu";

/// The node's stream cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    TooLong(#[from] EventTooLong),
    #[error("a chunk is not a chat completion chunk")]
    NotAChunk,
    #[error("a chunk cannot be added to the answer")]
    Answer(#[from] AnswerError),
    #[error("the node reports an error in the stream")]
    ServerError,
    #[error("the node sends more than it was asked for")]
    Endless,
    #[error("the node's answer is longer than an answer may be")]
    TooLarge,
}

/// The additions to one client's answer.
#[derive(Clone, Debug)]
pub(super) struct Additions {
    id: RequestId,
    request: ObjectField,
    /// Both fields as `put_fields` takes them.
    request_json: String,
    salt_json: String,
    /// Chunks with choices after which an answer counts as endless.
    most_chunks: u32,
    /// Bytes after which it is too large to be held here.
    most_bytes: usize,
    /// Whether another node may have to go on with the answer.
    continuable: bool,
    continued: Option<Arc<Continued>>,
}

/// What the client has got of an answer that another node goes on with.
#[derive(Clone, Debug)]
pub(super) struct Continued {
    /// Which part of the answer now comes.
    pub(super) segment: Segment,
    /// The members that all chunks of an answer share.
    pub(super) origin: Map<String, Value>,
    /// Tokens that were generated before.
    pub(super) tokens: u32,
    /// Bytes of text that came before.
    pub(super) bytes: usize,
}

/// Members of a chunk that stay the same within an answer.
const ORIGIN_FIELDS: [&str; 5] = ["id", "object", "created", "model", "system_fingerprint"];

impl Continued {
    /// A chunk as a part of the answer it goes on with; nothing where it would say nothing then.
    fn adapt(&self, chunk: &[u8], told: bool) -> Result<Option<Vec<u8>>, Broken> {
        let mut object: Map<String, Value> =
            serde_json::from_slice(chunk).map_err(|_| Broken::NotAChunk)?;
        for name in ORIGIN_FIELDS {
            match self.origin.get(name) {
                Some(value) => object.insert(name.to_owned(), value.clone()),
                None => object.shift_remove(name),
            };
        }
        let mut says_something = false;
        let choices = object.get_mut("choices").and_then(Value::as_array_mut);
        for choice in choices.into_iter().flatten() {
            says_something |= choice.get("finish_reason").is_some_and(|reason| !reason.is_null());
            if let Some(delta) = choice.get_mut("delta").and_then(Value::as_object_mut) {
                delta.shift_remove("role");
                says_something |= delta.values().any(|value| !value.is_null());
            }
        }
        if let Some(usage) = object.get_mut("usage").and_then(Value::as_object_mut) {
            says_something = true;
            let before = u64::from(self.tokens);
            for name in ["completion_tokens", "total_tokens"] {
                if let Some(count) = usage.get(name).and_then(Value::as_u64) {
                    usage.insert(name.to_owned(), count.saturating_add(before).into());
                }
            }
        }
        if !says_something {
            return Ok(None);
        }
        if !told {
            object.insert(SALT_FIELD.to_owned(), json!({ "segment": self.segment }));
        }
        Ok(Some(Value::Object(object).to_string().into_bytes()))
    }
}

impl Additions {
    pub(super) fn new(request: RequestId, salt: &Salt) -> Self {
        Self {
            id: request,
            request: ObjectField::string(REQUEST_FIELD, &request.to_string()),
            request_json: format!("\"{request}\""),
            salt_json: format!("{{\"salt\":\"{salt}\"}}"),
            most_chunks: u32::MAX,
            most_bytes: usize::MAX,
            continuable: false,
            continued: None,
        }
    }

    /// The same for an answer of at most so many tokens and bytes. A chunk is a token, give or take: some
    /// servers cut calls finer, and send one for a token that is no text yet.
    pub(super) fn bounded(self, output: TokenCount, most_bytes: usize) -> Self {
        let most_chunks = output.get().saturating_mul(2).saturating_add(64);
        Self { most_chunks, most_bytes, ..self }
    }

    /// Whose answer it is.
    pub(super) const fn request_id(&self) -> RequestId {
        self.id
    }

    /// What to say where a server says nothing.
    pub(super) fn with_defaults<T>(
        &self,
        request: &ChatRequest,
        use_them: impl FnOnce(Defaults<'_>) -> T,
    ) -> T {
        let text = self.id.to_string();
        let created = self.id.arrived().0.checked_div(1_000).unwrap_or_default();
        use_them(Defaults { id: &text, model: &request.model, created })
    }

    /// The same for an answer that another node may have to go on with.
    pub(super) fn continuable(self) -> Self {
        Self { continuable: true, ..self }
    }

    /// The same for a part of an answer that another node began.
    pub(super) fn going_on(&self, continued: Continued) -> Self {
        let most_bytes = self.most_bytes.saturating_sub(continued.bytes);
        let salt = self.salt_json.trim_start_matches('{').trim_end_matches('}');
        let segment = continued.segment.0;
        Self {
            salt_json: format!("{{{salt},\"segment\":{segment}}}"),
            continued: Some(Arc::new(continued)),
            most_bytes,
            ..self.clone()
        }
    }

    /// A unary answer, or the last chunk, with both fields. Nothing when it is not an object.
    pub(super) fn both(&self, object: &[u8]) -> Option<Bytes> {
        let fields =
            [(REQUEST_FIELD, self.request_json.as_str()), (SALT_FIELD, self.salt_json.as_str())];
        put_fields(object, &fields).ok().map(Bytes::from)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct EventRelay {
    splitter: EventSplitter,
    meter: Meter,
    additions: Additions,
    request: Arc<ChatRequest>,
    held: Option<Bytes>,
    /// The first chunk, where it may be needed again.
    first: Option<Box<[u8]>>,
    /// Whether the server leaves out of its chunks what the schema requires.
    lacking: bool,
    /// Whether the client was told that another node goes on.
    told: bool,
    begun: bool,
    finished: bool,
    done: bool,
}

impl EventRelay {
    pub(super) fn new(additions: Additions, request: Arc<ChatRequest>) -> Self {
        Self {
            splitter: EventSplitter::default(),
            meter: Meter::of_choices(request.most_choices()),
            additions,
            request,
            held: None,
            first: None,
            lacking: false,
            told: false,
            begun: false,
            finished: false,
            done: false,
        }
    }

    /// Takes bytes from the node and writes what the client gets for them to `out`.
    ///
    /// # Errors
    /// [`Broken`]; the stream is then useless, and what was written before it still counts.
    pub(super) fn feed(&mut self, piece: Bytes, out: &mut BytesMut) -> Result<(), Broken> {
        self.splitter.push(piece);
        while let Some(event) = self.splitter.next_event()? {
            if self.done {
                continue;
            }
            if event.is_done() {
                self.done = true;
                self.release_last(out);
                out.extend_from_slice(DONE_EVENT);
            } else {
                self.chunk(event.data, out)?;
            }
        }
        Ok(())
    }

    fn chunk(&mut self, chunk: Bytes, out: &mut BytesMut) -> Result<(), Broken> {
        let pushed = self.meter.push(&chunk).map_err(|error| match error {
            AnswerError::Shape(_) => Broken::NotAChunk,
            error => Broken::Answer(error),
        })?;
        if pushed.has_error {
            return Err(Broken::ServerError);
        }
        if self.meter.chunks() > self.additions.most_chunks {
            return Err(Broken::Endless);
        }
        if self.meter.held_bytes() > self.additions.most_bytes {
            return Err(Broken::TooLarge);
        }
        let mut chunk = chunk;
        if !self.begun {
            self.lacking = lacks_members(&chunk);
        }
        if self.lacking || (pushed.has_finished && has_foreign_reason(&chunk)) {
            let normalise =
                |defaults: Defaults<'_>| normalise_chunk(self.request.endpoint, &chunk, defaults);
            let whole = self.additions.with_defaults(&self.request, normalise);
            chunk = whole.ok_or(Broken::NotAChunk)?.into();
        }
        if !self.begun && self.additions.continuable {
            self.first = Some(Box::from(&*chunk));
        }
        self.begun = true;
        self.finished |= pushed.has_finished;
        if pushed.is_bare && pushed.has_usage && !self.request.include_usage {
            return Ok(());
        }
        let chunk = match &self.additions.continued {
            None => chunk,
            // A piece that says nothing new is not forwarded.
            Some(continued) => match continued.adapt(&chunk, self.told)? {
                Some(adapted) => {
                    self.told = true;
                    Bytes::from(adapted)
                }
                None => return Ok(()),
            },
        };
        self.release(out)?;
        if pushed.has_finished || pushed.is_bare {
            self.held = Some(chunk);
            Ok(())
        } else {
            self.forward(&chunk, out)
        }
    }

    fn forward(&self, chunk: &[u8], out: &mut BytesMut) -> Result<(), Broken> {
        if self.additions.request.append_to_event(chunk, out).is_ok() {
            return Ok(());
        }
        // A chunk over several lines: rare, so one more copy does not matter.
        let mut object = BytesMut::with_capacity(chunk.len());
        let appended = self.additions.request.append_to(chunk, &mut object);
        appended.map_err(|_| Broken::NotAChunk)?;
        out.extend_from_slice(&encode_event(&object));
        Ok(())
    }

    fn release(&mut self, out: &mut BytesMut) -> Result<(), Broken> {
        match self.held.take() {
            Some(held) => self.forward(&held, out),
            None => Ok(()),
        }
    }

    fn release_last(&mut self, out: &mut BytesMut) {
        let last = self.held.take().and_then(|held| self.additions.both(&held));
        if let Some(last) = last {
            out.extend_from_slice(&encode_event(&last));
        }
    }

    /// Whose answer it is.
    pub(super) const fn request_id(&self) -> RequestId {
        self.additions.request_id()
    }

    /// Whether the node has sent a chunk yet.
    pub(super) const fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether the answer is complete: `[DONE]` has passed.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    /// Whether a finish reason has passed.
    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// What all chunks of the answer share, for a node that goes on with it.
    pub(super) fn origin(&self) -> Option<Map<String, Value>> {
        if let Some(continued) = &self.additions.continued {
            return Some(continued.origin.clone());
        }
        let first: Map<String, Value> = serde_json::from_slice(self.first.as_deref()?).ok()?;
        Some(first.into_iter().filter(|(name, _)| ORIGIN_FIELDS.contains(&name.as_str())).collect())
    }

    /// Writes the rest of a stream whose node ended it after a finish reason without `[DONE]`, as some
    /// servers do. False when it was cut off instead.
    pub(super) fn end_without_done(&mut self, out: &mut BytesMut) -> bool {
        let ended = self.finished && !self.splitter.is_mid_event();
        if ended && !self.done {
            self.done = true;
            self.release_last(out);
            out.extend_from_slice(DONE_EVENT);
        }
        ended
    }

    /// Writes the end of a stream that cannot be gone on with: what was held and the error.
    pub(super) fn break_off(&mut self, error: &ApiError, out: &mut BytesMut) {
        // What cannot be forwarded now could not have been before.
        let _ = self.release(out);
        out.extend_from_slice(&error.to_event());
    }

    /// What was forwarded so far.
    pub(super) fn so_far(&self) -> Delivered {
        self.meter.clone().finish()
    }

    /// What was forwarded.
    pub(super) fn finish(self) -> Delivered {
        self.meter.finish()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use pinaivu_protocol::units::UnixMillis;

    use super::*;

    const SALT: Salt = Salt([0xab; 32]);

    fn relay(include_usage: bool) -> EventRelay {
        let request = RequestId::new(UnixMillis(1), [2; 10]);
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"Hi"}}],"stream":true,"stream_options":{{"include_usage":{include_usage}}}}}"#
        );
        let asked = ChatRequest::parse(body.as_bytes()).unwrap();
        EventRelay::new(Additions::new(request, &SALT), Arc::new(asked))
    }

    fn id() -> String {
        RequestId::new(UnixMillis(1), [2; 10]).to_string()
    }

    fn feed(relay: &mut EventRelay, pieces: &[&str]) -> String {
        let mut out = BytesMut::new();
        for piece in pieces {
            relay.feed(Bytes::copy_from_slice(piece.as_bytes()), &mut out).unwrap();
        }
        String::from_utf8(out.to_vec()).unwrap()
    }

    const HELLO: &str = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}]}\n\n";
    const STOP: &str = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const USAGE: &str = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    #[test]
    fn chunk_gets_the_request_id_and_keeps_every_other_byte() {
        let out = feed(
            &mut relay(false),
            &[
                "data: { \"id\":\"1\",\"object\":\"o\",\"created\":1,\"model\":\"m\", \"x\" : 1e2 , \"choices\":[{\"index\":0,\"delta\":{\"content\":\"é\\u00e9\"},\"finish_reason\":null}] }\n\n",
            ],
        );
        assert_eq!(
            out,
            format!(
                "data: {{ \"id\":\"1\",\"object\":\"o\",\"created\":1,\"model\":\"m\", \"x\" : 1e2 , \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"é\\u00e9\"}},\"finish_reason\":null}}],\"request_id\":\"{}\"}}\n\n",
                id()
            )
        );
    }

    #[test]
    fn last_chunk_gets_the_salt_when_the_usage_is_not_wanted() {
        let out = feed(&mut relay(false), &[HELLO, STOP, USAGE, DONE]);
        let events: Vec<&str> = out.split("\n\n").collect();
        assert_eq!(events.len(), 4, "{out}");
        assert!(!events[0].contains("salt"));
        assert!(events[1].contains("\"finish_reason\":\"stop\""));
        assert!(events[1].ends_with(&format!(",\"pinaivu\":{{\"salt\":\"{SALT}\"}}}}")));
        assert_eq!(events[2], "data: [DONE]");
        assert!(!out.contains("usage"));
    }

    #[test]
    fn last_chunk_is_the_usage_when_it_is_wanted() {
        let out = feed(&mut relay(true), &[HELLO, STOP, USAGE, DONE]);
        let events: Vec<&str> = out.split("\n\n").collect();
        assert_eq!(events.len(), 5, "{out}");
        assert!(events[1].contains("\"stop\"") && !events[1].contains("salt"));
        assert!(events[2].contains("\"usage\"") && events[2].contains("salt"));
        assert_eq!(events[3], "data: [DONE]");
    }

    #[test]
    fn usage_is_metered_although_not_forwarded() {
        let mut relay = relay(false);
        feed(&mut relay, &[HELLO, STOP, USAGE, DONE]);
        let delivered = relay.finish();
        let usage = delivered.answer.usage.unwrap();
        assert_eq!(usage.prompt_tokens, TokenCount(3));
        assert_eq!(delivered.pieces, TokenCount(1));
    }

    #[test]
    fn pieces_cut_anywhere_give_the_same_stream() {
        let whole = [HELLO, STOP, USAGE, DONE].concat();
        let expected = feed(&mut relay(true), &[&whole]);
        for cut in 1..whole.len() {
            let (a, b) = whole.split_at(cut);
            assert_eq!(feed(&mut relay(true), &[a, b]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn chunk_gets_what_its_server_leaves_out() {
        let out = feed(
            &mut relay(false),
            &["data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n"],
        );
        let chunk: Value = serde_json::from_str(out.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(
            chunk,
            json!({
                "choices": [{ "delta": { "content": "Hi" }, "index": 0, "finish_reason": null }],
                "id": id(), "object": "chat.completion.chunk", "created": 0, "model": "m",
                "request_id": id(),
            })
        );
    }

    #[test]
    fn error_in_the_stream_breaks_it() {
        let mut relay = relay(false);
        let mut out = BytesMut::new();
        relay.feed(Bytes::from_static(HELLO.as_bytes()), &mut out).unwrap();
        let error =
            relay.feed(Bytes::from_static(b"data: {\"error\":{\"message\":\"x\"}}\n\n"), &mut out);
        assert!(matches!(error, Err(Broken::ServerError)));
    }

    /// A chunk that says nothing, of a choice.
    fn empty(index: u32) -> String {
        format!("data: {{\"choices\":[{{\"index\":{index},\"delta\":{{}}}}]}}\n\n")
    }

    fn broken(mut relay: EventRelay, pieces: impl IntoIterator<Item = String>) -> (usize, Broken) {
        let mut out = BytesMut::new();
        for (at, piece) in pieces.into_iter().enumerate() {
            if let Err(broken) = relay.feed(Bytes::from(piece), &mut out) {
                return (at, broken);
            }
        }
        panic!("nothing broke it");
    }

    #[test]
    fn choice_that_nobody_asked_for_breaks_it_and_is_not_counted() {
        let mut relay = relay(false);
        feed(&mut relay, &[HELLO]);
        let mut out = BytesMut::new();
        let error = relay.feed(Bytes::from(empty(1)), &mut out);
        assert!(
            matches!(error, Err(Broken::Answer(AnswerError::UnaskedChoice { index: 1 }))),
            "{error:?}"
        );
        assert_eq!(relay.finish().answer.choices().len(), 1);
    }

    #[test]
    fn chunks_that_say_nothing_count_towards_an_endless_answer() {
        let mut relay = relay(false);
        relay.additions = relay.additions.bounded(TokenCount(10), usize::MAX);
        let (at, error) = broken(relay, std::iter::repeat_with(|| empty(0)));
        assert!(matches!(error, Broken::Endless), "{error}");
        assert_eq!(at, 2 * 10 + 64);
    }

    #[test]
    fn answer_longer_than_may_be_held_breaks_it() {
        let mut relay = relay(false);
        relay.additions = relay.additions.bounded(TokenCount(10), 128 + 12);
        // Two bytes each; the choice itself counts for 128.
        let (at, error) = broken(relay, std::iter::repeat_with(|| HELLO.to_owned()));
        assert!(matches!(error, Broken::TooLarge), "{error}");
        assert_eq!(at, 6);
    }

    #[test]
    fn text_that_is_no_chunk_breaks_it() {
        let mut out = BytesMut::new();
        let error = relay(false).feed(Bytes::from_static(b"data: hello\n\n"), &mut out);
        assert!(matches!(error, Err(Broken::NotAChunk)));
        assert!(out.is_empty());
    }

    #[test]
    fn stream_broken_off_after_the_finish_reason_keeps_that_chunk() {
        let mut relay = relay(false);
        let out = feed(&mut relay, &[HELLO, STOP]);
        assert!(!out.contains("stop"));
        let mut rest = BytesMut::new();
        relay.break_off(&ApiError::answer_interrupted(), &mut rest);
        let rest = String::from_utf8(rest.to_vec()).unwrap();
        assert!(rest.contains("\"stop\"") && rest.contains("\"answer_interrupted\""), "{rest}");
        assert!(!rest.contains("[DONE]"));
    }

    #[test]
    fn end_after_a_finish_reason_without_done_is_completed() {
        let mut relay = relay(false);
        feed(&mut relay, &[HELLO, STOP]);
        let mut rest = BytesMut::new();
        assert!(relay.end_without_done(&mut rest));
        assert!(rest.ends_with(b"data: [DONE]\n\n"));
    }

    #[test]
    fn end_before_a_finish_reason_is_a_cut() {
        let mut relay = relay(false);
        feed(&mut relay, &[HELLO]);
        let mut rest = BytesMut::new();
        assert!(!relay.end_without_done(&mut rest));
        assert!(rest.is_empty());
    }
}
