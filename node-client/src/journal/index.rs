//! What the journal's tables hold, in memory: which answer is where, and which have their receipt.
//!
//! Owned by the journal's thread beside the database. It is changed inside a transaction; when that fails
//! the database is right, and the index is read from it again.

use std::collections::{BTreeMap, HashMap};

use borsh::{BorshDeserialize as _, BorshSerialize as _};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::CoordinatorId;
use pinaivu_protocol::tunnel::Represented;
use pinaivu_protocol::units::{FineAmount, UnixMillis};
use rusqlite::Connection;

use super::{Entry, JournalError};

/// Most answers in one batch: their marks fill one number.
pub(super) const BATCH: usize = 64;

/// Length of a ticket in the column of tickets: its hash and when it was issued, in milliseconds, little
/// endian.
const TICKET_BYTES: usize = 32 + 8;

/// Answers that were stored together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) coordinator: CoordinatorId,
    /// The latest issue of its tickets.
    pub(super) newest: UnixMillis,
    /// Bit `i` for entry `i`.
    pub(super) settled: u64,
    pub(super) tickets: Vec<Hash32>,
    /// What is known of each; empty once all are settled.
    pub(super) held: Vec<Held>,
}

/// What is known of an answer beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) finished: UnixMillis,
    pub(super) amount: FineAmount,
    pub(super) bytes: u64,
}

impl Batch {
    pub(super) const fn is_settled(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) const fn has_settled(&self, place: usize) -> bool {
        self.settled & bit(place) != 0
    }

    /// Marks one; whether it was the last.
    pub(super) fn settle(&mut self, place: usize) -> bool {
        self.settled |= bit(place);
        (0..self.held.len()).all(|place| self.has_settled(place))
    }

    /// The answers without a receipt, with their places.
    pub(super) fn unsettled(&self) -> impl Iterator<Item = (usize, &Held)> {
        self.held.iter().enumerate().filter(|(place, _)| !self.has_settled(*place))
    }
}

const fn bit(place: usize) -> u64 {
    1 << (place % BATCH)
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) batches: BTreeMap<i64, Batch>,
    /// Batch of each ticket that is known, and its place there.
    pub(super) places: HashMap<Hash32, (i64, usize)>,
    /// Up to when each coordinator had issued what was answered.
    pub(super) newest: HashMap<CoordinatorId, UnixMillis>,
}

impl Index {
    /// Reads it from the database.
    pub(super) fn load(database: &Connection) -> Result<Self, JournalError> {
        let mut index = Self::default();
        let mut statement = database.prepare_cached(
            "SELECT a.sequence, a.coordinator, a.newest, a.tickets, a.settled, p.presented
             FROM answered a LEFT JOIN presented p ON p.batch = a.sequence ORDER BY a.sequence",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let tickets = row.get_ref(3)?.as_blob().map_err(|_| JournalError::Damaged("ticket"))?;
            let presented: Option<Vec<u8>> = row.get(5)?;
            let mut held = Vec::new();
            for kept in presented.iter().map(|bytes| decode(bytes)) {
                for (amount, bytes) in kept? {
                    let presented = Represented::try_from_slice(&bytes)
                        .map_err(|_| JournalError::Damaged("proof"))?;
                    let finished = presented.proof.finished;
                    held.push(Held { finished, amount, bytes: bytes.len() as u64 });
                }
            }
            let batch = Batch {
                coordinator: CoordinatorId(row.get(1)?),
                newest: UnixMillis(row.get::<_, i64>(2)?.unsigned_abs()),
                settled: u64::from_le_bytes(row.get(4)?),
                tickets: split(tickets).map(|(ticket, _)| ticket).collect(),
                held,
            };
            index.add(row.get(0)?, batch);
        }
        Ok(index)
    }

    pub(super) fn add(&mut self, sequence: i64, batch: Batch) {
        let newest = self.newest.entry(batch.coordinator).or_default();
        *newest = (*newest).max(batch.newest);
        for (place, ticket) in batch.tickets.iter().enumerate() {
            self.places.insert(*ticket, (sequence, place));
        }
        self.batches.insert(sequence, batch);
    }

    pub(super) fn remove(&mut self, sequence: i64) {
        for ticket in self.batches.remove(&sequence).into_iter().flat_map(|batch| batch.tickets) {
            self.places.remove(&ticket);
        }
    }

    /// Batches that are settled and whose tickets were all issued before `oldest`.
    pub(super) fn forgettable(&self, coordinator: CoordinatorId, oldest: UnixMillis) -> Vec<i64> {
        let of = self.batches.iter().filter(|(_, batch)| {
            batch.coordinator == coordinator && batch.is_settled() && batch.newest < oldest
        });
        of.map(|(sequence, _)| *sequence).collect()
    }
}

/// The column of tickets.
pub(super) fn join(entries: &[&Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len().saturating_mul(TICKET_BYTES));
    for Entry { presented, .. } in entries {
        bytes.extend_from_slice(presented.proof.ticket.as_bytes());
        bytes.extend_from_slice(&presented.ticket.issued.0.to_le_bytes());
    }
    bytes
}

/// Tickets and when they were issued.
pub(super) fn split(tickets: &[u8]) -> impl Iterator<Item = (Hash32, UnixMillis)> {
    tickets.chunks_exact(TICKET_BYTES).filter_map(|ticket| {
        let (hash, issued) = ticket.split_first_chunk::<32>()?;
        let issued = u64::from_le_bytes(issued.try_into().ok()?);
        Some((Hash32(*hash), UnixMillis(issued)))
    })
}

/// The column of what is presented: for each answer its amount and the bytes, by borsh.
pub(super) fn encode(answers: &[(FineAmount, Vec<u8>)]) -> Result<Vec<u8>, JournalError> {
    let mut bytes = Vec::new();
    for (amount, presented) in answers {
        (amount.0, presented).serialize(&mut bytes).map_err(|_| JournalError::Damaged("proof"))?;
    }
    Ok(bytes)
}

/// The reverse of [`encode`].
pub(super) fn decode(mut bytes: &[u8]) -> Result<Vec<(FineAmount, Vec<u8>)>, JournalError> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let (amount, presented) = <(u128, Vec<u8>)>::deserialize(&mut bytes)
            .map_err(|_| JournalError::Damaged("proof"))?;
        answers.push((FineAmount(amount), presented));
    }
    Ok(answers)
}
