//! A coordinator's: registration, bonds and the log.

use pinaivu::instructions as ix;
use pinaivu::{accounts, instruction};
use pinaivu_protocol::seeds;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::{Extension, SYSTEM, build, find, measurement_entry, retired_signer};
use crate::harness::{Coordinator, Market, World};

impl World {
    pub(crate) fn coordinator_register(
        &self,
        market: &Market,
        authority: &Pubkey,
        signer: &Pubkey,
        opening_slot: u64,
        fee_bps: u16,
    ) -> (Pubkey, Instruction) {
        let args = ix::CoordinatorRegisterArgs {
            opening_slot,
            endpoint: "localhost:8443".to_owned(),
            fee_bps,
            measurement: [0; 32],
        };
        self.coordinator_register_as(market, authority, signer, args)
    }

    pub(crate) fn coordinator_register_as(
        &self,
        market: &Market,
        authority: &Pubkey,
        signer: &Pubkey,
        args: ix::CoordinatorRegisterArgs,
    ) -> (Pubkey, Instruction) {
        let slot = args.opening_slot.to_le_bytes();
        let seeds = [seeds::COORDINATOR, market.address.as_ref(), authority.as_ref(), &slot];
        let coordinator = find(&seeds);
        let accounts = accounts::CoordinatorRegister {
            payer: self.payer.pubkey(),
            authority: *authority,
            signer: *signer,
            market: market.address,
            coordinator,
            measurement_entry: measurement_entry(market, &args.measurement),
            system_program: SYSTEM,
        };
        (coordinator, build(accounts, instruction::CoordinatorRegister { args }))
    }

    pub(crate) fn coordinator_bond(
        &self,
        market: &Market,
        coordinator: &Coordinator,
        guarantee: u64,
        penalty: u64,
    ) -> Instruction {
        let accounts = accounts::CoordinatorBond {
            authority: coordinator.authority.address(),
            market: market.address,
            ledger: market.ledger,
            coordinator: coordinator.address,
            bond_vault: market.bond_vault,
            mint: market.mint,
            source: coordinator.authority.tokens,
            token_program: market.token_program,
        };
        let args = ix::CoordinatorBondArgs { guarantee, penalty };
        build(accounts, instruction::CoordinatorBond { args })
    }

    pub(crate) fn coordinator_rotate_signer(
        &self,
        coordinator: &Coordinator,
        new_signer: &Pubkey,
    ) -> Instruction {
        let old_signer = self.read::<pinaivu::state::Coordinator>(&coordinator.address).signer;
        let accounts = accounts::CoordinatorRotateSigner {
            payer: self.payer.pubkey(),
            authority: coordinator.authority.address(),
            new_signer: *new_signer,
            coordinator: coordinator.address,
            retired_signer: retired_signer(&coordinator.address, &old_signer),
            returning: retired_signer(&coordinator.address, new_signer),
            system_program: SYSTEM,
        };
        build(accounts, instruction::CoordinatorRotateSigner {})
    }

    pub(crate) fn coordinator_update(
        &self,
        coordinator: &Coordinator,
        args: ix::CoordinatorUpdateArgs,
    ) -> Instruction {
        let accounts = accounts::CoordinatorUpdate {
            authority: coordinator.authority.address(),
            coordinator: coordinator.address,
            measurement_entry: args
                .measurement
                .and_then(|measurement| measurement_entry(&self.market, &measurement)),
        };
        build(accounts, instruction::CoordinatorUpdate { args })
    }

    pub(crate) fn log_extend(
        &self,
        coordinator: &Coordinator,
        extension: Extension,
    ) -> Instruction {
        let Extension { epoch, old_size, new_size, hashes, expected_root } = extension;
        let accounts = accounts::LogExtend {
            signer: coordinator.signer.pubkey(),
            coordinator: coordinator.address,
        };
        let args = ix::LogExtendArgs { epoch, old_size, new_size, hashes, expected_root };
        build(accounts, instruction::LogExtend { args })
    }

    pub(crate) fn log_epoch_open(
        &self,
        coordinator: &Coordinator,
        closing: u32,
    ) -> (Pubkey, Instruction) {
        let epoch = closing.to_le_bytes();
        let epoch_head = find(&[seeds::EPOCH, coordinator.address.as_ref(), &epoch]);
        let accounts = accounts::LogEpochOpen {
            payer: self.payer.pubkey(),
            authority: coordinator.authority.address(),
            coordinator: coordinator.address,
            epoch_head,
            system_program: SYSTEM,
        };
        (epoch_head, build(accounts, instruction::LogEpochOpen {}))
    }

    pub(crate) fn coordinator_unbond(
        &self,
        coordinator: &Coordinator,
        guarantee: u64,
        penalty: u64,
    ) -> Instruction {
        let accounts = accounts::CoordinatorUnbond {
            authority: coordinator.authority.address(),
            coordinator: coordinator.address,
        };
        let args = ix::CoordinatorUnbondArgs { guarantee, penalty };
        build(accounts, instruction::CoordinatorUnbond { args })
    }

    pub(crate) fn coordinator_unbond_claim(
        &self,
        market: &Market,
        coordinator: &Coordinator,
    ) -> Instruction {
        let accounts = accounts::CoordinatorUnbondClaim {
            market: market.address,
            ledger: market.ledger,
            coordinator: coordinator.address,
            bond_vault: market.bond_vault,
            mint: market.mint,
            destination: coordinator.authority.tokens,
            token_program: market.token_program,
        };
        build(accounts, instruction::CoordinatorUnbondClaim {})
    }

    pub(crate) fn coordinator_close(
        &self,
        market: &Market,
        coordinator: &Coordinator,
    ) -> Instruction {
        let stored: pinaivu::state::Coordinator = self.read(&coordinator.address);
        let accounts = accounts::CoordinatorClose {
            authority: coordinator.authority.address(),
            market: market.address,
            ledger: market.ledger,
            coordinator: coordinator.address,
            rent_payer: stored.rent_payer,
        };
        build(accounts, instruction::CoordinatorClose {})
    }

    pub(crate) fn signer_close(&self, market: &Market, retired_signer: &Pubkey) -> Instruction {
        let stored: pinaivu::state::RetiredSigner = self.read(retired_signer);
        let accounts = accounts::SignerClose {
            market: market.address,
            retired_signer: *retired_signer,
            rent_payer: stored.rent_payer,
        };
        build(accounts, instruction::SignerClose {})
    }
}
