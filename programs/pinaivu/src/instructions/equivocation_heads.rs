//! Slashes a coordinator that signed two receipts which cannot both be honest. Anyone may report.
//!
//! The whole penalty bond goes, what waits to be taken out included: a part to the reporter, the rest is
//! burned. What cannot both be honest is said in `pinaivu_protocol::evidence::heads_contradict`.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::evidence::heads_contradict;
use pinaivu_protocol::seeds;

use crate::clock::now;
use crate::ed25519::{INSTRUCTIONS_SYSVAR, signed_messages};
use crate::error::PinaivuError;
use crate::event::CoordinatorSlashed;
use crate::signed::receipt_head;
use crate::slashing::distribute;
use crate::state::ledger::Vault;
use crate::state::retired_signer::require_accountable;
use crate::state::{Coordinator, Ledger, Market, RetiredSigner, next};
use crate::transfer::Money;

/// Where the signatures are.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct EquivocationHeadsArgs {
    /// Place in this transaction of the Ed25519 instruction that verifies both heads.
    pub signature_instruction: u16,
}

/// Accounts of `equivocation_heads`.
#[derive(Accounts)]
pub struct EquivocationHeads<'info> {
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
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// The key's record; needed when it was retired.
    pub retired_signer: Option<Box<Account<'info, RetiredSigner>>>,
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

impl EquivocationHeads<'_> {
    /// Kept apart: the evidence is large.
    #[inline(never)]
    fn validate(&self, args: &EquivocationHeadsArgs) -> Result<()> {
        let signed = signed_messages(&self.instructions, args.signature_instruction)?;
        let [one, other] = signed.as_slice() else {
            return err!(PinaivuError::SignatureMalformed);
        };
        let (coordinator, now) = (&self.coordinator, now()?);
        for key in [one.signer, other.signer] {
            let retired = self.retired_signer.as_ref().map(|retired| &***retired);
            let (signer, account) = (&coordinator.signer, coordinator.key());
            require_accountable(&key, signer, &account, retired, &self.market, now)?;
        }
        let (one, other) = (receipt_head(&one.message)?, receipt_head(&other.message)?);
        // The other head is of the same deployment and coordinator, or there is no contradiction.
        self.market.require_deployment(one.deployment)?;
        let own = one.coordinator.0 == coordinator.key().to_bytes();
        require!(own, PinaivuError::WrongCoordinator);
        require!(heads_contradict(&one, &other), PinaivuError::NotContradictory);
        Ok(())
    }

    /// Slashes the penalty bond.
    pub fn handle(ctx: Context<Self>, args: EquivocationHeadsArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let EquivocationHeads {
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

/// Takes the penalty bond and gives it away.
pub(crate) fn slash_coordinator<'info>(
    money: &Money<'_, 'info>,
    ledger: &mut Ledger,
    coordinator: &mut Account<'info, Coordinator>,
    bond_vault: &mut InterfaceAccount<'info, TokenAccount>,
    destination: &mut InterfaceAccount<'info, TokenAccount>,
) -> Result<()> {
    let total = coordinator.slash()?;
    let sequence = next(&mut coordinator.sequence)?;
    coordinator.invariant()?;
    let (parts, ledger_sequence) =
        distribute(money, ledger, Vault::Bond, bond_vault, destination, total)?;
    emit!(CoordinatorSlashed {
        coordinator: coordinator.key(),
        sequence,
        ledger_sequence,
        destination: destination.key(),
        reporter: parts.reporter.0,
        burned: parts.burned.0,
        bond_liabilities: ledger.bond_liabilities,
        vault_balance: bond_vault.amount,
    });
    Ok(())
}
