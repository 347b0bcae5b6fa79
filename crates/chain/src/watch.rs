//! Waiting for something on chain to change.
//!
//! Today by asking again and again; callers see only that the value is another one, so a subscription
//! can take its place. A change that is undone between two looks is not seen: watch cumulatives.

use std::future::Future;
use std::time::Duration;

use crate::error::ChainError;

/// Looks at a value on chain until it changes.
#[derive(Debug)]
pub struct Watch<T, R> {
    read: R,
    interval: Duration,
    last: Option<T>,
}

impl<T, R, F> Watch<T, R>
where
    T: PartialEq,
    R: FnMut() -> F,
    F: Future<Output = Result<T, ChainError>>,
{
    /// Watches what `read` gives, looking every `interval`.
    pub const fn new(interval: Duration, read: R) -> Self {
        Self { read, interval, last: None }
    }

    /// The value once it differs from the one given last; the first time, as it is. A server that cannot
    /// be reached is waited for. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Those of `read` that are not retryable; the next call looks again.
    pub async fn changed(&mut self) -> Result<&T, ChainError> {
        let value = loop {
            match (self.read)().await {
                Ok(value) if self.last.as_ref() != Some(&value) => break value,
                Ok(_) => {}
                Err(error) if error.is_retryable() => {
                    tracing::debug!(%error, "still watching");
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(self.interval).await;
        };
        Ok(self.last.insert(value))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::future::ready;

    use super::*;

    fn unreachable() -> ChainError {
        ChainError::Unreachable { url: String::new(), cause: "down".into() }
    }

    fn refused() -> ChainError {
        ChainError::Rpc { request: String::new(), code: 1, message: String::new() }
    }

    #[tokio::test]
    async fn only_differences_are_given_and_an_unreachable_server_is_waited_for() {
        let mut answers =
            [Ok(1), Ok(1), Err(unreachable()), Ok(1), Ok(2), Ok(2), Ok(1)].into_iter();
        let mut watch = Watch::new(Duration::ZERO, || ready(answers.next().unwrap()));
        for expected in [1, 2, 1] {
            assert_eq!(*watch.changed().await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn other_errors_are_given_and_watching_can_go_on() {
        let mut answers = [Ok(1), Err(refused()), Ok(1), Ok(2)].into_iter();
        let mut watch = Watch::new(Duration::ZERO, || ready(answers.next().unwrap()));
        assert_eq!(*watch.changed().await.unwrap(), 1);
        assert!(matches!(watch.changed().await, Err(ChainError::Rpc { code: 1, .. })));
        assert_eq!(*watch.changed().await.unwrap(), 2);
    }
}
