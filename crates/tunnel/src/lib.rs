//! Many requests at once over one connection: one end asks, the other answers.
//!
//! The connection is any ordered stream of bytes both ways (here: TLS). What is asked for is named by a
//! path and carries an attachment beside its body; an answer carries a status and a note before its body
//! and an attachment after it. What any of them mean is for the two ends: nothing here knows of tickets or
//! proofs.
//!
//! Invariants, whatever the other end sends:
//!
//! - A stream that nobody reads holds back itself and no other: each has a window of its own, and there is
//!   none over the connection.
//! - Memory is bounded: every length is checked before anything is kept, an end never holds more of a
//!   stream than it has given credit for, and answers are asked for no faster than they can be sent.
//! - What the other end may not send ends the connection with a [`Violation`]. Only what may have been on its
//!   way while the stream ended is ignored.
//!
//! Each end is one future that reads, answers and writes: everything that is ready goes out in one write,
//! and what has been read is handed on as slices of one buffer. The format is written down in
//! `docs/protocol.md`, section 13.

mod client;
mod error;
mod frame;
mod keep_alive;
mod server;
mod wire;

pub use client::{Body, Client, CollectError, Connection, Response, connect};
pub use error::{Error, ResetCode, Violation};
pub use frame::{Frame, Kind, RequestHead, decode, encode};
pub use server::{Answer, Piece, Reply, Request, RequestBody, RequestBodyError, Server};

use tokio::io::{AsyncRead, BufReader};

/// Room for a TLS record as it travels: 16 KiB and what is around it.
const RECORD: usize = 17 * 1024;

/// The connection below TLS, read a record at a time: rustls asks for 4 KiB at most.
#[must_use]
pub fn by_records<S: AsyncRead>(io: S) -> BufReader<S> {
    BufReader::with_capacity(RECORD, io)
}

/// Longest payload of a frame, in bytes.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// Longest attachment of a request or an answer, in bytes.
pub const MAX_ATTACHMENT: usize = 16 * 1024;

/// Longest note of an answer, in bytes.
pub const MAX_NOTE: usize = 1024;

/// Longest path, in bytes.
pub const MAX_PATH: usize = 255;

/// Body bytes of a stream that may be sent each way before any credit was given.
pub const INITIAL_WINDOW: u32 = 64 * 1024;

/// Most credit a stream may have.
pub const MAX_WINDOW: u32 = i32::MAX.unsigned_abs();

/// Most streams at once on one connection.
pub const MAX_STREAMS: usize = 4096;

/// What one stream sends of a long body before the others have their turn.
const TURN: usize = 16 * 1024;

/// Bytes waiting to be written beyond which nothing more is added that could wait.
const HIGH_WATER: usize = 128 * 1024;
