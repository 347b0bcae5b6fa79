//! Claim transactions: durable before they are sent, so that after a crash none is sent twice under
//! another signature while the first may still land.

use pinaivu_chain::{PreparedTransaction, Signature};
use pinaivu_protocol::ids::CoordinatorId;
use pinaivu_protocol::units::{Amount, UnixMillis};
use rusqlite::{OptionalExtension as _, params};

use super::{Journal, JournalError, to_sql};

/// How a claim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimState {
    /// It landed and paid.
    Paid,
    /// It landed and failed, or can never succeed.
    Failed,
    /// It can never land any more.
    Expired,
}

impl ClaimState {
    const fn text(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

/// A claim transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRecord {
    /// Whose payout.
    pub coordinator: CoordinatorId,
    /// What was claimable when it was built.
    pub amount: Amount,
    /// The signed transaction.
    pub transaction: PreparedTransaction,
}

impl Journal {
    /// Stores a claim as open.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn open_claim(
        &self,
        claim: ClaimRecord,
        now: UnixMillis,
    ) -> Result<(), JournalError> {
        self.worker
            .run(move |database, _| {
                database.execute(
                    "INSERT INTO claims VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'open')",
                    params![
                        claim.transaction.signature.as_ref(),
                        claim.coordinator.0,
                        to_sql(claim.amount.0),
                        claim.transaction.bytes,
                        to_sql(claim.transaction.last_valid_block_height),
                        to_sql(now.0),
                    ],
                )?;
                Ok(())
            })
            .await
    }

    /// The open claim on `coordinator`, if there is one.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn claim_in_flight(
        &self,
        coordinator: CoordinatorId,
    ) -> Result<Option<ClaimRecord>, JournalError> {
        self.worker
            .run(move |database, _| {
                let found = database
                    .prepare_cached(
                        "SELECT signature, amount, bytes, last_valid FROM claims
                         WHERE coordinator = ?1 AND state = 'open' ORDER BY created LIMIT 1",
                    )?
                    .query_row([coordinator.0], |row| {
                        let transaction = PreparedTransaction {
                            signature: Signature::from(row.get::<_, [u8; 64]>(0)?),
                            bytes: row.get(2)?,
                            last_valid_block_height: row.get::<_, i64>(3)?.unsigned_abs(),
                        };
                        let amount = Amount(row.get::<_, i64>(1)?.unsigned_abs());
                        Ok(ClaimRecord { coordinator, amount, transaction })
                    })
                    .optional()?;
                Ok(found)
            })
            .await
    }

    /// Closes a claim.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn close_claim(
        &self,
        signature: Signature,
        state: ClaimState,
    ) -> Result<(), JournalError> {
        self.worker
            .run(move |database, _| {
                database.execute(
                    "UPDATE claims SET state = ?2 WHERE signature = ?1",
                    params![signature.as_ref(), state.text()],
                )?;
                Ok(())
            })
            .await
    }

    /// When the newest claim on `coordinator` that paid was built.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn last_paid_claim(
        &self,
        coordinator: CoordinatorId,
    ) -> Result<Option<UnixMillis>, JournalError> {
        self.worker
            .run(move |database, _| {
                let created: Option<i64> = database.query_row(
                    "SELECT max(created) FROM claims WHERE coordinator = ?1 AND state = 'paid'",
                    [coordinator.0],
                    |row| row.get(0),
                )?;
                Ok(created.map(|millis| UnixMillis(millis.unsigned_abs())))
            })
            .await
    }
}
