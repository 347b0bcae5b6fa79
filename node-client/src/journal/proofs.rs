//! Proofs from their signature to their receipt.

use std::collections::BTreeMap;
use std::sync::Arc;

use borsh::BorshDeserialize as _;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::CoordinatorId;
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::tunnel::Represented;
use pinaivu_protocol::units::{FineAmount, UnixMillis};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::index::{BATCH, Batch, Held, Index, decode, encode, join, split};
use super::promise::{PromiseBreach, PromiseOrder, compare_promises};
use super::{Journal, JournalError, to_sql};
use crate::serving::replay::FIRST_USE;

/// Entries of one row in the order of presentation.
const PLACES: i64 = BATCH as i64;

/// Bytes after which a new row is begun: what is read again is read row by row.
const ROW_BYTES: usize = 1024 * 1024;

/// How much longer than needed settled tickets are kept, so that they are forgotten many at a time.
const FORGET_AFTER: UnixMillis = UnixMillis(FIRST_USE.0 + 5_000);

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

/// What is held for one coordinator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Sum of the amounts of entries without a receipt.
    pub unreceipted: FineAmount,
    /// Bytes of those entries.
    pub bytes: u64,
    /// The newest receipt head.
    pub promise: Option<Signed<ReceiptHead>>,
    /// Up to when it had issued the tickets that were answered. Older ones than
    /// [`FIRST_USE`](crate::serving::replay::FIRST_USE) before that are not told from others any more.
    pub newest_issue: UnixMillis,
    /// Answered tickets that are, and when they were issued.
    pub answered: Vec<(Hash32, UnixMillis)>,
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
        self.worker.run(move |database, index| append(database, index, &batch)).await
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
        self.worker
            .run(move |database, index| settle(database, index, coordinator, &settlements))
            .await
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
            .run(move |database, index| unsettled(database, index, coordinator, sequence, limit))
            .await
    }

    /// What is held for `coordinator`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn holdings(&self, coordinator: CoordinatorId) -> Result<Holdings, JournalError> {
        self.worker.run(move |database, index| holdings(database, index, coordinator)).await
    }

    /// Gives up entries that ended before `oldest`; tells which.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn prune(&self, oldest: UnixMillis) -> Result<Vec<Pruned>, JournalError> {
        self.worker
            .run(move |database, index| {
                let mut pruned = Vec::new();
                for batch in index.batches.values() {
                    for (place, held) in batch.unsettled().filter(|(_, h)| h.finished < oldest) {
                        let ticket = batch.tickets.get(place).copied();
                        pruned.push(Pruned {
                            coordinator: batch.coordinator,
                            ticket: ticket.ok_or(JournalError::Damaged("batch"))?,
                            amount: held.amount,
                            bytes: held.bytes,
                        });
                    }
                }
                let mut release = Release::default();
                for entry in &pruned {
                    release.mark(index, entry.coordinator, entry.ticket);
                }
                release.write(database, index)?;
                Ok(pruned)
            })
            .await
    }
}

fn append(
    database: &Connection,
    index: &mut Index,
    batch: &[Entry],
) -> Result<Appended, JournalError> {
    let tickets = batch.iter().map(|entry| entry.presented.proof.ticket);
    let signed: Vec<Hash32> = tickets.filter(|ticket| index.places.contains_key(ticket)).collect();
    if !signed.is_empty() {
        return Ok(Appended::AlreadySigned(signed));
    }
    let mut rest = batch;
    while let Some(first) = rest.first() {
        let coordinator = first.presented.ticket.coordinator;
        let (mut row, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
        for entry in rest {
            if row.len() >= BATCH
                || bytes >= ROW_BYTES
                || entry.presented.ticket.coordinator != coordinator
            {
                break;
            }
            let presented =
                borsh::to_vec(&entry.presented).map_err(|_| JournalError::Damaged("proof"))?;
            bytes = bytes.saturating_add(presented.len());
            row.push(entry);
            answers.push((entry.amount, presented));
        }
        rest = rest.get(row.len()..).unwrap_or_default();
        store(database, index, coordinator, &row, &answers)?;
    }
    Ok(Appended::Durable)
}

/// One row of answers.
fn store(
    database: &Connection,
    index: &mut Index,
    coordinator: CoordinatorId,
    row: &[&Entry],
    answers: &[(FineAmount, Vec<u8>)],
) -> Result<(), JournalError> {
    let issues = row.iter().map(|entry| entry.presented.ticket.issued);
    let newest = issues.max().unwrap_or_default();
    database
        .prepare_cached(
            "INSERT INTO answered (coordinator, newest, tickets, settled) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![coordinator.0, to_sql(newest.0), join(row), 0_u64.to_le_bytes()])?;
    let sequence = database.last_insert_rowid();
    database
        .prepare_cached("INSERT INTO presented (batch, presented) VALUES (?1, ?2)")?
        .execute(params![sequence, encode(answers)?])?;
    let held = row.iter().zip(answers).map(|(entry, (amount, bytes))| Held {
        finished: entry.presented.proof.finished,
        amount: *amount,
        bytes: bytes.len() as u64,
    });
    let held = held.collect();
    let tickets = row.iter().map(|entry| entry.presented.proof.ticket).collect();
    index.add(sequence, Batch { coordinator, newest, settled: 0, tickets, held });
    forget(database, index, coordinator)
}

/// Drops settled tickets that are refused for their age. The newest row of a coordinator stays: it says
/// how old that is.
fn forget(
    database: &Connection,
    index: &mut Index,
    coordinator: CoordinatorId,
) -> Result<(), JournalError> {
    let newest = index.newest.get(&coordinator).copied().unwrap_or_default();
    let due = newest.saturating_sub(FORGET_AFTER);
    // Looked at only when the oldest is due: nearly always it is one of them.
    if index.batches.first_key_value().is_none_or(|(_, batch)| batch.newest >= due) {
        return Ok(());
    }
    let forgotten = index.forgettable(coordinator, newest.saturating_sub(FIRST_USE));
    let mut delete = database.prepare_cached("DELETE FROM answered WHERE sequence = ?1")?;
    for sequence in forgotten {
        delete.execute([sequence])?;
        index.remove(sequence);
    }
    Ok(())
}

/// Takes a batch over; the newest promise is read and written once for all of it.
fn settle(
    database: &Connection,
    index: &mut Index,
    coordinator: CoordinatorId,
    settlements: &[Settlement],
) -> Result<Vec<Settled>, JournalError> {
    let mut kept = promise(database, coordinator)?;
    let mut renewed = false;
    let mut release = Release::default();
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
            settled.released = release.mark(index, coordinator, ticket);
        }
        all.push(settled);
    }
    release.write(database, index)?;
    if renewed && let Some(head) = kept {
        database
            .prepare_cached("INSERT OR REPLACE INTO promises (coordinator, head) VALUES (?1, ?2)")?
            .execute(params![coordinator.0, head.encode()])?;
    }
    Ok(all)
}

/// Entries that end together: each row that is touched is written once.
#[derive(Default)]
struct Release {
    /// Rows, and whether nothing of them is left.
    touched: BTreeMap<i64, bool>,
}

impl Release {
    /// Ends an entry. Gives amount and bytes; nothing when there was no such entry any more.
    fn mark(
        &mut self,
        index: &mut Index,
        coordinator: CoordinatorId,
        ticket: Hash32,
    ) -> Option<(FineAmount, u64)> {
        let (sequence, place) = *index.places.get(&ticket)?;
        let batch = index.batches.get_mut(&sequence)?;
        let held = *batch.held.get(place)?;
        if batch.coordinator != coordinator || batch.has_settled(place) {
            return None;
        }
        self.touched.insert(sequence, batch.settle(place));
        Some((held.amount, held.bytes))
    }

    /// What was presented goes once nothing of its row is left; the tickets' hashes stay.
    fn write(self, database: &Connection, index: &mut Index) -> Result<(), JournalError> {
        let mut mark =
            database.prepare_cached("UPDATE answered SET settled = ?2 WHERE sequence = ?1")?;
        let mut delete = database.prepare_cached("DELETE FROM presented WHERE batch = ?1")?;
        for (sequence, whole) in self.touched {
            let Some(batch) = index.batches.get_mut(&sequence) else { continue };
            if whole {
                delete.execute([sequence])?;
                batch.held = Vec::new();
            } else {
                mark.execute(params![sequence, batch.settled.to_le_bytes()])?;
            }
        }
        Ok(())
    }
}

fn unsettled(
    database: &Connection,
    index: &Index,
    coordinator: CoordinatorId,
    after: i64,
    limit: u32,
) -> Result<Vec<Unsettled>, JournalError> {
    let limit = limit as usize;
    let mut found = Vec::new();
    let mut read = database.prepare_cached("SELECT presented FROM presented WHERE batch = ?1")?;
    for (sequence, batch) in index.batches.range(after.div_euclid(PLACES)..) {
        let wanted = batch.unsettled().filter_map(|(place, held)| {
            let place_in_order = i64::try_from(place).ok()?;
            let number = sequence.saturating_mul(PLACES).saturating_add(place_in_order);
            (number > after).then_some((number, place, held.finished))
        });
        let wanted: Vec<_> = wanted.collect();
        if batch.coordinator != coordinator || wanted.is_empty() {
            continue;
        }
        let bytes: Vec<u8> = read.query_row([sequence], |row| row.get(0))?;
        let mut answers = decode(&bytes)?;
        for (sequence, place, finished) in wanted {
            if found.len() >= limit {
                return Ok(found);
            }
            let answer = answers.get_mut(place).ok_or(JournalError::Damaged("batch"))?;
            let presented = std::mem::take(&mut answer.1);
            found.push(Unsettled { sequence, finished, presented });
        }
    }
    Ok(found)
}

fn holdings(
    database: &Connection,
    index: &Index,
    coordinator: CoordinatorId,
) -> Result<Holdings, JournalError> {
    let newest_issue = index.newest.get(&coordinator).copied().unwrap_or_default();
    let mut holdings =
        Holdings { promise: promise(database, coordinator)?, newest_issue, ..Holdings::default() };
    for batch in index.batches.values().filter(|batch| batch.coordinator == coordinator) {
        for (_, held) in batch.unsettled() {
            holdings.unreceipted = holdings.unreceipted.saturating_add(held.amount);
            holdings.bytes = holdings.bytes.saturating_add(held.bytes);
        }
    }
    let oldest = newest_issue.saturating_sub(FIRST_USE);
    let mut statement = database
        .prepare_cached("SELECT tickets FROM answered WHERE coordinator = ?1 AND newest >= ?2")?;
    let mut rows = statement.query(params![coordinator.0, to_sql(oldest.0)])?;
    while let Some(row) = rows.next()? {
        let tickets = row.get_ref(0)?.as_blob().map_err(|_| JournalError::Damaged("ticket"))?;
        holdings.answered.extend(split(tickets).filter(|(_, issued)| *issued >= oldest));
    }
    Ok(holdings)
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
