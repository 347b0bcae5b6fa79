//! Finds out that the other end is gone although nobody said so.
//!
//! Anything heard shows that it lives. After a time without a word a ping is due, and after as long again
//! the other end counts as gone.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::Error;

/// See the module.
pub(crate) struct KeepAlive {
    every: Duration,
    alarm: Pin<Box<Sleep>>,
    heard: bool,
    asked: bool,
}

impl KeepAlive {
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, alarm: Box::pin(tokio::time::sleep(every)), heard: false, asked: false }
    }

    /// Something has arrived.
    pub(crate) const fn heard(&mut self) {
        self.heard = true;
    }

    /// Whether a ping is due.
    ///
    /// # Errors
    /// [`Error::Silent`].
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Result<bool, Error> {
        let mut ping = false;
        while let Poll::Ready(()) = self.alarm.as_mut().poll(context) {
            self.alarm.as_mut().reset(Instant::now() + self.every);
            if self.heard {
                (self.heard, self.asked) = (false, false);
            } else if self.asked {
                return Err(Error::Silent);
            } else {
                (self.asked, ping) = (true, true);
            }
        }
        Ok(ping)
    }
}
