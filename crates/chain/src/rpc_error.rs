//! What an RPC client's error means for the caller.
//!
//! Decided by type, status and code, never by text. When in doubt whether something was sent, the
//! answer is [`ChainError::Unreachable`]: unknown, not failed.

use solana_rpc_client_api::client_error::{Error as ClientError, ErrorKind, TransactionError};
use solana_rpc_client_api::custom_error;
use solana_rpc_client_api::request::{RpcError, RpcRequest, RpcResponseErrorData};
use solana_rpc_client_api::response::RpcSimulateTransactionResult;

use crate::error::{Cause, ChainError, TransactionFailure};

/// Maps the errors of one server.
pub(crate) struct RpcErrors {
    server: String,
}

impl RpcErrors {
    pub(crate) fn new(url: &str) -> Self {
        Self { server: without_credentials(url) }
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    pub(crate) fn map(&self, error: ClientError) -> ChainError {
        let request = error.request.map_or_else(|| "a request".to_owned(), |name| name.to_string());
        match *error.kind {
            ErrorKind::Io(cause) => self.unreachable(cause),
            ErrorKind::Middleware(cause) => self.unreachable(cause),
            ErrorKind::Reqwest(cause) if cause.is_decode() => {
                ChainError::Malformed { request, cause: cause.into() }
            }
            ErrorKind::Reqwest(cause) => match cause.status() {
                // The server understood that it is asked and does not want to be: a wrong URL or key.
                Some(status) if status.is_client_error() && status.as_u16() != 429 => {
                    ChainError::Rpc {
                        request,
                        code: i64::from(status.as_u16()),
                        message: status.to_string(),
                    }
                }
                _ => self.unreachable(cause.without_url()),
            },
            ErrorKind::RpcError(RpcError::RpcResponseError { code, message, data }) => {
                self.answer(request, code, message, data)
            }
            ErrorKind::RpcError(cause) => ChainError::Malformed { request, cause: cause.into() },
            ErrorKind::SerdeJson(cause) => ChainError::Malformed { request, cause: cause.into() },
            ErrorKind::Custom(cause) => ChainError::Malformed { request, cause: cause.into() },
            ErrorKind::SigningError(cause) => ChainError::Signing(cause),
            ErrorKind::TransactionError(cause) => ChainError::Transaction(cause.into()),
        }
    }

    fn answer(
        &self,
        request: String,
        code: i64,
        message: String,
        data: RpcResponseErrorData,
    ) -> ChainError {
        match data {
            RpcResponseErrorData::SendTransactionPreflightFailure(
                RpcSimulateTransactionResult { err: Some(error), .. },
            ) => ChainError::Transaction(TransactionError::from(error).into()),
            RpcResponseErrorData::NodeUnhealthy { .. } => self.unreachable(message),
            _ if code == custom_error::JSON_RPC_SERVER_ERROR_NODE_UNHEALTHY
                || code == custom_error::JSON_RPC_SERVER_ERROR_MIN_CONTEXT_SLOT_NOT_REACHED =>
            {
                self.unreachable(message)
            }
            _ if code == custom_error::JSON_RPC_SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE => {
                ChainError::Transaction(TransactionFailure::Unexplained { message })
            }
            _ => ChainError::Rpc { request, code, message },
        }
    }

    fn unreachable(&self, cause: impl Into<Cause>) -> ChainError {
        ChainError::Unreachable { url: self.server.clone(), cause: cause.into() }
    }
}

/// An answer that is not what the method promises.
pub(crate) fn malformed(request: RpcRequest, cause: impl Into<Cause>) -> ChainError {
    ChainError::Malformed { request: request.to_string(), cause: cause.into() }
}

impl From<TransactionError> for TransactionFailure {
    fn from(error: TransactionError) -> Self {
        crate::program::failure(error)
    }
}

/// Scheme, host and port only: providers put access keys into path, query and user info.
fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_with_keys_is_shown_without_them() {
        for (url, shown) in [
            ("http://127.0.0.1:8899", "http://127.0.0.1:8899"),
            ("https://rpc.example.com/v2/SECRET", "https://rpc.example.com"),
            (
                "https://user:SECRET@rpc.example.com:443/?api-key=SECRET",
                "https://rpc.example.com:443",
            ),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }

    #[test]
    fn unhealthy_server_is_unreachable_and_other_answers_are_its_own() {
        let errors = RpcErrors::new("http://127.0.0.1:1");
        let behind = errors.answer(
            "getSlot".to_owned(),
            custom_error::JSON_RPC_SERVER_ERROR_NODE_UNHEALTHY,
            "behind".to_owned(),
            RpcResponseErrorData::Empty,
        );
        assert!(behind.is_retryable());
        let refused = errors.answer(
            "getSlot".to_owned(),
            -32602,
            "invalid params".to_owned(),
            RpcResponseErrorData::Empty,
        );
        assert!(matches!(refused, ChainError::Rpc { code: -32602, .. }));
        assert!(!refused.is_retryable());
    }
}
