//! Every movement of tokens, in or out of a vault.
//!
//! Both sides are read again afterwards and must have changed by exactly the amount: whatever the token
//! program does, the ledger never counts something that did not happen.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{
    BurnChecked, Mint, TokenAccount, TokenInterface, TransferChecked, burn_checked,
    transfer_checked,
};
use pinaivu_protocol::units::Amount;
use pinaivu_rules::{received_exactly, sent_exactly};

use crate::error::PinaivuError;
use crate::state::Market;

/// The accounts that every transfer needs besides its two ends.
pub(crate) struct Money<'a, 'info> {
    pub(crate) market: &'a Account<'info, Market>,
    pub(crate) mint: &'a InterfaceAccount<'info, Mint>,
    pub(crate) token_program: &'a Interface<'info, TokenInterface>,
}

impl<'info> Money<'_, 'info> {
    /// Moves `amount` from a token account that `authority` controls into a vault.
    pub(crate) fn deposit(
        &self,
        source: &mut InterfaceAccount<'info, TokenAccount>,
        authority: &Signer<'info>,
        vault: &mut InterfaceAccount<'info, TokenAccount>,
        amount: u64,
    ) -> Result<()> {
        self.transfer(source, authority.to_account_info(), vault, amount, &[])
    }

    /// Moves `amount` from a vault to a token account.
    pub(crate) fn pay(
        &self,
        vault: &mut InterfaceAccount<'info, TokenAccount>,
        destination: &mut InterfaceAccount<'info, TokenAccount>,
        amount: u64,
    ) -> Result<()> {
        let market = self.market.to_account_info();
        self.transfer(vault, market, destination, amount, &[&self.market.signer_seeds()])
    }

    /// Moves `amount` from a token account whose authority the program signs for with `seeds`.
    pub(crate) fn collect(
        &self,
        source: &mut InterfaceAccount<'info, TokenAccount>,
        authority: AccountInfo<'info>,
        vault: &mut InterfaceAccount<'info, TokenAccount>,
        amount: u64,
        seeds: &[&[u8]],
    ) -> Result<()> {
        self.transfer(source, authority, vault, amount, &[seeds])
    }

    /// Burns `amount` out of a vault.
    pub(crate) fn burn(
        &self,
        vault: &mut InterfaceAccount<'info, TokenAccount>,
        amount: u64,
    ) -> Result<()> {
        let before = Amount(vault.amount);
        let accounts = BurnChecked {
            mint: self.mint.to_account_info(),
            from: vault.to_account_info(),
            authority: self.market.to_account_info(),
        };
        burn_checked(
            CpiContext::new_with_signer(
                self.token_program.key(),
                accounts,
                &[&self.market.signer_seeds()],
            ),
            amount,
            self.mint.decimals,
        )?;
        vault.reload()?;
        sent_exactly(before, Amount(vault.amount), Amount(amount)).map_err(PinaivuError::from)?;
        Ok(())
    }

    fn transfer(
        &self,
        from: &mut InterfaceAccount<'info, TokenAccount>,
        authority: AccountInfo<'info>,
        to: &mut InterfaceAccount<'info, TokenAccount>,
        amount: u64,
        signer_seeds: &[&[&[u8]]],
    ) -> Result<()> {
        let (from_before, to_before) = (Amount(from.amount), Amount(to.amount));
        let accounts = TransferChecked {
            from: from.to_account_info(),
            mint: self.mint.to_account_info(),
            to: to.to_account_info(),
            authority,
        };
        transfer_checked(
            CpiContext::new_with_signer(self.token_program.key(), accounts, signer_seeds),
            amount,
            self.mint.decimals,
        )?;
        from.reload()?;
        to.reload()?;
        sent_exactly(from_before, Amount(from.amount), Amount(amount))
            .map_err(PinaivuError::from)?;
        received_exactly(to_before, Amount(to.amount), Amount(amount))
            .map_err(PinaivuError::from)?;
        Ok(())
    }
}
