//! Errors with their causes on one line, for logs.

use std::error::Error;
use std::fmt::Write as _;

/// `error: cause: cause of the cause`.
pub(crate) fn error_chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(line, ": {error}");
        cause = error.source();
    }
    line
}
