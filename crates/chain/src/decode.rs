//! From account bytes to the views in [`crate::accounts`].
//!
//! Owner and discriminator are checked before anything is believed. Sentinels of the layout (zero
//! amounts, the zero key) become options here and nowhere else.

use anchor_lang::{AccountDeserialize as _, Discriminator as _};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{
    AllowanceId, ClusterId, CoordinatorId, EscrowId, MarketId, NodeId, PublicKey, RequestId,
    Segment,
};
use pinaivu_protocol::units::{Amount, Bps, FineAmount, Slot, TokenCount, UnixMillis};
use solana_account::Account;
use solana_pubkey::Pubkey;

use crate::accounts::{
    Allowance, ChainTime, Coordinator, Delay, Demand, EpochHead, Escrow, Ledger, LogHead, Lowering,
    Market, Measurement, Node, NodeStatus, Payout, PendingRelease, ReceiptRecord, RetiredSigner,
    Unbonding, UnixSeconds, VoucherLimit,
};
use crate::error::{AccountMismatch, ChainError};
use crate::program::idl::pinaivu::accounts as raw;
use crate::program::idl::pinaivu::types;

/// Where fields lie in the bytes, for filters: eight bytes of discriminator, version, bump, then the
/// fields in the order of the IDL. Pinned against the generated types by a test.
pub(crate) mod offsets {
    pub(crate) const ESCROW_MARKET: usize = 10;
    pub(crate) const ESCROW_OWNER: usize = 42;
    pub(crate) const ALLOWANCE_ESCROW: usize = 10;
    pub(crate) const ALLOWANCE_OWNER: usize = 42;
    pub(crate) const ALLOWANCE_COORDINATOR: usize = 74;
    pub(crate) const NODE_MARKET: usize = 10;
    pub(crate) const NODE_OPERATOR: usize = 42;
    pub(crate) const NODE_SIGNER: usize = 74;
    pub(crate) const COORDINATOR_MARKET: usize = 10;
    pub(crate) const COORDINATOR_AUTHORITY: usize = 42;
    pub(crate) const MEASUREMENT_MARKET: usize = 10;
    pub(crate) const PAYOUT_COORDINATOR: usize = 10;
    pub(crate) const PAYOUT_NODE: usize = 42;
}

/// An account of the program.
pub(crate) trait ProgramAccount: Sized {
    /// Its generated type.
    type Raw: anchor_lang::AccountDeserialize + anchor_lang::Discriminator;
    /// Its name, for people.
    const NAME: &'static str;

    /// The view of `raw` at `address`.
    fn view(address: Pubkey, raw: Self::Raw) -> Self;

    /// The first eight bytes of every account of this kind.
    fn discriminator() -> &'static [u8] {
        Self::Raw::DISCRIMINATOR
    }

    /// Reads `account`, which must belong to `program`.
    fn decode(address: Pubkey, account: &Account, program: &Pubkey) -> Result<Self, ChainError> {
        let mismatch = |reason| ChainError::Account { address, expected: Self::NAME, reason };
        if account.owner != *program {
            return Err(mismatch(AccountMismatch::Owner));
        }
        if !account.data.starts_with(Self::discriminator()) {
            return Err(mismatch(AccountMismatch::Kind));
        }
        let raw = Self::Raw::try_deserialize(&mut account.data.as_slice())
            .map_err(|_| mismatch(AccountMismatch::Encoding))?;
        Ok(Self::view(address, raw))
    }
}

impl ProgramAccount for Market {
    type Raw = raw::Market;
    const NAME: &'static str = "market";

    fn view(address: Pubkey, raw: raw::Market) -> Self {
        Self {
            id: MarketId(address.to_bytes()),
            mint: raw.mint,
            token_program: raw.token_program,
            cluster: ClusterId(raw.genesis_hash),
            governance: key(raw.governance),
            fee_cap: Bps(raw.fee_cap_bps),
            exit_delay: Delay { slots: raw.exit_delay_slots, seconds: raw.exit_delay_seconds },
            unbond_delay: Delay {
                slots: raw.unbond_delay_slots,
                seconds: raw.unbond_delay_seconds,
            },
            liveness: Delay { slots: raw.liveness_slots, seconds: raw.liveness_seconds },
            guarantee_delay: Delay {
                slots: raw.guarantee_delay_slots,
                seconds: raw.guarantee_delay_seconds,
            },
            governance_delay: Delay {
                slots: raw.governance_delay_slots,
                seconds: raw.governance_delay_seconds,
            },
            min_stake: Amount(raw.min_stake),
            min_bond: Amount(raw.min_bond),
            paused: raw.paused,
            proposals: raw.proposals,
        }
    }
}

impl ProgramAccount for Ledger {
    type Raw = raw::Ledger;
    const NAME: &'static str = "ledger";

    fn view(_: Pubkey, raw: raw::Ledger) -> Self {
        Self {
            market: MarketId(raw.market.to_bytes()),
            escrow_liabilities: Amount(raw.escrow_liabilities),
            stake_liabilities: Amount(raw.stake_liabilities),
            bond_liabilities: Amount(raw.bond_liabilities),
            sequence: raw.sequence,
        }
    }
}

impl ProgramAccount for Escrow {
    type Raw = raw::Escrow;
    const NAME: &'static str = "escrow";

    fn view(address: Pubkey, raw: raw::Escrow) -> Self {
        Self {
            id: EscrowId(address.to_bytes()),
            market: MarketId(raw.market.to_bytes()),
            owner: key(raw.owner),
            opening_slot: Slot(raw.opening_slot),
            free: Amount(raw.free),
            open_allowances: raw.allowances,
            sequence: raw.sequence,
            rent_payer: key(raw.rent_payer),
        }
    }
}

impl ProgramAccount for Allowance {
    type Raw = raw::Allowance;
    const NAME: &'static str = "allowance";

    fn view(address: Pubkey, raw: raw::Allowance) -> Self {
        let pending = raw.pending_release;
        Self {
            id: AllowanceId(address.to_bytes()),
            escrow: EscrowId(raw.escrow.to_bytes()),
            owner: key(raw.owner),
            coordinator: CoordinatorId(raw.coordinator.to_bytes()),
            opening_slot: Slot(raw.opening_slot),
            reserved: Amount(raw.reserved),
            released: Amount(raw.released),
            debited: Amount(raw.debited),
            expiry: UnixSeconds(raw.expiry_time),
            expiry_observed: some_slot(raw.expiry_observed_slot),
            pending_release: (pending.amount != 0).then(|| PendingRelease {
                amount: Amount(pending.amount),
                requested: time(pending.requested_slot, pending.requested_time),
                destination: (pending.destination != Pubkey::default())
                    .then_some(pending.destination),
            }),
            sequence: raw.sequence,
            vouchers: (raw.voucher_signer != Pubkey::default()).then(|| VoucherLimit {
                signer: key(raw.voucher_signer),
                limit: Amount(raw.voucher_limit),
            }),
            rent_payer: key(raw.rent_payer),
        }
    }
}

impl ProgramAccount for Node {
    type Raw = raw::Node;
    const NAME: &'static str = "node";

    fn view(address: Pubkey, raw: raw::Node) -> Self {
        Self {
            id: NodeId(address.to_bytes()),
            market: MarketId(raw.market.to_bytes()),
            operator: key(raw.operator),
            signer: key(raw.signer),
            payout_owner: key(raw.payout_owner),
            opening_slot: Slot(raw.opening_slot),
            stake: Amount(raw.stake),
            unbonding: unbonding(&raw.unbonding),
            status: match raw.status {
                types::NodeStatus::Active => NodeStatus::Active,
                types::NodeStatus::Suspended => NodeStatus::Suspended,
            },
            sequence: raw.sequence,
            rent_payer: key(raw.rent_payer),
        }
    }
}

impl ProgramAccount for Coordinator {
    type Raw = raw::Coordinator;
    const NAME: &'static str = "coordinator";

    fn view(address: Pubkey, raw: raw::Coordinator) -> Self {
        Self {
            id: CoordinatorId(address.to_bytes()),
            market: MarketId(raw.market.to_bytes()),
            authority: key(raw.authority),
            signer: key(raw.signer),
            opening_slot: Slot(raw.opening_slot),
            endpoint: raw.endpoint,
            measurement: Hash32(raw.measurement),
            evidence_hash: Hash32(raw.evidence_hash),
            guarantee_bond: Amount(raw.guarantee_bond),
            penalty_bond: Amount(raw.penalty_bond),
            fee: Bps(raw.fee_bps),
            log: LogHead {
                epoch: raw.log.epoch,
                size: raw.log.size,
                peaks: raw.log.peaks.into_iter().map(Hash32).collect(),
                root: Hash32(raw.log.root),
            },
            debited: Amount(raw.debited),
            credited: Amount(raw.credited),
            fees: Amount(raw.fees),
            fees_paid: Amount(raw.fees_paid),
            sequence: raw.sequence,
            guaranteed: Amount(raw.guaranteed),
            advanced: Amount(raw.advanced),
            guarantee_unbonding: unbonding(&raw.guarantee_unbonding),
            penalty_unbonding: unbonding(&raw.penalty_unbonding),
            slashed: raw.slashed,
            rent_payer: key(raw.rent_payer),
        }
    }
}

impl ProgramAccount for Payout {
    type Raw = raw::Payout;
    const NAME: &'static str = "payout";

    fn view(address: Pubkey, raw: raw::Payout) -> Self {
        Self {
            address,
            coordinator: CoordinatorId(raw.coordinator.to_bytes()),
            node: NodeId(raw.node.to_bytes()),
            payout_owner: key(raw.payout_owner),
            credited: Amount(raw.credited),
            paid: Amount(raw.paid),
            guarantee: Amount(raw.guarantee),
            sequence: raw.sequence,
            advanced: Amount(raw.advanced),
            lowering: (raw.lowering.requested_slot != 0).then(|| Lowering {
                guarantee: Amount(raw.lowering.guarantee),
                requested: time(raw.lowering.requested_slot, raw.lowering.requested_time),
            }),
            demand: (raw.demand.cumulative != 0).then(|| Demand {
                cumulative: Amount(raw.demand.cumulative),
                opened: time(raw.demand.opened_slot, raw.demand.opened_time),
            }),
            rent_payer: key(raw.rent_payer),
        }
    }
}

impl ProgramAccount for RetiredSigner {
    type Raw = raw::RetiredSigner;
    const NAME: &'static str = "retired signer";

    fn view(address: Pubkey, raw: raw::RetiredSigner) -> Self {
        Self {
            address,
            account: raw.account,
            signer: key(raw.signer),
            retired: time(raw.retired_slot, raw.retired_time),
            rent_payer: key(raw.rent_payer),
        }
    }
}

impl ProgramAccount for ReceiptRecord {
    type Raw = raw::ReceiptRecord;
    const NAME: &'static str = "receipt record";

    fn view(address: Pubkey, raw: raw::ReceiptRecord) -> Self {
        Self {
            address,
            coordinator: CoordinatorId(raw.coordinator.to_bytes()),
            node: NodeId(raw.node.to_bytes()),
            epoch: raw.epoch,
            index: raw.index,
            request: RequestId(raw.request),
            segment: Segment(raw.segment),
            node_cumulative: FineAmount(raw.node_cumulative),
            leaf: Hash32(raw.leaf),
            model: raw.model,
            input_tokens: TokenCount(raw.input_tokens),
            output_tokens: TokenCount(raw.output_tokens),
            amount: FineAmount(raw.amount),
            fee: FineAmount(raw.fee),
            created: UnixMillis(raw.created),
            recorded_slot: Slot(raw.recorded_slot),
            rent_payer: key(raw.rent_payer),
        }
    }
}

impl ProgramAccount for Measurement {
    type Raw = raw::Measurement;
    const NAME: &'static str = "measurement";

    fn view(_: Pubkey, raw: raw::Measurement) -> Self {
        Self {
            market: MarketId(raw.market.to_bytes()),
            measurement: Hash32(raw.measurement),
            allowed_slot: Slot(raw.allowed_slot),
        }
    }
}

impl ProgramAccount for EpochHead {
    type Raw = raw::EpochHead;
    const NAME: &'static str = "epoch head";

    fn view(_: Pubkey, raw: raw::EpochHead) -> Self {
        Self {
            coordinator: CoordinatorId(raw.coordinator.to_bytes()),
            epoch: raw.epoch,
            size: raw.size,
            root: Hash32(raw.root),
            closed_slot: Slot(raw.closed_slot),
        }
    }
}

fn key(address: Pubkey) -> PublicKey {
    PublicKey(address.to_bytes())
}

fn unbonding(raw: &types::Unbonding) -> Option<Unbonding> {
    (raw.amount != 0).then(|| Unbonding {
        amount: Amount(raw.amount),
        requested: time(raw.requested_slot, raw.requested_time),
    })
}

const fn time(slot: u64, unix: i64) -> ChainTime {
    ChainTime { slot: Slot(slot), unix: UnixSeconds(unix) }
}

fn some_slot(slot: u64) -> Option<Slot> {
    (slot != 0).then_some(Slot(slot))
}

#[cfg(test)]
mod tests;
