//! What must come of each action.

use super::*;
use crate::model::action::Action;

impl Ledger {
    /// What must come of an action, and what it leaves; `address` is that of what it opens. A ledger
    /// that refused is no good any more.
    pub(in crate::model) fn foresee(&mut self, action: &Action, address: Pubkey) -> Verdict {
        match action {
            Action::MarketInitialize { second, by_deployer } => {
                self.market_initialize(*second, *by_deployer)
            }
            Action::MarketPause { by, paused } => self.market_pause(*by, *paused),
            Action::ProposalOpen { by, number, change } => {
                self.proposal_open(address, *by, *number, *change)
            }
            Action::ProposalApply { proposal, new } => self.proposal_apply(*proposal, *new),
            Action::ProposalCancel { proposal, by } => self.proposal_cancel(*proposal, *by),
            Action::MeasurementAllow { proposal } => self.measurement_allow(*proposal),
            Action::MeasurementRevoke { proposal } => self.measurement_revoke(*proposal),
            Action::EscrowOpen { owner, opened } => self.escrow_open(address, *owner, *opened),
            Action::EscrowDeposit { escrow, person, amount } => {
                self.escrow_deposit(*escrow, *person, *amount)
            }
            Action::EscrowWithdraw { escrow, by, amount } => {
                self.escrow_withdraw(*escrow, *by, *amount)
            }
            Action::EscrowSweep { escrow } => self.escrow_sweep(*escrow),
            Action::EscrowRecover { escrow, by, other_mint } => {
                self.escrow_recover(*escrow, *by, *other_mint)
            }
            Action::EscrowClose { escrow, by } => self.escrow_close(*escrow, *by),
            Action::AllowanceOpen { escrow, by, coordinator, opened, amount, expiry, voucher } => {
                let (by, to, voucher) = (*by, *coordinator, *voucher);
                self.allowance_open(address, *escrow, by, to, *opened, *amount, *expiry, voucher)
            }
            Action::AllowanceRaise { allowance, by, amount, expiry } => {
                self.allowance_raise(*allowance, *by, *amount, *expiry)
            }
            Action::AllowanceRelease { allowance, by, amount, to_wallet } => {
                self.allowance_release(*allowance, *by, *amount, *to_wallet)
            }
            Action::AllowanceExit { allowance, with_wallet } => {
                self.allowance_exit(*allowance, *with_wallet)
            }
            Action::VoucherAccept { allowance, named, signer, cumulative, expiry } => {
                self.voucher_accept(*allowance, *named, *signer, *cumulative, *expiry)
            }
            Action::AllowanceClose { allowance, by } => self.allowance_close(*allowance, *by),
            _ => self.foresee_operators(action, address),
        }
    }

    fn foresee_operators(&mut self, action: &Action, address: Pubkey) -> Verdict {
        match action {
            Action::NodeRegister { operator, payout_owner, signer, opened } => {
                self.node_register(address, [*operator, *payout_owner, *signer], *opened)
            }
            Action::NodeStake { node, person, amount } => self.node_stake(*node, *person, *amount),
            Action::NodeUnbond { node, by, amount } => self.node_unbond(*node, *by, *amount),
            Action::NodeUnbondClaim { node } => self.node_unbond_claim(*node),
            Action::NodeRotateSigner { node, by, signer } => {
                self.node_rotate_signer(address, *node, *by, *signer)
            }
            Action::NodeClose { node, by } => self.node_close(*node, *by),
            Action::CoordinatorRegister { authority, signer, opened, fee_bps, measurement } => {
                let keys = [*authority, *signer];
                self.coordinator_register(address, keys, *opened, *fee_bps, *measurement)
            }
            Action::CoordinatorBond { coordinator, by, guarantee, penalty } => {
                self.coordinator_bond(*coordinator, *by, *guarantee, *penalty)
            }
            Action::CoordinatorUnbond { coordinator, by, guarantee, penalty } => {
                self.coordinator_unbond(*coordinator, *by, *guarantee, *penalty)
            }
            Action::CoordinatorUnbondClaim { coordinator } => {
                self.coordinator_unbond_claim(*coordinator)
            }
            Action::CoordinatorRotateSigner { coordinator, by, signer } => {
                self.coordinator_rotate_signer(address, *coordinator, *by, *signer)
            }
            Action::CoordinatorUpdate { coordinator, by, value, measurement } => {
                self.coordinator_update(*coordinator, *by, *value, *measurement)
            }
            Action::CoordinatorClose { coordinator, by } => {
                self.coordinator_close(*coordinator, *by)
            }
            Action::SignerClose { retired } => self.signer_close(*retired),
            Action::LogExtend { coordinator, by, new, fault } => {
                self.log_extend(*coordinator, *by, new, *fault)
            }
            Action::LogEpochOpen { coordinator, by } => {
                self.log_epoch_open(*coordinator, *by, address)
            }
            Action::PayoutOpen { coordinator, node } => {
                self.payout_open(address, *coordinator, *node)
            }
            Action::Debit { coordinator, by, entries } => self.debit(*coordinator, *by, entries),
            Action::Credit { coordinator, by, entries, fees } => {
                self.credit(*coordinator, *by, entries, *fees)
            }
            Action::Claim { payout } => self.claim(*payout),
            Action::FeeClaim { coordinator } => self.fee_claim(*coordinator),
            Action::PayoutClose { payout, by } => self.payout_close(*payout, *by),
            _ => self.foresee_evidence(action, address),
        }
    }

    fn foresee_evidence(&mut self, action: &Action, address: Pubkey) -> Verdict {
        match action {
            Action::GuaranteeSet { payout, by, guarantee } => {
                self.guarantee_set(*payout, *by, *guarantee)
            }
            Action::GuaranteeLower { payout } => self.guarantee_lower(*payout),
            Action::GuaranteeRefill { payout } => self.guarantee_refill(*payout),
            Action::DemandOpen { payout, by, with_node, signer, cumulative, lie } => {
                self.demand_open(*payout, *by, *with_node, *signer, *cumulative, *lie)
            }
            Action::DemandOpenRecorded { payout, by, with_node, record } => {
                self.demand_open_recorded(*payout, *by, *with_node, *record)
            }
            Action::DemandSettle { payout } => self.demand_settle(*payout),
            Action::EvidenceOpen { owner, number, len, plan } => {
                self.evidence_open(address, *owner, *number, *len, plan.clone())
            }
            Action::EvidenceWrite { evidence, by, offset, bytes } => {
                self.evidence_write(*evidence, *by, *offset, bytes)
            }
            Action::EvidenceClose { evidence, by } => self.evidence_close(*evidence, *by),
            Action::ReceiptRecord { coordinator, epoch, index, head, evidence } => {
                let place = (*epoch, *index);
                self.receipt_record(address, *coordinator, place, *head, *evidence)
            }
            Action::ReceiptClose { record, by } => self.receipt_close(*record, *by),
            Action::EquivocationHeads { coordinator, signer, retired, lie, reporter } => {
                self.equivocation_heads(*coordinator, *signer, *retired, *lie, *reporter)
            }
            Action::EquivocationLog {
                coordinator,
                signer,
                retired,
                head,
                evidence,
                other_head,
                reporter,
            } => self.equivocation_log(
                *coordinator,
                *signer,
                *retired,
                *head,
                *evidence,
                *other_head,
                *reporter,
            ),
            Action::EquivocationNode { node, signer, retired, evidence, roots, reporter } => {
                self.equivocation_node(*node, *signer, *retired, *evidence, roots, *reporter)
            }
            other => panic!("{other:?} is foreseen elsewhere"),
        }
    }
}
