//! HTTP/1.1 to a server on this machine or next to it, without TLS.
//!
//! An answer is read by whoever wants it: no task of its own per connection, no channel between the two, and
//! chunks that have arrived together are handed on together. A connection goes back to the pool when an
//! answer was read to its end; dropping an answer before that closes it, which is how servers learn that
//! nobody listens. This speaks only what an inference server needs to be asked: no upgrade, no trailers, no
//! pipelining.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, Method, Response, StatusCode};
use bytes::{Buf as _, Bytes, BytesMut};
use http_body::{Body, Frame};
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;

/// llama.cpp and uvicorn close idle connections after five seconds; a request sent into a closing
/// connection fails, so ours are let go of first.
const IDLE_TIME: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest head of an answer, and longest line between its chunks.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_LINE_BYTES: usize = 8 * 1024;
const MAX_HEADERS: usize = 96;
/// Read at once at most, and room that is made more of. Between the two, chunks share what was allocated.
const READ_BYTES: usize = 16 * 1024;
const LEAST_ROOM: usize = 2 * 1024;
/// A body up to this long is copied behind its head, to be sent in one piece.
const SMALL_BODY: usize = 16 * 1024;

/// Why there is no answer, or no more of it.
#[derive(Debug, thiserror::Error)]
pub enum PlainError {
    /// The connection failed.
    #[error("the connection failed")]
    Connection(#[from] io::Error),
    /// It took too long to make one.
    #[error("no connection in time")]
    ConnectTimeout,
    /// The server closed it too early.
    #[error("the server closed the connection too early")]
    Closed,
    /// What came is not HTTP.
    #[error("the server's answer is not HTTP/1.1: {0}")]
    Protocol(&'static str),
}

/// A pool of connections to one server. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct PlainClient(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    host: String,
    port: u16,
    /// As the server is called in requests.
    authority: String,
    /// Since when each is idle, in order.
    idle: Mutex<VecDeque<(Instant, TcpStream)>>,
}

impl Pool {
    /// The one used last that is open. Those that were idle too long or that the server closed are let go
    /// of: a request is sent once, since nobody knows what became of one that was not answered.
    fn take(&self) -> Option<TcpStream> {
        let mut idle = self.idle.lock();
        while idle.pop_front_if(|(since, _)| since.elapsed() >= IDLE_TIME).is_some() {}
        while let Some((_, stream)) = idle.pop_back() {
            match stream.try_read(&mut [0]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Some(stream),
                // It is closed, or says what nobody asked for.
                _ => {}
            }
        }
        None
    }

    fn give_back(&self, stream: TcpStream) {
        self.idle.lock().push_back((Instant::now(), stream));
    }

    async fn connect(&self) -> Result<TcpStream, PlainError> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| PlainError::ConnectTimeout)??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl PlainClient {
    pub(super) fn new(host: &str, port: u16, authority: &str) -> Self {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let authority = authority.to_owned();
        Self(Arc::new(Pool { host, port, authority, idle: Mutex::default() }))
    }

    /// Sends a request; resolves when the head of its answer is here. Of the answer's headers only the type
    /// of its content is kept.
    pub(super) async fn send(
        &self,
        method: &Method,
        target: &str,
        authorization: Option<&HeaderValue>,
        body: &Bytes,
    ) -> Result<Response<PlainBody>, PlainError> {
        let mut request = BytesMut::with_capacity(256 + target.len() + body.len().min(SMALL_BODY));
        for part in [method.as_str(), " ", target, " HTTP/1.1\r\nhost: ", &self.0.authority] {
            request.extend_from_slice(part.as_bytes());
        }
        if !body.is_empty() {
            request.extend_from_slice(b"\r\ncontent-type: application/json\r\ncontent-length: ");
            request.extend_from_slice(body.len().to_string().as_bytes());
        }
        if let Some(authorization) = authorization {
            request.extend_from_slice(b"\r\nauthorization: ");
            request.extend_from_slice(authorization.as_bytes());
        }
        request.extend_from_slice(b"\r\n\r\n");
        let rest = if body.len() <= SMALL_BODY {
            request.extend_from_slice(body);
            &[]
        } else {
            body.as_ref()
        };
        let mut stream = match self.0.take() {
            Some(stream) => stream,
            None => self.0.connect().await?,
        };
        stream.write_all(&request).await?;
        stream.write_all(rest).await?;
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        loop {
            if let Some(head) = Head::read(&mut buffer)? {
                let body = PlainBody {
                    connection: Some((stream, Arc::clone(&self.0))),
                    buffer,
                    left: head.length,
                    reusable: head.reusable,
                };
                let mut response = Response::new(body);
                *response.status_mut() = head.status;
                if let Some(kind) = head.content_type {
                    response.headers_mut().insert(CONTENT_TYPE, kind);
                }
                return Ok(response);
            }
            let read = std::future::poll_fn(|context| {
                poll_read_buf(Pin::new(&mut stream), context, &mut buffer)
            });
            if read.await? == 0 {
                return Err(PlainError::Closed);
            }
        }
    }
}

/// How much of an answer is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// So many bytes.
    Bytes(u64),
    /// Chunks; within the current one so many bytes.
    Chunk(u64),
    /// The end of a chunk's data, and then the next one's size.
    ChunkEnd,
    /// The size of the first chunk.
    ChunkSize,
    /// Lines after the last chunk.
    Trailers,
    /// Everything until the server closes.
    All,
    /// Nothing.
    Nothing,
}

struct Head {
    status: StatusCode,
    content_type: Option<HeaderValue>,
    length: Left,
    reusable: bool,
}

impl Head {
    /// Takes a head off the buffer, when all of it is there. Those before the final one (1xx) are skipped.
    fn read(buffer: &mut BytesMut) -> Result<Option<Self>, PlainError> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(buffer);
            let parsed = parsed.map_err(|_| PlainError::Protocol("its head"))?;
            let httparse::Status::Complete(end) = parsed else {
                return match buffer.len() {
                    ..=MAX_HEAD_BYTES => Ok(None),
                    _ => Err(PlainError::Protocol("a head without an end")),
                };
            };
            let code = response.code.unwrap_or_default();
            let status =
                StatusCode::from_u16(code).map_err(|_| PlainError::Protocol("its status"))?;
            let head = match status.is_informational() {
                true => None,
                false => Some(Self::of(status, response.version == Some(1), response.headers)?),
            };
            buffer.advance(end);
            if head.is_some() {
                return Ok(head);
            }
        }
    }

    fn of(
        status: StatusCode,
        keeps_alive: bool,
        headers: &[httparse::Header<'_>],
    ) -> Result<Self, PlainError> {
        let mut head =
            Self { status, content_type: None, length: Left::All, reusable: keeps_alive };
        let mut chunked = false;
        for httparse::Header { name, value } in headers {
            if name.eq_ignore_ascii_case("content-length") {
                let length =
                    std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
                let length = length.ok_or(PlainError::Protocol("its length"))?;
                if !matches!(head.length, Left::All) && head.length != Left::Bytes(length) {
                    return Err(PlainError::Protocol("two lengths"));
                }
                head.length = Left::Bytes(length);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                if !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(PlainError::Protocol("its transfer encoding"));
                }
                chunked = true;
            } else if name.eq_ignore_ascii_case("connection") {
                let mut options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                head.reusable &= !options.any(|option| option.eq_ignore_ascii_case(b"close"));
            } else if name.eq_ignore_ascii_case("content-type") {
                head.content_type = HeaderValue::from_bytes(value).ok();
            }
        }
        if chunked {
            head.length = Left::ChunkSize;
        } else if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || head.length == Left::Bytes(0)
        {
            head.length = Left::Nothing;
        }
        head.reusable &= head.length != Left::All;
        Ok(head)
    }
}

/// The body of an answer.
#[derive(Debug)]
pub struct PlainBody {
    /// Gone once the answer has ended.
    connection: Option<(TcpStream, Arc<Pool>)>,
    /// Read and not yet looked at.
    buffer: BytesMut,
    left: Left,
    reusable: bool,
}

impl PlainBody {
    /// What is in the buffer of the answer; nothing when more has to be read for it.
    fn decode(&mut self) -> Result<Option<Bytes>, PlainError> {
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        loop {
            let piece = match self.left {
                Left::All => self.buffer.split(),
                Left::Bytes(left) | Left::Chunk(left) => {
                    let have = self.buffer.len();
                    let take = usize::try_from(left).map_or(have, |left| left.min(have));
                    let left = left.saturating_sub(take as u64);
                    self.left = match self.left {
                        Left::Chunk(_) if left == 0 => Left::ChunkEnd,
                        Left::Chunk(_) => Left::Chunk(left),
                        _ if left == 0 => Left::Nothing,
                        _ => Left::Bytes(left),
                    };
                    self.buffer.split_to(take)
                }
                Left::ChunkEnd | Left::ChunkSize | Left::Trailers => {
                    if self.next_line()? {
                        continue;
                    }
                    break;
                }
                Left::Nothing => break,
            };
            if piece.is_empty() {
                break;
            }
            // Nearly always one piece, which is not copied; several are, into one.
            if first.is_empty() {
                first = piece.freeze();
            } else {
                if all.is_empty() {
                    all.reserve(first.len() + piece.len() + self.buffer.len());
                    all.extend_from_slice(&first);
                }
                all.extend_from_slice(&piece);
            }
        }
        let data = if all.is_empty() { first } else { all.freeze() };
        Ok(Some(data).filter(|data| !data.is_empty()))
    }

    /// Reads a line between chunks; false when it is not all there.
    fn next_line(&mut self) -> Result<bool, PlainError> {
        let Some(end) = memchr::memchr(b'\n', &self.buffer) else {
            return match self.buffer.len() {
                ..=MAX_LINE_BYTES => Ok(false),
                _ => Err(PlainError::Protocol("a line without an end")),
            };
        };
        let line = self.buffer.split_to(end.saturating_add(1));
        let line = line.trim_ascii();
        self.left = match self.left {
            Left::ChunkEnd if line.is_empty() => Left::ChunkSize,
            Left::ChunkSize => {
                let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
                let size = std::str::from_utf8(digits.trim_ascii())
                    .ok()
                    .filter(|digits| !digits.starts_with('+'))
                    .and_then(|digits| u64::from_str_radix(digits, 16).ok());
                match size.ok_or(PlainError::Protocol("the size of a chunk"))? {
                    0 => Left::Trailers,
                    size => Left::Chunk(size),
                }
            }
            Left::Trailers if line.is_empty() => Left::Nothing,
            Left::Trailers => Left::Trailers,
            _ => return Err(PlainError::Protocol("the end of a chunk")),
        };
        Ok(true)
    }

    /// The answer has ended: the connection may serve another one.
    fn end(&mut self) {
        if let Some((stream, pool)) = self.connection.take()
            && self.reusable
            && self.buffer.is_empty()
        {
            pool.give_back(stream);
        }
    }
}

impl Body for PlainBody {
    type Data = Bytes;
    type Error = PlainError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PlainError>>> {
        loop {
            let this = &mut *self;
            let decoded = this.decode();
            if this.left == Left::Nothing {
                this.end();
            }
            match decoded {
                Ok(Some(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(None) => {}
                Err(error) => {
                    this.connection = None;
                    this.left = Left::Nothing;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            let Some((stream, _)) = &mut this.connection else { return Poll::Ready(None) };
            if this.buffer.capacity() - this.buffer.len() < LEAST_ROOM {
                this.buffer.reserve(READ_BYTES);
            }
            let read = ready!(poll_read_buf(Pin::new(stream), context, &mut this.buffer));
            let error = match read {
                Ok(0) if this.left == Left::All => {
                    this.connection = None;
                    this.left = Left::Nothing;
                    return Poll::Ready(None);
                }
                Ok(0) => PlainError::Closed,
                Ok(_) => continue,
                Err(error) => error.into(),
            };
            this.connection = None;
            this.left = Left::Nothing;
            return Poll::Ready(Some(Err(error)));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == Left::Nothing
    }
}

#[cfg(test)]
mod tests;
