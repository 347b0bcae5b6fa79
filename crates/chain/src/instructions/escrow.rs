//! A user's money: escrows and the allowances reserved on them.

use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, EscrowId, PublicKey};
use pinaivu_protocol::units::{Amount, Slot};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{Instructions, SYSTEM_PROGRAM};
use crate::accounts::{Allowance, UnixSeconds};
use crate::addresses::ToAddress;
use crate::program::idl::pinaivu::client::{accounts, args};
use crate::program::idl::pinaivu::types;

impl Instructions {
    /// Opens an escrow at [`crate::transaction::opening_slot`]. Signed by `owner`, who pays the rent.
    #[must_use]
    pub fn escrow_open(&self, owner: &PublicKey, opening: Slot) -> (EscrowId, Instruction) {
        let escrow = self.addresses.escrow(&self.market, owner, opening);
        let instruction = self.build(
            accounts::EscrowOpen {
                payer: owner.to_address(),
                owner: owner.to_address(),
                market: self.market.to_address(),
                escrow: escrow.to_address(),
                system_program: SYSTEM_PROGRAM,
            },
            args::EscrowOpen { args: types::EscrowOpenArgs { opening_slot: opening.0 } },
        );
        (escrow, instruction)
    }

    /// Moves `amount` from `funder`'s associated token account into any escrow. Signed by `funder`.
    #[must_use]
    pub fn escrow_deposit(
        &self,
        escrow: &EscrowId,
        funder: &PublicKey,
        amount: Amount,
    ) -> Instruction {
        self.build(
            accounts::EscrowDeposit {
                depositor: funder.to_address(),
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                escrow: escrow.to_address(),
                escrow_vault: self.addresses.escrow_vault(&self.market),
                mint: self.mint,
                source: self.token_account(funder),
                token_program: self.token_program,
            },
            args::EscrowDeposit { args: types::EscrowDepositArgs { amount: amount.0 } },
        )
    }

    /// Moves free money to `destination`, at once. Signed by `owner`.
    #[must_use]
    pub fn escrow_withdraw(
        &self,
        escrow: &EscrowId,
        owner: &PublicKey,
        destination: &Pubkey,
        amount: Amount,
    ) -> Instruction {
        self.build(
            accounts::EscrowWithdraw {
                owner: owner.to_address(),
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                escrow: escrow.to_address(),
                escrow_vault: self.addresses.escrow_vault(&self.market),
                mint: self.mint,
                destination: *destination,
                token_program: self.token_program,
            },
            args::EscrowWithdraw { args: types::EscrowWithdrawArgs { amount: amount.0 } },
        )
    }

    /// Closes an empty escrow; its rent goes to `owner`, who signs.
    #[must_use]
    pub fn escrow_close(&self, escrow: &EscrowId, owner: &PublicKey) -> Instruction {
        self.build(
            accounts::EscrowClose { owner: owner.to_address(), escrow: escrow.to_address() },
            args::EscrowClose,
        )
    }

    /// Reserves `amount` of the escrow's free money for `coordinator` until `expiry`. Signed by
    /// `owner`, who pays the rent.
    #[must_use]
    pub fn allowance_open(
        &self,
        escrow: &EscrowId,
        owner: &PublicKey,
        coordinator: &CoordinatorId,
        opening: Slot,
        amount: Amount,
        expiry: UnixSeconds,
    ) -> (AllowanceId, Instruction) {
        let allowance = self.addresses.allowance(escrow, coordinator, opening);
        let instruction = self.build(
            accounts::AllowanceOpen {
                payer: owner.to_address(),
                owner: owner.to_address(),
                market: self.market.to_address(),
                escrow: escrow.to_address(),
                coordinator: coordinator.to_address(),
                allowance: allowance.to_address(),
                system_program: SYSTEM_PROGRAM,
            },
            args::AllowanceOpen {
                args: types::AllowanceOpenArgs {
                    opening_slot: opening.0,
                    amount: amount.0,
                    expiry_time: expiry.0,
                },
            },
        );
        (allowance, instruction)
    }

    /// Reserves `amount` more, which may be nothing, and moves the expiry to a later time. Signed by the
    /// owner.
    #[must_use]
    pub fn allowance_raise(
        &self,
        allowance: &Allowance,
        amount: Amount,
        expiry: UnixSeconds,
    ) -> Instruction {
        self.build(
            accounts::AllowanceRaise {
                owner: allowance.owner.to_address(),
                market: self.market.to_address(),
                escrow: allowance.escrow.to_address(),
                coordinator: allowance.coordinator.to_address(),
                allowance: allowance.id.to_address(),
            },
            args::AllowanceRaise {
                args: types::AllowanceRaiseArgs { amount: amount.0, expiry_time: expiry.0 },
            },
        )
    }

    /// Asks for `amount` back: admission stops at once, the money moves after the exit delay, to
    /// `destination` or, without one, to the escrow's free balance. Replaces a release that is pending;
    /// an amount of 0 cancels it. Signed by the owner.
    #[must_use]
    pub fn allowance_release(
        &self,
        allowance: &Allowance,
        amount: Amount,
        destination: Option<Pubkey>,
    ) -> Instruction {
        self.build(
            accounts::AllowanceRelease {
                owner: allowance.owner.to_address(),
                allowance: allowance.id.to_address(),
            },
            args::AllowanceRelease {
                args: types::AllowanceReleaseArgs { amount: amount.0, destination },
            },
        )
    }

    /// Carries out a release, or an expiry, whose delay has passed. Needs no signature.
    #[must_use]
    pub fn allowance_exit(&self, allowance: &Allowance) -> Instruction {
        self.build(
            accounts::AllowanceExit {
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                escrow: allowance.escrow.to_address(),
                allowance: allowance.id.to_address(),
                escrow_vault: self.addresses.escrow_vault(&self.market),
                mint: self.mint,
                destination: allowance.pending_release.and_then(|release| release.destination),
                token_program: self.token_program,
            },
            args::AllowanceExit,
        )
    }

    /// Closes an allowance with nothing left; its rent goes to the owner, who signs.
    #[must_use]
    pub fn allowance_close(&self, allowance: &Allowance) -> Instruction {
        self.build(
            accounts::AllowanceClose {
                owner: allowance.owner.to_address(),
                escrow: allowance.escrow.to_address(),
                allowance: allowance.id.to_address(),
            },
            args::AllowanceClose,
        )
    }
}
