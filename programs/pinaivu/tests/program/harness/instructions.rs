//! One builder per instruction, with the accounts that are right for it.

use anchor_lang::{InstructionData, ToAccountMetas};
use pinaivu::instructions as ix;
use pinaivu::{accounts, instruction};
use pinaivu_protocol::seeds;
use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::{Actor, Coordinator, Market, World, program_data};

/// The program-derived address of some seeds.
pub(crate) fn find(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &pinaivu::ID).0
}

fn build(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: pinaivu::ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}

const SYSTEM: Pubkey = anchor_lang::system_program::ID;

/// What `log_extend` is given.
#[derive(Clone, Debug)]
pub(crate) struct Extension {
    pub(crate) epoch: u32,
    pub(crate) old_size: u64,
    pub(crate) new_size: u64,
    pub(crate) hashes: Vec<[u8; 32]>,
    pub(crate) expected_root: [u8; 32],
}

impl World {
    pub(crate) fn market_initialize(
        &self,
        market: &Market,
        args: ix::MarketInitializeArgs,
    ) -> Instruction {
        let accounts = accounts::MarketInitialize {
            payer: self.payer.pubkey(),
            upgrade_authority: self.deployer.pubkey(),
            program: pinaivu::ID,
            program_data: program_data(),
            mint: market.mint,
            market: market.address,
            ledger: market.ledger,
            escrow_vault: market.escrow_vault,
            stake_vault: market.stake_vault,
            bond_vault: market.bond_vault,
            token_program: market.token_program,
            system_program: SYSTEM,
        };
        build(accounts, instruction::MarketInitialize { args })
    }

    pub(crate) fn market_pause(&self, market: &Market, paused: bool) -> Instruction {
        let accounts =
            accounts::MarketPause { governance: self.governance.pubkey(), market: market.address };
        build(accounts, instruction::MarketPause { args: ix::MarketPauseArgs { paused } })
    }

    pub(crate) fn escrow_open(
        &self,
        market: &Market,
        owner: &Pubkey,
        opening_slot: u64,
    ) -> (Pubkey, Instruction) {
        let slot = opening_slot.to_le_bytes();
        let escrow = find(&[seeds::ESCROW, market.address.as_ref(), owner.as_ref(), &slot]);
        let accounts = accounts::EscrowOpen {
            payer: self.payer.pubkey(),
            owner: *owner,
            market: market.address,
            escrow,
            system_program: SYSTEM,
        };
        let args = ix::EscrowOpenArgs { opening_slot };
        (escrow, build(accounts, instruction::EscrowOpen { args }))
    }

    pub(crate) fn escrow_deposit(
        &self,
        market: &Market,
        escrow: &Pubkey,
        depositor: &Actor,
        amount: u64,
    ) -> Instruction {
        let accounts = accounts::EscrowDeposit {
            depositor: depositor.address(),
            market: market.address,
            ledger: market.ledger,
            escrow: *escrow,
            escrow_vault: market.escrow_vault,
            mint: market.mint,
            source: depositor.tokens,
            token_program: market.token_program,
        };
        build(accounts, instruction::EscrowDeposit { args: ix::EscrowDepositArgs { amount } })
    }

    pub(crate) fn escrow_withdraw(
        &self,
        market: &Market,
        escrow: &Pubkey,
        owner: &Actor,
        amount: u64,
    ) -> Instruction {
        let accounts = accounts::EscrowWithdraw {
            owner: owner.address(),
            market: market.address,
            ledger: market.ledger,
            escrow: *escrow,
            escrow_vault: market.escrow_vault,
            mint: market.mint,
            destination: owner.tokens,
            token_program: market.token_program,
        };
        build(accounts, instruction::EscrowWithdraw { args: ix::EscrowWithdrawArgs { amount } })
    }

    pub(crate) fn escrow_close(&self, escrow: &Pubkey, owner: &Pubkey) -> Instruction {
        let accounts = accounts::EscrowClose { owner: *owner, escrow: *escrow };
        build(accounts, instruction::EscrowClose {})
    }

    #[expect(clippy::too_many_arguments, reason = "each is one field of the instruction")]
    pub(crate) fn allowance_open(
        &self,
        market: &Market,
        owner: &Pubkey,
        escrow: &Pubkey,
        coordinator: &Pubkey,
        opening_slot: u64,
        amount: u64,
        expiry_time: i64,
    ) -> (Pubkey, Instruction) {
        let slot = opening_slot.to_le_bytes();
        let seeds = [seeds::ALLOWANCE, escrow.as_ref(), coordinator.as_ref(), &slot];
        let allowance = find(&seeds);
        let accounts = accounts::AllowanceOpen {
            payer: self.payer.pubkey(),
            owner: *owner,
            market: market.address,
            escrow: *escrow,
            coordinator: *coordinator,
            allowance,
            system_program: SYSTEM,
        };
        let args = ix::AllowanceOpenArgs { opening_slot, amount, expiry_time };
        (allowance, build(accounts, instruction::AllowanceOpen { args }))
    }

    pub(crate) fn allowance_raise(
        &self,
        market: &Market,
        allowance: &Pubkey,
        amount: u64,
        expiry_time: i64,
    ) -> Instruction {
        let stored: pinaivu::state::Allowance = self.read(allowance);
        let accounts = accounts::AllowanceRaise {
            owner: stored.owner,
            market: market.address,
            escrow: stored.escrow,
            coordinator: stored.coordinator,
            allowance: *allowance,
        };
        let args = ix::AllowanceRaiseArgs { amount, expiry_time };
        build(accounts, instruction::AllowanceRaise { args })
    }

    pub(crate) fn allowance_release(
        &self,
        allowance: &Pubkey,
        owner: &Pubkey,
        amount: u64,
        destination: Option<Pubkey>,
    ) -> Instruction {
        let accounts = accounts::AllowanceRelease { owner: *owner, allowance: *allowance };
        let args = ix::AllowanceReleaseArgs { amount, destination };
        build(accounts, instruction::AllowanceRelease { args })
    }

    pub(crate) fn allowance_exit(
        &self,
        market: &Market,
        allowance: &Pubkey,
        destination: Option<Pubkey>,
    ) -> Instruction {
        let stored: pinaivu::state::Allowance = self.read(allowance);
        let accounts = accounts::AllowanceExit {
            market: market.address,
            ledger: market.ledger,
            escrow: stored.escrow,
            allowance: *allowance,
            escrow_vault: market.escrow_vault,
            mint: market.mint,
            destination,
            token_program: market.token_program,
        };
        build(accounts, instruction::AllowanceExit {})
    }

    pub(crate) fn allowance_close(&self, allowance: &Pubkey) -> Instruction {
        let stored: pinaivu::state::Allowance = self.read(allowance);
        let accounts = accounts::AllowanceClose {
            owner: stored.owner,
            escrow: stored.escrow,
            allowance: *allowance,
        };
        build(accounts, instruction::AllowanceClose {})
    }

    pub(crate) fn node_register(
        &self,
        market: &Market,
        operator: &Pubkey,
        signer: &Pubkey,
        payout_owner: &Pubkey,
        opening_slot: u64,
    ) -> (Pubkey, Instruction) {
        let slot = opening_slot.to_le_bytes();
        let node = find(&[seeds::NODE, market.address.as_ref(), operator.as_ref(), &slot]);
        let accounts = accounts::NodeRegister {
            payer: self.payer.pubkey(),
            operator: *operator,
            signer: *signer,
            market: market.address,
            node,
            system_program: SYSTEM,
        };
        let args = ix::NodeRegisterArgs { opening_slot, payout_owner: *payout_owner };
        (node, build(accounts, instruction::NodeRegister { args }))
    }

    pub(crate) fn node_stake(
        &self,
        market: &Market,
        node: &Pubkey,
        depositor: &Actor,
        amount: u64,
    ) -> Instruction {
        let accounts = accounts::NodeStake {
            depositor: depositor.address(),
            market: market.address,
            ledger: market.ledger,
            node: *node,
            stake_vault: market.stake_vault,
            mint: market.mint,
            source: depositor.tokens,
            token_program: market.token_program,
        };
        build(accounts, instruction::NodeStake { args: ix::NodeStakeArgs { amount } })
    }

    pub(crate) fn node_unbond(&self, node: &Pubkey, operator: &Pubkey, amount: u64) -> Instruction {
        let accounts = accounts::NodeUnbond { operator: *operator, node: *node };
        build(accounts, instruction::NodeUnbond { args: ix::NodeUnbondArgs { amount } })
    }

    pub(crate) fn node_unbond_claim(
        &self,
        market: &Market,
        node: &Pubkey,
        destination: &Pubkey,
    ) -> Instruction {
        let accounts = accounts::NodeUnbondClaim {
            market: market.address,
            ledger: market.ledger,
            node: *node,
            stake_vault: market.stake_vault,
            mint: market.mint,
            destination: *destination,
            token_program: market.token_program,
        };
        build(accounts, instruction::NodeUnbondClaim {})
    }

    pub(crate) fn node_rotate_signer(
        &self,
        node: &Pubkey,
        operator: &Pubkey,
        new_signer: &Pubkey,
    ) -> Instruction {
        let accounts = accounts::NodeRotateSigner {
            operator: *operator,
            new_signer: *new_signer,
            node: *node,
        };
        build(accounts, instruction::NodeRotateSigner {})
    }

    pub(crate) fn node_close(&self, node: &Pubkey, operator: &Pubkey) -> Instruction {
        let accounts = accounts::NodeClose { operator: *operator, node: *node };
        build(accounts, instruction::NodeClose {})
    }

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
        let accounts = accounts::CoordinatorRotateSigner {
            authority: coordinator.authority.address(),
            new_signer: *new_signer,
            coordinator: coordinator.address,
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
        };
        build(accounts, instruction::CoordinatorUpdate { args })
    }

    pub(crate) fn payout_open(
        &self,
        market: &Market,
        coordinator: &Pubkey,
        node: &Pubkey,
    ) -> (Pubkey, Instruction) {
        let payout = find(&[seeds::PAYOUT, coordinator.as_ref(), node.as_ref()]);
        let accounts = accounts::PayoutOpen {
            payer: self.payer.pubkey(),
            market: market.address,
            coordinator: *coordinator,
            node: *node,
            payout,
            system_program: SYSTEM,
        };
        (payout, build(accounts, instruction::PayoutOpen {}))
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

    pub(crate) fn debit(
        &self,
        coordinator: &Coordinator,
        entries: &[(Pubkey, u64)],
    ) -> Instruction {
        let accounts = accounts::Debit {
            signer: coordinator.signer.pubkey(),
            coordinator: coordinator.address,
        };
        let args = ix::DebitArgs { entries: entries.iter().map(|(_, value)| *value).collect() };
        let mut instruction = build(accounts, instruction::Debit { args });
        let allowances = entries.iter().map(|(address, _)| AccountMeta::new(*address, false));
        instruction.accounts.extend(allowances);
        instruction
    }

    pub(crate) fn credit(
        &self,
        market: &Market,
        coordinator: &Coordinator,
        entries: &[(Pubkey, u64)],
        fees: u64,
    ) -> Instruction {
        let accounts = accounts::Credit {
            signer: coordinator.signer.pubkey(),
            market: market.address,
            coordinator: coordinator.address,
        };
        let args =
            ix::CreditArgs { entries: entries.iter().map(|(_, value)| *value).collect(), fees };
        let mut instruction = build(accounts, instruction::Credit { args });
        let payouts = entries.iter().map(|(address, _)| AccountMeta::new(*address, false));
        instruction.accounts.extend(payouts);
        instruction
    }

    pub(crate) fn claim(
        &self,
        market: &Market,
        coordinator: &Pubkey,
        payout: &Pubkey,
        destination: &Pubkey,
    ) -> Instruction {
        let accounts = accounts::Claim {
            market: market.address,
            ledger: market.ledger,
            coordinator: *coordinator,
            payout: *payout,
            escrow_vault: market.escrow_vault,
            mint: market.mint,
            destination: *destination,
            token_program: market.token_program,
        };
        build(accounts, instruction::Claim {})
    }

    pub(crate) fn fee_claim(
        &self,
        market: &Market,
        coordinator: &Pubkey,
        destination: &Pubkey,
    ) -> Instruction {
        let accounts = accounts::FeeClaim {
            market: market.address,
            ledger: market.ledger,
            coordinator: *coordinator,
            escrow_vault: market.escrow_vault,
            mint: market.mint,
            destination: *destination,
            token_program: market.token_program,
        };
        build(accounts, instruction::FeeClaim {})
    }
}
