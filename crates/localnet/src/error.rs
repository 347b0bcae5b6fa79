//! Why a local chain does not start or does not go on.

use std::path::PathBuf;

use pinaivu_chain::ChainError;

/// Everything that can go wrong here.
#[derive(Debug, thiserror::Error)]
pub enum LocalnetError {
    /// The program's file cannot be read.
    #[error("cannot read the program at {path}")]
    Program {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The virtual machine does not come up.
    #[error("the virtual machine did not start: {0}")]
    Start(String),
    /// A genesis or ledger account is refused by the virtual machine.
    #[error("the virtual machine refused an account: {0}")]
    Account(String),
    /// A port cannot be bound.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// Which one; 0 when any would do.
        port: u16,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// Another process has the ledger open.
    #[error("the ledger at {path} is in use by another process")]
    LedgerInUse {
        /// Which directory.
        path: PathBuf,
    },
    /// The ledger was written by another version of this program.
    #[error("the ledger at {path} has format {found}, this program reads {expected}")]
    LedgerFormat {
        /// Which directory.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// Ours.
        expected: i64,
    },
    /// The ledger cannot be read or written.
    #[error("the ledger at {path} cannot be used")]
    Ledger {
        /// Which directory.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The ready file cannot be written.
    #[error("cannot write {path}")]
    ReadyFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The chain refused something of ours.
    #[error(transparent)]
    Chain(#[from] ChainError),
}
