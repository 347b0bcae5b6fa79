//! Demands what a recorded receipt shows and credit does not: begins the liveness period.
//!
//! The record was made after the receipt's inclusion in the log on chain was checked, so it counts
//! whichever key signed the receipt: also one that was retired since.

use anchor_lang::prelude::*;
use pinaivu_protocol::units::FineAmount;

use super::demand_open::{open, require_payee};
use crate::error::PinaivuError;
use crate::state::{Coordinator, Node, Payout, ReceiptRecord};

/// Accounts of `demand_open_recorded`.
#[derive(Accounts)]
pub struct DemandOpenRecorded<'info> {
    /// The payout owner, or the node's operator or hot key; checked in `require_payee`.
    pub payee: Signer<'info>,
    /// Who owes; still open, else nothing could settle the demand.
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// What is owed.
    #[account(mut, has_one = coordinator @ PinaivuError::WrongCoordinator)]
    pub payout: Box<Account<'info, Payout>>,
    /// The node; needed unless the payout owner demands.
    pub node: Option<Box<Account<'info, Node>>>,
    /// The receipt.
    #[account(
        constraint = record.coordinator == payout.coordinator @ PinaivuError::WrongCoordinator,
        constraint = record.node == payout.node @ PinaivuError::WrongNode,
    )]
    pub record: Box<Account<'info, ReceiptRecord>>,
}

impl DemandOpenRecorded<'_> {
    /// Opens the demand.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let DemandOpenRecorded { payee, payout, node, record, .. } = ctx.accounts;
        require_payee(&payee.key(), payout, node.as_deref())?;
        open(payout, FineAmount(record.node_cumulative))
    }
}
