//! The routes that models serve.

/// What is asked of a model. The same path at the gateway, at nodes and at their servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/v1/chat/completions`.
    #[default]
    Chat,
    /// `/v1/completions`: a prompt as it is, without a template.
    Completions,
    /// `/v1/embeddings`: vectors, nothing generated.
    Embeddings,
}

impl Endpoint {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Chat, Self::Completions, Self::Embeddings];

    /// Its path.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
        }
    }

    /// The one at a path.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Chat => "chat completions",
            Self::Completions => "completions without a chat",
            Self::Embeddings => "embeddings",
        }
    }
}
