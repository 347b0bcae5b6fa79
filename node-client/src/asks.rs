//! Standing asks: signed, sent when a tunnel opens or an offer changes, renewed at half of their time,
//! and withdrawn when the model is gone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pinaivu_protocol::ask::{Ask, Features};
use pinaivu_protocol::tunnel::NodeMessage;
use pinaivu_protocol::units::{TokenPrice, UnixMillis};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::counterparty::Counterparty;
use crate::identity::Identity;
use crate::journal::Journal;
use crate::offer::{Offer, Offers};
use crate::report::error_chain;
use crate::session::Session;

/// Keeps one coordinator's book in step with the offers.
pub struct AskDesk {
    /// Who offers.
    pub identity: Arc<Identity>,
    /// To whom.
    pub counterparty: Arc<Counterparty>,
    /// What is on offer.
    pub offers: watch::Receiver<Arc<Offers>>,
    /// Numbers the asks.
    pub journal: Journal,
    /// Tells when asks end.
    pub clock: Arc<dyn Clock>,
    /// How long an ask stands.
    pub lifetime: Duration,
}

impl AskDesk {
    /// Runs until `stop`, and then withdraws every ask.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut sessions = self.counterparty.session();
        // Models with an ask in the book of the open session.
        let mut standing = BTreeSet::new();
        let mut number = None;
        loop {
            let session = sessions.borrow_and_update().clone();
            if number != session.as_ref().map(Session::number) {
                number = session.as_ref().map(Session::number);
                standing.clear();
            }
            let offers = Arc::clone(&self.offers.borrow_and_update());
            if let Some(session) = &session {
                self.publish(session, &offers, &mut standing).await;
            }
            tokio::select! {
                () = stop.cancelled() => {
                    if let Some(session) = &session {
                        self.publish(session, &Offers::default(), &mut standing).await;
                    }
                    return;
                }
                changed = self.offers.changed() => if changed.is_err() { return },
                changed = sessions.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(self.lifetime / 2) => {}
            }
        }
    }

    /// Sends an ask for every offer, and withdraws those that have none any more.
    async fn publish(&self, session: &Session, offers: &Offers, standing: &mut BTreeSet<String>) {
        let gone: Vec<String> =
            standing.iter().filter(|model| !offers.models.contains_key(*model)).cloned().collect();
        for model in gone {
            if self.send(session, &model, None).await {
                standing.remove(&model);
            }
        }
        for (model, offer) in &offers.models {
            if self.send(session, model, Some(offer)).await {
                standing.insert(model.clone());
            }
        }
    }

    /// One ask, or a withdrawal; whether it was sent.
    async fn send(&self, session: &Session, model: &str, offer: Option<&Offer>) -> bool {
        let now = self.clock.now();
        // Numbered by time, so that numbers rise even after the journal was lost.
        let sequence = match self.journal.next_ask_sequence(now.0).await {
            Ok(sequence) => sequence,
            Err(error) => {
                tracing::error!(
                    error = error_chain(&error),
                    "no ask is made without its number stored"
                );
                return false;
            }
        };
        let lifetime = UnixMillis(u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX));
        let ask = Ask {
            deployment: self.identity.deployment,
            coordinator: self.counterparty.id(),
            node: self.identity.node,
            model: model.to_owned(),
            price: offer.map_or(TokenPrice::ZERO, |offer| offer.price),
            context_length: offer.map_or(0, |offer| offer.context_length),
            features: offer.map_or(Features::default(), |offer| offer.features),
            sequence,
            expires: match offer {
                Some(_) => now.saturating_add(lifetime),
                // In the past on any clock: the offer is withdrawn.
                None => UnixMillis::ZERO,
            },
        };
        let withdrawn = offer.is_none();
        tracing::debug!(coordinator = %self.counterparty.id(), model, sequence, withdrawn, "ask");
        let ask = self.identity.key.records().sign(ask);
        self.counterparty.sending(ask.clone());
        match session.try_send(&NodeMessage::Ask(ask)) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(coordinator = %self.counterparty.id(), model, %error, "ask not sent");
                false
            }
        }
    }
}
