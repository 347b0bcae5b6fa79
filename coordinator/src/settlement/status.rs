//! Where settlement stands, for `/v1/network`, logs and metrics. Says nothing of who pays.

use pinaivu_protocol::ids::AllowanceId;
use pinaivu_protocol::units::{Amount, UnixMillis};
use serde::Serialize;

use super::{Settlement, SettlementError};
use crate::receipts::Anchor;

/// Where settlement stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SettlementStatus {
    /// The log's head on chain, finalized.
    pub anchor: Option<Anchor>,
    /// Debited from allowances in all, as confirmed on chain.
    pub debited: Amount,
    /// Credited to nodes in all, as confirmed on chain.
    pub credited: Amount,
    /// Kept by the coordinator in all, as confirmed on chain.
    pub fees: Amount,
    /// Transactions whose fate is not final.
    pub open_transactions: usize,
    /// When a settlement was last found complete: nothing left to send.
    pub settled: Option<UnixMillis>,
    /// What users owe and their allowances no longer cover. Zero unless something went wrong.
    pub uncovered: Amount,
    /// What nodes have earned and could not be credited for that reason.
    pub uncredited: Amount,
    /// What the hot key has to pay for transactions with, in lamports.
    pub lamports: Option<u64>,
    /// What keeps settlement from going on.
    pub problem: Option<Problem>,
}

/// An allowance that does not cover what was served on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// Which one.
    pub allowance: AllowanceId,
    /// What is missing.
    pub missing: Amount,
}

/// What keeps settlement from going on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "code", content = "message")]
pub enum Problem {
    /// The chain cannot be read or written; tried again.
    ChainUnavailable(String),
    /// The database fails; tried again.
    StoreUnavailable(String),
    /// The coordinator's account is gone or has another signer.
    NotAuthorised(String),
    /// A transaction was refused; tried again, less and less often.
    TransactionRefused(String),
    /// The chain contradicts the database; everything stops.
    Halted(String),
}

impl Problem {
    pub(super) fn of(error: &SettlementError) -> Self {
        // With every cause: what a person who looks at the status needs.
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        match error {
            SettlementError::Store(_) => Self::StoreUnavailable(text),
            SettlementError::Failed(_)
            | SettlementError::Chain(pinaivu_chain::ChainError::Transaction(_)) => {
                Self::TransactionRefused(text)
            }
            SettlementError::NoCoordinator(_)
            | SettlementError::OtherSigner { .. }
            | SettlementError::OtherMarket(_)
            | SettlementError::NoMarket(_)
            | SettlementError::Deployment { .. } => Self::NotAuthorised(text),
            SettlementError::Chain(_) | SettlementError::Log(_) => Self::ChainUnavailable(text),
        }
    }
}

impl Settlement {
    /// Keeps the sum of what allowances no longer cover, and tells operators which ones when it changes.
    pub(super) fn report_shortfalls(&self, short: &[Shortfall]) {
        let sum =
            short.iter().fold(Amount::ZERO, |sum, shortfall| sum.saturating_add(shortfall.missing));
        self.status.send_if_modified(|status| {
            if status.uncovered == sum {
                return false;
            }
            status.uncovered = sum;
            for Shortfall { allowance, missing } in short {
                tracing::error!(%allowance, %missing, "an allowance does not cover what it was charged");
            }
            true
        });
    }
}
