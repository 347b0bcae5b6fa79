//! Logs, debits, credits and what is paid out of them.

use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, NodeId, PublicKey};
use pinaivu_protocol::units::Amount;
use solana_instruction::{AccountMeta, Instruction};

use super::{Instructions, LogExtension, SYSTEM_PROGRAM};
use crate::addresses::ToAddress;
use crate::program::idl::pinaivu::client::{accounts, args};
use crate::program::idl::pinaivu::types;

impl Instructions {
    /// Opens the account that counts what a coordinator owes a node. `payer` signs and pays the rent.
    #[must_use]
    pub fn payout_open(
        &self,
        coordinator: &CoordinatorId,
        node: &NodeId,
        payer: &PublicKey,
    ) -> Instruction {
        self.build(
            accounts::PayoutOpen {
                payer: payer.to_address(),
                market: self.market.to_address(),
                coordinator: coordinator.to_address(),
                node: node.to_address(),
                payout: self.addresses.payout(coordinator, node),
                system_program: SYSTEM_PROGRAM,
            },
            args::PayoutOpen,
        )
    }

    /// Extends the log. Signed by the coordinator's hot `signer`.
    #[must_use]
    pub fn log_extend(
        &self,
        coordinator: &CoordinatorId,
        signer: &PublicKey,
        extension: &LogExtension,
    ) -> Instruction {
        self.build(
            accounts::LogExtend {
                signer: signer.to_address(),
                coordinator: coordinator.to_address(),
            },
            args::LogExtend {
                args: types::LogExtendArgs {
                    epoch: extension.epoch,
                    old_size: extension.old_size,
                    new_size: extension.new_size,
                    hashes: extension.hashes.iter().map(|hash| hash.0).collect(),
                    expected_root: extension.expected_root.0,
                },
            },
        )
    }

    /// Freezes the open epoch's head and opens the next one. Signed by `authority`, who pays the rent.
    #[must_use]
    pub fn log_epoch_open(
        &self,
        coordinator: &CoordinatorId,
        authority: &PublicKey,
        closing: u32,
    ) -> Instruction {
        self.build(
            accounts::LogEpochOpen {
                payer: authority.to_address(),
                authority: authority.to_address(),
                coordinator: coordinator.to_address(),
                epoch_head: self.addresses.epoch_head(coordinator, closing),
                system_program: SYSTEM_PROGRAM,
            },
            args::LogEpochOpen,
        )
    }

    /// Debits allowances to new cumulatives. Signed by the coordinator's hot `signer`.
    #[must_use]
    pub fn debit(
        &self,
        coordinator: &CoordinatorId,
        signer: &PublicKey,
        entries: &[(AllowanceId, Amount)],
    ) -> Instruction {
        let mut instruction = self.build(
            accounts::Debit { signer: signer.to_address(), coordinator: coordinator.to_address() },
            args::Debit {
                args: types::DebitArgs {
                    entries: entries.iter().map(|(_, amount)| amount.0).collect(),
                },
            },
        );
        let accounts = entries.iter().map(|(id, _)| AccountMeta::new(id.to_address(), false));
        instruction.accounts.extend(accounts);
        instruction
    }

    /// Credits payouts, and the coordinator's fees, to new cumulatives. Signed by the coordinator's
    /// hot `signer`.
    #[must_use]
    pub fn credit(
        &self,
        coordinator: &CoordinatorId,
        signer: &PublicKey,
        entries: &[(NodeId, Amount)],
        fees: Amount,
    ) -> Instruction {
        let mut instruction = self.build(
            accounts::Credit {
                signer: signer.to_address(),
                market: self.market.to_address(),
                coordinator: coordinator.to_address(),
            },
            args::Credit {
                args: types::CreditArgs {
                    entries: entries.iter().map(|(_, amount)| amount.0).collect(),
                    fees: fees.0,
                },
            },
        );
        let accounts = entries
            .iter()
            .map(|(node, _)| AccountMeta::new(self.addresses.payout(coordinator, node), false));
        instruction.accounts.extend(accounts);
        instruction
    }

    /// Pays what a node has been credited to its payout owner's associated token account. Needs no
    /// signature; anyone may.
    #[must_use]
    pub fn claim(
        &self,
        coordinator: &CoordinatorId,
        node: &NodeId,
        payout_owner: &PublicKey,
    ) -> Instruction {
        self.build(
            accounts::Claim {
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                payout: self.addresses.payout(coordinator, node),
                escrow_vault: self.addresses.escrow_vault(&self.market),
                mint: self.mint,
                destination: self.token_account(payout_owner),
                token_program: self.token_program,
            },
            args::Claim,
        )
    }

    /// Pays the coordinator's fees to its authority's associated token account. Needs no signature;
    /// anyone may.
    #[must_use]
    pub fn fee_claim(&self, coordinator: &CoordinatorId, authority: &PublicKey) -> Instruction {
        self.build(
            accounts::FeeClaim {
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                coordinator: coordinator.to_address(),
                escrow_vault: self.addresses.escrow_vault(&self.market),
                mint: self.mint,
                destination: self.token_account(authority),
                token_program: self.token_program,
            },
            args::FeeClaim,
        )
    }
}
