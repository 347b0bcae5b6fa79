//! The program's accounts as consumers see them: ids and units of the protocol, options instead of
//! sentinels, no reserved bytes and no bumps.
//!
//! These are views of one moment. Nothing here is checked against the network; [`crate::decode`] makes
//! them from account bytes.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{
    AllowanceId, ClusterId, CoordinatorId, EscrowId, MarketId, NodeId, PublicKey, RequestId,
    Segment,
};
use pinaivu_protocol::units::{Amount, Bps, FineAmount, Slot, TokenCount, UnixMillis};
use serde::Serialize;
use solana_pubkey::Pubkey;

/// A moment as the chain's clock counts it: seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub i64);

/// A delay that has passed only once both its slots and its seconds have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Delay {
    /// Slots to wait.
    pub slots: u64,
    /// Seconds to wait.
    pub seconds: u64,
}

/// A moment in both of the chain's measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChainTime {
    /// The slot.
    pub slot: Slot,
    /// The clock.
    pub unix: UnixSeconds,
}

impl Delay {
    /// Whether the delay that began at `start` has passed at `now`, as the program judges it.
    #[must_use]
    pub fn has_passed(&self, start: ChainTime, now: ChainTime) -> bool {
        let slots = start.slot.0.saturating_add(self.slots) <= now.slot.0;
        let until =
            i64::try_from(self.seconds).map_or(i64::MAX, |wait| start.unix.0.saturating_add(wait));
        slots && until <= now.unix.0
    }
}

/// One mint's market on one cluster. Settlements only read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Market {
    /// Its address.
    pub id: MarketId,
    /// The token everything is paid in.
    #[serde(serialize_with = "as_text")]
    pub mint: Pubkey,
    /// The token program that owns the mint.
    #[serde(serialize_with = "as_text")]
    pub token_program: Pubkey,
    /// The cluster's genesis hash, part of the address.
    pub cluster: ClusterId,
    /// May pause deposits and registrations at once, and propose changes of the rules, which wait.
    pub governance: PublicKey,
    /// No coordinator may keep more than this part of its debits.
    pub fee_cap: Bps,
    /// Between asking for reserved money and getting it.
    pub exit_delay: Delay,
    /// Between unbonding stake or a penalty bond and claiming it.
    pub unbond_delay: Delay,
    /// Between a demand and its payment out of the guarantee bond.
    pub liveness: Delay,
    /// Between asking to lower a guarantee, or its bond, and lowering it.
    pub guarantee_delay: Delay,
    /// Between proposing a change and making it.
    pub governance_delay: Delay,
    /// Least stake of a node that may serve.
    pub min_stake: Amount,
    /// Least bond of a coordinator.
    pub min_bond: Amount,
    /// Whether new deposits and registrations are stopped.
    pub paused: bool,
    /// Proposals ever opened; the next one's number.
    pub proposals: u64,
}

/// What the market's vaults owe. Written by instructions that move tokens, never by settlements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// The market.
    pub market: MarketId,
    /// Free and reserved escrow money, and credits not yet claimed.
    pub escrow_liabilities: Amount,
    /// Stake, unbonding stake included.
    pub stake_liabilities: Amount,
    /// Coordinators' bonds.
    pub bond_liabilities: Amount,
    /// Grows with every change.
    pub sequence: u64,
}

/// One owner's money in a market.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Escrow {
    /// Its address.
    pub id: EscrowId,
    /// The market.
    pub market: MarketId,
    /// Who may withdraw and reserve.
    pub owner: PublicKey,
    /// When it was opened; part of the address.
    pub opening_slot: Slot,
    /// Not reserved: may leave at once.
    pub free: Amount,
    /// Allowances that are still open on it.
    pub open_allowances: u32,
    /// Grows with every change.
    pub sequence: u64,
    /// Gets the rent back at the end.
    pub rent_payer: PublicKey,
}

/// Money on its way out of an allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PendingRelease {
    /// How much was asked for; what is paid is at most what remains by then.
    pub amount: Amount,
    /// When it was asked for.
    pub requested: ChainTime,
    /// The token account it goes to; nothing means back to the escrow's free balance.
    #[serde(serialize_with = "as_optional_text")]
    pub destination: Option<Pubkey>,
}

/// How far vouchers let an allowance be debited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct VoucherLimit {
    /// Who signs vouchers.
    pub signer: PublicKey,
    /// The most that may be debited in all, by the vouchers presented so far.
    pub limit: Amount,
}

/// What one escrow reserved for one coordinator. The three cumulatives never fall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Allowance {
    /// Its address.
    pub id: AllowanceId,
    /// Whose money.
    pub escrow: EscrowId,
    /// The escrow's owner.
    pub owner: PublicKey,
    /// For whom.
    pub coordinator: CoordinatorId,
    /// When it was opened; part of the address.
    pub opening_slot: Slot,
    /// Everything ever reserved.
    pub reserved: Amount,
    /// Everything ever released again.
    pub released: Amount,
    /// Everything ever debited.
    pub debited: Amount,
    /// No request may be admitted on it from this moment on.
    pub expiry: UnixSeconds,
    /// When someone first showed the chain that the expiry has passed; the exit delay after an expiry
    /// counts its slots from here.
    pub expiry_observed: Option<Slot>,
    /// A release that waits for its delay.
    pub pending_release: Option<PendingRelease>,
    /// Grows with every change.
    pub sequence: u64,
    /// How far debits may go, when they need vouchers.
    pub vouchers: Option<VoucherLimit>,
    /// Gets the rent back at the end.
    pub rent_payer: PublicKey,
}

impl Allowance {
    /// What the program lets debits take now: what remains, as far as vouchers go.
    #[must_use]
    pub fn debitable(&self) -> Amount {
        let limit = self.vouchers.map_or(Amount::MAX, |vouchers| vouchers.limit);
        self.remaining().min(limit.saturating_sub(self.debited))
    }

    /// What is still set aside: reserved − released − debited.
    #[must_use]
    pub fn remaining(&self) -> Amount {
        self.reserved.saturating_sub(self.released).saturating_sub(self.debited)
    }

    /// What new requests may still be admitted against at `now`: nothing after expiry, nothing of what is
    /// pending release, nothing beyond the vouchers presented.
    #[must_use]
    pub fn admissible(&self, now: UnixSeconds) -> Amount {
        if now >= self.expiry {
            return Amount::ZERO;
        }
        let leaving = self.pending_release.map_or(Amount::ZERO, |release| release.amount);
        self.remaining().saturating_sub(leaving).min(self.debitable())
    }
}

/// Whether a node takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    /// It may, given enough stake.
    Active,
    /// It contradicted itself under its own signature. Never to be used.
    Suspended,
}

/// Stake on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Unbonding {
    /// How much.
    pub amount: Amount,
    /// When it was asked for.
    pub requested: ChainTime,
}

/// A node: the identity, whatever key it signs with today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its address.
    pub id: NodeId,
    /// The market.
    pub market: MarketId,
    /// The cold wallet that owns stake and settings.
    pub operator: PublicKey,
    /// The hot key: TLS identity, asks and proofs.
    pub signer: PublicKey,
    /// Whose token account is paid.
    pub payout_owner: PublicKey,
    /// When it was opened; part of the address.
    pub opening_slot: Slot,
    /// At stake, unbonding stake not included.
    pub stake: Amount,
    /// Stake on its way out.
    pub unbonding: Option<Unbonding>,
    /// Whether it takes part.
    pub status: NodeStatus,
    /// Grows with every change.
    pub sequence: u64,
    /// Gets the rent back at the end.
    pub rent_payer: PublicKey,
}

/// The head of a coordinator's receipt log as the chain holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogHead {
    /// The epoch that is open.
    pub epoch: u32,
    /// Leaves in it.
    pub size: u64,
    /// Roots of its perfect subtrees, largest first.
    #[serde(serialize_with = "as_text_list")]
    pub peaks: Vec<Hash32>,
    /// RFC 9162 root over `size` leaves.
    #[serde(serialize_with = "as_text")]
    pub root: Hash32,
}

/// A coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Coordinator {
    /// Its address.
    pub id: CoordinatorId,
    /// The market.
    pub market: MarketId,
    /// The cold key: bonds, rotation, new log epochs, fees.
    pub authority: PublicKey,
    /// The hot key: receipts, log, settlement.
    pub signer: PublicKey,
    /// When it was opened; part of the address.
    pub opening_slot: Slot,
    /// Where nodes and clients find it.
    pub endpoint: String,
    /// Attestation measurement; all zero when unattested.
    #[serde(serialize_with = "as_text")]
    pub measurement: Hash32,
    /// Hash of the attestation evidence; all zero when unattested.
    #[serde(serialize_with = "as_text")]
    pub evidence_hash: Hash32,
    /// Backs what it owes nodes.
    pub guarantee_bond: Amount,
    /// Lost on equivocation.
    pub penalty_bond: Amount,
    /// Its part of every debit, at most the market's cap.
    pub fee: Bps,
    /// Its receipt log.
    pub log: LogHead,
    /// Sum of all debits, cumulative.
    pub debited: Amount,
    /// Sum of all credits, cumulative.
    pub credited: Amount,
    /// Its fees, cumulative.
    pub fees: Amount,
    /// Fees it has been paid, cumulative.
    pub fees_paid: Amount,
    /// Grows with every change.
    pub sequence: u64,
    /// What the guarantee bond stands for: over all nodes guarantee less advance.
    pub guaranteed: Amount,
    /// What the guarantee bond advanced and credit has not given back, over all nodes.
    pub advanced: Amount,
    /// Guarantee bond on its way out.
    pub guarantee_unbonding: Option<Unbonding>,
    /// Penalty bond on its way out.
    pub penalty_unbonding: Option<Unbonding>,
    /// Whether it contradicted itself under its own signature. Never to be used.
    pub slashed: bool,
    /// Gets the rent back at the end.
    pub rent_payer: PublicKey,
}

/// A lower guarantee that waits for its delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lowering {
    /// The guarantee afterwards.
    pub guarantee: Amount,
    /// When it was asked for.
    pub requested: ChainTime,
}

/// A demand that waits for the liveness period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Demand {
    /// Earned in all, by the receipt shown.
    pub cumulative: Amount,
    /// When it was demanded.
    pub opened: ChainTime,
}

/// What one coordinator owes one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Payout {
    /// Its address.
    #[serde(serialize_with = "as_text")]
    pub address: Pubkey,
    /// Who owes.
    pub coordinator: CoordinatorId,
    /// Who is owed.
    pub node: NodeId,
    /// Whose token account is paid.
    pub payout_owner: PublicKey,
    /// Credited, cumulative.
    pub credited: Amount,
    /// Paid to the node by claims and demands, cumulative. More than credited while the guarantee bond
    /// has advanced something.
    pub paid: Amount,
    /// The part of the coordinator's guarantee bond that stands for this node.
    pub guarantee: Amount,
    /// Grows with every change.
    pub sequence: u64,
    /// Part of `paid` that the guarantee bond advanced and credit has not given back.
    pub advanced: Amount,
    /// A lower guarantee that waits.
    pub lowering: Option<Lowering>,
    /// What the node demanded and waits for.
    pub demand: Option<Demand>,
    /// Gets the rent back at the end.
    pub rent_payer: PublicKey,
}

impl Payout {
    /// What a claim pays now: credited − paid.
    #[must_use]
    pub fn claimable(&self) -> Amount {
        self.credited.saturating_sub(self.paid)
    }

    /// What the guarantee bond can still advance to this node.
    #[must_use]
    pub fn capacity(&self) -> Amount {
        self.guarantee.saturating_sub(self.advanced)
    }
}

/// The last head of a log epoch that is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EpochHead {
    /// Whose log.
    pub coordinator: CoordinatorId,
    /// Which epoch.
    pub epoch: u32,
    /// Leaves in it.
    pub size: u64,
    /// RFC 9162 root over `size` leaves.
    #[serde(serialize_with = "as_text")]
    pub root: Hash32,
    /// When it was closed.
    pub closed_slot: Slot,
}

/// A hot key that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetiredSigner {
    /// Its address.
    #[serde(serialize_with = "as_text")]
    pub address: Pubkey,
    /// The coordinator or node it signed for.
    #[serde(serialize_with = "as_text")]
    pub account: Pubkey,
    /// The key.
    pub signer: PublicKey,
    /// When it was replaced.
    pub retired: ChainTime,
    /// Gets the rent back at the end.
    pub rent_payer: PublicKey,
}

/// One receipt's facts, whose inclusion in the log the program checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptRecord {
    /// Its address.
    #[serde(serialize_with = "as_text")]
    pub address: Pubkey,
    /// Whose log.
    pub coordinator: CoordinatorId,
    /// Who served.
    pub node: NodeId,
    /// Which of the logs.
    pub epoch: u32,
    /// Place in that log.
    pub index: u64,
    /// Which request.
    #[serde(serialize_with = "as_text")]
    pub request: RequestId,
    /// Which part of it.
    pub segment: Segment,
    /// All that the coordinator owed or had paid the node, this receipt included.
    #[serde(serialize_with = "as_text")]
    pub node_cumulative: FineAmount,
    /// The log leaf.
    #[serde(serialize_with = "as_text")]
    pub leaf: Hash32,
    /// The model as the client named it.
    pub model: String,
    /// Prompt tokens charged.
    pub input_tokens: TokenCount,
    /// Generated tokens charged.
    pub output_tokens: TokenCount,
    /// What the user owed.
    #[serde(serialize_with = "as_text")]
    pub amount: FineAmount,
    /// The coordinator's part of it.
    #[serde(serialize_with = "as_text")]
    pub fee: FineAmount,
    /// When the coordinator made the receipt.
    pub created: UnixMillis,
    /// When it was recorded.
    pub recorded_slot: Slot,
    /// May close it and gets the rent back.
    pub rent_payer: PublicKey,
}

/// A measurement on the market's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measurement {
    /// The market.
    pub market: MarketId,
    /// The measurement.
    #[serde(serialize_with = "as_text")]
    pub measurement: Hash32,
    /// Since when it is on the list.
    pub allowed_slot: Slot,
}

/// A token account of the market's mint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenAccount {
    /// Its address.
    #[serde(serialize_with = "as_text")]
    pub address: Pubkey,
    /// What it holds.
    #[serde(serialize_with = "as_text")]
    pub mint: Pubkey,
    /// Who may spend.
    pub owner: PublicKey,
    /// How much.
    pub amount: Amount,
}

fn as_text<T: std::fmt::Display, S: serde::Serializer>(
    value: &T,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

fn as_optional_text<T: std::fmt::Display, S: serde::Serializer>(
    value: &Option<T>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}

fn as_text_list<T: std::fmt::Display, S: serde::Serializer>(
    values: &[T],
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_seq(values.iter().map(ToString::to_string))
}
