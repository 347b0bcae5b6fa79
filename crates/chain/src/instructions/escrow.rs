//! A user's money: escrows and the allowances reserved on them.

use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, EscrowId, PublicKey};
use pinaivu_protocol::units::{Amount, Slot};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{Instructions, SYSTEM_PROGRAM};
use crate::accounts::{Allowance, Escrow, UnixSeconds};
use crate::addresses::ToAddress;
use crate::ed25519::INSTRUCTIONS_SYSVAR;
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

    /// Where a plain transfer funds the escrow: its associated token account.
    #[must_use]
    pub fn deposit_account(&self, escrow: &EscrowId) -> Pubkey {
        self.token_account(&PublicKey(escrow.0))
    }

    /// Makes the escrow's deposit account if it does not exist; `payer` pays its rent.
    #[must_use]
    pub fn create_deposit_account(&self, payer: &PublicKey, escrow: &EscrowId) -> Instruction {
        self.create_token_account(payer, &PublicKey(escrow.0))
    }

    /// Credits the escrow with what lies in its deposit account. Needs no signature.
    #[must_use]
    pub fn escrow_sweep(&self, escrow: &EscrowId) -> Instruction {
        self.build(
            accounts::EscrowSweep {
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                escrow: escrow.to_address(),
                deposit_account: self.deposit_account(escrow),
                escrow_vault: self.addresses.escrow_vault(&self.market),
                mint: self.mint,
                token_program: self.token_program,
            },
            args::EscrowSweep,
        )
    }

    /// Returns what no sweep can credit: tokens of another `mint`, or any sent to an escrow that is
    /// closed. Signed by `owner`.
    #[must_use]
    pub fn escrow_recover(
        &self,
        owner: &PublicKey,
        opening: Slot,
        (mint, token_program): (&Pubkey, &Pubkey),
        source: &Pubkey,
        destination: &Pubkey,
    ) -> Instruction {
        self.build(
            accounts::EscrowRecover {
                owner: owner.to_address(),
                market: self.market.to_address(),
                escrow: self.addresses.escrow(&self.market, owner, opening).to_address(),
                source: *source,
                mint: *mint,
                destination: *destination,
                token_program: *token_program,
            },
            args::EscrowRecover { args: types::EscrowRecoverArgs { opening_slot: opening.0 } },
        )
    }

    /// Closes an empty escrow with its deposit account. Signed by its owner.
    #[must_use]
    pub fn escrow_close(&self, escrow: &Escrow) -> Instruction {
        self.build(
            accounts::EscrowClose {
                owner: escrow.owner.to_address(),
                market: self.market.to_address(),
                escrow: escrow.id.to_address(),
                rent_payer: escrow.rent_payer.to_address(),
                deposit_account: self.deposit_account(&escrow.id),
                token_program: self.token_program,
            },
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
        self.allowance_open_with(escrow, owner, coordinator, opening, (amount, expiry), None)
    }

    /// As [`Self::allowance_open`], but debits go only as far as vouchers that `voucher_signer` signs.
    #[must_use]
    pub fn allowance_open_with_vouchers(
        &self,
        escrow: &EscrowId,
        owner: &PublicKey,
        coordinator: &CoordinatorId,
        opening: Slot,
        (amount, expiry): (Amount, UnixSeconds),
        voucher_signer: &PublicKey,
    ) -> (AllowanceId, Instruction) {
        let signer = Some(voucher_signer);
        self.allowance_open_with(escrow, owner, coordinator, opening, (amount, expiry), signer)
    }

    /// Raises the debit limit to what a voucher says. Needs no signature but the voucher's, in the
    /// [`crate::ed25519::verify`] instruction at `signature_instruction` in the same transaction.
    #[must_use]
    pub fn voucher_accept(
        &self,
        allowance: &AllowanceId,
        signature_instruction: u16,
    ) -> Instruction {
        self.build(
            accounts::VoucherAccept {
                allowance: allowance.to_address(),
                instructions: INSTRUCTIONS_SYSVAR,
            },
            args::VoucherAccept { args: types::VoucherAcceptArgs { signature_instruction } },
        )
    }

    fn allowance_open_with(
        &self,
        escrow: &EscrowId,
        owner: &PublicKey,
        coordinator: &CoordinatorId,
        opening: Slot,
        (amount, expiry): (Amount, UnixSeconds),
        voucher_signer: Option<&PublicKey>,
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
                    voucher_signer: voucher_signer.map(ToAddress::to_address),
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

    /// Closes an allowance with nothing left. Signed by the owner.
    #[must_use]
    pub fn allowance_close(&self, allowance: &Allowance) -> Instruction {
        self.build(
            accounts::AllowanceClose {
                owner: allowance.owner.to_address(),
                escrow: allowance.escrow.to_address(),
                allowance: allowance.id.to_address(),
                rent_payer: allowance.rent_payer.to_address(),
            },
            args::AllowanceClose,
        )
    }
}
