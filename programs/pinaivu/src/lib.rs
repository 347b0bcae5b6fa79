//! The Pinaivu program: escrow, stake, log head and payouts on Solana.
//!
//! This file only dispatches. Each instruction is a file in [`instructions`], each account one in
//! [`state`]; money arithmetic is in `pinaivu-rules`, addresses in `pinaivu_protocol::seeds`.

#![expect(missing_docs, reason = "Anchor's macros generate public items without documentation")]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::integer_division
)]

mod clock;
mod ed25519;
pub mod error;
pub mod event;
mod inclusion;
pub mod instructions;
mod mint;
pub mod security;
mod signed;
mod slashing;
pub mod state;
mod transfer;

use anchor_lang::prelude::*;
use instructions::*;

declare_id!("BQxLLg5qk7vPRNf6yNGLSkjxAn9T9iiXNxj8jPAqvc7Y");

/// The instructions.
#[program]
pub mod pinaivu {
    use super::*;

    /// Opens the market of a mint on this cluster.
    pub fn market_initialize(
        ctx: Context<MarketInitialize>,
        args: MarketInitializeArgs,
    ) -> Result<()> {
        MarketInitialize::handle(ctx, args)
    }

    /// Stops or resumes deposits and registrations. Exits are never stopped.
    pub fn market_pause(ctx: Context<MarketPause>, args: MarketPauseArgs) -> Result<()> {
        MarketPause::handle(ctx, args)
    }

    /// Opens an escrow.
    pub fn escrow_open(ctx: Context<EscrowOpen>, args: EscrowOpenArgs) -> Result<()> {
        EscrowOpen::handle(ctx, args)
    }

    /// Adds money to any escrow.
    pub fn escrow_deposit(ctx: Context<EscrowDeposit>, args: EscrowDepositArgs) -> Result<()> {
        EscrowDeposit::handle(ctx, args)
    }

    /// Takes free money out, at once.
    pub fn escrow_withdraw(ctx: Context<EscrowWithdraw>, args: EscrowWithdrawArgs) -> Result<()> {
        EscrowWithdraw::handle(ctx, args)
    }

    /// Closes an empty escrow for good.
    pub fn escrow_close(ctx: Context<EscrowClose>) -> Result<()> {
        EscrowClose::handle(ctx)
    }

    /// Reserves free money for one coordinator.
    pub fn allowance_open(ctx: Context<AllowanceOpen>, args: AllowanceOpenArgs) -> Result<()> {
        AllowanceOpen::handle(ctx, args)
    }

    /// Reserves more, or lets the allowance expire later.
    pub fn allowance_raise(ctx: Context<AllowanceRaise>, args: AllowanceRaiseArgs) -> Result<()> {
        AllowanceRaise::handle(ctx, args)
    }

    /// Asks for reserved money back; admission stops at once.
    pub fn allowance_release(
        ctx: Context<AllowanceRelease>,
        args: AllowanceReleaseArgs,
    ) -> Result<()> {
        AllowanceRelease::handle(ctx, args)
    }

    /// Returns reserved money whose delay has passed. Anyone may call it.
    pub fn allowance_exit(ctx: Context<AllowanceExit>) -> Result<()> {
        AllowanceExit::handle(ctx)
    }

    /// Closes an empty allowance for good.
    pub fn allowance_close(ctx: Context<AllowanceClose>) -> Result<()> {
        AllowanceClose::handle(ctx)
    }

    /// Registers a node.
    pub fn node_register(ctx: Context<NodeRegister>, args: NodeRegisterArgs) -> Result<()> {
        NodeRegister::handle(ctx, args)
    }

    /// Adds stake to any node.
    pub fn node_stake(ctx: Context<NodeStake>, args: NodeStakeArgs) -> Result<()> {
        NodeStake::handle(ctx, args)
    }

    /// Starts to take stake out.
    pub fn node_unbond(ctx: Context<NodeUnbond>, args: NodeUnbondArgs) -> Result<()> {
        NodeUnbond::handle(ctx, args)
    }

    /// Pays out stake whose delay has passed. Anyone may call it.
    pub fn node_unbond_claim(ctx: Context<NodeUnbondClaim>) -> Result<()> {
        NodeUnbondClaim::handle(ctx)
    }

    /// Gives a node another hot key.
    pub fn node_rotate_signer(ctx: Context<NodeRotateSigner>) -> Result<()> {
        NodeRotateSigner::handle(ctx)
    }

    /// Closes a node without stake for good.
    pub fn node_close(ctx: Context<NodeClose>) -> Result<()> {
        NodeClose::handle(ctx)
    }

    /// Registers a coordinator.
    pub fn coordinator_register(
        ctx: Context<CoordinatorRegister>,
        args: CoordinatorRegisterArgs,
    ) -> Result<()> {
        CoordinatorRegister::handle(ctx, args)
    }

    /// Adds to a coordinator's bonds.
    pub fn coordinator_bond(
        ctx: Context<CoordinatorBond>,
        args: CoordinatorBondArgs,
    ) -> Result<()> {
        CoordinatorBond::handle(ctx, args)
    }

    /// Gives a coordinator another hot key.
    pub fn coordinator_rotate_signer(ctx: Context<CoordinatorRotateSigner>) -> Result<()> {
        CoordinatorRotateSigner::handle(ctx)
    }

    /// Changes a coordinator's endpoint or attestation.
    pub fn coordinator_update(
        ctx: Context<CoordinatorUpdate>,
        args: CoordinatorUpdateArgs,
    ) -> Result<()> {
        CoordinatorUpdate::handle(ctx, args)
    }

    /// Opens the account for what a coordinator owes a node. Anyone may call it.
    pub fn payout_open(ctx: Context<PayoutOpen>) -> Result<()> {
        PayoutOpen::handle(ctx)
    }

    /// Extends a coordinator's receipt log.
    pub fn log_extend(ctx: Context<LogExtend>, args: LogExtendArgs) -> Result<()> {
        LogExtend::handle(ctx, args)
    }

    /// Closes a coordinator's log and begins an empty one.
    pub fn log_epoch_open(ctx: Context<LogEpochOpen>) -> Result<()> {
        LogEpochOpen::handle(ctx)
    }

    /// Debits allowances up to cumulative amounts.
    pub fn debit<'info>(ctx: Context<'info, Debit<'info>>, args: DebitArgs) -> Result<()> {
        Debit::handle(ctx, args)
    }

    /// Credits nodes and fees up to cumulative amounts.
    pub fn credit<'info>(ctx: Context<'info, Credit<'info>>, args: CreditArgs) -> Result<()> {
        Credit::handle(ctx, args)
    }

    /// Pays a node what it was credited. Anyone may call it.
    pub fn claim(ctx: Context<Claim>) -> Result<()> {
        Claim::handle(ctx)
    }

    /// Pays a coordinator its fees. Anyone may call it.
    pub fn fee_claim(ctx: Context<FeeClaim>) -> Result<()> {
        FeeClaim::handle(ctx)
    }
    /// Credits an escrow with what lies in its deposit account. Anyone may call it.
    pub fn escrow_sweep(ctx: Context<EscrowSweep>) -> Result<()> {
        EscrowSweep::handle(ctx)
    }

    /// Returns tokens that no sweep can credit.
    pub fn escrow_recover(ctx: Context<EscrowRecover>, args: EscrowRecoverArgs) -> Result<()> {
        EscrowRecover::handle(ctx, args)
    }

    /// Raises an allowance's debit limit to what a signed voucher says. Anyone may call it.
    pub fn voucher_accept(ctx: Context<VoucherAccept>, args: VoucherAcceptArgs) -> Result<()> {
        VoucherAccept::handle(ctx, args)
    }

    /// Starts to take bonds out.
    pub fn coordinator_unbond(
        ctx: Context<CoordinatorUnbond>,
        args: CoordinatorUnbondArgs,
    ) -> Result<()> {
        CoordinatorUnbond::handle(ctx, args)
    }

    /// Pays out bonds whose delay has passed. Anyone may call it.
    pub fn coordinator_unbond_claim(ctx: Context<CoordinatorUnbondClaim>) -> Result<()> {
        CoordinatorUnbondClaim::handle(ctx)
    }

    /// Closes an empty coordinator for good.
    pub fn coordinator_close(ctx: Context<CoordinatorClose>) -> Result<()> {
        CoordinatorClose::handle(ctx)
    }

    /// Raises a node's guarantee, or starts to lower it.
    pub fn guarantee_set(ctx: Context<GuaranteeSet>, args: GuaranteeSetArgs) -> Result<()> {
        GuaranteeSet::handle(ctx, args)
    }

    /// Lowers a guarantee whose delay has passed. Anyone may call it.
    pub fn guarantee_lower(ctx: Context<GuaranteeLower>) -> Result<()> {
        GuaranteeLower::handle(ctx)
    }

    /// Gives the guarantee bond back what it advanced. Anyone may call it.
    pub fn guarantee_refill(ctx: Context<GuaranteeRefill>) -> Result<()> {
        GuaranteeRefill::handle(ctx)
    }

    /// Demands what a signed receipt shows and credit does not.
    pub fn demand_open(ctx: Context<DemandOpen>, args: DemandOpenArgs) -> Result<()> {
        DemandOpen::handle(ctx, args)
    }

    /// Demands what a recorded receipt shows and credit does not.
    pub fn demand_open_recorded(ctx: Context<DemandOpenRecorded>) -> Result<()> {
        DemandOpenRecorded::handle(ctx)
    }

    /// Pays a demand whose liveness period has passed. Anyone may call it.
    pub fn demand_settle(ctx: Context<DemandSettle>) -> Result<()> {
        DemandSettle::handle(ctx)
    }

    /// Closes an empty payout for good.
    pub fn payout_close(ctx: Context<PayoutClose>) -> Result<()> {
        PayoutClose::handle(ctx)
    }

    /// Opens an account for evidence.
    pub fn evidence_open(ctx: Context<EvidenceOpen>, args: EvidenceOpenArgs) -> Result<()> {
        EvidenceOpen::handle(ctx, args)
    }

    /// Writes a part of evidence.
    pub fn evidence_write(ctx: Context<EvidenceWrite>, args: EvidenceWriteArgs) -> Result<()> {
        EvidenceWrite::handle(ctx, args)
    }

    /// Closes evidence.
    pub fn evidence_close(ctx: Context<EvidenceClose>) -> Result<()> {
        EvidenceClose::handle(&ctx)
    }

    /// Records the facts of a receipt that is in the log. Anyone may call it.
    pub fn receipt_record(
        ctx: Context<ReceiptRecordAccounts>,
        args: ReceiptRecordArgs,
    ) -> Result<()> {
        ReceiptRecordAccounts::handle(ctx, args)
    }

    /// Closes the record of a receipt.
    pub fn receipt_close(ctx: Context<ReceiptClose>) -> Result<()> {
        ReceiptClose::handle(&ctx)
    }

    /// Slashes a coordinator for two contradicting receipts. Anyone may call it.
    pub fn equivocation_heads(
        ctx: Context<EquivocationHeads>,
        args: EquivocationHeadsArgs,
    ) -> Result<()> {
        EquivocationHeads::handle(ctx, args)
    }

    /// Slashes a coordinator for a receipt that contradicts its log. Anyone may call it.
    pub fn equivocation_log(
        ctx: Context<EquivocationLog>,
        args: EquivocationLogArgs,
    ) -> Result<()> {
        EquivocationLog::handle(ctx, args)
    }

    /// Slashes a node for two outputs of one ticket. Anyone may call it.
    pub fn equivocation_node(
        ctx: Context<EquivocationNode>,
        args: EquivocationNodeArgs,
    ) -> Result<()> {
        EquivocationNode::handle(ctx, args)
    }

    /// Closes the record of a key retired long ago. Anyone may call it.
    pub fn signer_close(ctx: Context<SignerClose>) -> Result<()> {
        SignerClose::handle(&ctx)
    }

    /// Proposes a change of the market.
    pub fn proposal_open(ctx: Context<ProposalOpen>, args: ProposalOpenArgs) -> Result<()> {
        ProposalOpen::handle(ctx, args)
    }

    /// Makes a proposed change whose delay has passed.
    pub fn proposal_apply(ctx: Context<ProposalApply>) -> Result<()> {
        ProposalApply::handle(ctx)
    }

    /// Takes a proposal back.
    pub fn proposal_cancel(ctx: Context<ProposalCancel>) -> Result<()> {
        ProposalCancel::handle(ctx)
    }

    /// Puts a proposed measurement on the list. Anyone may call it.
    pub fn measurement_allow(ctx: Context<MeasurementAllow>) -> Result<()> {
        MeasurementAllow::handle(ctx)
    }

    /// Takes a measurement off the list as proposed. Anyone may call it.
    pub fn measurement_revoke(ctx: Context<MeasurementRevoke>) -> Result<()> {
        MeasurementRevoke::handle(ctx)
    }
}
