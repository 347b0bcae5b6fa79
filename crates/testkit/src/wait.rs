//! Waiting for something to become so, with an end.

use std::time::Duration;

/// Long enough for anything that happens at all on a busy machine. Not a measure of speed: a test
/// that passes waits only as long as it takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks every 10 ms until there is an answer, for at most `limit`.
///
/// # Panics
/// When there was none in time; the message says what was awaited.
pub async fn wait_until<T>(
    awaited: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        if tokio::time::Instant::now() >= deadline {
            #[expect(clippy::panic, reason = "this is how a test fails")]
            {
                panic!("waited {limit:?} in vain until {awaited}");
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
