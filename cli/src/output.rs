//! What commands print and how they exit.
//!
//! With `--json` exactly one JSON document goes to standard output, also for errors
//! (`{"error":{"message","hint","exit_code"}}`). Without it, results go to standard output and progress
//! and errors to standard error, so that both can be piped.
#![expect(clippy::print_stdout, reason = "printing results is this module's purpose")]

use std::fmt::Display;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;

/// An error that knows its exit code and what a person can do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
    unplaced: bool,
}

impl Failure {
    /// 3: a check did not pass.
    pub(crate) fn check(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, code: 3, unplaced: false }
    }

    /// 3: a check did not pass, and what a person can do about it.
    pub(crate) fn check_with(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..Self::check(message) }
    }

    /// 4: what was asked for is not there.
    pub(crate) fn not_found(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()), code: 4, unplaced: false }
    }

    /// 5: the coordinator or the chain cannot be reached.
    pub(crate) fn unreachable(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()), code: 5, unplaced: false }
    }

    /// Whether `error` says that the coordinator or the chain cannot be reached, or that nobody said where
    /// the coordinator is.
    pub(crate) fn is_unreachable(error: &anyhow::Error) -> bool {
        error.downcast_ref::<Self>().is_some_and(|failure| failure.code == 5 || failure.unplaced)
    }

    /// 1: no network is given, and none was found.
    pub(crate) fn unplaced(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { unplaced: true, ..Self::failed(message, hint) }
    }

    /// 1: anything else, with a way out.
    pub(crate) fn failed(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()), code: 1, unplaced: false }
    }
}

/// Prints results for people or for programs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    json: bool,
}

impl Printer {
    /// For people, or one JSON document.
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// The command's result: `human` for people, `value` for programs.
    pub(crate) fn result(self, value: &impl Serialize, human: impl Display) {
        if self.json {
            match serde_json::to_string_pretty(value) {
                Ok(text) => println!("{text}"),
                Err(error) => eprintln!("error: the result cannot be shown as JSON: {error}"),
            }
        } else {
            println!("{human}");
        }
    }

    /// A step of long work, on standard error.
    pub(crate) fn step(self, text: impl Display) {
        if !self.json {
            eprintln!("  {text}");
        }
    }

    /// `bar` where a person sees it, else one that draws nothing.
    pub(crate) fn progress(self, bar: ProgressBar) -> ProgressBar {
        if self.json {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar
    }

    /// Prints `error` and gives its exit code.
    pub(crate) fn fail(self, error: &anyhow::Error) -> ExitCode {
        let failure = error.downcast_ref::<Failure>();
        let code = failure.map_or(1, |failure| failure.code);
        let hint = failure.and_then(|failure| failure.hint.as_deref());
        if self.json {
            let value = serde_json::json!({
                "error": {"message": format!("{error:#}"), "hint": hint, "exit_code": code}
            });
            println!("{value:#}");
        } else {
            eprintln!("error: {error:#}");
            if let Some(hint) = hint {
                eprintln!("  try: {hint}");
            }
        }
        ExitCode::from(code)
    }
}
