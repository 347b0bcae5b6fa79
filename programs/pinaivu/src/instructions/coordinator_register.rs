//! Registers a coordinator. The hot signer signs too, so that nobody can register another's key.

use anchor_lang::prelude::*;
use pinaivu_protocol::seeds;

use crate::clock::require_openable;
use crate::error::PinaivuError;
use crate::event::CoordinatorRegistered;
use crate::state::coordinator::require_valid_endpoint;
use crate::state::proposal::require_measurement_allowed;
use crate::state::{Coordinator, Log, Market, Measurement, Unbonding, VERSION};

/// Where the coordinator will be and what it says of itself.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct CoordinatorRegisterArgs {
    /// A recent slot; part of the address.
    pub opening_slot: u64,
    /// Where clients and nodes find it: host and port, or a URL; printable ASCII, at most 128 bytes.
    pub endpoint: String,
    /// Its fee in basis points, at most the market's cap. Cannot be changed later.
    pub fee_bps: u16,
    /// Measurement of the attested code, which must be on the market's list; zero when unattested.
    pub measurement: [u8; 32],
}

/// Accounts of `coordinator_register`.
#[derive(Accounts)]
#[instruction(args: CoordinatorRegisterArgs)]
pub struct CoordinatorRegister<'info> {
    /// Pays rent and gets it back at the end.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Cold wallet that owns bonds and fees.
    pub authority: Signer<'info>,
    /// Hot key; signs to show that it is the registrant's.
    pub signer: Signer<'info>,
    /// The market.
    pub market: Box<Account<'info, Market>>,
    /// The coordinator.
    #[account(
        init,
        payer = payer,
        space = 8 + Coordinator::INIT_SPACE,
        seeds = [
            seeds::COORDINATOR,
            market.key().as_ref(),
            authority.key().as_ref(),
            &args.opening_slot.to_le_bytes(),
        ],
        bump,
    )]
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// The measurement's entry on the market's list; needed when there is a measurement.
    pub measurement_entry: Option<Box<Account<'info, Measurement>>>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl CoordinatorRegister<'_> {
    fn validate(&self, args: &CoordinatorRegisterArgs) -> Result<()> {
        self.market.require_open()?;
        require!(args.fee_bps <= self.market.fee_cap_bps, PinaivuError::FeeTooHigh);
        require_valid_endpoint(&args.endpoint)?;
        let entry = self.measurement_entry.as_ref().map(|entry| &***entry);
        require_measurement_allowed(&args.measurement, &self.market.key(), entry)?;
        require_openable(args.opening_slot)
    }

    /// Registers the coordinator.
    pub fn handle(ctx: Context<Self>, args: CoordinatorRegisterArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let accounts = ctx.accounts;
        accounts.coordinator.set_inner(Coordinator {
            version: VERSION,
            bump: ctx.bumps.coordinator,
            market: accounts.market.key(),
            authority: accounts.authority.key(),
            signer: accounts.signer.key(),
            opening_slot: args.opening_slot,
            fee_bps: args.fee_bps,
            measurement: args.measurement,
            evidence_hash: [0; 32],
            guarantee_bond: 0,
            penalty_bond: 0,
            debited: 0,
            credited: 0,
            fees: 0,
            fees_paid: 0,
            sequence: 1,
            guaranteed: 0,
            advanced: 0,
            guarantee_unbonding: Unbonding::default(),
            penalty_unbonding: Unbonding::default(),
            slashed: false,
            rent_payer: accounts.payer.key(),
            reserved: [0; 95],
            log: Log::empty(0),
            endpoint: args.endpoint,
        });
        let coordinator = &accounts.coordinator;
        coordinator.invariant()?;
        emit!(CoordinatorRegistered {
            coordinator: coordinator.key(),
            sequence: coordinator.sequence,
            market: coordinator.market,
            authority: coordinator.authority,
            signer: coordinator.signer,
            fee_bps: coordinator.fee_bps,
            endpoint: coordinator.endpoint.clone(),
            measurement: coordinator.measurement,
        });
        Ok(())
    }
}
