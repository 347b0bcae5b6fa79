//! Changes where a coordinator is found and what it is attested by.

use anchor_lang::prelude::*;

use crate::error::PinaivuError;
use crate::event::CoordinatorUpdated;
use crate::state::coordinator::require_valid_endpoint;
use crate::state::proposal::require_measurement_allowed;
use crate::state::{Coordinator, Measurement, next};

/// What to change; none leaves as is.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct CoordinatorUpdateArgs {
    /// Where clients and nodes find it: host and port, or a URL; printable ASCII, at most 128 bytes.
    pub endpoint: Option<String>,
    /// Measurement of the attested code, which must be on the market's list; zero when unattested.
    pub measurement: Option<[u8; 32]>,
    /// Hash of the attestation evidence; zero when there is none.
    pub evidence_hash: Option<[u8; 32]>,
}

/// Accounts of `coordinator_update`.
#[derive(Accounts)]
pub struct CoordinatorUpdate<'info> {
    /// The coordinator's cold authority, checked at `coordinator`.
    pub authority: Signer<'info>,
    /// The coordinator.
    #[account(mut, has_one = authority @ PinaivuError::NotAuthority)]
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// The measurement's entry on the market's list; needed when a measurement is set.
    pub measurement_entry: Option<Box<Account<'info, Measurement>>>,
}

impl CoordinatorUpdate<'_> {
    fn validate(&self, args: &CoordinatorUpdateArgs) -> Result<()> {
        let changes =
            args.endpoint.is_some() || args.measurement.is_some() || args.evidence_hash.is_some();
        require!(changes, PinaivuError::NothingToChange);
        if let Some(measurement) = &args.measurement {
            let entry = self.measurement_entry.as_ref().map(|entry| &***entry);
            require_measurement_allowed(measurement, &self.coordinator.market, entry)?;
        }
        args.endpoint.as_deref().map_or(Ok(()), require_valid_endpoint)
    }

    /// Changes what is given.
    pub fn handle(ctx: Context<Self>, args: CoordinatorUpdateArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let coordinator = &mut ctx.accounts.coordinator;
        if let Some(endpoint) = args.endpoint {
            coordinator.endpoint = endpoint;
        }
        if let Some(measurement) = args.measurement {
            coordinator.measurement = measurement;
        }
        if let Some(evidence_hash) = args.evidence_hash {
            coordinator.evidence_hash = evidence_hash;
        }
        let sequence = next(&mut coordinator.sequence)?;
        coordinator.invariant()?;
        emit!(CoordinatorUpdated {
            coordinator: coordinator.key(),
            sequence,
            endpoint: coordinator.endpoint.clone(),
            measurement: coordinator.measurement,
            evidence_hash: coordinator.evidence_hash,
        });
        Ok(())
    }
}
