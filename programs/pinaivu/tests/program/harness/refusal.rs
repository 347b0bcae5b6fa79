//! What a refused transaction is refused with, and what is expected.

use anchor_lang::error::ErrorCode;
use litesvm::types::FailedTransactionMetadata;
use pinaivu::error::PinaivuError;

/// What an instruction is expected to be refused with, as the runtime reports it: `Custom(6004)`, or
/// the name of one of its own errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) String);

impl From<PinaivuError> for Refusal {
    fn from(error: PinaivuError) -> Self {
        custom(u32::from(error))
    }
}

impl From<ErrorCode> for Refusal {
    fn from(error: ErrorCode) -> Self {
        custom(u32::from(error))
    }
}

impl From<&str> for Refusal {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// An error code of any program.
pub(crate) fn custom(code: u32) -> Refusal {
    Refusal(format!("Custom({code})"))
}

/// The system program's answer when an account to be created exists.
pub(crate) const ALREADY_IN_USE: u32 = 0;

/// The token program's answer when the balance is too small.
pub(crate) const INSUFFICIENT_TOKENS: u32 = 1;

/// The token program's answer when the mints differ.
pub(crate) const MINT_MISMATCH: u32 = 3;

/// The token program's answer when the signer may not spend.
pub(crate) const OWNER_MISMATCH: u32 = 4;

/// What the runtime says of a refused transaction, without the instruction's index. The runtime's own
/// error types are not dependencies here; their `Debug` text is their name.
pub(crate) fn refusal(failure: &FailedTransactionMetadata) -> String {
    let text = format!("{:?}", failure.err);
    let inner = text.strip_prefix("InstructionError(").and_then(|rest| rest.strip_suffix(')'));
    match inner.and_then(|inner| inner.split_once(", ")) {
        Some((_, error)) => error.to_owned(),
        None => text,
    }
}

/// The error's name from the program's log where it has one, else what the runtime calls it.
pub(crate) fn named(failure: &FailedTransactionMetadata) -> String {
    let name = failure.meta.logs.iter().find_map(|line| {
        let rest = line.split_once("Error Code: ")?.1;
        Some(rest.split_once('.')?.0.to_owned())
    });
    name.unwrap_or_else(|| refusal(failure))
}
