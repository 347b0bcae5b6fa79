//! A coordinator: who signs for it, what it put up, the head of its log, and its totals.

use anchor_lang::prelude::*;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle;
use pinaivu_protocol::units::Amount;
use pinaivu_rules::Totals;

use super::{Market, VERSION};
use crate::error::PinaivuError;

/// Longest endpoint in bytes.
pub const MAX_ENDPOINT_LEN: usize = 128;

/// Most peaks a log can have: one per bit of its size.
pub const MAX_PEAKS: usize = 64;

/// Seeds: `"coordinator"`, market, authority, opening slot (u64 LE).
#[account]
#[derive(InitSpace, Debug, PartialEq, Eq)]
pub struct Coordinator {
    /// [`VERSION`].
    pub version: u8,
    /// Of this account's address.
    pub bump: u8,
    /// The market it belongs to.
    pub market: Pubkey,
    /// Cold wallet: owns bonds and fees, rotates the signer.
    pub authority: Pubkey,
    /// Hot key: signs receipts and settlements. Owns nothing.
    pub signer: Pubkey,
    /// Part of the address.
    pub opening_slot: u64,
    /// Its fee, in basis points of what it debits. Fixed for the life of the account.
    pub fee_bps: u16,
    /// Measurement of the attested code; zero when unattested.
    pub measurement: [u8; 32],
    /// Hash of the attestation evidence that binds `signer`; zero when there is none.
    pub evidence_hash: [u8; 32],
    /// Backs what nodes are owed and not credited, in base units of the mint.
    pub guarantee_bond: u64,
    /// Lost on equivocation, in base units of the mint.
    pub penalty_bond: u64,
    /// Ever taken from allowances.
    pub debited: u64,
    /// Ever credited to nodes.
    pub credited: u64,
    /// Ever kept as fees. `credited + fees ≤ debited`.
    pub fees: u64,
    /// Fees that were paid out.
    pub fees_paid: u64,
    /// Grows by one with every change.
    pub sequence: u64,
    /// Zero; for guarantees, unbonding and later versions.
    pub reserved: [u8; 192],
    /// Head of the receipt log.
    pub log: Log,
    /// Where clients and nodes find it: host and port, or a URL. Printable ASCII.
    #[max_len(MAX_ENDPOINT_LEN)]
    pub endpoint: String,
}

/// Head of an append-only log (RFC 9162), with what is needed to extend it.
#[derive(AnchorSerialize, AnchorDeserialize, InitSpace, Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Grows by one when a new log is begun.
    pub epoch: u32,
    /// Number of leaves.
    pub size: u64,
    /// RFC 9162 root.
    pub root: [u8; 32],
    /// Roots of the complete subtrees the log consists of, largest first; one per set bit of `size`.
    #[max_len(MAX_PEAKS)]
    pub peaks: Vec<[u8; 32]>,
}

impl Log {
    /// A log without leaves.
    #[must_use]
    pub fn empty(epoch: u32) -> Self {
        Self { epoch, size: 0, root: merkle::empty_root().0, peaks: Vec::new() }
    }

    /// The peaks as hashes.
    #[must_use]
    pub fn peak_hashes(&self) -> Vec<Hash32> {
        self.peaks.iter().copied().map(Hash32).collect()
    }
}

impl Coordinator {
    /// What must hold after every change.
    pub fn invariant(&self) -> Result<()> {
        require_eq!(self.version, VERSION, PinaivuError::InvariantBroken);
        self.totals().check().map_err(PinaivuError::from)?;
        let peaks = usize::try_from(self.log.size.count_ones());
        require!(peaks == Ok(self.log.peaks.len()), PinaivuError::InvariantBroken);
        require_valid_endpoint(&self.endpoint)
    }

    /// Refuses a coordinator with less to lose than the market asks for.
    pub fn require_bonded(&self, market: &Market) -> Result<()> {
        require!(self.penalty_bond >= market.min_bond, PinaivuError::CoordinatorUnderbonded);
        Ok(())
    }

    /// Adds to the bonds. Their sum must fit, since one vault holds both.
    pub fn add_bonds(&mut self, guarantee: u64, penalty: u64) -> Result<()> {
        let guarantee_bond = self.guarantee_bond.checked_add(guarantee);
        let penalty_bond = self.penalty_bond.checked_add(penalty);
        self.guarantee_bond = guarantee_bond.ok_or(PinaivuError::Overflow)?;
        self.penalty_bond = penalty_bond.ok_or(PinaivuError::Overflow)?;
        self.guarantee_bond.checked_add(self.penalty_bond).ok_or(PinaivuError::Overflow)?;
        Ok(())
    }

    /// The totals, for the money rules.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        Totals {
            debited: Amount(self.debited),
            credited: Amount(self.credited),
            fees: Amount(self.fees),
            fees_paid: Amount(self.fees_paid),
        }
    }

    /// Writes the totals back.
    pub const fn set_totals(&mut self, totals: Totals) {
        self.debited = totals.debited.0;
        self.credited = totals.credited.0;
        self.fees = totals.fees.0;
        self.fees_paid = totals.fees_paid.0;
    }
}

/// Refuses an endpoint that is empty, too long, or not printable ASCII without spaces.
pub(crate) fn require_valid_endpoint(endpoint: &str) -> Result<()> {
    let printable = endpoint.bytes().all(|byte| byte.is_ascii_graphic());
    let valid = printable && (1..=MAX_ENDPOINT_LEN).contains(&endpoint.len());
    require!(valid, PinaivuError::EndpointInvalid);
    Ok(())
}
