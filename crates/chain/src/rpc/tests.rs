//! What a transaction's status means when servers are behind, forgetful or wrong: cases that a healthy
//! chain never shows.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;
use solana_rpc_client::rpc_client::RpcClientConfig;
use solana_rpc_client::rpc_sender::{RpcSender, RpcTransportStats};
use solana_rpc_client_api::client_error::Result as ClientResult;
use solana_rpc_client_api::custom_error::JSON_RPC_SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE;
use solana_rpc_client_api::request::{RpcError, RpcResponseErrorData};

use super::*;
use crate::program::PROGRAM_ID;

/// A server that says what it is told to.
struct Scripted {
    /// Slot and height of the finalized block.
    finalized: (u64, u64),
    /// The slot that statuses are looked up at.
    asked_at: u64,
    /// What the recent cache knows, and what the whole history knows.
    recent: Option<Value>,
    history: Option<Value>,
    first_available_block: u64,
    /// What sending gives: a signature, or a simulation's error.
    sent: Result<String, Value>,
}

impl Default for Scripted {
    fn default() -> Self {
        Self {
            finalized: (50_000, 40_000),
            asked_at: 50_010,
            recent: None,
            history: None,
            first_available_block: 0,
            sent: Ok(Signature::default().to_string()),
        }
    }
}

#[async_trait]
impl RpcSender for Scripted {
    async fn send(&self, request: RpcRequest, params: Value) -> ClientResult<Value> {
        Ok(match request {
            RpcRequest::GetSignatureStatuses => {
                let whole =
                    params.pointer("/1/searchTransactionHistory") == Some(&Value::Bool(true));
                let status = if whole { &self.history } else { &self.recent };
                json!({"context": {"slot": self.asked_at}, "value": [status]})
            }
            RpcRequest::GetEpochInfo => json!({
                "epoch": 0, "slotIndex": 0, "slotsInEpoch": 432_000, "transactionCount": null,
                "absoluteSlot": self.finalized.0, "blockHeight": self.finalized.1,
            }),
            RpcRequest::GetFirstAvailableBlock => json!(self.first_available_block),
            RpcRequest::SendTransaction => match &self.sent {
                Ok(signature) => json!(signature),
                Err(result) => {
                    let result = serde_json::from_value(result.clone()).unwrap();
                    return Err(RpcError::RpcResponseError {
                        code: JSON_RPC_SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE,
                        message: "Transaction simulation failed".to_owned(),
                        data: RpcResponseErrorData::SendTransactionPreflightFailure(result),
                    }
                    .into());
                }
            },
            _ => Value::Null,
        })
    }

    fn get_transport_stats(&self) -> RpcTransportStats {
        RpcTransportStats::default()
    }

    fn url(&self) -> String {
        "scripted".to_owned()
    }
}

impl Scripted {
    fn chain(self) -> RpcChain {
        let client = RpcClient::new_sender(self, RpcClientConfig::default());
        RpcChain::over(client, "http://127.0.0.1:1", PROGRAM_ID)
    }

    /// The status of a transaction that was valid until this height.
    async fn status(self, last_valid_block_height: u64) -> TransactionStatus {
        self.chain().status(&Signature::default(), last_valid_block_height).await.unwrap()
    }

    async fn submit(self) -> Result<(), ChainError> {
        let transaction = PreparedTransaction {
            signature: Signature::default(),
            bytes: vec![1],
            last_valid_block_height: 1,
        };
        self.chain().submit(&transaction).await
    }
}

fn landed(slot: u64, error: Value) -> Value {
    let status = if error.is_null() { json!({"Ok": null}) } else { json!({"Err": error}) };
    json!({
        "slot": slot, "confirmations": null, "status": status, "err": error,
        "confirmationStatus": "finalized",
    })
}

#[tokio::test]
async fn unseen_transaction_is_pending_up_to_its_last_height_and_expired_above() {
    assert_eq!(Scripted::default().status(40_000).await, TransactionStatus::Pending);
    assert_eq!(Scripted::default().status(39_999).await, TransactionStatus::Expired);
}

#[tokio::test]
async fn server_that_looks_up_statuses_behind_its_own_finalized_block_knows_nothing() {
    let behind = Scripted { asked_at: 49_999, ..Scripted::default() };
    assert_eq!(behind.status(39_999).await, TransactionStatus::Unknown);
    let level = Scripted { asked_at: 50_000, ..Scripted::default() };
    assert_eq!(level.status(39_999).await, TransactionStatus::Expired);
}

#[tokio::test]
async fn server_whose_history_begins_too_late_knows_nothing() {
    // 100 blocks ago, in slot 49,900 at the latest, and a thousand slots of margin before that.
    let forgetful = |first| Scripted { first_available_block: first, ..Scripted::default() };
    assert_eq!(forgetful(48_901).status(39_900).await, TransactionStatus::Unknown);
    assert_eq!(forgetful(48_900).status(39_900).await, TransactionStatus::Expired);
}

#[tokio::test]
async fn young_ledger_that_begins_with_its_genesis_has_forgotten_nothing() {
    let young = Scripted {
        finalized: (300, 300),
        asked_at: 300,
        first_available_block: 31,
        ..Scripted::default()
    };
    assert_eq!(young.status(200).await, TransactionStatus::Expired);
}

#[tokio::test]
async fn transaction_that_only_the_history_knows_has_landed() {
    let old = Scripted { history: Some(landed(7, Value::Null)), ..Scripted::default() };
    assert_eq!(
        old.status(100).await,
        TransactionStatus::Landed {
            slot: Slot(7),
            commitment: Commitment::Finalized,
            result: Ok(())
        }
    );
}

#[tokio::test]
async fn failed_transaction_has_landed_with_the_programs_error() {
    let error = json!({"InstructionError": [1, {"Custom": 6000}]});
    let failed = Scripted { recent: Some(landed(7, error)), ..Scripted::default() };
    let TransactionStatus::Landed { result: Err(failure), .. } = failed.status(100).await else {
        unreachable!("it is in a block");
    };
    assert_eq!(
        failure,
        TransactionFailure::Program {
            instruction: 1,
            error: crate::program::program_error(6000).unwrap()
        }
    );
}

fn refusal(error: &Value) -> Value {
    json!({
        "err": error, "logs": [], "accounts": null, "unitsConsumed": 0, "returnData": null,
        "innerInstructions": null, "replacementBlockhash": null,
    })
}

#[tokio::test]
async fn bytes_that_were_executed_before_count_as_submitted() {
    let seen = Scripted { sent: Err(refusal(&json!("AlreadyProcessed"))), ..Scripted::default() };
    seen.submit().await.unwrap();
}

#[tokio::test]
async fn refusal_in_simulation_carries_its_reason() {
    let refused = |error: Value| Scripted { sent: Err(refusal(&error)), ..Scripted::default() };
    let Err(ChainError::Transaction(failure)) = refused(json!("BlockhashNotFound")).submit().await
    else {
        unreachable!("it was refused");
    };
    assert!(failure.is_inconclusive());
    let Err(ChainError::Transaction(failure)) =
        refused(json!({"InstructionError": [0, {"Custom": 6001}]})).submit().await
    else {
        unreachable!("it was refused");
    };
    assert!(!failure.is_inconclusive());
    assert!(
        matches!(failure, TransactionFailure::Program { instruction: 0, error } if error.code == 6001)
    );
}

#[tokio::test]
async fn answer_about_another_transaction_is_malformed() {
    let other = Signature::from([1; 64]).to_string();
    let confused = Scripted { sent: Ok(other), ..Scripted::default() };
    assert!(matches!(confused.submit().await, Err(ChainError::Malformed { .. })));
}
