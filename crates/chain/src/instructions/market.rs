//! Opening a market and pausing it.

use pinaivu_protocol::ids::PublicKey;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{Instructions, MarketParameters, SYSTEM_PROGRAM, UPGRADEABLE_LOADER};
use crate::addresses::ToAddress;
use crate::program::idl::pinaivu::client::{accounts, args};
use crate::program::idl::pinaivu::types;

impl Instructions {
    /// Opens the market. Signed by `governance`, which must be the program's upgrade authority, and by
    /// `payer`.
    #[must_use]
    pub fn market_initialize(
        &self,
        governance: &PublicKey,
        payer: &PublicKey,
        parameters: &MarketParameters,
    ) -> Instruction {
        let program = self.addresses.program();
        self.build(
            accounts::MarketInitialize {
                payer: payer.to_address(),
                upgrade_authority: governance.to_address(),
                program,
                program_data: Pubkey::find_program_address(
                    &[program.as_ref()],
                    &UPGRADEABLE_LOADER,
                )
                .0,
                mint: self.mint,
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                escrow_vault: self.addresses.escrow_vault(&self.market),
                stake_vault: self.addresses.stake_vault(&self.market),
                bond_vault: self.addresses.bond_vault(&self.market),
                token_program: self.token_program,
                system_program: SYSTEM_PROGRAM,
            },
            args::MarketInitialize {
                args: types::MarketInitializeArgs {
                    genesis_hash: self.cluster.0,
                    governance: governance.to_address(),
                    fee_cap_bps: parameters.fee_cap.0,
                    exit_delay_slots: parameters.exit_delay.slots,
                    exit_delay_seconds: parameters.exit_delay.seconds,
                    unbond_delay_slots: parameters.unbond_delay.slots,
                    unbond_delay_seconds: parameters.unbond_delay.seconds,
                    min_stake: parameters.min_stake.0,
                    min_bond: parameters.min_bond.0,
                },
            },
        )
    }

    /// Stops or resumes new deposits and registrations. Signed by `governance`.
    #[must_use]
    pub fn market_pause(&self, governance: &PublicKey, paused: bool) -> Instruction {
        self.build(
            accounts::MarketPause {
                governance: governance.to_address(),
                market: self.market.to_address(),
            },
            args::MarketPause { args: types::MarketPauseArgs { paused } },
        )
    }
}
