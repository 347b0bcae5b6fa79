//! Both ends against each other, and each against one that breaks the rules.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod flow;
mod hostile;
mod life;
mod support;
