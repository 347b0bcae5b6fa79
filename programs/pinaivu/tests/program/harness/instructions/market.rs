//! The market's.

use pinaivu::instructions as ix;
use pinaivu::{accounts, instruction};
use solana_instruction::Instruction;
use solana_signer::Signer as _;

use super::{SYSTEM, build};
use crate::harness::{Market, World, program_data};

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
}
