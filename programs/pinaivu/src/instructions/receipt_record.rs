//! Records one receipt's facts after checking that the receipt is in the log on chain.
//!
//! The receipt and its path come in an evidence account, since they do not fit one transaction.

use anchor_lang::prelude::*;
use pinaivu_protocol::evidence::{LoggedReceipt, UnsignedReceipt};
use pinaivu_protocol::seeds;

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::ReceiptRecorded;
use crate::inclusion::require_included;
use crate::state::{
    Coordinator, EpochHead, EvidenceBuffer, MAX_MODEL_LEN, Market, ReceiptRecord, VERSION,
};

/// Which receipt.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct ReceiptRecordArgs {
    /// Which of the coordinator's logs; the receipt's own.
    pub epoch: u32,
    /// Place in that log; the receipt's own.
    pub index: u64,
}

/// Accounts of `receipt_record`.
#[derive(Accounts)]
#[instruction(args: ReceiptRecordArgs)]
pub struct ReceiptRecordAccounts<'info> {
    /// Pays rent, may close the record and gets the rent back.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The market.
    pub market: Box<Account<'info, Market>>,
    /// Whose log.
    #[account(has_one = market @ PinaivuError::WrongMarket)]
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// The kept head; needed for an epoch that is closed.
    pub epoch_head: Option<Box<Account<'info, EpochHead>>>,
    /// A `LoggedReceipt`.
    pub evidence: Box<Account<'info, EvidenceBuffer>>,
    /// The record.
    #[account(
        init,
        payer = payer,
        space = 8 + ReceiptRecord::INIT_SPACE,
        seeds = [
            seeds::RECEIPT,
            coordinator.key().as_ref(),
            &args.epoch.to_le_bytes(),
            &args.index.to_le_bytes(),
        ],
        bump,
    )]
    pub record: Box<Account<'info, ReceiptRecord>>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl ReceiptRecordAccounts<'_> {
    /// The receipt's leaf, once everything about it holds.
    #[inline(never)]
    fn validate(&self, args: &ReceiptRecordArgs, logged: &LoggedReceipt) -> Result<[u8; 32]> {
        let receipt = &logged.receipt;
        let leaf = require_own(receipt, &self.market, &self.coordinator.key())?;
        let head = &receipt.head;
        let placed = head.epoch == args.epoch && head.index == args.index;
        require!(placed, PinaivuError::EvidenceMalformed);
        require!(receipt.body.model.len() <= MAX_MODEL_LEN, PinaivuError::ModelTooLong);
        let closed = self.epoch_head.as_ref().map(|head| &***head);
        let (epoch, index) = (head.epoch, head.index);
        require_included(&self.coordinator, closed, epoch, index, &leaf, &logged.path)?;
        Ok(leaf.0)
    }

    /// Kept apart: the record is large.
    #[inline(never)]
    fn write(&mut self, bump: u8, receipt: UnsignedReceipt, leaf: [u8; 32]) -> Result<()> {
        let (head, body) = (receipt.head, *receipt.body);
        self.record.set_inner(ReceiptRecord {
            version: VERSION,
            bump,
            coordinator: self.coordinator.key(),
            node: Pubkey::new_from_array(head.node.0),
            epoch: head.epoch,
            index: head.index,
            request: head.request.0,
            segment: head.segment.0,
            node_cumulative: head.node_cumulative.0,
            leaf,
            body: head.body.0,
            ticket: body.ticket.0,
            request_commitment: body.request_commitment.0,
            response_commitment: body.response_commitment.0,
            input_tokens: body.input_tokens.0,
            output_tokens: body.output_tokens.0,
            price: body.tariff.price.0,
            input_weight: body.tariff.input_weight,
            output_weight: body.tariff.output_weight,
            amount: body.amount.0,
            fee: body.fee.0,
            outcome: body.outcome as u8,
            attestation: body.attestation.unwrap_or_default().0,
            created: body.created.0,
            recorded_slot: now()?.slot.0,
            rent_payer: self.payer.key(),
            reserved: [0; 32],
            model: body.model,
        });
        Ok(())
    }

    /// Records the receipt.
    pub fn handle(ctx: Context<Self>, args: ReceiptRecordArgs) -> Result<()> {
        let logged: Box<LoggedReceipt> = ctx.accounts.evidence.decode()?;
        let leaf = ctx.accounts.validate(&args, &logged)?;
        let accounts = ctx.accounts;
        accounts.write(ctx.bumps.record, logged.receipt, leaf)?;
        let record = &accounts.record;
        emit!(ReceiptRecorded {
            record: record.key(),
            coordinator: record.coordinator,
            node: record.node,
            epoch: record.epoch,
            index: record.index,
            request: record.request,
            segment: record.segment,
            leaf,
        });
        Ok(())
    }
}

/// The leaf of a receipt of this deployment and coordinator whose body is the head's.
pub(crate) fn require_own(
    receipt: &UnsignedReceipt,
    market: &Market,
    coordinator: &Pubkey,
) -> Result<pinaivu_protocol::hash::Hash32> {
    market.require_deployment(receipt.head.deployment)?;
    let own = receipt.head.coordinator.0 == coordinator.to_bytes();
    require!(own, PinaivuError::WrongCoordinator);
    Ok(receipt.leaf().ok_or(PinaivuError::EvidenceMalformed)?)
}
