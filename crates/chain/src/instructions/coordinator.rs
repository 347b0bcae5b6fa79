//! Coordinators and their bonds.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, PublicKey};
use pinaivu_protocol::units::{Amount, Slot};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{CoordinatorChanges, CoordinatorProfile, Instructions, SYSTEM_PROGRAM};
use crate::addresses::ToAddress;
use crate::program::idl::pinaivu::client::{accounts, args};
use crate::program::idl::pinaivu::types;

impl Instructions {
    /// Registers a coordinator. Signed by `authority`, who pays the rent, and by `signer` itself.
    #[must_use]
    pub fn coordinator_register(
        &self,
        authority: &PublicKey,
        signer: &PublicKey,
        opening: Slot,
        profile: &CoordinatorProfile,
    ) -> (CoordinatorId, Instruction) {
        let coordinator = self.addresses.coordinator(&self.market, authority, opening);
        let instruction = self.build(
            accounts::CoordinatorRegister {
                payer: authority.to_address(),
                authority: authority.to_address(),
                signer: signer.to_address(),
                market: self.market.to_address(),
                coordinator: coordinator.to_address(),
                measurement_entry: self.measurement_entry(&profile.measurement),
                system_program: SYSTEM_PROGRAM,
            },
            args::CoordinatorRegister {
                args: types::CoordinatorRegisterArgs {
                    opening_slot: opening.0,
                    endpoint: profile.endpoint.clone(),
                    fee_bps: profile.fee.0,
                    measurement: profile.measurement.0,
                },
            },
        );
        (coordinator, instruction)
    }

    /// Adds to both bonds from `authority`'s token account. Signed by `authority`.
    #[must_use]
    pub fn coordinator_bond(
        &self,
        coordinator: &CoordinatorId,
        authority: &PublicKey,
        guarantee: Amount,
        penalty: Amount,
    ) -> Instruction {
        self.build(
            accounts::CoordinatorBond {
                authority: authority.to_address(),
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                coordinator: coordinator.to_address(),
                bond_vault: self.addresses.bond_vault(&self.market),
                mint: self.mint,
                source: self.token_account(authority),
                token_program: self.token_program,
            },
            args::CoordinatorBond {
                args: types::CoordinatorBondArgs { guarantee: guarantee.0, penalty: penalty.0 },
            },
        )
    }

    /// Changes what the coordinator says about itself. Signed by `authority`.
    #[must_use]
    pub fn coordinator_update(
        &self,
        coordinator: &CoordinatorId,
        authority: &PublicKey,
        changes: &CoordinatorChanges,
    ) -> Instruction {
        self.build(
            accounts::CoordinatorUpdate {
                authority: authority.to_address(),
                coordinator: coordinator.to_address(),
                measurement_entry: changes
                    .measurement
                    .and_then(|measurement| self.measurement_entry(&measurement)),
            },
            args::CoordinatorUpdate {
                args: types::CoordinatorUpdateArgs {
                    endpoint: changes.endpoint.clone(),
                    measurement: changes.measurement.map(|hash| hash.0),
                    evidence_hash: changes.evidence_hash.map(|hash| hash.0),
                },
            },
        )
    }

    /// Gives the coordinator a new hot key instead of `old_signer`. Signed by `authority`, who pays the
    /// rent of the old key's record, and by `new_signer` itself.
    #[must_use]
    pub fn coordinator_rotate_signer(
        &self,
        coordinator: &CoordinatorId,
        authority: &PublicKey,
        old_signer: &PublicKey,
        new_signer: &PublicKey,
    ) -> Instruction {
        self.build(
            accounts::CoordinatorRotateSigner {
                payer: authority.to_address(),
                authority: authority.to_address(),
                new_signer: new_signer.to_address(),
                coordinator: coordinator.to_address(),
                retired_signer: self.addresses.retired_signer(coordinator, old_signer),
                returning: self.addresses.retired_signer(coordinator, new_signer),
                system_program: SYSTEM_PROGRAM,
            },
            args::CoordinatorRotateSigner,
        )
    }

    /// The entry on the market's list that a measurement needs; none for an unattested coordinator.
    fn measurement_entry(&self, measurement: &Hash32) -> Option<Pubkey> {
        let attested = *measurement != Hash32::ZERO;
        attested.then(|| self.addresses.measurement(&self.market, measurement))
    }
}
