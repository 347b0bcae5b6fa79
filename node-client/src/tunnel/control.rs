//! What the coordinator tells the node: asks taken or not, receipts, proofs it will not pay for.
//!
//! The answer to a control request goes out once everything in it is durable here.

use http::StatusCode;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::tunnel::{CoordinatorMessage, FrameError, FrameReader};
use pinaivu_protocol::units::Amount;
use pinaivu_tunnel::RequestBodyError;

use super::door::Door;
use crate::acknowledged::Acknowledged;
use crate::counterparty::Terms;
use crate::journal::{JournalError, Settled, Settlement};

/// Why control messages were not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    #[error(transparent)]
    Body(#[from] RequestBodyError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl ControlError {
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Body(_) | Self::Frame(_) => StatusCode::BAD_REQUEST,
            Self::Journal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

pub(super) async fn receive(door: &Door, body: &[u8]) -> Result<(), ControlError> {
    let mut frames = FrameReader::default();
    frames.push(body);
    let mut kept = Kept::default();
    while let Some(message) = frames.next_message::<CoordinatorMessage>()? {
        take(door, message, &mut kept);
    }
    let Kept { settlements, acknowledged } = kept;
    if !acknowledged.is_empty() {
        door.journal.keep_acknowledged(door.counterparty.id(), acknowledged).await?;
    }
    let (settlements, forged) = signed(settlements, &door.signer);
    for ticket in forged {
        let coordinator = door.counterparty.id();
        tracing::error!(%coordinator, %ticket, "a receipt with a wrong signature is ignored");
    }
    Ok(settle(door, settlements).await?)
}

/// What has to be durable before the coordinator is answered.
#[derive(Default)]
struct Kept {
    settlements: Vec<Settlement>,
    acknowledged: Vec<Acknowledged>,
}

/// Handles what needs no disk; adds what does to `kept`.
fn take(door: &Door, message: CoordinatorMessage, kept: &mut Kept) {
    let coordinator = door.counterparty.id();
    match message {
        CoordinatorMessage::AskAccepted {
            model,
            sequence,
            acknowledgement,
            input_weight,
            output_weight,
        } => {
            let Some(ask) = door.counterparty.sent(&model, sequence) else {
                tracing::warn!(%coordinator, model, sequence, "an ask that was not sent is accepted");
                return;
            };
            let word = Acknowledged { ask, acknowledgement };
            if !is_for(door, &word) {
                tracing::error!(
                    %coordinator, model, sequence,
                    "an ask is accepted without the coordinator's signed word for it; nothing is taken"
                );
                return;
            }
            tracing::debug!(%coordinator, model, sequence, input_weight, output_weight, "ask stands");
            let terms = Terms { sequence, input_weight, output_weight };
            door.counterparty.acknowledge(model, terms);
            kept.acknowledged.push(word);
        }
        CoordinatorMessage::AskRefused { model, sequence, code, message } => {
            tracing::warn!(%coordinator, model, sequence, code, message, "ask refused");
        }
        CoordinatorMessage::Receipted { ticket, head } => {
            if !is_ours(door, &head) {
                tracing::error!(
                    %coordinator, %ticket,
                    "a receipt that is not for this node is ignored"
                );
                return;
            }
            kept.settlements.push(Settlement::Receipted { ticket, head });
        }
        CoordinatorMessage::ProofRefused { ticket, code, message } => {
            tracing::warn!(%coordinator, %ticket, code, message, "no receipt for this answer, ever");
            kept.settlements.push(Settlement::Refused { ticket });
        }
    }
}

/// Whether a word is this coordinator's for this ask of this node, signed.
fn is_for(door: &Door, word: &Acknowledged) -> bool {
    let said = &word.acknowledgement.record;
    (said.deployment, said.coordinator, said.node, said.ask)
        == (
            door.identity.deployment,
            door.counterparty.id(),
            door.identity.node,
            word.ask.record.hash(),
        )
        && word.acknowledgement.verify(&door.signer).is_ok()
}

/// Whether a head names this node, this coordinator and this cluster. Says nothing of its signature.
fn is_ours(door: &Door, head: &Signed<ReceiptHead>) -> bool {
    let record = &head.record;
    (record.deployment, record.coordinator, record.node)
        == (door.identity.deployment, door.counterparty.id(), door.identity.node)
}

/// Keeps the settlements that count, and tells which tickets' receipts are not signed by `signer`.
///
/// Heads that rise in place and amount are one promise, that of the newest: it includes the others, and
/// it is the only one that is kept and could ever be demanded on. So its signature is checked for all of
/// them. Anything else is checked one by one.
fn signed(settlements: Vec<Settlement>, signer: &PublicKey) -> (Vec<Settlement>, Vec<Hash32>) {
    let is_signed = |head: &Signed<ReceiptHead>| head.verify(signer).is_ok();
    let heads: Vec<_> = settlements.iter().filter_map(Settlement::head).collect();
    if heads.last().is_none_or(|newest| rise(&heads) && is_signed(newest)) {
        return (settlements, Vec::new());
    }
    let (kept, forged): (Vec<_>, Vec<_>) =
        settlements.into_iter().partition(|settlement| settlement.head().is_none_or(is_signed));
    (kept, forged.iter().map(Settlement::ticket).collect())
}

/// Whether each head comes after the one before it and promises no less.
fn rise(heads: &[&Signed<ReceiptHead>]) -> bool {
    heads.is_sorted_by(|before, after| {
        let (before, after) = (&before.record, &after.record);
        (before.epoch, before.index) < (after.epoch, after.index)
            && before.node_cumulative <= after.node_cumulative
    })
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use pinaivu_protocol::ids::{RequestId, Segment};
    use pinaivu_protocol::signed::SigningKey;
    use pinaivu_protocol::units::FineAmount;

    use super::*;
    use crate::fixtures::{COORDINATOR, NODE, deployment};

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32]).unwrap()
    }

    fn receipt(key: &SigningKey, index: u64, cumulative: u128) -> Settlement {
        let head = key.sign(ReceiptHead {
            deployment: deployment(),
            coordinator: COORDINATOR,
            epoch: 0,
            index,
            request: RequestId::default(),
            segment: Segment(0),
            node: NODE,
            node_cumulative: FineAmount(cumulative),
            body: Hash32::ZERO,
        });
        Settlement::Receipted { ticket: ticket(index), head }
    }

    fn ticket(index: u64) -> Hash32 {
        Hash32([u8::try_from(index).unwrap(); 32])
    }

    #[test]
    fn heads_up_to_a_signed_one_are_one_promise() {
        let (ours, theirs) = (key(1), key(2));
        let batch = || vec![receipt(&theirs, 1, 10), receipt(&ours, 2, 20)];
        assert_eq!(signed(batch(), &ours.public()), (batch(), vec![]));
        let refusals = vec![Settlement::Refused { ticket: ticket(3) }];
        assert_eq!(signed(refusals.clone(), &ours.public()), (refusals, vec![]));
    }

    #[test]
    fn unsigned_newest_head_carries_nobody_and_is_dropped() {
        let (ours, theirs) = (key(1), key(2));
        let batch = vec![receipt(&ours, 1, 10), receipt(&theirs, 2, 5), receipt(&theirs, 3, 30)];
        let kept = vec![receipt(&ours, 1, 10)];
        assert_eq!(signed(batch, &ours.public()), (kept, vec![ticket(2), ticket(3)]));
    }

    #[test]
    fn unsigned_head_that_promises_more_or_comes_later_than_the_last_one_is_dropped() {
        let (ours, theirs) = (key(1), key(2));
        for wrong in [receipt(&theirs, 1, 30), receipt(&theirs, 7, 10), receipt(&theirs, 2, 20)] {
            let dropped = wrong.ticket();
            let kept = vec![receipt(&ours, 2, 20)];
            let batch = vec![wrong, kept[0].clone()];
            assert_eq!(signed(batch, &ours.public()), (kept, vec![dropped]));
        }
    }
}
