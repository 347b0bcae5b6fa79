//! What is on offer now: the operator's prices on the backend's models.
//!
//! Offers follow the backend. While it is down there are none, and standing asks are withdrawn.

use std::collections::BTreeMap;
use std::sync::Arc;

use pinaivu_protocol::ask::{Features, MAX_MODEL_LENGTH};
use pinaivu_protocol::units::TokenPrice;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::backend::{BackendInfo, BackendState};
use crate::config::{BackendKind, Config, FeatureName, ModelConfig, PricingConfig};

/// What is offered of a model whose context length neither server nor operator states.
const UNKNOWN_CONTEXT_LENGTH: u32 = 4096;

/// One model on offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// As the backend names it.
    pub backend_name: String,
    /// Price of one million weighted tokens.
    pub price: TokenPrice,
    /// Prompt and answer together, in tokens.
    pub context_length: u32,
    /// What it can do.
    pub features: Features,
}

/// Everything on offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// By the name clients use.
    pub models: BTreeMap<String, Arc<Offer>>,
    /// What serves them; nothing while it is down.
    pub backend: Option<Arc<BackendInfo>>,
}

/// The operator's part of an offer.
#[derive(Clone, Debug)]
pub struct PriceList {
    pricing: PricingConfig,
    models: Vec<ModelConfig>,
}

impl PriceList {
    /// The price list of a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { pricing: config.pricing.clone(), models: config.models.clone() }
    }

    /// What is on offer of a backend.
    #[must_use]
    pub fn offers(&self, backend: &Arc<BackendInfo>) -> Offers {
        let mut models = BTreeMap::new();
        if self.models.is_empty() {
            for model in &backend.models {
                if model.name.is_empty() || model.name.len() > MAX_MODEL_LENGTH {
                    tracing::warn!(
                        model = model.name,
                        "not offered: its name is not 1 to {MAX_MODEL_LENGTH} bytes; give it one \
                         in [[models]]"
                    );
                    continue;
                }
                let offer = Offer {
                    backend_name: model.name.clone(),
                    price: self.pricing.usdc_per_million_tokens,
                    context_length: model.context_length.unwrap_or(UNKNOWN_CONTEXT_LENGTH),
                    features: assumed_features(backend.kind),
                };
                models.insert(model.name.clone(), Arc::new(offer));
            }
        }
        for wanted in &self.models {
            let backend_name = wanted.backend_name.as_ref().unwrap_or(&wanted.name);
            let Some(model) = backend.models.iter().find(|model| model.name == *backend_name)
            else {
                tracing::warn!(
                    model = wanted.name,
                    "not offered: the backend does not list {backend_name:?}"
                );
                continue;
            };
            let offer = Offer {
                backend_name: backend_name.clone(),
                price: wanted
                    .usdc_per_million_tokens
                    .unwrap_or(self.pricing.usdc_per_million_tokens),
                context_length: wanted
                    .context_length
                    .or(model.context_length)
                    .unwrap_or(UNKNOWN_CONTEXT_LENGTH),
                features: wanted.features.as_ref().map_or_else(
                    || assumed_features(backend.kind),
                    |names| {
                        names
                            .iter()
                            .copied()
                            .map(FeatureName::bit)
                            .fold(Features::default(), Features::union)
                    },
                ),
            };
            models.insert(wanted.name.clone(), Arc::new(offer));
        }
        Offers { models, backend: Some(Arc::clone(backend)) }
    }

    /// Keeps `offers` in step with the backend until `stop`.
    pub async fn follow(
        self,
        mut backend: watch::Receiver<BackendState>,
        offers: watch::Sender<Arc<Offers>>,
        stop: CancellationToken,
    ) {
        loop {
            let next = match &*backend.borrow_and_update() {
                BackendState::Up(info) => self.offers(info),
                BackendState::Down => Offers::default(),
            };
            offers.send_if_modified(|current| {
                let changed = **current != next;
                if changed {
                    *current = Arc::new(next);
                }
                changed
            });
            tokio::select! {
                () = stop.cancelled() => return,
                changed = backend.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// What servers can do unless the operator says otherwise. vLLM refuses tools unless it was started
/// with a tool parser, and of an unknown server nothing beyond chat is known.
const fn assumed_features(kind: BackendKind) -> Features {
    let common = Features::CHAT
        .union(Features::STRUCTURED)
        .union(Features::LOGPROBS)
        .union(Features::COMPLETIONS);
    match kind {
        BackendKind::LlamaCpp => common.union(Features::TOOLS).union(Features::CONTINUATION),
        BackendKind::Vllm => common.union(Features::CONTINUATION),
        BackendKind::Openai | BackendKind::Auto => Features::CHAT,
    }
}
