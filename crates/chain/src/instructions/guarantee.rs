//! Guarantees, demands, and bonds on their way out.

use pinaivu_protocol::ids::{CoordinatorId, NodeId, PublicKey};
use pinaivu_protocol::units::Amount;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::Instructions;
use crate::accounts::{Coordinator, Payout};
use crate::addresses::ToAddress;
use crate::ed25519::INSTRUCTIONS_SYSVAR;
use crate::program::idl::pinaivu::client::{accounts, args};
use crate::program::idl::pinaivu::types;

impl Instructions {
    /// Starts to take bonds out. Signed by `authority`.
    #[must_use]
    pub fn coordinator_unbond(
        &self,
        coordinator: &CoordinatorId,
        authority: &PublicKey,
        guarantee: Amount,
        penalty: Amount,
    ) -> Instruction {
        self.build(
            accounts::CoordinatorUnbond {
                authority: authority.to_address(),
                coordinator: coordinator.to_address(),
            },
            args::CoordinatorUnbond {
                args: types::CoordinatorUnbondArgs { guarantee: guarantee.0, penalty: penalty.0 },
            },
        )
    }

    /// Pays bonds whose delay has passed to `authority`'s associated token account. Needs no signature.
    #[must_use]
    pub fn coordinator_unbond_claim(
        &self,
        coordinator: &CoordinatorId,
        authority: &PublicKey,
    ) -> Instruction {
        self.build(
            accounts::CoordinatorUnbondClaim {
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                coordinator: coordinator.to_address(),
                bond_vault: self.addresses.bond_vault(&self.market),
                mint: self.mint,
                destination: self.token_account(authority),
                token_program: self.token_program,
            },
            args::CoordinatorUnbondClaim,
        )
    }

    /// Closes a coordinator with nothing in it. Signed by its authority.
    #[must_use]
    pub fn coordinator_close(&self, coordinator: &Coordinator) -> Instruction {
        self.build(
            accounts::CoordinatorClose {
                authority: coordinator.authority.to_address(),
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                coordinator: coordinator.id.to_address(),
                rent_payer: coordinator.rent_payer.to_address(),
            },
            args::CoordinatorClose,
        )
    }

    /// Sets how far the guarantee bond stands for `node`: more at once, less after the guarantee delay.
    /// Signed by `authority`.
    #[must_use]
    pub fn guarantee_set(
        &self,
        coordinator: &CoordinatorId,
        authority: &PublicKey,
        node: &NodeId,
        guarantee: Amount,
    ) -> Instruction {
        self.build(
            accounts::GuaranteeSet {
                authority: authority.to_address(),
                coordinator: coordinator.to_address(),
                payout: self.addresses.payout(coordinator, node),
            },
            args::GuaranteeSet { args: types::GuaranteeSetArgs { guarantee: guarantee.0 } },
        )
    }

    /// Lowers a guarantee whose delay has passed. Needs no signature.
    #[must_use]
    pub fn guarantee_lower(&self, coordinator: &CoordinatorId, node: &NodeId) -> Instruction {
        self.build(
            accounts::GuaranteeLower {
                market: self.market.to_address(),
                coordinator: coordinator.to_address(),
                payout: self.addresses.payout(coordinator, node),
            },
            args::GuaranteeLower,
        )
    }

    /// Gives the guarantee bond back what it advanced, as far as credit has come. Needs no signature.
    #[must_use]
    pub fn guarantee_refill(&self, coordinator: &CoordinatorId, node: &NodeId) -> Instruction {
        self.build(
            accounts::GuaranteeRefill {
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                coordinator: coordinator.to_address(),
                payout: self.addresses.payout(coordinator, node),
                escrow_vault: self.addresses.escrow_vault(&self.market),
                bond_vault: self.addresses.bond_vault(&self.market),
                mint: self.mint,
                token_program: self.token_program,
            },
            args::GuaranteeRefill,
        )
    }

    /// Demands what a signed receipt head shows. Signed by `payee`: the payout owner, or the node's
    /// operator or hot key. The [`crate::ed25519::verify`] instruction over the head stands at
    /// `signature_instruction` in the same transaction.
    #[must_use]
    pub fn demand_open(
        &self,
        coordinator: &CoordinatorId,
        node: &NodeId,
        payee: &PublicKey,
        signature_instruction: u16,
    ) -> Instruction {
        self.build(
            accounts::DemandOpen {
                payee: payee.to_address(),
                market: self.market.to_address(),
                coordinator: coordinator.to_address(),
                payout: self.addresses.payout(coordinator, node),
                node: Some(node.to_address()),
                instructions: INSTRUCTIONS_SYSVAR,
            },
            args::DemandOpen { args: types::DemandOpenArgs { signature_instruction } },
        )
    }

    /// Demands what a recorded receipt shows, whichever key signed it. Signed by `payee`, as for
    /// [`Self::demand_open`].
    #[must_use]
    pub fn demand_open_recorded(
        &self,
        coordinator: &CoordinatorId,
        node: &NodeId,
        payee: &PublicKey,
        record: &Pubkey,
    ) -> Instruction {
        self.build(
            accounts::DemandOpenRecorded {
                payee: payee.to_address(),
                coordinator: coordinator.to_address(),
                payout: self.addresses.payout(coordinator, node),
                node: Some(node.to_address()),
                record: *record,
            },
            args::DemandOpenRecorded,
        )
    }

    /// Pays a demand whose liveness period has passed to the payout owner's associated token account.
    /// Needs no signature.
    #[must_use]
    pub fn demand_settle(&self, payout: &Payout) -> Instruction {
        self.build(
            accounts::DemandSettle {
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                coordinator: payout.coordinator.to_address(),
                payout: payout.address,
                escrow_vault: self.addresses.escrow_vault(&self.market),
                bond_vault: self.addresses.bond_vault(&self.market),
                mint: self.mint,
                destination: self.token_account(&payout.payout_owner),
                token_program: self.token_program,
            },
            args::DemandSettle,
        )
    }

    /// Closes a payout with nothing in it, once its node or its coordinator is closed. Signed by the
    /// payout owner.
    #[must_use]
    pub fn payout_close(&self, payout: &Payout) -> Instruction {
        self.build(
            accounts::PayoutClose {
                payout_owner: payout.payout_owner.to_address(),
                coordinator: payout.coordinator.to_address(),
                node: payout.node.to_address(),
                payout: payout.address,
                rent_payer: payout.rent_payer.to_address(),
            },
            args::PayoutClose,
        )
    }
}
