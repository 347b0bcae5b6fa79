//! What happened, for those who follow the program's logs.
//!
//! Each event carries the sequence number that the changed account has after it (a gap means a missed
//! event) and the balances as they are after it, so that nobody has to add up differences. Amounts are
//! base units of the market's mint.

#![warn(missing_docs)]

use anchor_lang::prelude::*;

use crate::state::{Change, MarketRules};

/// A market was opened.
#[event]
pub struct MarketInitialized {
    /// The market.
    pub market: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Its mint.
    pub mint: Pubkey,
    /// Who may pause it and propose changes.
    pub governance: Pubkey,
    /// Its rules.
    pub rules: MarketRules,
}

/// Deposits and registrations were stopped or resumed.
#[event]
pub struct MarketPaused {
    /// The market.
    pub market: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Whether they are stopped now.
    pub paused: bool,
}

/// An escrow was opened.
#[event]
pub struct EscrowOpened {
    /// The escrow.
    pub escrow: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Its market.
    pub market: Pubkey,
    /// Its owner.
    pub owner: Pubkey,
}

/// Money came into an escrow.
#[event]
pub struct EscrowDeposited {
    /// The escrow.
    pub escrow: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The ledger's sequence.
    pub ledger_sequence: u64,
    /// Who paid.
    pub depositor: Pubkey,
    /// How much.
    pub amount: u64,
    /// Free balance.
    pub free: u64,
    /// Owed by the escrow vault.
    pub escrow_liabilities: u64,
    /// Held by the escrow vault.
    pub vault_balance: u64,
}

/// Free money left an escrow.
#[event]
pub struct EscrowWithdrawn {
    /// The escrow.
    pub escrow: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The ledger's sequence.
    pub ledger_sequence: u64,
    /// The token account that received it.
    pub destination: Pubkey,
    /// How much.
    pub amount: u64,
    /// Free balance.
    pub free: u64,
    /// Owed by the escrow vault.
    pub escrow_liabilities: u64,
    /// Held by the escrow vault.
    pub vault_balance: u64,
}

/// An empty escrow was closed for good.
#[event]
pub struct EscrowClosed {
    /// The escrow.
    pub escrow: Pubkey,
    /// Its sequence.
    pub sequence: u64,
}

/// Money was reserved for a coordinator.
#[event]
pub struct AllowanceOpened {
    /// The allowance.
    pub allowance: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Its escrow.
    pub escrow: Pubkey,
    /// Its coordinator.
    pub coordinator: Pubkey,
    /// Reserved so far.
    pub reserved: u64,
    /// When admission ends, in seconds since 1970.
    pub expiry_time: i64,
    /// Who signs vouchers; none when debits need none.
    pub voucher_signer: Option<Pubkey>,
    /// The escrow's free balance.
    pub free: u64,
}

/// More money was reserved, or the expiry moved later.
#[event]
pub struct AllowanceRaised {
    /// The allowance.
    pub allowance: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// How much was added.
    pub amount: u64,
    /// Reserved so far.
    pub reserved: u64,
    /// Still set aside.
    pub remaining: u64,
    /// When admission ends, in seconds since 1970.
    pub expiry_time: i64,
    /// The escrow's free balance.
    pub free: u64,
}

/// The owner asked for reserved money back, or took back having asked.
#[event]
pub struct AllowanceReleaseRequested {
    /// The allowance.
    pub allowance: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// On its way out; 0 when the release was withdrawn.
    pub pending: u64,
    /// Still set aside, the pending part included.
    pub remaining: u64,
    /// The token account it will be paid to; none when it goes back to the escrow.
    pub destination: Option<Pubkey>,
}

/// Someone showed that an allowance has expired; the exit delay's slots count from here.
#[event]
pub struct AllowanceExpired {
    /// The allowance.
    pub allowance: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Still set aside.
    pub remaining: u64,
}

/// Reserved money went back.
#[event]
pub struct AllowanceExited {
    /// The allowance.
    pub allowance: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Paid to the release's token account.
    pub paid: u64,
    /// Returned to the escrow's free balance.
    pub returned: u64,
    /// Given back so far.
    pub released: u64,
    /// Still set aside.
    pub remaining: u64,
    /// The escrow's free balance.
    pub free: u64,
    /// Owed by the escrow vault.
    pub escrow_liabilities: u64,
    /// Held by the escrow vault.
    pub vault_balance: u64,
}

/// An empty allowance was closed for good.
#[event]
pub struct AllowanceClosed {
    /// The allowance.
    pub allowance: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Its escrow's open allowances.
    pub allowances: u32,
}

/// A node was registered.
#[event]
pub struct NodeRegistered {
    /// The node.
    pub node: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Its market.
    pub market: Pubkey,
    /// Its operator.
    pub operator: Pubkey,
    /// Its hot key.
    pub signer: Pubkey,
    /// Whose token account is paid.
    pub payout_owner: Pubkey,
}

/// Stake came in.
#[event]
pub struct NodeStaked {
    /// The node.
    pub node: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The ledger's sequence.
    pub ledger_sequence: u64,
    /// How much.
    pub amount: u64,
    /// Active stake.
    pub stake: u64,
    /// Owed by the stake vault.
    pub stake_liabilities: u64,
    /// Held by the stake vault.
    pub vault_balance: u64,
}

/// Stake started to wait for its delay.
#[event]
pub struct NodeUnbonded {
    /// The node.
    pub node: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// How much was added to what waits.
    pub amount: u64,
    /// Active stake.
    pub stake: u64,
    /// Stake that waits.
    pub unbonding: u64,
}

/// Stake went back to the operator.
#[event]
pub struct NodeUnbondClaimed {
    /// The node.
    pub node: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The ledger's sequence.
    pub ledger_sequence: u64,
    /// How much.
    pub amount: u64,
    /// Active stake.
    pub stake: u64,
    /// Owed by the stake vault.
    pub stake_liabilities: u64,
    /// Held by the stake vault.
    pub vault_balance: u64,
}

/// A node has another hot key.
#[event]
pub struct NodeSignerRotated {
    /// The node.
    pub node: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The key before.
    pub old_signer: Pubkey,
    /// The key from now on.
    pub new_signer: Pubkey,
}

/// A node without stake was closed for good.
#[event]
pub struct NodeClosed {
    /// The node.
    pub node: Pubkey,
    /// Its sequence.
    pub sequence: u64,
}

/// A coordinator was registered.
#[event]
pub struct CoordinatorRegistered {
    /// The coordinator.
    pub coordinator: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Its market.
    pub market: Pubkey,
    /// Its cold authority.
    pub authority: Pubkey,
    /// Its hot key.
    pub signer: Pubkey,
    /// Its fee.
    pub fee_bps: u16,
    /// Where it is found.
    pub endpoint: String,
    /// Measurement of its code; zero when unattested.
    pub measurement: [u8; 32],
}

/// Bonds came in.
#[event]
pub struct CoordinatorBonded {
    /// The coordinator.
    pub coordinator: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The ledger's sequence.
    pub ledger_sequence: u64,
    /// Guarantee bond.
    pub guarantee_bond: u64,
    /// Penalty bond.
    pub penalty_bond: u64,
    /// Owed by the bond vault.
    pub bond_liabilities: u64,
    /// Held by the bond vault.
    pub vault_balance: u64,
}

/// A coordinator has another hot key.
#[event]
pub struct CoordinatorSignerRotated {
    /// The coordinator.
    pub coordinator: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The key before.
    pub old_signer: Pubkey,
    /// The key from now on.
    pub new_signer: Pubkey,
}

/// A coordinator changed where it is found or what it is attested by.
#[event]
pub struct CoordinatorUpdated {
    /// The coordinator.
    pub coordinator: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Where it is found.
    pub endpoint: String,
    /// Measurement of its code; zero when unattested.
    pub measurement: [u8; 32],
    /// Hash of its attestation evidence; zero when there is none.
    pub evidence_hash: [u8; 32],
}

/// The account for what a coordinator owes a node was opened.
#[event]
pub struct PayoutOpened {
    /// The payout.
    pub payout: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Who owes.
    pub coordinator: Pubkey,
    /// Who earns.
    pub node: Pubkey,
    /// Whose token account is paid.
    pub payout_owner: Pubkey,
}

/// A log grew.
#[event]
pub struct LogExtended {
    /// The coordinator.
    pub coordinator: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Which of its logs.
    pub epoch: u32,
    /// Leaves before.
    pub old_size: u64,
    /// Leaves now.
    pub size: u64,
    /// RFC 9162 root.
    pub root: [u8; 32],
}

/// A log was closed and an empty one begun.
#[event]
pub struct LogEpochOpened {
    /// The coordinator.
    pub coordinator: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The epoch that begins.
    pub epoch: u32,
    /// Leaves of the closed log.
    pub closed_size: u64,
    /// Root of the closed log.
    pub closed_root: [u8; 32],
}

/// One allowance in [`AllowancesDebited`].
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebitedEntry {
    /// The allowance.
    pub allowance: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Debited so far.
    pub debited: u64,
    /// Still set aside.
    pub remaining: u64,
}

/// Allowances were debited. Entries that changed nothing are left out.
#[event]
pub struct AllowancesDebited {
    /// The coordinator.
    pub coordinator: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Taken by this instruction.
    pub taken: u64,
    /// Debited so far.
    pub debited: u64,
    /// What changed.
    pub entries: Vec<DebitedEntry>,
}

/// One payout in [`PayoutsCredited`].
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditedEntry {
    /// The payout.
    pub payout: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Credited so far.
    pub credited: u64,
}

/// Nodes were credited. Entries that changed nothing are left out.
#[event]
pub struct PayoutsCredited {
    /// The coordinator.
    pub coordinator: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Debited so far.
    pub debited: u64,
    /// Credited so far.
    pub credited: u64,
    /// Kept so far.
    pub fees: u64,
    /// What changed.
    pub entries: Vec<CreditedEntry>,
}

/// A node was paid what it was credited.
#[event]
pub struct PayoutClaimed {
    /// The payout.
    pub payout: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The ledger's sequence.
    pub ledger_sequence: u64,
    /// The token account that received it.
    pub destination: Pubkey,
    /// How much.
    pub amount: u64,
    /// Paid so far.
    pub paid: u64,
    /// Owed by the escrow vault.
    pub escrow_liabilities: u64,
    /// Held by the escrow vault.
    pub vault_balance: u64,
}

/// A coordinator was paid its fees.
#[event]
pub struct FeesClaimed {
    /// The coordinator.
    pub coordinator: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The ledger's sequence.
    pub ledger_sequence: u64,
    /// The token account that received it.
    pub destination: Pubkey,
    /// How much.
    pub amount: u64,
    /// Paid so far.
    pub fees_paid: u64,
    /// Owed by the escrow vault.
    pub escrow_liabilities: u64,
    /// Held by the escrow vault.
    pub vault_balance: u64,
}

/// What lay in an escrow's deposit account was credited.
#[event]
pub struct EscrowSwept {
    /// The escrow.
    pub escrow: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The ledger's sequence.
    pub ledger_sequence: u64,
    /// How much.
    pub amount: u64,
    /// Free balance.
    pub free: u64,
    /// Owed by the escrow vault.
    pub escrow_liabilities: u64,
    /// Held by the escrow vault.
    pub vault_balance: u64,
}

/// Tokens that an escrow could not be credited with went back to its owner. No balance changed.
#[event]
pub struct EscrowRecovered {
    /// The escrow's address, whether it is open or closed.
    pub escrow: Pubkey,
    /// Which tokens.
    pub mint: Pubkey,
    /// The token account that received them.
    pub destination: Pubkey,
    /// How many, in base units of that mint.
    pub amount: u64,
}

/// The debit limit of an allowance was raised.
#[event]
pub struct VoucherAccepted {
    /// The allowance.
    pub allowance: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The most that may be debited in all, as far as vouchers go.
    pub limit: u64,
    /// Debited so far.
    pub debited: u64,
}

/// Bonds started to wait for their delays.
#[event]
pub struct CoordinatorUnbonded {
    /// The coordinator.
    pub coordinator: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Guarantee bond.
    pub guarantee_bond: u64,
    /// Guarantee bond that waits.
    pub guarantee_unbonding: u64,
    /// Penalty bond.
    pub penalty_bond: u64,
    /// Penalty bond that waits.
    pub penalty_unbonding: u64,
}

/// Bonds went back to the cold authority.
#[event]
pub struct CoordinatorUnbondClaimed {
    /// The coordinator.
    pub coordinator: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The ledger's sequence.
    pub ledger_sequence: u64,
    /// Of the guarantee bond.
    pub guarantee: u64,
    /// Of the penalty bond.
    pub penalty: u64,
    /// Owed by the bond vault.
    pub bond_liabilities: u64,
    /// Held by the bond vault.
    pub vault_balance: u64,
}

/// A node's guarantee was set, lowered, or will be.
#[event]
pub struct GuaranteeSet {
    /// The payout.
    pub payout: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The guarantee in force.
    pub guarantee: u64,
    /// The lower guarantee that waits.
    pub lowering_to: Option<u64>,
    /// What the coordinator's bond stands for in all.
    pub guaranteed: u64,
    /// Guarantee bond.
    pub guarantee_bond: u64,
}

/// Credit gave the guarantee bond back what it had advanced.
#[event]
pub struct GuaranteeRefilled {
    /// The payout.
    pub payout: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The ledger's sequence.
    pub ledger_sequence: u64,
    /// How much.
    pub amount: u64,
    /// Still advanced.
    pub advanced: u64,
    /// Guarantee bond.
    pub guarantee_bond: u64,
    /// Owed by the escrow vault.
    pub escrow_liabilities: u64,
    /// Owed by the bond vault.
    pub bond_liabilities: u64,
}

/// A node demands what its receipt shows; the liveness period begins.
#[event]
pub struct DemandOpened {
    /// The payout.
    pub payout: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// Earned in all, by the receipt.
    pub cumulative: u64,
    /// Credited so far.
    pub credited: u64,
    /// Paid so far.
    pub paid: u64,
    /// The most that the bond can advance now.
    pub capacity: u64,
}

/// A demand was paid as far as credit and guarantee go.
#[event]
pub struct DemandSettled {
    /// The payout.
    pub payout: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The ledger's sequence.
    pub ledger_sequence: u64,
    /// The token account that received it.
    pub destination: Pubkey,
    /// Demanded in all.
    pub demanded: u64,
    /// Paid out of credit.
    pub claimed: u64,
    /// Paid out of the guarantee bond.
    pub advanced: u64,
    /// Paid so far.
    pub paid: u64,
    /// Guarantee bond.
    pub guarantee_bond: u64,
    /// Owed by the escrow vault.
    pub escrow_liabilities: u64,
    /// Owed by the bond vault.
    pub bond_liabilities: u64,
}

/// A payout was closed for good.
#[event]
pub struct PayoutClosed {
    /// The payout.
    pub payout: Pubkey,
    /// Its sequence.
    pub sequence: u64,
}

/// A receipt's facts were recorded.
#[event]
pub struct ReceiptRecorded {
    /// The record.
    pub record: Pubkey,
    /// Whose log.
    pub coordinator: Pubkey,
    /// Who served.
    pub node: Pubkey,
    /// Which of the logs.
    pub epoch: u32,
    /// Place in that log.
    pub index: u64,
    /// Which request.
    pub request: [u8; 16],
    /// Which part of it.
    pub segment: u16,
    /// The log leaf.
    pub leaf: [u8; 32],
}

/// A coordinator was shown to have contradicted itself and lost its penalty bond.
#[event]
pub struct CoordinatorSlashed {
    /// The coordinator.
    pub coordinator: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The ledger's sequence.
    pub ledger_sequence: u64,
    /// The reporter's token account.
    pub destination: Pubkey,
    /// Paid to the reporter.
    pub reporter: u64,
    /// Burned.
    pub burned: u64,
    /// Owed by the bond vault.
    pub bond_liabilities: u64,
    /// Held by the bond vault.
    pub vault_balance: u64,
}

/// A node was shown to have contradicted itself, lost its stake and is suspended.
#[event]
pub struct NodeSlashed {
    /// The node.
    pub node: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The ledger's sequence.
    pub ledger_sequence: u64,
    /// The reporter's token account.
    pub destination: Pubkey,
    /// Paid to the reporter.
    pub reporter: u64,
    /// Burned.
    pub burned: u64,
    /// Owed by the stake vault.
    pub stake_liabilities: u64,
    /// Held by the stake vault.
    pub vault_balance: u64,
}

/// A coordinator was closed for good.
#[event]
pub struct CoordinatorClosed {
    /// The coordinator.
    pub coordinator: Pubkey,
    /// Its sequence.
    pub sequence: u64,
    /// The ledger's sequence.
    pub ledger_sequence: u64,
    /// Debited and never distributed; owed to nobody from now on.
    pub undistributed: u64,
    /// Owed by the escrow vault.
    pub escrow_liabilities: u64,
}

/// Governance proposed a change.
#[event]
pub struct ProposalOpened {
    /// The proposal.
    pub proposal: Pubkey,
    /// Its market.
    pub market: Pubkey,
    /// The market's sequence.
    pub sequence: u64,
    /// Its number.
    pub number: u64,
    /// The change.
    pub change: Change,
    /// Slots that it waits.
    pub delay_slots: u64,
    /// Seconds that it waits.
    pub delay_seconds: u64,
}

/// A proposed change was made.
#[event]
pub struct ProposalApplied {
    /// The proposal.
    pub proposal: Pubkey,
    /// Its market.
    pub market: Pubkey,
    /// The market's sequence.
    pub sequence: u64,
    /// The change.
    pub change: Change,
}

/// A proposal was taken back.
#[event]
pub struct ProposalCancelled {
    /// The proposal.
    pub proposal: Pubkey,
    /// Its market.
    pub market: Pubkey,
    /// Its number.
    pub number: u64,
}
