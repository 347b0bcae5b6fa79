//! Server-sent events (WHATWG HTML, section 9.2.6) as inference servers stream them.
//!
//! [`EventSplitter`] cuts events out of bytes as they arrive, in pieces of any size, and holds at most
//! one unfinished event. An event whose data is one line inside one piece, which is nearly every one,
//! is a slice of that piece: nothing is copied.

use bytes::{Buf as _, BufMut, Bytes, BytesMut};

/// The data that ends an OpenAI stream.
pub const DONE: &[u8] = b"[DONE]";

/// The event that ends an OpenAI stream.
pub const DONE_EVENT: &[u8] = b"data: [DONE]\n\n";

/// Longest event a splitter takes unless told otherwise, in bytes.
pub const MAX_EVENT_BYTES: usize = 4 * 1024 * 1024;

/// An event that has data. Comments and events without data carry nothing and are dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The `data` lines, joined by line feeds.
    pub data: Bytes,
    /// The last `event` line, if there was one.
    pub kind: Option<Bytes>,
    /// The last `id` line, if there was one.
    pub id: Option<Bytes>,
}

impl Event {
    /// Whether this ends an OpenAI stream.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.data.trim_ascii() == DONE
    }
}

/// An event is longer than the splitter takes. The stream is then useless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {limit} bytes")]
pub struct EventTooLong {
    /// The limit.
    pub limit: usize,
}

/// The data lines of the event that is being read.
#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(line) => line.len(),
            Self::Many(lines) => lines.len(),
        }
    }

    fn add(&mut self, line: Bytes) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(line),
            Self::One(first) => {
                let mut lines = BytesMut::with_capacity(first.len() + line.len() + 1);
                lines.put(first);
                lines.put_u8(b'\n');
                lines.put(line);
                Self::Many(lines)
            }
            Self::Many(mut lines) => {
                lines.put_u8(b'\n');
                lines.put(line);
                Self::Many(lines)
            }
        };
    }

    fn take(&mut self) -> Option<Bytes> {
        match std::mem::take(self) {
            Self::None => None,
            Self::One(line) => Some(line),
            Self::Many(lines) => Some(lines.freeze()),
        }
    }
}

/// The fields that are read.
enum Field {
    Data,
    Kind,
    Id,
}

/// Cuts events out of a stream of bytes.
///
/// ```
/// # use pinaivu_openai::EventSplitter;
/// let mut splitter = EventSplitter::default();
/// splitter.push("data: a\n\nda".into());
/// assert_eq!(splitter.next_event().unwrap().unwrap().data, "a");
/// assert_eq!(splitter.next_event(), Ok(None));
/// splitter.push("ta: b\n\n".into());
/// assert_eq!(splitter.next_event().unwrap().unwrap().data, "b");
/// ```
#[derive(Debug)]
pub struct EventSplitter {
    limit: usize,
    /// What has arrived and is not looked at yet.
    unread: Bytes,
    /// The beginning of a line whose end has not arrived.
    line: BytesMut,
    data: Data,
    kind: Option<Bytes>,
    id: Option<Bytes>,
    /// The last byte was a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    at_start: bool,
}

impl Default for EventSplitter {
    fn default() -> Self {
        Self::with_limit(MAX_EVENT_BYTES)
    }
}

impl EventSplitter {
    /// A splitter that refuses events longer than `limit` bytes.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            unread: Bytes::new(),
            line: BytesMut::new(),
            data: Data::None,
            kind: None,
            id: None,
            after_return: false,
            at_start: true,
        }
    }

    /// Adds what has arrived. Call [`Self::next_event`] until it gives nothing before adding more;
    /// otherwise what is left is copied.
    pub fn push(&mut self, piece: Bytes) {
        if self.unread.is_empty() {
            self.unread = piece;
        } else {
            let mut all = BytesMut::with_capacity(self.unread.len() + piece.len());
            all.put(std::mem::take(&mut self.unread));
            all.put(piece);
            self.unread = all.freeze();
        }
    }

    /// The next whole event, or nothing until more has arrived.
    ///
    /// # Errors
    /// [`EventTooLong`].
    pub fn next_event(&mut self) -> Result<Option<Event>, EventTooLong> {
        while let Some(line) = self.next_line()? {
            if line.is_empty() {
                let kind = self.kind.take();
                let id = self.id.take();
                if let Some(data) = self.data.take() {
                    return Ok(Some(Event { data, kind, id }));
                }
            } else {
                self.read_field(line)?;
            }
        }
        Ok(None)
    }

    /// Whether an event has begun and not ended. When the stream ends here it was cut off; the
    /// unfinished event does not count.
    #[must_use]
    pub fn is_mid_event(&self) -> bool {
        !self.line.is_empty() || !self.unread.is_empty() || !matches!(self.data, Data::None)
    }

    fn next_line(&mut self) -> Result<Option<Bytes>, EventTooLong> {
        if self.after_return && !self.unread.is_empty() {
            self.after_return = false;
            if self.unread.first() == Some(&b'\n') {
                self.unread.advance(1);
            }
        }
        let Some(end) = memchr::memchr2(b'\n', b'\r', &self.unread) else {
            self.check_length(self.line.len() + self.unread.len())?;
            self.line.put(std::mem::take(&mut self.unread));
            return Ok(None);
        };
        self.check_length(self.line.len() + end)?;
        let last = self.unread.split_to(end);
        self.after_return = self.unread.first() == Some(&b'\r');
        self.unread.advance(1);
        let mut line = if self.line.is_empty() {
            last
        } else {
            self.line.put(last);
            self.line.split().freeze()
        };
        if std::mem::take(&mut self.at_start) && line.starts_with(b"\xef\xbb\xbf") {
            line.advance(3);
        }
        Ok(Some(line))
    }

    fn read_field(&mut self, mut line: Bytes) -> Result<(), EventTooLong> {
        let colon = memchr::memchr(b':', &line).unwrap_or(line.len());
        let field = match line.get(..colon).unwrap_or_default() {
            b"data" => Field::Data,
            b"event" => Field::Kind,
            b"id" => Field::Id,
            // Comments have an empty name; everything else is ignored as the standard says.
            _ => return Ok(()),
        };
        line.advance(colon);
        if !line.is_empty() {
            let space = usize::from(line.get(1) == Some(&b' '));
            line.advance(1 + space);
        }
        match field {
            Field::Data => {
                self.check_length(self.data.len() + line.len())?;
                self.data.add(line);
            }
            Field::Kind => self.kind = Some(line),
            Field::Id => self.id = Some(line),
        }
        Ok(())
    }

    fn check_length(&self, length: usize) -> Result<(), EventTooLong> {
        if length > self.limit { Err(EventTooLong { limit: self.limit }) } else { Ok(()) }
    }
}

/// `data` as one event, one `data` line for each of its lines.
#[must_use]
pub fn encode_event(data: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(data.len() + 8);
    let mut rest = data;
    while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
        let (line, after) = rest.split_at(end);
        put_line(&mut event, line);
        rest = after.strip_prefix(b"\r\n").or_else(|| after.get(1..)).unwrap_or_default();
    }
    put_line(&mut event, rest);
    event.put_u8(b'\n');
    event.freeze()
}

fn put_line(event: &mut BytesMut, line: &[u8]) {
    event.put_slice(b"data: ");
    event.put_slice(line);
    event.put_u8(b'\n');
}
