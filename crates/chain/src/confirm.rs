//! Submit and wait, for callers with nothing to lose but time: the command line, set-up, tests.
//!
//! Services persist first and reconcile on their own; see [`crate::chain`].

use pinaivu_protocol::units::Slot;
use tokio::time::Instant;

use crate::chain::{Chain, ConfirmOptions, ConfirmProgress, TransactionStatus};
use crate::error::ChainError;
use crate::transaction::PreparedTransaction;

/// What [`Chain::confirm`] does.
pub(crate) async fn confirm<C: Chain + ?Sized>(
    chain: &C,
    transaction: &PreparedTransaction,
    options: ConfirmOptions,
    progress: &(dyn Fn(ConfirmProgress) + Send + Sync),
) -> Result<Slot, ChainError> {
    let signature = transaction.signature;
    let deadline = Instant::now() + options.timeout;
    let mut submissions = 0_u32;
    let mut next_submission = Instant::now();
    loop {
        if Instant::now() >= next_submission {
            match chain.submit(transaction).await {
                Ok(()) => {
                    submissions = submissions.saturating_add(1);
                    progress(ConfirmProgress::Submitted(submissions));
                }
                Err(ChainError::Transaction(failure)) if failure.is_inconclusive() => {}
                // A first refusal is final: no server has passed the bytes on. A later one may come
                // from a simulation on top of our own landed transaction; the status decides.
                Err(ChainError::Transaction(failure)) if submissions == 0 => {
                    return Err(ChainError::Transaction(failure));
                }
                Err(ChainError::Transaction(_)) => {}
                Err(error) if error.is_retryable() => progress(ConfirmProgress::Retrying),
                Err(error) => return Err(error),
            }
            next_submission = Instant::now() + options.resubmit;
        }
        match chain.status(&signature, transaction.last_valid_block_height).await {
            Ok(TransactionStatus::Landed { slot, commitment, result }) => {
                if commitment >= options.commitment {
                    return result.map(|()| slot).map_err(ChainError::Transaction);
                }
                progress(ConfirmProgress::Landed(slot));
            }
            Ok(TransactionStatus::Expired) => return Err(ChainError::Expired { signature }),
            Ok(TransactionStatus::Pending | TransactionStatus::Unknown) => {}
            Err(error) if error.is_retryable() => progress(ConfirmProgress::Retrying),
            Err(error) => return Err(error),
        }
        if Instant::now() >= deadline {
            return Err(ChainError::Unconfirmed { signature });
        }
        tokio::time::sleep(options.poll).await;
    }
}
