//! Every way an instruction can refuse, one code per fact.
//!
//! The list is append-only: a code, once published, keeps its number and meaning.

#![warn(missing_docs)]

use anchor_lang::prelude::*;
use pinaivu_rules::RuleError;

/// Why an instruction was refused. Nothing was changed.
#[error_code]
#[derive(PartialEq, Eq)]
pub enum PinaivuError {
    /// Deposits and registrations are stopped; exits never are.
    #[msg("the market is paused for deposits and registrations")]
    MarketPaused,
    /// The signer is not the market's governance.
    #[msg("the signer is not the market's governance")]
    NotGovernance,
    /// Only the program's upgrade authority may open a market.
    #[msg("the signer is not the program's upgrade authority")]
    NotUpgradeAuthority,
    /// The mint has a Token-2022 extension that is not on the list of those that change nothing about
    /// who holds how much.
    #[msg("the mint has a Token-2022 extension that is not accepted")]
    MintHasExtensions,
    /// The fee cap is above one whole, or the fee above the cap.
    #[msg("the fee is above its cap")]
    FeeTooHigh,
    /// A delay is zero or longer than the program allows.
    #[msg("a delay is zero or above the maximum")]
    DelayOutOfRange,
    /// An account belongs to another market.
    #[msg("the account belongs to another market")]
    WrongMarket,
    /// The mint is not the market's.
    #[msg("the mint is not the market's")]
    WrongMint,
    /// The token program is not the one that owns the market's mint.
    #[msg("the token program is not the market's")]
    WrongTokenProgram,
    /// The token account is not the one required here.
    #[msg("the token account has another owner or address than required")]
    WrongTokenAccount,
    /// The allowance belongs to another escrow.
    #[msg("the account belongs to another escrow")]
    WrongEscrow,
    /// The account belongs to another coordinator.
    #[msg("the account belongs to another coordinator")]
    WrongCoordinator,
    /// The signer does not own the escrow.
    #[msg("the signer does not own the escrow")]
    NotOwner,
    /// The signer is not the node's operator.
    #[msg("the signer is not the node's operator")]
    NotOperator,
    /// The signer is not the coordinator's cold authority.
    #[msg("the signer is not the coordinator's authority")]
    NotAuthority,
    /// The signer is not the coordinator's hot key.
    #[msg("the signer is not the coordinator's signer")]
    NotSigner,
    /// An amount is zero where it must not be.
    #[msg("the amount is zero")]
    AmountZero,
    /// Nothing would change.
    #[msg("there is nothing to change")]
    NothingToChange,
    /// The opening slot lies ahead or is too far back.
    #[msg("the opening slot is in the future or older than the window")]
    OpeningSlotOutOfWindow,
    /// The account is too young to be closed: its address could be opened again.
    #[msg("the account is too young to be closed")]
    TooYoungToClose,
    /// The free balance is smaller than the amount.
    #[msg("the escrow's free balance is smaller than the amount")]
    InsufficientFree,
    /// The escrow still holds money.
    #[msg("the escrow still holds money")]
    EscrowNotEmpty,
    /// The escrow still has open allowances.
    #[msg("the escrow still has open allowances")]
    AllowancesOpen,
    /// The allowance still holds money.
    #[msg("the allowance still holds money")]
    AllowanceNotEmpty,
    /// The coordinator's bonds are below the market's minimum.
    #[msg("the coordinator's penalty bond is below the market's minimum")]
    CoordinatorUnderbonded,
    /// The expiry has passed already.
    #[msg("the expiry is not in the future")]
    ExpiryInPast,
    /// An expiry can only move later; to leave sooner, release.
    #[msg("the expiry is earlier than the present one")]
    ExpiryLowered,
    /// No release is pending and the allowance has not expired.
    #[msg("no release is pending and the allowance has not expired")]
    NothingToExit,
    /// The delay has not passed, in slots, in seconds, or in both.
    #[msg("the delay has not passed in slots and in time")]
    NotMatured,
    /// The release goes to a token account that was not given.
    #[msg("the release's destination account is missing")]
    DestinationMissing,
    /// The token account is not the one fixed when the release was asked for.
    #[msg("the token account is not the release's destination")]
    WrongDestination,
    /// Less stake is active than is to be unbonded.
    #[msg("the active stake is smaller than the amount")]
    InsufficientStake,
    /// Nothing is unbonding.
    #[msg("nothing is unbonding")]
    NothingUnbonding,
    /// The node still holds stake.
    #[msg("the node still holds stake")]
    NodeNotEmpty,
    /// The endpoint is empty, too long, or has characters other than printable ASCII.
    #[msg("the endpoint is empty, too long or not printable ASCII")]
    EndpointInvalid,
    /// The log's epoch is another.
    #[msg("the log's epoch is another")]
    EpochMismatch,
    /// The log's size is another than the extension starts from.
    #[msg("the log's size is not the extension's old size")]
    LogSizeMismatch,
    /// The new size is not larger.
    #[msg("the log does not grow")]
    LogNotGrowing,
    /// The number of subtree hashes does not follow from the sizes.
    #[msg("the number of subtree hashes does not fit the sizes")]
    LogHashCountWrong,
    /// The extended log has another root.
    #[msg("the extended log's root is not the expected one")]
    LogRootMismatch,
    /// There is no entry.
    #[msg("there is no entry")]
    EntriesEmpty,
    /// The number of entries is not the number of accounts after the fixed ones.
    #[msg("the number of entries and of accounts differ")]
    EntryCountMismatch,
    /// An account after the fixed ones is not of the kind this instruction settles.
    #[msg("an account is not of the kind this instruction settles")]
    WrongEntryAccount,
    /// An account after the fixed ones is not writable.
    #[msg("an account that must be written is read-only")]
    EntryNotWritable,
    /// Everything credited is paid.
    #[msg("there is nothing to claim")]
    NothingToClaim,
    /// A sum does not fit.
    #[msg("a sum does not fit")]
    Overflow,
    /// A balance did not change by exactly the amount that was moved.
    #[msg("a token balance did not change by exactly the amount moved")]
    TransferInexact,
    /// A vault would hold less than it owes.
    #[msg("the vault would hold less than it owes")]
    VaultUncovered,
    /// An account's counters contradict each other.
    #[msg("an account's counters contradict each other")]
    InvariantBroken,
    /// The minimum of stake or bond is above the hard cap.
    #[msg("a minimum is above the maximum")]
    MinimumTooHigh,
    /// The liveness period is not shorter than the guarantee delay, or a delay is longer than that of
    /// governance.
    #[msg("the delays are not in the order that leaves time to demand and to exit")]
    DelayOrder,
    /// The deposit account is empty.
    #[msg("there is nothing to sweep")]
    NothingToSweep,
    /// The tokens are the escrow's and can be swept.
    #[msg("the escrow is open: sweep the tokens instead")]
    SweepInstead,
    /// The guarantee bond stands for guarantees to that extent.
    #[msg("the guarantee bond does not cover the guarantees")]
    GuaranteesUncovered,
    /// No lower guarantee waits.
    #[msg("no lower guarantee waits")]
    NothingLowering,
    /// A demand is open; the guarantee stands until it is settled.
    #[msg("a demand is open")]
    DemandOpen,
    /// The receipt shows no more than is credited, paid or demanded already.
    #[msg("the receipt shows nothing beyond what is credited, paid or demanded")]
    NothingToDemand,
    /// No demand is open.
    #[msg("no demand is open")]
    NoDemand,
    /// The signer is none of the node's keys.
    #[msg("the signer is neither the payout owner nor the node's operator or signer")]
    NotPayee,
    /// The account belongs to another node.
    #[msg("the account belongs to another node")]
    WrongNode,
    /// Credit has not given anything back.
    #[msg("there is nothing to give back to the bond")]
    NothingToRefill,
    /// The instruction that should hold a signature is not the Ed25519 program's.
    #[msg("the instruction is not one of the Ed25519 program")]
    SignatureMissing,
    /// The Ed25519 instruction is not of the one form that is accepted.
    #[msg("the Ed25519 instruction has another count, index or offset than accepted")]
    SignatureMalformed,
    /// The signature is of another key.
    #[msg("the signature is of another key")]
    WrongSignerKey,
    /// The signed bytes are not the record required here.
    #[msg("the signed bytes are not the record required")]
    SignedBytesMalformed,
    /// The record is for another cluster or program.
    #[msg("the record is for another cluster or program")]
    WrongDeployment,
    /// The allowance was opened without a voucher signer.
    #[msg("the allowance takes no vouchers")]
    VouchersNotUsed,
    /// The voucher is for another allowance.
    #[msg("the voucher is for another allowance")]
    WrongVoucher,
    /// The voucher does not raise the limit.
    #[msg("the voucher does not raise the limit")]
    VoucherStale,
    /// The voucher has expired.
    #[msg("the voucher has expired")]
    VoucherExpired,
    /// Length or offset of evidence is out of range.
    #[msg("the evidence's length or offset is out of range")]
    EvidenceOutOfRange,
    /// The evidence is not the record required.
    #[msg("the evidence is not the record required")]
    EvidenceMalformed,
    /// The signature is of a key that was retired longer ago than evidence counts.
    #[msg("the key was retired too long ago")]
    EvidenceTooOld,
    /// The path does not lead to what is stored.
    #[msg("the path does not lead to the log's stored hash")]
    NotIncluded,
    /// The model's name is too long to be recorded.
    #[msg("the model's name is too long")]
    ModelTooLong,
    /// The two statements can both be honest.
    #[msg("the statements do not contradict each other")]
    NotContradictory,
    /// The coordinator was slashed.
    #[msg("the coordinator was slashed")]
    CoordinatorSlashed,
    /// The node is suspended.
    #[msg("the node is suspended")]
    NodeSuspended,
    /// A key once retired does not return while its record stands.
    #[msg("the key was retired")]
    SignerRetired,
    /// The key can still be held to account.
    #[msg("the key can still be held to account")]
    SignerAccountable,
    /// The proposal is of another kind than the instruction.
    #[msg("the proposal is of another kind")]
    WrongProposal,
    /// Governance has passed to somebody else since.
    #[msg("the proposal is not the present governance's")]
    ProposalSuperseded,
    /// The proposed governance has not signed.
    #[msg("the proposed governance has not signed")]
    NewGovernanceMissing,
    /// The measurement is not on the market's list.
    #[msg("the measurement is not on the market's list")]
    MeasurementNotAllowed,
    /// The payout has something owed or promised.
    #[msg("the payout has something owed or promised")]
    PayoutNotEmpty,
    /// Node and coordinator are both open, so the payout's address could be opened again.
    #[msg("node and coordinator are both open")]
    PayoutInUse,
    /// The signer is not the payout owner.
    #[msg("the signer is not the payout owner")]
    NotPayoutOwner,
    /// The coordinator has bonds, fees, guarantees or advances.
    #[msg("the coordinator has bonds, fees, guarantees or advances")]
    CoordinatorNotEmpty,
    /// The rent was paid by somebody else.
    #[msg("the account's rent was paid by somebody else")]
    WrongRentReceiver,
}

impl From<RuleError> for PinaivuError {
    /// The general meaning; instructions that can say it more precisely map for themselves.
    fn from(error: RuleError) -> Self {
        match error {
            RuleError::Overflow => Self::Overflow,
            RuleError::Insufficient => Self::InsufficientFree,
            RuleError::NotMatured => Self::NotMatured,
            RuleError::Nothing => Self::NothingToChange,
            RuleError::Broken => Self::InvariantBroken,
            RuleError::Inexact => Self::TransferInexact,
            RuleError::Uncovered => Self::VaultUncovered,
        }
    }
}
