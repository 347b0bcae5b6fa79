//! An answer's body, piece by piece.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};

use super::state::{Piece, Shared};
use crate::Error;

/// What comes after the head of an answer. Dropping it before its end ends the stream at the other end.
pub struct Body {
    shared: Arc<Shared>,
    id: u64,
    ended: bool,
    attachment: Option<Bytes>,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("stream", &self.id).finish_non_exhaustive()
    }
}

/// Why a body was not read to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CollectError {
    /// It is longer than it may be.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// It broke off.
    #[error(transparent)]
    Broken(#[from] Error),
}

impl Body {
    pub(super) const fn new(shared: Arc<Shared>, id: u64) -> Self {
        Self { shared, id, ended: false, attachment: None }
    }

    /// The next piece; nothing at the end. What had come before an error comes first.
    pub fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = ready!(self.shared.with(|state| state.poll_piece(self.id, context)));
        Poll::Ready(match piece {
            Ok(Piece::Data(bytes)) => Some(Ok(bytes)),
            Ok(Piece::End(attachment)) => {
                self.ended = true;
                self.attachment = Some(attachment);
                None
            }
            Err(error) => {
                self.ended = true;
                Some(Err(error))
            }
        })
    }

    /// The next piece; nothing at the end. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn data(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|context| self.poll_data(context)).await
    }

    /// What came with the end, once that was seen.
    #[must_use]
    pub const fn attachment(&self) -> Option<&Bytes> {
        self.attachment.as_ref()
    }

    /// The whole body and the attachment.
    ///
    /// # Errors
    /// [`CollectError`].
    pub async fn collect(mut self, limit: usize) -> Result<(Bytes, Bytes), CollectError> {
        let (mut first, mut all) = (Bytes::new(), BytesMut::new());
        while let Some(piece) = self.data().await {
            let piece = piece?;
            let length = first.len().max(all.len()).saturating_add(piece.len());
            if length > limit {
                return Err(CollectError::TooLong(limit));
            }
            if first.is_empty() {
                first = piece;
                continue;
            }
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&piece);
        }
        let body = if all.is_empty() { first } else { all.freeze() };
        Ok((body, self.attachment.take().unwrap_or_default()))
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.with(|state| state.leave(self.id));
        }
    }
}
