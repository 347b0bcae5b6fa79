//! Slashes a coordinator that signed a receipt whose place in the log on chain another leaf has. Anyone
//! may report.
//!
//! The receipt, the leaf that stands in its place and that leaf's path come in an evidence account; the
//! signature over the receipt's head is verified in the same transaction.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::evidence::DisplacedReceipt;
use pinaivu_protocol::seeds;

use super::equivocation_heads::slash_coordinator;
use super::receipt_record::require_own;
use crate::clock::now;
use crate::ed25519::{INSTRUCTIONS_SYSVAR, signed_message};
use crate::error::PinaivuError;
use crate::inclusion::require_included;
use crate::signed::receipt_head;
use crate::state::retired_signer::require_accountable;
use crate::state::{Coordinator, EpochHead, EvidenceBuffer, Ledger, Market, RetiredSigner};
use crate::transfer::Money;

/// Where the signature is.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct EquivocationLogArgs {
    /// Place in this transaction of the Ed25519 instruction that verifies the head.
    pub signature_instruction: u16,
}

/// Accounts of `equivocation_log`.
#[derive(Accounts)]
pub struct EquivocationLog<'info> {
    /// The market.
    #[account(
        has_one = mint @ PinaivuError::WrongMint,
        has_one = token_program @ PinaivuError::WrongTokenProgram,
    )]
    pub market: Box<Account<'info, Market>>,
    /// The market's ledger.
    #[account(mut, seeds = [seeds::LEDGER, market.key().as_ref()], bump = ledger.bump)]
    pub ledger: Box<Account<'info, Ledger>>,
    /// Who contradicted its log.
    #[account(mut, has_one = market @ PinaivuError::WrongMarket)]
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// The key's record; needed when it was retired.
    pub retired_signer: Option<Box<Account<'info, RetiredSigner>>>,
    /// The kept head; needed for an epoch that is closed.
    pub epoch_head: Option<Box<Account<'info, EpochHead>>>,
    /// A `DisplacedReceipt`.
    pub evidence: Box<Account<'info, EvidenceBuffer>>,
    /// The market's bond vault.
    #[account(
        mut,
        seeds = [seeds::BOND_VAULT, market.key().as_ref()],
        bump = market.bond_vault_bump,
    )]
    pub bond_vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The money, checked at `market`; some of it is burned.
    #[account(mut)]
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// Any token account: whoever reports names his own.
    #[account(mut)]
    pub destination: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Checked at `market`.
    pub token_program: Interface<'info, TokenInterface>,
    /// CHECK: the instructions sysvar, by its address.
    #[account(address = INSTRUCTIONS_SYSVAR)]
    pub instructions: UncheckedAccount<'info>,
}

impl EquivocationLog<'_> {
    /// Kept apart: the evidence is large.
    #[inline(never)]
    fn validate(&self, args: &EquivocationLogArgs) -> Result<()> {
        let shown: Box<DisplacedReceipt> = self.evidence.decode()?;
        let (coordinator, head) = (&self.coordinator, &shown.receipt.head);
        let leaf = require_own(&shown.receipt, &self.market, &coordinator.key())?;
        let signed = signed_message(&self.instructions, args.signature_instruction)?;
        let retired = self.retired_signer.as_ref().map(|retired| &***retired);
        let (signer, account) = (&coordinator.signer, coordinator.key());
        require_accountable(&signed.signer, signer, &account, retired, &self.market, now()?)?;
        let same = receipt_head(&signed.message)? == *head;
        require!(same, PinaivuError::SignedBytesMalformed);
        let closed = self.epoch_head.as_ref().map(|head| &***head);
        let (epoch, index) = (head.epoch, head.index);
        require_included(coordinator, closed, epoch, index, &shown.leaf, &shown.path)?;
        require!(leaf != shown.leaf, PinaivuError::NotContradictory);
        Ok(())
    }

    /// Slashes the penalty bond.
    pub fn handle(ctx: Context<Self>, args: EquivocationLogArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let EquivocationLog {
            market,
            ledger,
            coordinator,
            bond_vault,
            mint,
            destination,
            token_program,
            ..
        } = ctx.accounts;
        let money = Money { market, mint, token_program };
        slash_coordinator(&money, ledger, coordinator, bond_vault, destination)
    }
}
