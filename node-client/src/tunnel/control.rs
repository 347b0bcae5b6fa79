//! What the coordinator tells the node: asks taken or not, receipts, proofs it will not pay for.
//!
//! The answer to a control request goes out once everything in it is durable here.

use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::tunnel::{CoordinatorMessage, FrameError, FrameReader};
use pinaivu_protocol::units::Amount;

use super::door::Door;
use crate::counterparty::Terms;
use crate::journal::{JournalError, Settled, Settlement};

/// Why control messages were not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    #[error("the request broke off")]
    Broken(#[from] hyper::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl ControlError {
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Broken(_) | Self::Frame(_) => StatusCode::BAD_REQUEST,
            Self::Journal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

pub(super) async fn receive(door: &Door, mut body: Incoming) -> Result<(), ControlError> {
    let mut frames = FrameReader::default();
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame?.into_data() else { continue };
        frames.push(&bytes);
        let mut settlements = Vec::new();
        while let Some(message) = frames.next_message::<CoordinatorMessage>()? {
            settlements.extend(take(door, message));
        }
        settle(door, settlements).await?;
    }
    Ok(())
}

/// Handles what needs no disk; gives what does.
fn take(door: &Door, message: CoordinatorMessage) -> Option<Settlement> {
    let coordinator = door.counterparty.id();
    match message {
        CoordinatorMessage::AskAccepted {
            model, sequence, input_weight, output_weight, ..
        } => {
            tracing::debug!(%coordinator, model, sequence, input_weight, output_weight, "ask stands");
            let terms = Terms { sequence, input_weight, output_weight };
            door.counterparty.acknowledge(model, terms);
            None
        }
        CoordinatorMessage::AskRefused { model, sequence, code, message } => {
            tracing::warn!(%coordinator, model, sequence, code, message, "ask refused");
            None
        }
        CoordinatorMessage::Receipted { ticket, head } => {
            if !is_ours(door, &head) {
                tracing::error!(
                    %coordinator, %ticket,
                    "a receipt that is not for this node or not signed by the coordinator is ignored"
                );
                return None;
            }
            Some(Settlement::Receipted { ticket, head })
        }
        CoordinatorMessage::ProofRefused { ticket, code, message } => {
            tracing::warn!(%coordinator, %ticket, code, message, "no receipt for this answer, ever");
            Some(Settlement::Refused { ticket })
        }
    }
}

fn is_ours(door: &Door, head: &Signed<ReceiptHead>) -> bool {
    let record = &head.record;
    (record.deployment, record.coordinator, record.node)
        == (door.identity.deployment, door.counterparty.id(), door.identity.node)
        && head.verify(&door.signer).is_ok()
}

async fn settle(door: &Door, settlements: Vec<Settlement>) -> Result<(), JournalError> {
    if settlements.is_empty() {
        return Ok(());
    }
    let promised: Vec<_> = settlements
        .iter()
        .map(|settlement| match settlement {
            Settlement::Receipted { head, .. } => Some(head.record.node_cumulative),
            Settlement::Refused { .. } => None,
        })
        .collect();
    let coordinator = door.counterparty.id();
    let settled = door.journal.settle(coordinator, settlements).await?;
    door.counterparty.update_exposure(|exposure| {
        for (settled, promised) in settled.iter().zip(promised) {
            if settled.breach.is_some() {
                continue;
            }
            if let Some((amount, bytes)) = settled.released {
                exposure.release(amount, bytes);
            }
            if let Some(cumulative) = promised {
                exposure.promise(cumulative);
            }
        }
    });
    for Settled { ticket, breach, .. } in &settled {
        if let Some(breach) = breach {
            tracing::error!(
                %coordinator, %ticket, %breach,
                "the coordinator contradicts a receipt it has signed; the older promise is kept and \
                 this answer counts as unpaid"
            );
        }
    }
    let unpaid = door.counterparty.exposure().unpaid().to_amount_ceil().unwrap_or(Amount::MAX);
    tracing::debug!(
        %coordinator, receipts = settled.len(), unpaid = unpaid.to_usdc_string(), "settled"
    );
    Ok(())
}
