//! The settler: rounds of anchor, debit, credit.
//!
//! A round takes one snapshot of what is owed and carries it through. It keeps nothing that matters in
//! memory: a round that is lost is a new round with a newer snapshot, and cumulatives already reached
//! need nothing. Each phase sends its transactions once and waits until each has landed, failed or
//! expired; what then is missing is the next round's business, so that one stuck transaction does not
//! keep nodes from what others' debits cover.

use std::sync::Arc;
use std::time::Duration;

use pinaivu_chain::Coordinator;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::confirm::Open;
use super::plan::Targets;
use super::standing::{self, Standing};
use super::{Problem, Settlement, SettlementError};
use crate::receipts::Receipts;
use crate::store::SettlementKind;

/// The longest pause after failures in a row.
const BACKOFF_MOST: Duration = Duration::from_secs(60);

/// What one step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Something is under way; look again soon.
    UnderWay,
    /// Everything has landed, not everything is finalized.
    Landed,
    /// A round is complete, and what came since waits for the next.
    Settled,
    /// Nothing is left to do.
    Idle,
}

/// Why a step did not get on.
#[derive(Debug)]
pub(super) enum StepError {
    /// The chain contradicts the database: nothing may be signed any more.
    Halt(Standing),
    /// Tried again later.
    Failed(SettlementError),
}

impl<E: Into<SettlementError>> From<E> for StepError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What a round does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Bring the chain's log to the round's size, in as many steps as it takes.
    Anchor,
    /// Send the debits.
    Debit,
    /// Open the accounts of nodes that are credited for the first time.
    Open,
    /// Send the credits and the fees.
    Credit,
    /// Nothing more.
    Complete,
}

impl Phase {
    /// Transactions that must be resolved before this phase begins: what it plans follows from the
    /// accounts they change.
    const fn waits_for(self) -> &'static [SettlementKind] {
        match self {
            Self::Anchor => &[SettlementKind::LogExtend],
            Self::Debit => &[SettlementKind::Debit],
            Self::Open => &[SettlementKind::Debit, SettlementKind::PayoutOpen],
            Self::Credit => &[SettlementKind::PayoutOpen, SettlementKind::Credit],
            Self::Complete => &[SettlementKind::Credit],
        }
    }
}

#[derive(Debug)]
struct Round {
    targets: Targets,
    phase: Phase,
    /// The last refusal; the round goes on with what was not refused.
    refused: Option<SettlementError>,
}

/// Carries out rounds.
pub(super) struct Settler {
    settlement: Arc<Settlement>,
    receipts: Receipts,
    round: Option<Round>,
    /// When the last round began: the next one waits for the interval.
    began: Option<Instant>,
}

impl Settler {
    pub(super) const fn new(settlement: Arc<Settlement>, receipts: Receipts) -> Self {
        Self { settlement, receipts, round: None, began: None }
    }

    /// Settles until `stop`, or until the chain contradicts the database.
    pub(super) async fn run(mut self, stop: &CancellationToken) {
        let config = self.settlement.config;
        let mut failures = 0_u32;
        while !stop.is_cancelled() {
            // Dropping a step anywhere is as safe as a crash there.
            let result = tokio::select! {
                result = self.step() => result,
                () = stop.cancelled() => return,
            };
            let pause = match result {
                Ok(Progress::UnderWay) => config.poll,
                Ok(progress) => {
                    failures = 0;
                    match progress {
                        Progress::Landed => config.poll.saturating_mul(4).min(config.interval),
                        _ => config.interval,
                    }
                }
                Err(StepError::Halt(_)) => return,
                Err(StepError::Failed(_)) => {
                    let factor = 2_u32.saturating_pow(failures.min(16));
                    failures = failures.saturating_add(1);
                    config.poll.saturating_mul(factor).min(BACKOFF_MOST)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// One look at everything, and what follows from it.
    pub(super) async fn step(&mut self) -> Result<Progress, StepError> {
        let result = self.advance().await;
        let status = &self.settlement.status;
        match &result {
            Ok(Progress::UnderWay) => {}
            Ok(_) => {
                let now = self.settlement.clock.now();
                status.send_modify(|status| {
                    status.problem = None;
                    status.settled = Some(now);
                });
            }
            Err(StepError::Halt(standing)) => {
                self.receipts.halt();
                tracing::error!(%standing, "the chain contradicts the database; everything stops");
                status.send_modify(|status| {
                    status.problem = Some(Problem::Halted(standing.to_string()));
                });
            }
            Err(StepError::Failed(error)) => {
                tracing::warn!(error = error as &dyn std::error::Error, "settlement waits");
                status.send_modify(|status| status.problem = Some(Problem::of(error)));
            }
        }
        result
    }

    async fn advance(&mut self) -> Result<Progress, StepError> {
        let settlement = Arc::clone(&self.settlement);
        let open = settlement.confirm().await?;
        settlement.status.send_modify(|status| status.open_transactions = open.count());
        if let Some(failed) = open.failed {
            self.round = None;
            return Err(SettlementError::Failed(failed).into());
        }
        let begins = self.round.is_none();
        let round = match &mut self.round {
            Some(round) => round,
            None if !is_due(self.began, settlement.config.interval) => {
                return Ok(if open.landed > 0 { Progress::Landed } else { Progress::Settled });
            }
            none => {
                self.began = Some(Instant::now());
                settlement.record_finalized().await?;
                let targets = settlement.store.read(|state| Targets::read(state)).await?;
                none.insert(Round { targets, phase: Phase::Anchor, refused: None })
            }
        };
        // After the snapshot, so that the chain cannot be behind what it is compared with.
        let coordinator = settlement.own_account().await?;
        settlement.check_standing(&coordinator).await?;
        if !settlement.carry_on(round, &coordinator, &open).await? {
            return Ok(Progress::UnderWay);
        }
        match self.round.take().and_then(|round| round.refused) {
            Some(refused) => Err(refused.into()),
            None if !open.unresolved.is_empty() => Ok(Progress::UnderWay),
            None if open.landed > 0 => Ok(Progress::Landed),
            None if begins => Ok(Progress::Idle),
            None => Ok(Progress::Settled),
        }
    }
}

fn is_due(began: Option<Instant>, interval: Duration) -> bool {
    began.is_none_or(|began| began.elapsed() >= interval)
}

impl Settlement {
    /// Takes the round as far as it goes now. True when it is complete.
    async fn carry_on(
        &self,
        round: &mut Round,
        coordinator: &Coordinator,
        open: &Open,
    ) -> Result<bool, SettlementError> {
        loop {
            if round.phase.waits_for().iter().any(|kind| open.is_unresolved(*kind)) {
                return Ok(false);
            }
            let Round { targets, phase, refused } = round;
            let sent = match phase {
                Phase::Anchor => self.send_extension(targets, coordinator).await?,
                Phase::Debit => self.send_debits(targets, refused).await?,
                Phase::Open => self.send_openings(targets, refused).await?,
                Phase::Credit => self.send_credits(targets, coordinator, refused).await?,
                Phase::Complete => return Ok(true),
            };
            *phase = match phase {
                Phase::Anchor if sent => Phase::Anchor,
                Phase::Anchor => Phase::Debit,
                Phase::Debit => Phase::Open,
                Phase::Open => Phase::Credit,
                Phase::Credit | Phase::Complete => Phase::Complete,
            };
            if sent {
                return Ok(false);
            }
        }
    }

    async fn check_standing(&self, coordinator: &Coordinator) -> Result<(), StepError> {
        let log = coordinator.log.clone();
        match self.store.read(move |state| standing::compare(state, &log)).await? {
            Standing::Consistent => Ok(()),
            fatal if fatal.is_fatal() => Err(StepError::Halt(fatal)),
            passing => Err(SettlementError::Log(passing).into()),
        }
    }
}
