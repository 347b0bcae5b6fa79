//! Demands what a receipt shows and credit does not: begins the liveness period.
//!
//! The receipt's signed head is the evidence, under the coordinator's present key. A head under a key
//! that was retired counts only once its receipt is in the log on chain: see `demand_open_recorded`.
//! Only the node's own side may demand, since a newer demand replaces the one before.

use anchor_lang::prelude::*;
use pinaivu_protocol::units::FineAmount;

use crate::clock::now;
use crate::ed25519::{INSTRUCTIONS_SYSVAR, signed_message};
use crate::error::PinaivuError;
use crate::event::DemandOpened;
use crate::signed::receipt_head;
use crate::state::{Coordinator, Market, Node, Payout, next};

/// Where the signature is.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct DemandOpenArgs {
    /// Place in this transaction of the Ed25519 instruction that verifies the head.
    pub signature_instruction: u16,
}

/// Accounts of `demand_open`.
#[derive(Accounts)]
pub struct DemandOpen<'info> {
    /// The payout owner, or the node's operator or hot key; checked in `require_payee`.
    pub payee: Signer<'info>,
    /// The market of both.
    pub market: Box<Account<'info, Market>>,
    /// Who owes.
    #[account(has_one = market @ PinaivuError::WrongMarket)]
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// What is owed.
    #[account(mut, has_one = coordinator @ PinaivuError::WrongCoordinator)]
    pub payout: Box<Account<'info, Payout>>,
    /// The node; needed unless the payout owner demands.
    pub node: Option<Box<Account<'info, Node>>>,
    /// CHECK: the instructions sysvar, by its address.
    #[account(address = INSTRUCTIONS_SYSVAR)]
    pub instructions: UncheckedAccount<'info>,
}

impl DemandOpen<'_> {
    /// Opens the demand.
    pub fn handle(ctx: Context<Self>, args: DemandOpenArgs) -> Result<()> {
        let DemandOpen { payee, market, coordinator, payout, node, instructions } = ctx.accounts;
        require_payee(&payee.key(), payout, node.as_deref())?;
        let signed = signed_message(instructions, args.signature_instruction)?;
        require_keys_eq!(signed.signer, coordinator.signer, PinaivuError::WrongSignerKey);
        let head = receipt_head(&signed.message)?;
        market.require_deployment(head.deployment)?;
        require!(
            head.coordinator.0 == payout.coordinator.to_bytes(),
            PinaivuError::WrongCoordinator
        );
        require!(head.node.0 == payout.node.to_bytes(), PinaivuError::WrongNode);
        open(payout, head.node_cumulative)
    }
}

/// Refuses anyone but the payout owner and, while the node is open, its operator and hot key.
pub(crate) fn require_payee(
    payee: &Pubkey,
    payout: &Payout,
    node: Option<&Account<'_, Node>>,
) -> Result<()> {
    if let Some(node) = node {
        require_keys_eq!(node.key(), payout.node, PinaivuError::WrongNode);
    }
    if *payee == payout.payout_owner {
        return Ok(());
    }
    let node = node.ok_or(PinaivuError::NotPayee)?;
    require!(*payee == node.operator || *payee == node.signer, PinaivuError::NotPayee);
    Ok(())
}

/// Opens a demand for what the node has earned in all, rounded **down** to base units.
pub(crate) fn open(payout: &mut Account<'_, Payout>, earned: FineAmount) -> Result<()> {
    let cumulative = earned.to_amount_floor().ok_or(PinaivuError::Overflow)?;
    payout.open_demand(cumulative, now()?)?;
    let sequence = next(&mut payout.sequence)?;
    payout.invariant()?;
    emit!(DemandOpened {
        payout: payout.key(),
        sequence,
        cumulative: cumulative.0,
        credited: payout.credited,
        paid: payout.paid,
        capacity: payout.debt().capacity().map_err(PinaivuError::from)?.0,
    });
    Ok(())
}
