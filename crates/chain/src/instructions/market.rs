//! Opening a market, pausing it, and changing its rules.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::PublicKey;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{Instructions, MarketChange, MarketParameters, SYSTEM_PROGRAM, UPGRADEABLE_LOADER};
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
                    rules: rules(parameters),
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

    /// Proposes a change, as number `number`. Signed by `governance`, who pays the rent.
    #[must_use]
    pub fn proposal_open(
        &self,
        governance: &PublicKey,
        number: u64,
        change: &MarketChange,
    ) -> (Pubkey, Instruction) {
        let proposal = self.addresses.proposal(&self.market, number);
        let change = match change {
            MarketChange::Rules(parameters) => types::Change::Rules(rules(parameters)),
            MarketChange::Governance(key) => types::Change::Governance(key.to_address()),
            MarketChange::MeasurementAllowed(it) => types::Change::MeasurementAllowed(it.0),
            MarketChange::MeasurementRevoked(it) => types::Change::MeasurementRevoked(it.0),
        };
        let instruction = self.build(
            accounts::ProposalOpen {
                payer: governance.to_address(),
                governance: governance.to_address(),
                market: self.market.to_address(),
                proposal,
                system_program: SYSTEM_PROGRAM,
            },
            args::ProposalOpen { args: types::ProposalOpenArgs { change } },
        );
        (proposal, instruction)
    }

    /// Puts proposed rules, or a proposed governance, in force. `new_governance` signs when it is that.
    #[must_use]
    pub fn proposal_apply(
        &self,
        proposal: &Pubkey,
        rent_payer: &PublicKey,
        new_governance: Option<&PublicKey>,
    ) -> Instruction {
        self.build(
            accounts::ProposalApply {
                market: self.market.to_address(),
                proposal: *proposal,
                rent_payer: rent_payer.to_address(),
                new_governance: new_governance.map(ToAddress::to_address),
            },
            args::ProposalApply,
        )
    }

    /// Takes a proposal back. Signed by `governance`.
    #[must_use]
    pub fn proposal_cancel(
        &self,
        proposal: &Pubkey,
        governance: &PublicKey,
        rent_payer: &PublicKey,
    ) -> Instruction {
        self.build(
            accounts::ProposalCancel {
                governance: governance.to_address(),
                market: self.market.to_address(),
                proposal: *proposal,
                rent_payer: rent_payer.to_address(),
            },
            args::ProposalCancel,
        )
    }

    /// Puts a proposed measurement on the list. Signed by `payer`, who pays the entry's rent.
    #[must_use]
    pub fn measurement_allow(
        &self,
        payer: &PublicKey,
        proposal: &Pubkey,
        rent_payer: &PublicKey,
        measurement: &Hash32,
    ) -> Instruction {
        self.build(
            accounts::MeasurementAllow {
                payer: payer.to_address(),
                market: self.market.to_address(),
                proposal: *proposal,
                rent_payer: rent_payer.to_address(),
                measurement: self.addresses.measurement(&self.market, measurement),
                system_program: SYSTEM_PROGRAM,
            },
            args::MeasurementAllow,
        )
    }

    /// Takes a measurement off the list as proposed. Needs no signature; both rents go back to who paid
    /// them.
    #[must_use]
    pub fn measurement_revoke(
        &self,
        proposal: &Pubkey,
        rent_payer: &PublicKey,
        measurement: &Hash32,
        entry_rent_payer: &PublicKey,
    ) -> Instruction {
        self.build(
            accounts::MeasurementRevoke {
                market: self.market.to_address(),
                proposal: *proposal,
                rent_payer: rent_payer.to_address(),
                measurement: self.addresses.measurement(&self.market, measurement),
                entry_rent_payer: entry_rent_payer.to_address(),
            },
            args::MeasurementRevoke,
        )
    }
}

const fn rules(parameters: &MarketParameters) -> types::MarketRules {
    types::MarketRules {
        fee_cap_bps: parameters.fee_cap.0,
        exit_delay_slots: parameters.exit_delay.slots,
        exit_delay_seconds: parameters.exit_delay.seconds,
        unbond_delay_slots: parameters.unbond_delay.slots,
        unbond_delay_seconds: parameters.unbond_delay.seconds,
        liveness_slots: parameters.liveness.slots,
        liveness_seconds: parameters.liveness.seconds,
        guarantee_delay_slots: parameters.guarantee_delay.slots,
        guarantee_delay_seconds: parameters.guarantee_delay.seconds,
        governance_delay_slots: parameters.governance_delay.slots,
        governance_delay_seconds: parameters.governance_delay.seconds,
        min_stake: parameters.min_stake.0,
        min_bond: parameters.min_bond.0,
    }
}
