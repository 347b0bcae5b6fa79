//! Why something failed.

use crate::Kind;

/// Why there is no answer, or no more of it, or no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The connection is closed.
    #[error("the connection is closed")]
    Closed,
    /// The other end takes no more requests.
    #[error("the other end is closing the connection")]
    Closing,
    /// As many streams as there may be are open; nothing was sent.
    #[error("too many requests at once")]
    Crowded,
    /// The path, the attachment or the body is longer than it may be; nothing was sent.
    #[error("the request is too long")]
    TooLong,
    /// The other end has ended the stream.
    #[error("the other end ended the stream: {0}")]
    Reset(ResetCode),
    /// The other end has broken the rules.
    #[error("the other end does not keep to the protocol: {0}")]
    Violation(#[from] Violation),
    /// Nothing was heard for too long, not even an answer to a ping.
    #[error("the other end is silent")]
    Silent,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(std::io::ErrorKind),
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            // TLS says so of a peer that is simply gone.
            std::io::ErrorKind::UnexpectedEof => Self::Closed,
            kind => Self::Io(kind),
        }
    }
}

/// Why a stream was ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetCode(pub u8);

impl ResetCode {
    /// Who asked does not want the answer any more.
    pub const CANCELLED: Self = Self(0);
    /// The answer broke off.
    pub const BROKEN: Self = Self(1);
    /// Not taken: the connection is closing.
    pub const CLOSING: Self = Self(2);
}

impl std::fmt::Display for ResetCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::CANCELLED => f.write_str("cancelled"),
            Self::BROKEN => f.write_str("the answer broke off"),
            Self::CLOSING => f.write_str("closing"),
            Self(code) => write!(f, "code {code}"),
        }
    }
}

/// What the other end did that it may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// No such kind of frame.
    #[error("frame of unknown kind {0}")]
    Kind(u8),
    /// A frame of a length that its kind cannot have.
    #[error("{kind:?} frame of {length} bytes")]
    Length {
        /// Its kind.
        kind: Kind,
        /// Its payload's length.
        length: u32,
    },
    /// A payload that cannot be read.
    #[error("malformed {0:?} frame")]
    Malformed(Kind),
    /// A stream where none belongs, or none where one does.
    #[error("{kind:?} frame on stream {stream}")]
    Stream {
        /// The frame's kind.
        kind: Kind,
        /// Its stream.
        stream: u64,
    },
    /// A frame that only this end may send.
    #[error("{0:?} frame from the wrong end")]
    Direction(Kind),
    /// A request on a stream that is not newer than the one before.
    #[error("stream {0} was used before")]
    Reused(u64),
    /// A frame for a stream that never was.
    #[error("frame for stream {0}, which never was")]
    NoStream(u64),
    /// A frame that does not follow from those before it on its stream.
    #[error("{kind:?} frame out of order on stream {stream}")]
    Order {
        /// Its kind.
        kind: Kind,
        /// Its stream.
        stream: u64,
    },
    /// More of a body than there was credit for, or than was announced.
    #[error("more data than may be on stream {0}")]
    Overrun(u64),
    /// More credit than there may be.
    #[error("more credit than may be on stream {0}")]
    Credit(u64),
    /// More streams at once than there may be.
    #[error("too many streams at once")]
    Crowded,
}
