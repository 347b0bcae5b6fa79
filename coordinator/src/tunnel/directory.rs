//! Which nodes may serve, as the chain says.

use std::fmt;
use std::sync::Arc;

use pinaivu_auction::NodeFacts;
use pinaivu_chain::{Chain, ChainError, Commitment, Market, Node, NodeFilter, NodeStatus};
use pinaivu_protocol::ids::{MarketId, NodeId, PublicKey};
use pinaivu_protocol::tunnel::Goodbye;
use pinaivu_protocol::units::Amount;

/// Why a node may not serve. The code is stable; the message is for its operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such account.
    #[error("there is no node account {0}; register the node first")]
    Unregistered(NodeId),
    /// The account belongs to another market.
    #[error("node {node} is registered in market {found}, this coordinator serves {expected}")]
    OtherMarket {
        /// The node.
        node: NodeId,
        /// Its market.
        found: MarketId,
        /// Ours.
        expected: MarketId,
    },
    /// The account names another signer than the key of this connection.
    #[error("node {node} has signer {registered} on chain, this connection is by {presented}")]
    SignerMismatch {
        /// The node.
        node: NodeId,
        /// On chain.
        registered: PublicKey,
        /// On this connection.
        presented: PublicKey,
    },
    /// Closed or suspended.
    #[error("node {0} is not active")]
    Inactive(NodeId),
    /// Less stake than the market asks for.
    #[error(
        "node {node} has {} USDC at stake, the market asks for {}",
        .stake.to_usdc_string(), .minimum.to_usdc_string()
    )]
    StakeTooLow {
        /// The node.
        node: NodeId,
        /// What it has, unbonding stake not included.
        stake: Amount,
        /// What it needs.
        minimum: Amount,
    },
    /// The chain cannot be read right now.
    #[error("the coordinator cannot read the chain right now; connect again later")]
    ChainUnavailable,
}

impl Refusal {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unregistered(_) => "node_unregistered",
            Self::OtherMarket { .. } => "wrong_market",
            Self::SignerMismatch { .. } => "signer_mismatch",
            Self::Inactive(_) => "node_inactive",
            Self::StakeTooLow { .. } => "stake_too_low",
            Self::ChainUnavailable => "chain_unavailable",
        }
    }

    /// As it is said to the node.
    #[must_use]
    pub fn goodbye(&self) -> Goodbye {
        Goodbye { code: self.code().into(), message: self.to_string() }
    }
}

/// Looks nodes up.
#[derive(Clone)]
pub struct Directory {
    chain: Arc<dyn Chain>,
    market: MarketId,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("market", &self.market).finish_non_exhaustive()
    }
}

/// All nodes of the market at one moment.
#[derive(Debug)]
pub struct Census {
    market: Market,
    nodes: Vec<Node>,
}

impl Directory {
    /// For the nodes of one market.
    #[must_use]
    pub fn new(chain: Arc<dyn Chain>, market: MarketId) -> Self {
        Self { chain, market }
    }

    /// Whether the holder of `key` may serve as `node`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn admit(&self, node: NodeId, key: PublicKey) -> Result<NodeFacts, Refusal> {
        let account = match self.chain.node(node, Commitment::Confirmed).await {
            // Something else lives at that address, so no node does.
            Err(ChainError::Account { .. }) => None,
            read => read.map_err(unavailable)?,
        };
        let account = account.ok_or(Refusal::Unregistered(node))?;
        let market = self.chain.market(self.market, Commitment::Confirmed).await;
        let market = market.map_err(unavailable)?.ok_or_else(|| {
            tracing::error!(market = %self.market, "the market account is gone");
            Refusal::ChainUnavailable
        })?;
        judge(&market, &account, key)
    }

    /// Reads all nodes of the market in one go, to judge many of them.
    ///
    /// # Errors
    /// [`Refusal::ChainUnavailable`].
    pub async fn census(&self) -> Result<Census, Refusal> {
        let market = self.chain.market(self.market, Commitment::Confirmed).await;
        let market = market.map_err(unavailable)?.ok_or(Refusal::ChainUnavailable)?;
        let filter = NodeFilter::Market(self.market);
        let nodes = self.chain.nodes(filter, Commitment::Confirmed).await.map_err(unavailable)?;
        Ok(Census { market, nodes })
    }
}

impl Census {
    /// Whether the holder of `key` may serve as `node`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn admit(&self, node: NodeId, key: PublicKey) -> Result<NodeFacts, Refusal> {
        let account = self.nodes.iter().find(|account| account.id == node);
        judge(&self.market, account.ok_or(Refusal::Unregistered(node))?, key)
    }
}

fn judge(market: &Market, node: &Node, key: PublicKey) -> Result<NodeFacts, Refusal> {
    if node.market != market.id {
        return Err(Refusal::OtherMarket {
            node: node.id,
            found: node.market,
            expected: market.id,
        });
    }
    if node.signer != key {
        return Err(Refusal::SignerMismatch {
            node: node.id,
            registered: node.signer,
            presented: key,
        });
    }
    if node.status != NodeStatus::Active {
        return Err(Refusal::Inactive(node.id));
    }
    if node.stake < market.min_stake {
        return Err(Refusal::StakeTooLow {
            node: node.id,
            stake: node.stake,
            minimum: market.min_stake,
        });
    }
    Ok(NodeFacts { signer: node.signer, payout_owner: node.payout_owner })
}

fn unavailable(error: ChainError) -> Refusal {
    tracing::warn!(%error, "cannot read nodes from the chain");
    Refusal::ChainUnavailable
}
