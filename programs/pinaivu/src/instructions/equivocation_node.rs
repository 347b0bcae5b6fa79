//! Slashes a node that signed two different outputs for one ticket. Anyone may report.
//!
//! Both proofs with their paths come in an evidence account; the node's signatures over the roots are
//! verified in the same transaction. Both proofs may be under one root.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::evidence::{ProofPair, proofs_contradict};
use pinaivu_protocol::seeds;

use crate::clock::now;
use crate::ed25519::{INSTRUCTIONS_SYSVAR, signed_messages};
use crate::error::PinaivuError;
use crate::event::NodeSlashed;
use crate::signed::proof_root;
use crate::slashing::distribute;
use crate::state::ledger::Vault;
use crate::state::retired_signer::require_accountable;
use crate::state::{EvidenceBuffer, Ledger, Market, Node, RetiredSigner, next};
use crate::transfer::Money;

/// Where the signatures are.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct EquivocationNodeArgs {
    /// Place in this transaction of the Ed25519 instruction that verifies the roots.
    pub signature_instruction: u16,
}

/// Accounts of `equivocation_node`.
#[derive(Accounts)]
pub struct EquivocationNode<'info> {
    /// The market.
    #[account(
        has_one = mint @ PinaivuError::WrongMint,
        has_one = token_program @ PinaivuError::WrongTokenProgram,
    )]
    pub market: Box<Account<'info, Market>>,
    /// The market's ledger.
    #[account(mut, seeds = [seeds::LEDGER, market.key().as_ref()], bump = ledger.bump)]
    pub ledger: Box<Account<'info, Ledger>>,
    /// Who contradicted itself.
    #[account(mut, has_one = market @ PinaivuError::WrongMarket)]
    pub node: Box<Account<'info, Node>>,
    /// The key's record; needed when it was retired.
    pub retired_signer: Option<Box<Account<'info, RetiredSigner>>>,
    /// A `ProofPair`.
    pub evidence: Box<Account<'info, EvidenceBuffer>>,
    /// The market's stake vault.
    #[account(
        mut,
        seeds = [seeds::STAKE_VAULT, market.key().as_ref()],
        bump = market.stake_vault_bump,
    )]
    pub stake_vault: Box<InterfaceAccount<'info, TokenAccount>>,
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

impl EquivocationNode<'_> {
    /// Kept apart: the evidence is large.
    #[inline(never)]
    fn validate(&self, args: &EquivocationNodeArgs) -> Result<()> {
        let shown: Box<ProofPair> = self.evidence.decode()?;
        let signed = signed_messages(&self.instructions, args.signature_instruction)?;
        let (one, other) = match signed.as_slice() {
            [both] => (both, both),
            [one, other] => (one, other),
            _ => return err!(PinaivuError::SignatureMalformed),
        };
        let now = now()?;
        for (signed, placed) in [(one, &shown.first), (other, &shown.second)] {
            let retired = self.retired_signer.as_ref().map(|retired| &***retired);
            let (signer, account) = (&self.node.signer, self.node.key());
            require_accountable(&signed.signer, signer, &account, retired, &self.market, now)?;
            let root = proof_root(&signed.message)?;
            self.market.require_deployment(root.deployment)?;
            require!(root.node.0 == account.to_bytes(), PinaivuError::WrongNode);
            require!(placed.check(&root).is_ok(), PinaivuError::NotIncluded);
        }
        let contradict = proofs_contradict(&shown.first.proof, &shown.second.proof);
        require!(contradict, PinaivuError::NotContradictory);
        Ok(())
    }

    /// Slashes the stake and suspends the node.
    pub fn handle(ctx: Context<Self>, args: EquivocationNodeArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let EquivocationNode {
            market,
            ledger,
            node,
            stake_vault,
            mint,
            destination,
            token_program,
            ..
        } = ctx.accounts;
        let total = node.slash()?;
        let sequence = next(&mut node.sequence)?;
        node.invariant()?;
        let money = Money { market, mint, token_program };
        let (parts, ledger_sequence) =
            distribute(&money, ledger, Vault::Stake, stake_vault, destination, total)?;
        emit!(NodeSlashed {
            node: node.key(),
            sequence,
            ledger_sequence,
            destination: destination.key(),
            reporter: parts.reporter.0,
            burned: parts.burned.0,
            stake_liabilities: ledger.stake_liabilities,
            vault_balance: stake_vault.amount,
        });
        Ok(())
    }
}
