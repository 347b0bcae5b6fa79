//! What can go wrong between us and the chain, sorted by what the caller can do about it.
//!
//! [`ChainError::Unreachable`] means nothing is known and the same call may be repeated.
//! [`ChainError::Transaction`] means the chain said no, with the reason. Everything else is a mistake
//! of the caller, of the configuration or of the RPC server. Nothing here is decided by error text.

use solana_pubkey::Pubkey;
use solana_rpc_client_api::client_error::TransactionError;

/// A boxed cause.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a read or a write did not give a result.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The RPC server could not be reached, did not answer in time, or says it is behind or too busy.
    /// What was sent may or may not have arrived. Repeat later.
    #[error("the Solana RPC at {url} cannot be reached")]
    Unreachable {
        /// The server, without credentials.
        url: String,
        /// What the transport said.
        #[source]
        cause: Cause,
    },
    /// The RPC server answered with an error of its own.
    #[error("the Solana RPC refused {request}: {message} (code {code})")]
    Rpc {
        /// The JSON-RPC method.
        request: String,
        /// Its JSON-RPC error code.
        code: i64,
        /// Its words.
        message: String,
    },
    /// The RPC server's answer is not what the method promises.
    #[error("the Solana RPC gave a malformed answer to {request}")]
    Malformed {
        /// The JSON-RPC method.
        request: String,
        /// What was wrong with it.
        #[source]
        cause: Cause,
    },
    /// The chain refused the transaction, in a simulation before sending or in a block.
    #[error("the transaction failed: {0}")]
    Transaction(#[source] TransactionFailure),
    /// The transaction was not seen in time. It may still land; see [`crate::Chain::status`].
    #[error("the transaction {signature} was not confirmed in time; it may still land")]
    Unconfirmed {
        /// Which one.
        signature: solana_signature::Signature,
    },
    /// The transaction can never land any more: its blockhash is too old.
    #[error("the transaction {signature} expired before it landed")]
    Expired {
        /// Which one.
        signature: solana_signature::Signature,
    },
    /// An account exists, but not as what it was read as.
    #[error("{address} is not a valid {expected} account: {reason}")]
    Account {
        /// Which one.
        address: Pubkey,
        /// What it was read as.
        expected: &'static str,
        /// What does not fit.
        reason: AccountMismatch,
    },
    /// An account that must exist does not.
    #[error("there is no {expected} account at {address}")]
    Missing {
        /// Where it should be.
        address: Pubkey,
        /// What it should be.
        expected: &'static str,
    },
    /// The transaction does not fit in one packet.
    #[error("the transaction has {bytes} bytes, {limit} is the limit")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The most that fits.
        limit: usize,
    },
    /// A signature that the transaction needs cannot be made with the keys given.
    #[error("the transaction cannot be signed: {0}")]
    Signing(#[source] solana_signer::SignerError),
}

impl ChainError {
    /// Whether the same call may succeed later without anyone changing anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unconfirmed { .. })
    }

    /// The program's own error, when that is what stopped the transaction.
    #[must_use]
    pub const fn program_error(&self) -> Option<&ProgramError> {
        match self {
            Self::Transaction(TransactionFailure::Program { error, .. }) => Some(error),
            _ => None,
        }
    }
}

/// Why account bytes are not what they were read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountMismatch {
    /// Another program owns it.
    #[error("it belongs to another program")]
    Owner,
    /// It is another kind of account of the same program.
    #[error("it is another kind of account")]
    Kind,
    /// The bytes do not decode.
    #[error("its bytes do not decode")]
    Encoding,
}

/// Why the chain refused a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionFailure {
    /// Our program said no.
    #[error("instruction {instruction}: {error}")]
    Program {
        /// Which instruction of the transaction, from 0.
        instruction: u8,
        /// What it said.
        error: ProgramError,
    },
    /// A framework check in our program, or another program, said no.
    #[error("instruction {instruction}: custom error {code}")]
    Custom {
        /// Which instruction of the transaction, from 0.
        instruction: u8,
        /// The code: 100 to 5999 are Anchor's own checks, below are the token and system programs'.
        code: u32,
    },
    /// The server refused to pass it on without a reason in a form that can be read. surfpool does so
    /// for bytes that it has executed before.
    #[error("refused without a reason that can be read: {message}")]
    Unexplained {
        /// The server's words, for people.
        message: String,
    },
    /// The runtime said no: unknown or old blockhash, missing fee, lock conflict and the like.
    #[error("{0}")]
    Runtime(TransactionError),
}

impl TransactionFailure {
    /// Whether the transaction may still land or have landed already, so that its status must be looked
    /// up before anything is concluded.
    #[must_use]
    pub const fn is_inconclusive(&self) -> bool {
        matches!(
            self,
            Self::Unexplained { .. }
                | Self::Runtime(
                    TransactionError::AlreadyProcessed
                        | TransactionError::BlockhashNotFound
                        | TransactionError::AccountInUse
                )
        )
    }
}

/// One of the program's declared errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({name}, {code})")]
pub struct ProgramError {
    /// The code on the wire, from 6000.
    pub code: u32,
    /// Its name in the IDL.
    pub name: &'static str,
    /// Its text in the IDL, for people.
    pub message: &'static str,
}

impl ProgramError {
    /// Whether it is `kind`.
    #[must_use]
    pub fn is(&self, kind: crate::program::PinaivuError) -> bool {
        self.code == u32::from(kind)
    }
}
