//! Proofs from their signature to their receipt.

use std::sync::Arc;

use borsh::BorshDeserialize as _;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::CoordinatorId;
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::tunnel::Represented;
use pinaivu_protocol::units::{FineAmount, UnixMillis};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::promise::{PromiseBreach, PromiseOrder, compare_promises};
use super::{Journal, JournalError, to_sql};

/// A ticket's hash stays this much longer than its deadline, in case the machine's clock is set back.
const DEADLINE_MARGIN_MILLIS: u64 = 60 * 60 * 1000;

/// A proof with its signature, about to leave.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What is presented until a receipt comes.
    pub presented: Represented,
    /// What it should earn at most: the ticket's tariff times the tokens, before the fee.
    pub amount: FineAmount,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// All of it is durable; signatures may leave.
    Durable,
    /// These tickets have a signed proof already. Nothing of the batch was stored.
    AlreadySigned(Vec<Hash32>),
}

/// An entry that has no receipt yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// Its place in the order of presentation.
    pub sequence: i64,
    /// When the answer ended.
    pub finished: UnixMillis,
    /// borsh of [`Represented`], as it was first presented.
    pub presented: Vec<u8>,
}

/// The end of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "handled one at a time, right after it arrives")]
pub enum Settlement {
    /// Its receipt. The caller has verified the signature of the newest of those it hands over
    /// together, and that the others rise up to it.
    Receipted {
        /// The ticket's hash.
        ticket: Hash32,
        /// The signed head.
        head: Signed<ReceiptHead>,
    },
    /// The coordinator will never give a receipt for it.
    Refused {
        /// The ticket's hash.
        ticket: Hash32,
    },
}

impl Settlement {
    /// Hash of the ticket that it ends.
    #[must_use]
    pub const fn ticket(&self) -> Hash32 {
        match self {
            Self::Receipted { ticket, .. } | Self::Refused { ticket } => *ticket,
        }
    }

    /// The receipt's head; nothing for a refusal.
    #[must_use]
    pub const fn head(&self) -> Option<&Signed<ReceiptHead>> {
        match self {
            Self::Receipted { head, .. } => Some(head),
            Self::Refused { .. } => None,
        }
    }
}

/// What one [`Settlement`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The ticket's hash.
    pub ticket: Hash32,
    /// Amount and stored bytes of the entry that ended; nothing when it had ended before.
    pub released: Option<(FineAmount, u64)>,
    /// Where the receipt's head stands; nothing for a refusal.
    pub promise: Option<PromiseOrder>,
    /// The head contradicts the kept one. Nothing was changed.
    pub breach: Option<PromiseBreach>,
}

/// A ticket that must not be answered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveTicket {
    /// Who issued it.
    pub coordinator: CoordinatorId,
    /// Its hash.
    pub ticket: Hash32,
    /// When it expires.
    pub deadline: UnixMillis,
}

/// What is held for one coordinator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Sum of the amounts of entries without a receipt.
    pub unreceipted: FineAmount,
    /// Bytes of those entries.
    pub bytes: u64,
    /// The newest receipt head.
    pub promise: Option<Signed<ReceiptHead>>,
}

/// An entry that was given up for its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// Whose.
    pub coordinator: CoordinatorId,
    /// The ticket's hash.
    pub ticket: Hash32,
    /// What it should have earned.
    pub amount: FineAmount,
    /// Its bytes.
    pub bytes: u64,
}

impl Journal {
    /// Stores a batch, all of it or nothing; when this returns [`Appended::Durable`] it is on disk.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn append(&self, batch: Arc<Vec<Entry>>) -> Result<Appended, JournalError> {
        self.worker.run(move |database| append(database, &batch)).await
    }

    /// Ends entries, in order.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn settle(
        &self,
        coordinator: CoordinatorId,
        settlements: Vec<Settlement>,
    ) -> Result<Vec<Settled>, JournalError> {
        self.worker.run(move |database| settle(database, coordinator, &settlements)).await
    }

    /// Up to `limit` entries of `coordinator` without a receipt, after `sequence`, oldest first.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn unsettled(
        &self,
        coordinator: CoordinatorId,
        sequence: i64,
        limit: u32,
    ) -> Result<Vec<Unsettled>, JournalError> {
        self.worker
            .run(move |database| {
                let mut statement = database.prepare_cached(
                    "SELECT sequence, finished, presented FROM proofs
                     WHERE coordinator = ?1 AND sequence > ?2 AND presented IS NOT NULL
                     ORDER BY sequence LIMIT ?3",
                )?;
                let rows = statement.query_map(params![coordinator.0, sequence, limit], |row| {
                    Ok(Unsettled {
                        sequence: row.get(0)?,
                        finished: from_sql(row.get(1)?),
                        presented: row.get(2)?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// What is held for `coordinator`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn holdings(&self, coordinator: CoordinatorId) -> Result<Holdings, JournalError> {
        self.worker
            .run(move |database| {
                let mut holdings =
                    Holdings { promise: promise(database, coordinator)?, ..Holdings::default() };
                let mut statement = database.prepare_cached(
                    "SELECT amount, length(presented) FROM proofs
                     WHERE coordinator = ?1 AND presented IS NOT NULL",
                )?;
                let rows = statement.query_map([coordinator.0], |row| {
                    Ok((fine(row.get(0)?), row.get::<_, i64>(1)?))
                })?;
                for row in rows {
                    let (amount, bytes) = row?;
                    holdings.unreceipted = holdings.unreceipted.saturating_add(amount);
                    holdings.bytes = holdings.bytes.saturating_add(bytes.unsigned_abs());
                }
                Ok(holdings)
            })
            .await
    }

    /// Every answered ticket that has not expired at `now`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn live_tickets(&self, now: UnixMillis) -> Result<Vec<LiveTicket>, JournalError> {
        self.worker
            .run(move |database| {
                let mut statement = database.prepare(
                    "SELECT coordinator, ticket, deadline FROM proofs WHERE deadline >= ?1",
                )?;
                let rows = statement.query_map([to_sql(now.0)], |row| {
                    Ok(LiveTicket {
                        coordinator: CoordinatorId(row.get(0)?),
                        ticket: Hash32(row.get(1)?),
                        deadline: from_sql(row.get(2)?),
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Forgets tickets that are settled and expired, and gives up entries that ended before
    /// `oldest`; tells which.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn prune(
        &self,
        now: UnixMillis,
        oldest: UnixMillis,
    ) -> Result<Vec<Pruned>, JournalError> {
        let expired = now.saturating_sub(UnixMillis(DEADLINE_MARGIN_MILLIS));
        self.worker
            .run(move |database| {
                database.execute(
                    "DELETE FROM proofs WHERE presented IS NULL AND deadline < ?1",
                    [to_sql(expired.0)],
                )?;
                // What is given up is settled by nobody; its ticket's hash stays until it expires.
                let mut statement = database.prepare(
                    "SELECT coordinator, ticket, amount, length(presented) FROM proofs
                     WHERE presented IS NOT NULL AND finished < ?1",
                )?;
                let rows = statement.query_map([to_sql(oldest.0)], |row| {
                    Ok(Pruned {
                        coordinator: CoordinatorId(row.get(0)?),
                        ticket: Hash32(row.get(1)?),
                        amount: fine(row.get(2)?),
                        bytes: row.get::<_, i64>(3)?.unsigned_abs(),
                    })
                })?;
                let pruned: Vec<Pruned> = rows.collect::<Result<_, _>>()?;
                for entry in &pruned {
                    release(database, entry.coordinator, entry.ticket)?;
                }
                Ok(pruned)
            })
            .await
    }
}

fn append(database: &Connection, batch: &[Entry]) -> Result<Appended, JournalError> {
    let mut signed = Vec::new();
    let mut known = database.prepare_cached("SELECT 1 FROM proofs WHERE ticket = ?1")?;
    for entry in batch {
        let ticket = entry.presented.proof.ticket;
        if known.exists([ticket.0])? {
            signed.push(ticket);
        }
    }
    if !signed.is_empty() {
        return Ok(Appended::AlreadySigned(signed));
    }
    let mut insert = database.prepare_cached(
        "INSERT INTO proofs (ticket, coordinator, deadline, finished, amount, presented)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for Entry { presented, amount } in batch {
        let bytes = borsh::to_vec(presented).map_err(|_| JournalError::Damaged("proof"))?;
        insert.execute(params![
            presented.proof.ticket.0,
            presented.ticket.coordinator.0,
            to_sql(presented.ticket.deadline.0),
            to_sql(presented.proof.finished.0),
            amount.0.to_le_bytes(),
            bytes,
        ])?;
    }
    Ok(Appended::Durable)
}

/// Takes a batch over; the newest promise is read and written once for all of it.
fn settle(
    database: &Connection,
    coordinator: CoordinatorId,
    settlements: &[Settlement],
) -> Result<Vec<Settled>, JournalError> {
    let mut kept = promise(database, coordinator)?;
    let mut renewed = false;
    let mut all = Vec::with_capacity(settlements.len());
    for settlement in settlements {
        let ticket = settlement.ticket();
        let mut settled = Settled { ticket, released: None, promise: None, breach: None };
        if let Settlement::Receipted { head, .. } = settlement {
            match compare_promises(kept.as_ref().map(|kept| &kept.record), &head.record) {
                Ok(order) => settled.promise = Some(order),
                Err(breach) => settled.breach = Some(breach),
            }
            if settled.promise == Some(PromiseOrder::Newer) {
                kept = Some(head.clone());
                renewed = true;
            }
        }
        if settled.breach.is_none() {
            settled.released = release(database, coordinator, ticket)?;
        }
        all.push(settled);
    }
    if renewed && let Some(head) = kept {
        database
            .prepare_cached("INSERT OR REPLACE INTO promises (coordinator, head) VALUES (?1, ?2)")?
            .execute(params![coordinator.0, head.encode()])?;
    }
    Ok(all)
}

/// Drops what was presented and keeps the ticket's hash. Gives amount and bytes; nothing when there
/// was no such entry any more.
fn release(
    database: &Connection,
    coordinator: CoordinatorId,
    ticket: Hash32,
) -> Result<Option<(FineAmount, u64)>, JournalError> {
    let held = database
        .prepare_cached(
            "SELECT amount, length(presented) FROM proofs
             WHERE ticket = ?1 AND coordinator = ?2 AND presented IS NOT NULL",
        )?
        .query_row(params![ticket.0, coordinator.0], |row| {
            Ok((fine(row.get(0)?), row.get::<_, i64>(1)?.unsigned_abs()))
        })
        .optional()?;
    if held.is_some() {
        database
            .prepare_cached("UPDATE proofs SET presented = NULL WHERE ticket = ?1")?
            .execute([ticket.0])?;
    }
    Ok(held)
}

fn promise(
    database: &Connection,
    coordinator: CoordinatorId,
) -> Result<Option<Signed<ReceiptHead>>, JournalError> {
    let bytes: Option<Vec<u8>> = database
        .prepare_cached("SELECT head FROM promises WHERE coordinator = ?1")?
        .query_row([coordinator.0], |row| row.get(0))
        .optional()?;
    bytes
        .map(|bytes| {
            Signed::try_from_slice(&bytes).map_err(|_| JournalError::Damaged("receipt head"))
        })
        .transpose()
}

const fn fine(bytes: [u8; 16]) -> FineAmount {
    FineAmount(u128::from_le_bytes(bytes))
}

fn from_sql(millis: i64) -> UnixMillis {
    UnixMillis(u64::try_from(millis).unwrap_or_default())
}
