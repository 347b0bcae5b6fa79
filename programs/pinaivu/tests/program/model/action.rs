//! What somebody may try: one instruction each, by anybody, with anything.

use std::sync::Arc;

use pinaivu_protocol::proof::ProofRoot;

use super::ledger::{Id, Plan, Proposed};

/// What is wrong with a log extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Epoch,
    Size,
    Count,
    Root,
}

/// What is wrong with a signed receipt head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    None,
    /// It is for another cluster or program.
    Deployment,
    /// It is another coordinator's.
    Coordinator,
    /// It is another node's; or, of two heads, both are the same.
    Content,
}

/// A new leaf of a log, and of which node's receipt over how much it is, where it is one.
pub(super) type Leaf = ([u8; 32], Option<(Id, u64)>);

/// Declares the actions, each with the name of its instruction in the IDL.
macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal { $($field:ident: $kind:ty),* $(,)? })*) => {
        /// One instruction. Ids are positions in the ledger's lists; `by` is who signs, not always
        /// who may; none is whoever may.
        #[derive(Clone, Debug)]
        pub(super) enum Action {
            $($(#[$doc])* $variant { $($field: $kind),* },)*
        }

        impl Action {
            /// The instruction's name in the IDL.
            pub(super) const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                }
            }
        }
    };
}

actions! {
    /// Another mint's market, or the present one again.
    MarketInitialize = "market_initialize" { second: bool, by_deployer: bool }
    MarketPause = "market_pause" { by: Option<Id>, paused: bool }
    ProposalOpen = "proposal_open" { by: Option<Id>, number: u64, change: Proposed }
    ProposalApply = "proposal_apply" { proposal: Id, new: Option<Id> }
    ProposalCancel = "proposal_cancel" { proposal: Id, by: Option<Id> }
    MeasurementAllow = "measurement_allow" { proposal: Id }
    MeasurementRevoke = "measurement_revoke" { proposal: Id }

    EscrowOpen = "escrow_open" { owner: Id, opened: u64 }
    EscrowDeposit = "escrow_deposit" { escrow: Id, person: Id, amount: u64 }
    EscrowWithdraw = "escrow_withdraw" { escrow: Id, by: Id, amount: u64 }
    EscrowSweep = "escrow_sweep" { escrow: Id }
    /// Of tokens of another mint, or of the market's.
    EscrowRecover = "escrow_recover" { escrow: Id, by: Id, other_mint: bool }
    EscrowClose = "escrow_close" { escrow: Id, by: Id }
    AllowanceOpen = "allowance_open" {
        escrow: Id, by: Id, coordinator: Id, opened: u64, amount: u64, expiry: i64,
        voucher: Option<Id>,
    }
    AllowanceRaise = "allowance_raise" { allowance: Id, by: Id, amount: u64, expiry: i64 }
    AllowanceRelease = "allowance_release" { allowance: Id, by: Id, amount: u64, to_wallet: bool }
    AllowanceExit = "allowance_exit" { allowance: Id, with_wallet: bool }
    /// A voucher for the allowance `named`, shown to another or to that one.
    VoucherAccept = "voucher_accept" {
        allowance: Id, named: Id, signer: Id, cumulative: u64, expiry: i64,
    }
    AllowanceClose = "allowance_close" { allowance: Id, by: Id }

    NodeRegister = "node_register" { operator: Id, payout_owner: Id, signer: Id, opened: u64 }
    NodeStake = "node_stake" { node: Id, person: Id, amount: u64 }
    NodeUnbond = "node_unbond" { node: Id, by: Id, amount: u64 }
    NodeUnbondClaim = "node_unbond_claim" { node: Id }
    NodeRotateSigner = "node_rotate_signer" { node: Id, by: Id, signer: Id }
    NodeClose = "node_close" { node: Id, by: Id }

    CoordinatorRegister = "coordinator_register" {
        authority: Id, signer: Id, opened: u64, fee_bps: u16, measurement: Id,
    }
    CoordinatorBond = "coordinator_bond" { coordinator: Id, by: Id, guarantee: u64, penalty: u64 }
    CoordinatorUnbond = "coordinator_unbond" {
        coordinator: Id, by: Id, guarantee: u64, penalty: u64,
    }
    CoordinatorUnbondClaim = "coordinator_unbond_claim" { coordinator: Id }
    CoordinatorRotateSigner = "coordinator_rotate_signer" { coordinator: Id, by: Id, signer: Id }
    CoordinatorUpdate = "coordinator_update" {
        coordinator: Id, by: Id, value: u8, measurement: Option<Id>,
    }
    CoordinatorClose = "coordinator_close" { coordinator: Id, by: Id }
    SignerClose = "signer_close" { retired: Id }
    LogExtend = "log_extend" { coordinator: Id, by: Id, new: Vec<Leaf>, fault: Fault }
    LogEpochOpen = "log_epoch_open" { coordinator: Id, by: Id }

    PayoutOpen = "payout_open" { coordinator: Id, node: Id }
    Debit = "debit" { coordinator: Id, by: Id, entries: Vec<(Id, u64)> }
    Credit = "credit" { coordinator: Id, by: Id, entries: Vec<(Id, u64)>, fees: u64 }
    Claim = "claim" { payout: Id }
    FeeClaim = "fee_claim" { coordinator: Id }
    PayoutClose = "payout_close" { payout: Id, by: Id }

    GuaranteeSet = "guarantee_set" { payout: Id, by: Id, guarantee: u64 }
    GuaranteeLower = "guarantee_lower" { payout: Id }
    GuaranteeRefill = "guarantee_refill" { payout: Id }
    DemandOpen = "demand_open" {
        payout: Id, by: Id, with_node: bool, signer: Id, cumulative: u64, lie: Lie,
    }
    DemandOpenRecorded = "demand_open_recorded" { payout: Id, by: Id, with_node: bool, record: Id }
    DemandSettle = "demand_settle" { payout: Id }

    EvidenceOpen = "evidence_open" { owner: Id, number: u64, len: u32, plan: Option<Arc<Plan>> }
    EvidenceWrite = "evidence_write" { evidence: Id, by: Id, offset: u32, bytes: Vec<u8> }
    EvidenceClose = "evidence_close" { evidence: Id, by: Id }
    /// `head` names a closed log by coordinator and epoch.
    ReceiptRecord = "receipt_record" {
        coordinator: Id, epoch: u32, index: u64, head: Option<(Id, u32)>, evidence: Id,
    }
    ReceiptClose = "receipt_close" { record: Id, by: Option<Id> }
    EquivocationHeads = "equivocation_heads" {
        coordinator: Id, signer: Id, retired: Option<Id>, lie: Lie, reporter: Id,
    }
    EquivocationLog = "equivocation_log" {
        coordinator: Id, signer: Id, retired: Option<Id>, head: Option<(Id, u32)>, evidence: Id,
        other_head: bool, reporter: Id,
    }
    EquivocationNode = "equivocation_node" {
        node: Id, signer: Id, retired: Option<Id>, evidence: Id, roots: Vec<ProofRoot>,
        reporter: Id,
    }
}
