//! Frames as they are on the wire: kind `u8`, stream `u64`, length `u32` (little-endian), payload.
//!
//! Every frame has one encoding. Nothing is kept of a frame whose head is wrong: kind, stream and length
//! are checked before its payload is waited for.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::{Error, MAX_ATTACHMENT, MAX_NOTE, MAX_PATH, MAX_PAYLOAD, ResetCode, Violation};

/// Bytes before the payload.
pub(crate) const HEADER: usize = 13;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Opens a stream.
    Request = 0,
    /// More of a request's body.
    RequestData = 1,
    /// Begins an answer.
    Response = 2,
    /// More of an answer's body.
    Data = 3,
    /// The answer is complete.
    End = 4,
    /// The stream has ended before its end.
    Reset = 5,
    /// More of a body may be sent.
    Credit = 6,
    /// To be answered with a pong.
    Ping = 7,
    /// Answers a ping.
    Pong = 8,
    /// No further requests are taken.
    Close = 9,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Request,
        Self::RequestData,
        Self::Response,
        Self::Data,
        Self::End,
        Self::Reset,
        Self::Credit,
        Self::Ping,
        Self::Pong,
        Self::Close,
    ];

    /// Shortest and longest payload.
    const fn lengths(self) -> (usize, usize) {
        match self {
            Self::Request => (7, MAX_PAYLOAD),
            Self::RequestData | Self::Data => (1, MAX_PAYLOAD),
            Self::Response => (2, 2 + MAX_NOTE),
            Self::End => (0, MAX_ATTACHMENT),
            Self::Reset => (1, 1),
            Self::Credit => (4, 4),
            Self::Ping | Self::Pong | Self::Close => (0, 0),
        }
    }

    /// Whether it is about the connection and no stream.
    const fn is_of_connection(self) -> bool {
        matches!(self, Self::Ping | Self::Pong | Self::Close)
    }
}

/// What opens a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// What is asked for.
    pub path: String,
    /// Goes with the request.
    pub attachment: Bytes,
    /// Length of the whole body.
    pub length: u32,
    /// The first part of it.
    pub first: Bytes,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// See [`Kind::Request`].
    Request(RequestHead),
    /// See [`Kind::RequestData`]. Not empty.
    RequestData(Bytes),
    /// See [`Kind::Response`].
    Response {
        /// How the request was taken.
        status: u16,
        /// Goes with the status.
        note: Bytes,
    },
    /// See [`Kind::Data`]. Not empty.
    Data(Bytes),
    /// See [`Kind::End`].
    End(Bytes),
    /// See [`Kind::Reset`].
    Reset(ResetCode),
    /// See [`Kind::Credit`]. Not 0.
    Credit(u32),
    /// See [`Kind::Ping`].
    Ping,
    /// See [`Kind::Pong`].
    Pong,
    /// See [`Kind::Close`].
    Close,
}

impl Frame {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Request(_) => Kind::Request,
            Self::RequestData(_) => Kind::RequestData,
            Self::Response { .. } => Kind::Response,
            Self::Data(_) => Kind::Data,
            Self::End(_) => Kind::End,
            Self::Reset(_) => Kind::Reset,
            Self::Credit(_) => Kind::Credit,
            Self::Ping => Kind::Ping,
            Self::Pong => Kind::Pong,
            Self::Close => Kind::Close,
        }
    }
}

/// Takes the next whole frame and its stream off `buffer`; nothing while one is incomplete. The frame's
/// bytes are slices of the buffer.
///
/// # Errors
/// [`Violation`] when no frame begins like this; the connection is then useless.
pub fn decode(buffer: &mut BytesMut) -> Result<Option<(u64, Frame)>, Violation> {
    let Some(header) = buffer.first_chunk::<HEADER>() else { return Ok(None) };
    let [kind, s0, s1, s2, s3, s4, s5, s6, s7, l0, l1, l2, l3] = *header;
    let stream = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let kind = *Kind::ALL.get(usize::from(kind)).ok_or(Violation::Kind(kind))?;
    let (shortest, longest) = kind.lengths();
    let size = length as usize;
    if size < shortest || size > longest {
        return Err(Violation::Length { kind, length });
    }
    if kind.is_of_connection() != (stream == 0) {
        return Err(Violation::Stream { kind, stream });
    }
    if buffer.len() < HEADER + size {
        return Ok(None);
    }
    buffer.advance(HEADER);
    let payload = buffer.split_to(size).freeze();
    Ok(Some((stream, read(kind, payload).ok_or(Violation::Malformed(kind))?)))
}

fn read(kind: Kind, mut payload: Bytes) -> Option<Frame> {
    Some(match kind {
        Kind::Request => {
            let length = payload.try_get_u8().ok()?;
            let path = take(&mut payload, usize::from(length))?;
            let path = std::str::from_utf8(&path).ok()?.to_owned();
            let length = usize::from(payload.try_get_u16_le().ok()?);
            let attachment = take(&mut payload, length).filter(|_| length <= MAX_ATTACHMENT)?;
            let length = payload.try_get_u32_le().ok()?;
            if payload.len() > length as usize {
                return None;
            }
            Frame::Request(RequestHead { path, attachment, length, first: payload })
        }
        Kind::RequestData => Frame::RequestData(payload),
        Kind::Response => {
            let status = payload.try_get_u16_le().ok()?;
            Frame::Response { status, note: payload }
        }
        Kind::Data => Frame::Data(payload),
        Kind::End => Frame::End(payload),
        Kind::Reset => Frame::Reset(ResetCode(payload.try_get_u8().ok()?)),
        Kind::Credit => Frame::Credit(payload.try_get_u32_le().ok().filter(|credit| *credit > 0)?),
        Kind::Ping => Frame::Ping,
        Kind::Pong => Frame::Pong,
        Kind::Close => Frame::Close,
    })
}

fn take(payload: &mut Bytes, length: usize) -> Option<Bytes> {
    (payload.len() >= length).then(|| payload.split_to(length))
}

/// Writes a frame. One that [`decode`] would not give is not to be written.
pub fn encode(out: &mut Vec<u8>, stream: u64, frame: &Frame) {
    match frame {
        Frame::Request(RequestHead { path, attachment, length, first }) => {
            // Whoever is too long was refused before.
            let _ = request(out, stream, (path, attachment), *length, first);
        }
        Frame::Response { status, note } => {
            header(out, Kind::Response, stream, 2 + note.len());
            out.extend_from_slice(&status.to_le_bytes());
            out.extend_from_slice(note);
        }
        Frame::RequestData(bytes) | Frame::Data(bytes) | Frame::End(bytes) => {
            payload(out, frame.kind(), stream, bytes);
        }
        Frame::Reset(code) => payload(out, Kind::Reset, stream, &[code.0]),
        Frame::Credit(credit) => payload(out, Kind::Credit, stream, &credit.to_le_bytes()),
        Frame::Ping | Frame::Pong | Frame::Close => payload(out, frame.kind(), stream, &[]),
    }
}

/// Writes a frame of one piece.
pub(crate) fn payload(out: &mut Vec<u8>, kind: Kind, stream: u64, bytes: &[u8]) {
    header(out, kind, stream, bytes.len());
    out.extend_from_slice(bytes);
}

/// Writes what opens a stream.
///
/// # Errors
/// [`Error::TooLong`]; then nothing was written.
pub(crate) fn request(
    out: &mut Vec<u8>,
    stream: u64,
    (path, attachment): (&str, &[u8]),
    length: u32,
    first: &[u8],
) -> Result<(), Error> {
    let path_length = u8::try_from(path.len()).map_err(|_| Error::TooLong)?;
    let attachment_length = u16::try_from(attachment.len()).map_err(|_| Error::TooLong)?;
    let size = 7 + path.len() + attachment.len() + first.len();
    if attachment.len() > MAX_ATTACHMENT || size > MAX_PAYLOAD {
        return Err(Error::TooLong);
    }
    header(out, Kind::Request, stream, size);
    out.push(path_length);
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(&attachment_length.to_le_bytes());
    out.extend_from_slice(attachment);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(first);
    Ok(())
}

fn header(out: &mut Vec<u8>, kind: Kind, stream: u64, length: usize) {
    out.reserve(HEADER + length);
    out.push(kind as u8);
    out.extend_from_slice(&stream.to_le_bytes());
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

// The first part of a body of any request fits beside the longest path and attachment.
const _: () = assert!(7 + MAX_PATH + MAX_ATTACHMENT + 32 * 1024 <= MAX_PAYLOAD);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn frames() -> Vec<(u64, Frame)> {
        let head = |path: &str, attachment: &'static [u8], length, first: &'static [u8]| {
            let (attachment, first) = (Bytes::from_static(attachment), Bytes::from_static(first));
            Frame::Request(RequestHead { path: path.to_owned(), attachment, length, first })
        };
        vec![
            (1, head("/v1/é", b"ticket", 9, b"body")),
            (u64::MAX, head("", b"", 0, b"")),
            (2, Frame::RequestData(Bytes::from_static(b"more"))),
            (3, Frame::Response { status: 403, note: Bytes::from_static(b"no") }),
            (3, Frame::Response { status: 200, note: Bytes::new() }),
            (4, Frame::Data(Bytes::from(vec![7; MAX_PAYLOAD]))),
            (5, Frame::End(Bytes::from(vec![7; MAX_ATTACHMENT]))),
            (5, Frame::End(Bytes::new())),
            (6, Frame::Reset(ResetCode(200))),
            (7, Frame::Credit(u32::MAX)),
            (0, Frame::Ping),
            (0, Frame::Pong),
            (0, Frame::Close),
        ]
    }

    #[test]
    fn frames_are_read_as_written_in_pieces_of_any_size() {
        let mut bytes = Vec::new();
        for (stream, frame) in frames() {
            encode(&mut bytes, stream, &frame);
        }
        for piece in [1, 5, 13, 14, 1_000, bytes.len()] {
            let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
            for part in bytes.chunks(piece) {
                buffer.extend_from_slice(part);
                while let Some(frame) = decode(&mut buffer).unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, frames(), "{piece}");
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn request_is_as_written_in_the_protocol() {
        let mut out = Vec::new();
        request(&mut out, 258, ("/a", b"tt"), 5, b"bod").unwrap();
        assert_eq!(
            out,
            b"\x00\x02\x01\0\0\0\0\0\0\x0e\0\0\0\x02/a\x02\0tt\x05\0\0\0bod".as_slice()
        );
    }

    fn refused(kind: u8, stream: u64, length: u32, payload: &[u8]) -> Violation {
        let mut buffer = BytesMut::new();
        buffer.extend_from_slice(&[kind]);
        buffer.extend_from_slice(&stream.to_le_bytes());
        buffer.extend_from_slice(&length.to_le_bytes());
        buffer.extend_from_slice(payload);
        decode(&mut buffer).unwrap_err()
    }

    #[test]
    fn wrong_heads_are_refused_before_their_payload_is_here() {
        for (kind, stream, length, expected) in [
            (10, 1, 0, Violation::Kind(10)),
            (255, 1, u32::MAX, Violation::Kind(255)),
            (3, 1, 65_537, Violation::Length { kind: Kind::Data, length: 65_537 }),
            (3, 1, 0, Violation::Length { kind: Kind::Data, length: 0 }),
            (1, 1, 0, Violation::Length { kind: Kind::RequestData, length: 0 }),
            (0, 1, 6, Violation::Length { kind: Kind::Request, length: 6 }),
            (2, 1, 1_027, Violation::Length { kind: Kind::Response, length: 1_027 }),
            (4, 1, 16_385, Violation::Length { kind: Kind::End, length: 16_385 }),
            (5, 1, 2, Violation::Length { kind: Kind::Reset, length: 2 }),
            (6, 1, 3, Violation::Length { kind: Kind::Credit, length: 3 }),
            (7, 0, 1, Violation::Length { kind: Kind::Ping, length: 1 }),
            (7, 1, 0, Violation::Stream { kind: Kind::Ping, stream: 1 }),
            (3, 0, 1, Violation::Stream { kind: Kind::Data, stream: 0 }),
        ] {
            assert_eq!(refused(kind, stream, length, &[]), expected);
        }
    }

    #[test]
    fn malformed_payloads_are_refused() {
        for payload in [
            // The path is longer than the frame, not UTF-8; the attachment is longer than the frame; the
            // body is longer than announced.
            b"\x09/a\0\0\0\0\0".as_slice(),
            b"\x01\xff\0\0\0\0\0\0",
            b"\x00\xff\0\0\0\0\0",
            b"\x00\0\0\x01\0\0\0ab",
        ] {
            let length = u32::try_from(payload.len()).unwrap();
            assert_eq!(refused(0, 1, length, payload), Violation::Malformed(Kind::Request));
        }
        assert_eq!(refused(6, 1, 4, &[0; 4]), Violation::Malformed(Kind::Credit));
    }

    #[test]
    fn request_that_is_too_long_is_not_written() {
        let mut out = Vec::new();
        let (path, attachment) = ("x".repeat(256), vec![0; MAX_ATTACHMENT + 1]);
        assert_eq!(request(&mut out, 1, (&path, b""), 0, b""), Err(Error::TooLong));
        assert_eq!(request(&mut out, 1, ("", &attachment), 0, b""), Err(Error::TooLong));
        assert!(out.is_empty());
    }
}
