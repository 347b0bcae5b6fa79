//! Wall-clock time as an input, so that deadlines and expiries can be tested without waiting.
//!
//! Only for times that are written into records. Waiting uses the runtime's timer.

use std::time::{SystemTime, UNIX_EPOCH};

use pinaivu_protocol::units::UnixMillis;

/// Tells the time of day.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> UnixMillis;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the process's clock")]
    fn now(&self) -> UnixMillis {
        // A clock before 1970 reads as 1970: every ticket then looks far from its deadline and the
        // coordinator's hello tells the operator of the skew.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
