//! Takes nodes' evidence from the tunnel: counts of answers that wait for them first, then everything
//! else to the receipts.

use async_trait::async_trait;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{NodeId, PublicKey};
use pinaivu_protocol::proof::ProofRoot;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::tunnel::{CoordinatorMessage, Represented};

use super::Engine;
use crate::receipts::RepresentOutcome;
use crate::tunnel::Evidence;

/// The engine as the tunnel sees it.
#[derive(Clone, Debug)]
pub struct EngineEvidence(pub Engine);

#[async_trait]
impl Evidence for EngineEvidence {
    async fn root(
        &self,
        node: NodeId,
        signer: PublicKey,
        root: Signed<ProofRoot>,
        leaves: Vec<Hash32>,
    ) {
        if let Err(refusal) = self.0.receipts.root(node, &signer, &root, leaves) {
            tracing::warn!(%node, %refusal, "a root of proofs is not taken");
        }
    }

    async fn represented(
        &self,
        node: NodeId,
        signer: PublicKey,
        represented: Represented,
    ) -> Option<CoordinatorMessage> {
        if let Some((draft, evidence)) = self.0.interrupted.answer(node, &signer, &represented) {
            // The receipt's own acknowledgement follows when it is durable.
            match evidence {
                Some(evidence) => self.0.submit_proved(draft, evidence),
                None => self.0.submit(draft),
            }
            // An answer that the client fetched itself had a place at the node until now.
            self.0.queue.call();
            return None;
        }
        match self.0.receipts.represent(node, &signer, represented).await {
            RepresentOutcome::Receipted { ticket, head } => {
                Some(CoordinatorMessage::Receipted { ticket, head: *head })
            }
            RepresentOutcome::Refused { ticket, refusal } => {
                tracing::info!(%node, %ticket, %refusal, "a presented proof is refused");
                Some(CoordinatorMessage::ProofRefused {
                    ticket,
                    code: refusal.code().into(),
                    message: refusal.to_string(),
                })
            }
            RepresentOutcome::Later => None,
        }
    }
}
