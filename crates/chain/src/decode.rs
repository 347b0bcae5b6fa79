//! From account bytes to the views in [`crate::accounts`].
//!
//! Owner and discriminator are checked before anything is believed. Sentinels of the layout (zero
//! amounts, the zero key) become options here and nowhere else.

use anchor_lang::{AccountDeserialize as _, Discriminator as _};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{
    AllowanceId, ClusterId, CoordinatorId, EscrowId, MarketId, NodeId, PublicKey,
};
use pinaivu_protocol::units::{Amount, Bps, Slot};
use solana_account::Account;
use solana_pubkey::Pubkey;

use crate::accounts::{
    Allowance, ChainTime, Coordinator, Delay, EpochHead, Escrow, Ledger, LogHead, Market, Node,
    NodeStatus, Payout, PendingRelease, Unbonding, UnixSeconds,
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
            min_stake: Amount(raw.min_stake),
            min_bond: Amount(raw.min_bond),
            paused: raw.paused,
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
        }
    }
}

impl ProgramAccount for Node {
    type Raw = raw::Node;
    const NAME: &'static str = "node";

    fn view(address: Pubkey, raw: raw::Node) -> Self {
        let unbonding = raw.unbonding;
        Self {
            id: NodeId(address.to_bytes()),
            market: MarketId(raw.market.to_bytes()),
            operator: key(raw.operator),
            signer: key(raw.signer),
            payout_owner: key(raw.payout_owner),
            opening_slot: Slot(raw.opening_slot),
            stake: Amount(raw.stake),
            unbonding: (unbonding.amount != 0).then(|| Unbonding {
                amount: Amount(unbonding.amount),
                requested: time(unbonding.requested_slot, unbonding.requested_time),
            }),
            status: match raw.status {
                types::NodeStatus::Active => NodeStatus::Active,
                types::NodeStatus::Suspended => NodeStatus::Suspended,
            },
            sequence: raw.sequence,
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

const fn time(slot: u64, unix: i64) -> ChainTime {
    ChainTime { slot: Slot(slot), unix: UnixSeconds(unix) }
}

fn some_slot(slot: u64) -> Option<Slot> {
    (slot != 0).then_some(Slot(slot))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const PROGRAM: Pubkey = Pubkey::new_from_array([200; 32]);

    fn marked(byte: u8) -> Pubkey {
        Pubkey::new_from_array([byte; 32])
    }

    fn bytes(account: &impl anchor_lang::AccountSerialize) -> Vec<u8> {
        let mut data = Vec::new();
        account.try_serialize(&mut data).unwrap();
        data
    }

    fn stored(data: Vec<u8>, owner: Pubkey) -> Account {
        Account { lamports: 1, data, owner, executable: false, rent_epoch: 0 }
    }

    fn escrow() -> raw::Escrow {
        raw::Escrow {
            version: 1,
            bump: 254,
            market: marked(1),
            owner: marked(2),
            opening_slot: 3,
            free: 4,
            allowances: 5,
            sequence: 6,
            reserved: [0; 128],
        }
    }

    fn allowance() -> raw::Allowance {
        raw::Allowance {
            version: 1,
            bump: 254,
            escrow: marked(1),
            owner: marked(2),
            coordinator: marked(3),
            opening_slot: 4,
            reserved: 100,
            released: 20,
            debited: 30,
            expiry_time: 1_000,
            expiry_observed_slot: 0,
            pending_release: types::PendingRelease {
                amount: 0,
                requested_slot: 0,
                requested_time: 0,
                destination: Pubkey::default(),
            },
            sequence: 7,
            voucher_reserved: [0; 128],
        }
    }

    fn node() -> raw::Node {
        raw::Node {
            version: 1,
            bump: 254,
            market: marked(1),
            operator: marked(2),
            signer: marked(3),
            payout_owner: marked(4),
            opening_slot: 5,
            stake: 6,
            unbonding: types::Unbonding { amount: 7, requested_slot: 8, requested_time: 9 },
            status: types::NodeStatus::Suspended,
            sequence: 10,
            endpoint_reserved: [0; 130],
            reserved: [0; 64],
        }
    }

    fn coordinator() -> raw::Coordinator {
        raw::Coordinator {
            version: 1,
            bump: 254,
            market: marked(1),
            authority: marked(2),
            signer: marked(3),
            opening_slot: 4,
            fee_bps: 5,
            measurement: [6; 32],
            evidence_hash: [7; 32],
            guarantee_bond: 8,
            penalty_bond: 9,
            debited: 10,
            credited: 11,
            fees: 12,
            fees_paid: 13,
            sequence: 14,
            reserved: [0; 192],
            log: types::Log { epoch: 15, size: 3, root: [16; 32], peaks: vec![[17; 32], [18; 32]] },
            endpoint: "tunnel.example:4433".to_owned(),
        }
    }

    fn payout() -> raw::Payout {
        raw::Payout {
            version: 1,
            bump: 254,
            coordinator: marked(1),
            node: marked(2),
            payout_owner: marked(3),
            credited: 10,
            paid: 4,
            guarantee: 0,
            sequence: 5,
            demand_reserved: [0; 160],
        }
    }

    #[test]
    fn filter_offsets_point_at_the_fields_they_name() {
        use offsets::*;
        for (data, offset, field) in [
            (bytes(&escrow()), ESCROW_MARKET, 1),
            (bytes(&escrow()), ESCROW_OWNER, 2),
            (bytes(&allowance()), ALLOWANCE_ESCROW, 1),
            (bytes(&allowance()), ALLOWANCE_OWNER, 2),
            (bytes(&allowance()), ALLOWANCE_COORDINATOR, 3),
            (bytes(&node()), NODE_MARKET, 1),
            (bytes(&node()), NODE_OPERATOR, 2),
            (bytes(&node()), NODE_SIGNER, 3),
            (bytes(&coordinator()), COORDINATOR_MARKET, 1),
            (bytes(&coordinator()), COORDINATOR_AUTHORITY, 2),
            (bytes(&payout()), PAYOUT_COORDINATOR, 1),
            (bytes(&payout()), PAYOUT_NODE, 2),
        ] {
            assert_eq!(data[offset..offset + 32], [field; 32]);
        }
    }

    #[test]
    fn allowance_without_release_decodes_and_counts_what_remains() {
        let address = marked(9);
        let account = stored(bytes(&allowance()), PROGRAM);
        let decoded = Allowance::decode(address, &account, &PROGRAM).unwrap();
        assert_eq!(decoded.id, AllowanceId([9; 32]));
        assert_eq!(decoded.pending_release, None);
        assert_eq!(decoded.expiry_observed, None);
        assert_eq!(decoded.remaining(), Amount(50));
        assert_eq!(decoded.admissible(UnixSeconds(999)), Amount(50));
        assert_eq!(decoded.admissible(UnixSeconds(1_000)), Amount::ZERO);
    }

    #[test]
    fn pending_release_is_taken_off_what_is_admissible() {
        let mut raw = allowance();
        raw.pending_release = types::PendingRelease {
            amount: 45,
            requested_slot: 1,
            requested_time: 2,
            destination: marked(8),
        };
        let account = stored(bytes(&raw), PROGRAM);
        let decoded = Allowance::decode(marked(9), &account, &PROGRAM).unwrap();
        assert_eq!(
            decoded.pending_release,
            Some(PendingRelease {
                amount: Amount(45),
                requested: time(1, 2),
                destination: Some(marked(8)),
            })
        );
        assert_eq!(decoded.admissible(UnixSeconds(0)), Amount(5));
    }

    #[test]
    fn node_decodes_every_field() {
        let account = stored(bytes(&node()), PROGRAM);
        assert_eq!(
            Node::decode(marked(9), &account, &PROGRAM).unwrap(),
            Node {
                id: NodeId([9; 32]),
                market: MarketId([1; 32]),
                operator: PublicKey([2; 32]),
                signer: PublicKey([3; 32]),
                payout_owner: PublicKey([4; 32]),
                opening_slot: Slot(5),
                stake: Amount(6),
                unbonding: Some(Unbonding { amount: Amount(7), requested: time(8, 9) }),
                status: NodeStatus::Suspended,
                sequence: 10,
            }
        );
    }

    #[test]
    fn coordinator_decodes_log_and_endpoint_behind_the_reserved_bytes() {
        let account = stored(bytes(&coordinator()), PROGRAM);
        let decoded = Coordinator::decode(marked(9), &account, &PROGRAM).unwrap();
        assert_eq!(decoded.endpoint, "tunnel.example:4433");
        assert_eq!(
            decoded.log,
            LogHead {
                epoch: 15,
                size: 3,
                peaks: vec![Hash32([17; 32]), Hash32([18; 32])],
                root: Hash32([16; 32]),
            }
        );
        assert_eq!((decoded.fees, decoded.fees_paid), (Amount(12), Amount(13)));
    }

    #[test]
    fn payout_claimable_is_credited_less_paid() {
        let account = stored(bytes(&payout()), PROGRAM);
        let decoded = Payout::decode(marked(9), &account, &PROGRAM).unwrap();
        assert_eq!(decoded.claimable(), Amount(6));
        assert_eq!(decoded.payout_owner, PublicKey([3; 32]));
    }

    #[test]
    fn foreign_owner_other_kind_and_truncated_bytes_are_refused() {
        let data = bytes(&escrow());
        for (data, owner, expected) in [
            (data.clone(), marked(1), AccountMismatch::Owner),
            (bytes(&payout()), PROGRAM, AccountMismatch::Kind),
            (Vec::new(), PROGRAM, AccountMismatch::Kind),
            (data[..40].to_vec(), PROGRAM, AccountMismatch::Encoding),
        ] {
            let refused = Escrow::decode(marked(9), &stored(data, owner), &PROGRAM).unwrap_err();
            assert!(matches!(
                refused,
                ChainError::Account { expected: "escrow", reason, .. } if reason == expected
            ));
        }
    }
}
