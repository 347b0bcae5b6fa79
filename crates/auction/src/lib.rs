//! Order book, scoring and clearing: pure, deterministic, integer.
