//! Watches a stream pass: puts the canonical answer together and tells how the stream ended.

use bytes::Bytes;
use pinaivu_openai::EventSplitter;
use pinaivu_protocol::answer::{Answer, AnswerAssembler};

/// Why a stream cannot go on. The bytes up to here have been looked at and may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StreamFault {
    /// The server sent an error event.
    #[error("the backend sent an error in its stream")]
    ErrorEvent,
    /// An event is not a chunk of a chat completion.
    #[error("the backend sent an event that is no completion chunk")]
    Shape,
    /// An event or the whole answer is too long.
    #[error("the answer is too long")]
    TooLong,
}

#[derive(Debug)]
pub(super) struct Meter {
    splitter: EventSplitter,
    assembler: AnswerAssembler,
    bytes: usize,
    limit: usize,
    seen: u32,
    done: bool,
}

impl Meter {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            splitter: EventSplitter::with_limit(limit),
            assembler: AnswerAssembler::new(),
            bytes: 0,
            limit,
            seen: 0,
            done: false,
        }
    }

    /// Looks at bytes that are about to be sent.
    pub(super) fn push(&mut self, bytes: Bytes) -> Result<(), StreamFault> {
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > self.limit {
            return Err(StreamFault::TooLong);
        }
        self.splitter.push(bytes);
        while let Some(event) = self.splitter.next_event().map_err(|_| StreamFault::TooLong)? {
            if event.is_done() {
                self.done = true;
                continue;
            }
            let before = self.assembler.output_bytes();
            let Ok(pushed) = self.assembler.push_json(&event.data) else {
                return Err(StreamFault::Shape);
            };
            if pushed.has_error {
                return Err(StreamFault::ErrorEvent);
            }
            if self.assembler.output_bytes() > before {
                self.seen = self.seen.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Whether the server has said that it is done.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    /// Chunks with text: at least that many tokens.
    pub(super) const fn seen(&self) -> u32 {
        self.seen
    }

    /// What has passed, and whether it is whole: the server said so, or every choice has ended.
    pub(super) fn finish(self) -> (Answer, bool) {
        let answer = self.assembler.finish();
        let choices = answer.choices();
        let ended =
            !choices.is_empty() && choices.iter().all(|choice| choice.finish_reason.is_some());
        let whole = (self.done || ended) && !self.splitter.is_mid_event();
        (answer, whole)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use bytes::Bytes;

    use super::{Meter, StreamFault};

    const TEXT: &str =
        r#"{"choices":[{"index":0,"delta":{"content":"a \"error\": b"},"finish_reason":null}]}"#;
    const END: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

    fn meter(stream: &str) -> Result<Meter, StreamFault> {
        let mut meter = Meter::new(10_000);
        // In small pieces, as a network may deliver it.
        for piece in stream.as_bytes().chunks(7) {
            meter.push(Bytes::copy_from_slice(piece))?;
        }
        Ok(meter)
    }

    #[test]
    fn stream_is_whole_with_done_or_with_finish_reasons() {
        for (stream, whole) in [
            (format!("data: {TEXT}\n\ndata: {END}\n\ndata: [DONE]\n\n"), true),
            (format!("data: {TEXT}\n\ndata: {END}\n\n"), true),
            (format!("data: {TEXT}\n\n"), false),
            (format!("data: {TEXT}\n\ndata: {END}\n\ndata: [DO"), false),
            (String::new(), false),
        ] {
            let meter = meter(&stream).unwrap();
            assert_eq!(meter.finish().1, whole, "{stream}");
        }
    }

    #[test]
    fn chunks_with_text_are_counted() {
        let meter = meter(&format!("data: {TEXT}\n\ndata: {TEXT}\n\ndata: {END}\n\n")).unwrap();
        assert_eq!(meter.seen(), 2);
    }

    #[test]
    fn error_event_is_a_fault_and_text_about_errors_is_not() {
        let fault = meter("data: {\"error\":{\"message\":\"x\"}}\n\n").unwrap_err();
        assert_eq!(fault, StreamFault::ErrorEvent);
        assert!(meter(&format!("data: {TEXT}\n\n")).is_ok());
        assert_eq!(meter("data: not json\n\n").unwrap_err(), StreamFault::Shape);
    }

    #[test]
    fn answer_beyond_the_limit_is_a_fault() {
        let mut meter = Meter::new(3);
        assert_eq!(meter.push(Bytes::from_static(b"data")), Err(StreamFault::TooLong));
    }
}
