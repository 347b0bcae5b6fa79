//! A coordinator: who signs for it, what it put up, the head of its log, and its totals.

use anchor_lang::prelude::*;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle;
use pinaivu_protocol::units::Amount;
use pinaivu_rules::{Backing, Stake, Totals};

use super::{Market, Unbonding, VERSION};
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
    /// Backs what nodes are owed and not credited, in base units of the mint. What waits to be taken
    /// out is not in it.
    pub guarantee_bond: u64,
    /// Lost on equivocation, in base units of the mint. What waits to be taken out is lost too, but
    /// not in here.
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
    /// Σ over nodes of guarantee less advances: what the guarantee bond stands for. Never above it.
    pub guaranteed: u64,
    /// Σ over nodes of what the guarantee bond advanced and credit has not given back.
    pub advanced: u64,
    /// Guarantee bond on its way out.
    pub guarantee_unbonding: Unbonding,
    /// Penalty bond on its way out. It can still be slashed.
    pub penalty_unbonding: Unbonding,
    /// Whether it was shown to have signed two contradicting statements. For good: no money can be
    /// reserved for it and no penalty bond added.
    pub slashed: bool,
    /// Who paid the rent and gets it back.
    pub rent_payer: Pubkey,
    /// Zero; for later versions.
    pub reserved: [u8; 95],
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
        self.backing().check().map_err(PinaivuError::from)?;
        let peaks = usize::try_from(self.log.size.count_ones());
        require!(peaks == Ok(self.log.peaks.len()), PinaivuError::InvariantBroken);
        require_valid_endpoint(&self.endpoint)
    }

    /// Refuses a coordinator with less to lose than the market asks for, and one that was slashed.
    pub fn require_bonded(&self, market: &Market) -> Result<()> {
        require!(!self.slashed, PinaivuError::CoordinatorSlashed);
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

    /// The guarantee bond, for the money rules on what waits.
    #[must_use]
    pub const fn guarantee_stake(&self) -> Stake {
        self.guarantee_unbonding.with_active(self.guarantee_bond)
    }

    /// Writes the guarantee bond back.
    pub const fn set_guarantee_stake(&mut self, stake: Stake) {
        self.guarantee_bond = stake.active.0;
        self.guarantee_unbonding = Unbonding::of(stake);
    }

    /// The penalty bond, for the money rules on what waits.
    #[must_use]
    pub const fn penalty_stake(&self) -> Stake {
        self.penalty_unbonding.with_active(self.penalty_bond)
    }

    /// Writes the penalty bond back.
    pub const fn set_penalty_stake(&mut self, stake: Stake) {
        self.penalty_bond = stake.active.0;
        self.penalty_unbonding = Unbonding::of(stake);
    }

    /// The guarantee bond, for the money rules on what it stands for.
    #[must_use]
    pub const fn backing(&self) -> Backing {
        Backing {
            bond: Amount(self.guarantee_bond),
            promised: Amount(self.guaranteed),
            advanced: Amount(self.advanced),
        }
    }

    /// Writes the guarantee bond and what it stands for back.
    pub const fn set_backing(&mut self, backing: Backing) {
        self.guarantee_bond = backing.bond.0;
        self.guaranteed = backing.promised.0;
        self.advanced = backing.advanced.0;
    }

    /// Takes the whole penalty bond and marks the coordinator; gives the amount.
    pub fn slash(&mut self) -> Result<u64> {
        require!(!self.slashed, PinaivuError::CoordinatorSlashed);
        let mut stake = self.penalty_stake();
        let taken = stake.take_all().map_err(PinaivuError::from)?;
        self.set_penalty_stake(stake);
        self.slashed = true;
        Ok(taken.0)
    }

    /// Refuses to close it with anything left in it, or anything that still needs it.
    pub fn require_empty(&self) -> Result<()> {
        let bonds = self.guarantee_stake().total().map_err(PinaivuError::from)?;
        let penalty = self.penalty_stake().total().map_err(PinaivuError::from)?;
        let bonded = bonds.0 > 0 || penalty.0 > 0;
        let owes = self.guaranteed > 0 || self.advanced > 0 || self.fees > self.fees_paid;
        require!(!bonded && !owes, PinaivuError::CoordinatorNotEmpty);
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
