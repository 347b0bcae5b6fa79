//! The market's.

use pinaivu::instructions as ix;
use pinaivu::state::Change;
use pinaivu::{accounts, instruction};
use pinaivu_protocol::seeds;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::{SYSTEM, build, find};
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

    /// Number `number` of the market's proposals.
    pub(crate) fn proposal_open(
        &self,
        market: &Market,
        number: u64,
        change: Change,
    ) -> (Pubkey, Instruction) {
        let number = number.to_le_bytes();
        let proposal = find(&[seeds::PROPOSAL, market.address.as_ref(), &number]);
        let accounts = accounts::ProposalOpen {
            payer: self.payer.pubkey(),
            governance: self.governance.pubkey(),
            market: market.address,
            proposal,
            system_program: SYSTEM,
        };
        let args = ix::ProposalOpenArgs { change };
        (proposal, build(accounts, instruction::ProposalOpen { args }))
    }

    pub(crate) fn proposal_apply(
        &self,
        market: &Market,
        proposal: &Pubkey,
        new_governance: Option<Pubkey>,
    ) -> Instruction {
        let accounts = accounts::ProposalApply {
            market: market.address,
            proposal: *proposal,
            rent_payer: self.payer.pubkey(),
            new_governance,
        };
        build(accounts, instruction::ProposalApply {})
    }

    pub(crate) fn proposal_cancel(&self, market: &Market, proposal: &Pubkey) -> Instruction {
        let accounts = accounts::ProposalCancel {
            governance: self.governance.pubkey(),
            market: market.address,
            proposal: *proposal,
            rent_payer: self.payer.pubkey(),
        };
        build(accounts, instruction::ProposalCancel {})
    }

    pub(crate) fn measurement_allow(
        &self,
        market: &Market,
        proposal: &Pubkey,
        measurement: &[u8; 32],
    ) -> Instruction {
        let accounts = accounts::MeasurementAllow {
            payer: self.payer.pubkey(),
            market: market.address,
            proposal: *proposal,
            rent_payer: self.payer.pubkey(),
            measurement: find(&[seeds::MEASUREMENT, market.address.as_ref(), measurement]),
            system_program: SYSTEM,
        };
        build(accounts, instruction::MeasurementAllow {})
    }

    pub(crate) fn measurement_revoke(
        &self,
        market: &Market,
        proposal: &Pubkey,
        measurement: &[u8; 32],
    ) -> Instruction {
        let accounts = accounts::MeasurementRevoke {
            market: market.address,
            proposal: *proposal,
            rent_payer: self.payer.pubkey(),
            measurement: find(&[seeds::MEASUREMENT, market.address.as_ref(), measurement]),
            entry_rent_payer: self.payer.pubkey(),
        };
        build(accounts, instruction::MeasurementRevoke {})
    }
}
