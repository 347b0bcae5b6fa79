//! The way to a coordinator while a tunnel to it is open.

use bytes::Bytes;
use pinaivu_protocol::tunnel::{MAX_FRAME_BYTES, NodeMessage, encode_frame};
use tokio::sync::mpsc;

/// Messages that may wait for a coordinator that reads slowly. What does not fit is not lost: asks are
/// renewed and proofs presented again.
const WAITING_MESSAGES: usize = 256;

/// The sending end of one open events stream.
#[derive(Clone, Debug)]
pub struct Session {
    number: u64,
    outbox: mpsc::Sender<Bytes>,
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The coordinator reads too slowly.
    #[error("too many messages are waiting")]
    Full,
    /// The events stream has ended.
    #[error("the tunnel is closed")]
    Closed,
    /// The message is longer than a frame may be.
    #[error("the message is longer than a frame may be")]
    TooLong,
}

impl Session {
    /// A session and what is sent over it. `number` tells it from the others of this process.
    #[must_use]
    pub fn open(number: u64) -> (Self, mpsc::Receiver<Bytes>) {
        let (outbox, messages) = mpsc::channel(WAITING_MESSAGES);
        (Self { number, outbox }, messages)
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Sends if there is room.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn try_send(&self, message: &NodeMessage) -> Result<(), SendError> {
        self.outbox.try_send(frame(message)?).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Closed,
        })
    }

    /// Sends once there is room.
    ///
    /// # Errors
    /// [`SendError::Closed`] or [`SendError::TooLong`].
    pub async fn send(&self, message: &NodeMessage) -> Result<(), SendError> {
        self.outbox.send(frame(message)?).await.map_err(|_| SendError::Closed)
    }

    /// Waits until the events stream has ended.
    pub async fn closed(&self) {
        self.outbox.closed().await;
    }
}

fn frame(message: &NodeMessage) -> Result<Bytes, SendError> {
    let frame = encode_frame(message);
    if frame.len().saturating_sub(4) > MAX_FRAME_BYTES as usize {
        return Err(SendError::TooLong);
    }
    Ok(Bytes::from(frame))
}
