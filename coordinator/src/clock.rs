//! The wall clock behind a trait, so that expiry and time-outs of records can be tested without
//! waiting. Intervals between events of one process are `tokio::time`'s, not this clock's.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use pinaivu_protocol::units::UnixMillis;

/// Says what time it is.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Now.
    fn now(&self) -> UnixMillis;
}

/// A clock that several tasks share.
pub type SharedClock = Arc<dyn Clock>;

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system's clock")]
    fn now(&self) -> UnixMillis {
        // A clock before 1970 or after the year 584,000,000 reads as the nearest end of the range.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
