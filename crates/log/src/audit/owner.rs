//! An owner's own records: who paid is in receipts only as salted commitments, and these open them.

use std::collections::{BTreeMap, HashMap};

use pinaivu_protocol::commitment::{Salt, value_commitment};
use pinaivu_protocol::ids::{AllowanceId, EscrowId};
use pinaivu_protocol::units::{Amount, FineAmount};
use serde::Deserialize;
use serde_json::Value;

use super::finding::Contradiction;
use crate::entry::Entry;

/// Tag of the commitment to the escrow that paid.
pub const OWNER_ESCROW_TAG: &str = "pinaivu/owner-escrow/v1";
/// Tag of the commitment to the allowance that paid.
pub const OWNER_ALLOWANCE_TAG: &str = "pinaivu/owner-allowance/v1";
/// Tag of the commitment to the allowance's cumulative.
pub const OWNER_CUMULATIVE_TAG: &str = "pinaivu/owner-cumulative/v1";

/// One receipt as its payer knows it.
#[derive(Clone, Debug, Deserialize)]
pub struct OwnerRecord {
    /// Epoch of the log.
    pub epoch: u32,
    /// Place in it.
    pub index: u64,
    /// The allowance that paid.
    pub allowance: AllowanceId,
    /// The escrow it is part of, when the record says.
    #[serde(default)]
    pub escrow: Option<EscrowId>,
    /// Everything the allowance was charged with this receipt, as decimal digits.
    #[serde(deserialize_with = "digits")]
    pub allowance_cumulative: FineAmount,
    /// The salts.
    pub salts: OwnerRecordSalts,
}

impl OwnerRecord {
    /// Reads an owner's records: a JSON list, a document with the list in `data` as
    /// `GET /v1/account/receipts` gives it, or one record a line. Checks nothing.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, serde_json::Error> {
        let list = match serde_json::from_str::<Value>(text) {
            Ok(Value::Array(list)) => Some(list),
            Ok(Value::Object(mut document)) => match document.remove("data") {
                Some(Value::Array(list)) => Some(list),
                _ => None,
            },
            _ => None,
        };
        match list {
            Some(list) => list.into_iter().map(serde_json::from_value).collect(),
            None => text.lines().map(serde_json::from_str).collect(),
        }
    }
}

/// Salts of a receipt's owner commitments, 64 hexadecimal digits each.
#[derive(Clone, Debug, Deserialize)]
pub struct OwnerRecordSalts {
    /// Of the escrow.
    #[serde(deserialize_with = "salt")]
    pub escrow: Salt,
    /// Of the allowance.
    #[serde(deserialize_with = "salt")]
    pub allowance: Salt,
    /// Of the cumulative.
    #[serde(deserialize_with = "salt")]
    pub cumulative: Salt,
}

fn digits<'de, D: serde::Deserializer<'de>>(from: D) -> Result<FineAmount, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map(FineAmount).map_err(serde::de::Error::custom)
}

fn salt<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Salt, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// The owner's side of the books.
#[derive(Debug, Default)]
pub(super) struct Owner {
    records: HashMap<(u32, u64), OwnerRecord>,
    allowances: BTreeMap<AllowanceId, Charged>,
}

#[derive(Debug, Default)]
struct Charged {
    cumulative: FineAmount,
    /// As of the entries the chain covered.
    anchored: FineAmount,
    receipts: u64,
}

impl Owner {
    pub(super) fn new(records: Vec<OwnerRecord>) -> Self {
        let records = records.into_iter().map(|record| ((record.epoch, record.index), record));
        Self { records: records.collect(), allowances: BTreeMap::new() }
    }

    /// Checks the record of an entry, when there is one.
    pub(super) fn entry(&mut self, entry: &Entry) -> Option<(Contradiction, String)> {
        let record = self.records.remove(&(entry.head.epoch, entry.head.index))?;
        let opened = &entry.body.owner;
        let cumulative = record.allowance_cumulative;
        let escrow = record.escrow.is_none_or(|escrow| {
            value_commitment(OWNER_ESCROW_TAG, &record.salts.escrow, &escrow.0) == opened.escrow
        });
        let holds = escrow
            && value_commitment(OWNER_ALLOWANCE_TAG, &record.salts.allowance, &record.allowance.0)
                == opened.allowance
            && value_commitment(
                OWNER_CUMULATIVE_TAG,
                &record.salts.cumulative,
                &cumulative.0.to_le_bytes(),
            ) == opened.cumulative;
        if !holds {
            let detail = format!(
                "the record of allowance {} does not open the receipt's commitments",
                record.allowance
            );
            return Some((Contradiction::OwnerCommitment, detail));
        }
        let charged = self.allowances.entry(record.allowance).or_default();
        let expected = charged.cumulative.checked_add(entry.body.amount);
        let before = charged.cumulative;
        charged.cumulative = cumulative;
        charged.receipts = charged.receipts.saturating_add(1);
        if expected == Some(cumulative) {
            return None;
        }
        let detail = format!(
            "allowance {} was charged {before} before and {cumulative} with this receipt, which is \
             for {}: receipts are missing from the records, or were never shown",
            record.allowance, entry.body.amount
        );
        Some((Contradiction::OwnerCumulative, detail))
    }

    /// Everything so far is covered by the chain.
    pub(super) fn mark_anchored(&mut self) {
        for charged in self.allowances.values_mut() {
            charged.anchored = charged.cumulative;
        }
    }

    /// What the chain took from each allowance must follow from its receipts, rounded **up** once.
    pub(super) fn finish(
        &self,
        debits: &BTreeMap<AllowanceId, Amount>,
    ) -> Vec<(Contradiction, String)> {
        let mut found = Vec::new();
        for (allowance, charged) in &self.allowances {
            let Some(debited) = debits.get(allowance) else { continue };
            let owed = charged.anchored.to_amount_ceil().unwrap_or(Amount::MAX);
            if *debited > owed {
                let detail = format!(
                    "allowance {allowance} was debited {} USDC, its {} receipts add up to {} USDC",
                    debited.to_usdc_string(),
                    charged.receipts,
                    owed.to_usdc_string()
                );
                found.push((Contradiction::OwnerDebit, detail));
            }
        }
        for record in self.records.values() {
            let detail = format!(
                "the owner has a record of entry {} of epoch {}, which the log does not have",
                record.index, record.epoch
            );
            found.push((Contradiction::OwnerCommitment, detail));
        }
        found
    }
}
