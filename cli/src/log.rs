//! A coordinator's log over HTTP, and the chain as the audit reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinaivu_chain::{
    AllowanceFilter, Chain, ChainError, Commitment, NodeFilter, PayoutFilter, RpcChain,
};
use pinaivu_log::audit::{Anchor, ChainReader, Issuer, Opening, Settled};
use pinaivu_log::source::{LogSource, SourceError};
use pinaivu_protocol::ids::{CoordinatorId, NodeId, PublicKey};
use pinaivu_protocol::units::{Amount, Bps};
use tokio::time::Instant;

use crate::network::Network;

/// How settled what is audited must be.
const AT: Commitment = Commitment::Confirmed;

/// Between two looks at what is settled.
const POLL: Duration = Duration::from_secs(1);

/// Longest file of a log: a bundle of 256 entries of 64 KiB.
const MAX_FILE: u64 = 17 * 1024 * 1024;

/// Files below `/v1/log` of a coordinator.
#[derive(Clone, Debug)]
pub(crate) struct HttpLog {
    http: reqwest::Client,
    url: String,
}

impl HttpLog {
    /// The log that this network's coordinator serves.
    pub(crate) fn of(network: &Network) -> Self {
        Self { http: network.http.clone(), url: network.url.clone() }
    }
}

impl LogSource for HttpLog {
    async fn fetch(&self, epoch: u32, path: &str) -> Result<Vec<u8>, SourceError> {
        let url = format!("{}/v1/log/{epoch}/{path}", self.url);
        let failed = |reason: String| SourceError::Unreachable { path: url.clone(), reason };
        let mut response =
            self.http.get(&url).send().await.map_err(|error| failed(error.to_string()))?;
        match response.status() {
            status if status.is_success() => {}
            reqwest::StatusCode::NOT_FOUND => return Err(SourceError::Missing(path.to_owned())),
            status => return Err(failed(format!("HTTP {status}"))),
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(error.to_string()))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > MAX_FILE {
                return Err(failed("longer than any file of a log".to_owned()));
            }
        }
        Ok(bytes)
    }
}

/// Reads one coordinator's accounts.
pub(crate) struct RpcReader<'a> {
    /// The chain.
    pub(crate) chain: &'a RpcChain,
    /// Which coordinator.
    pub(crate) coordinator: CoordinatorId,
    /// The market's cap on fees.
    pub(crate) fee_cap: Bps,
    /// Keys nodes signed with, where the chain has no record of them any more.
    pub(crate) former_keys: &'a [(NodeId, PublicKey)],
    /// How long settling may take.
    pub(crate) settle_wait: Duration,
}

fn unreachable(error: &ChainError) -> SourceError {
    SourceError::Unreachable { path: "the chain".to_owned(), reason: error.to_string() }
}

impl RpcReader<'_> {
    /// Whose word counts in what is brought along: the coordinator's key, and those of `claimed` that the chain
    /// has a record of as its former ones.
    pub(crate) async fn issuer(&self, claimed: &[PublicKey]) -> Result<Issuer, SourceError> {
        let deployment = self.chain.deployment().await.map_err(|error| unreachable(&error))?;
        let signer = self.account().await?.signer;
        let mut former = Vec::new();
        for key in claimed.iter().filter(|key| **key != signer) {
            let record = self.chain.retired_signer(&self.coordinator, key, AT).await;
            if record.map_err(|error| unreachable(&error))?.is_some() {
                former.push(*key);
            }
        }
        Ok(Issuer { deployment: deployment.id(), coordinator: self.coordinator, signer, former })
    }

    async fn account(&self) -> Result<pinaivu_chain::Coordinator, SourceError> {
        let found = self.chain.coordinator(self.coordinator, AT).await;
        found
            .map_err(|error| unreachable(&error))?
            .ok_or_else(|| SourceError::Missing(format!("coordinator {}", self.coordinator)))
    }
}

impl ChainReader for RpcReader<'_> {
    async fn opening(&self) -> Result<Opening, SourceError> {
        let deployment = self.chain.deployment().await.map_err(|error| unreachable(&error))?;
        let account = self.account().await?;
        let mut closed = Vec::new();
        for epoch in 0..account.log.epoch {
            let head = self.chain.epoch_head(self.coordinator, epoch, AT).await;
            // Epochs can be left out.
            if let Some(head) = head.map_err(|error| unreachable(&error))? {
                closed.push(Anchor { epoch, size: head.size, root: head.root });
            }
        }
        let nodes = self.chain.nodes(NodeFilter::Market(account.market), AT).await;
        let mut node_keys = BTreeMap::<NodeId, Vec<PublicKey>>::new();
        for node in nodes.map_err(|error| unreachable(&error))? {
            node_keys.entry(node.id).or_default().push(node.signer);
        }
        let here: BTreeSet<NodeId> = node_keys.keys().copied().collect();
        let gone = self.former_keys.iter().map(|(node, _)| *node);
        let gone = gone.filter(|node| !here.contains(node)).collect();
        for (node, key) in self.former_keys {
            node_keys.entry(*node).or_default().push(*key);
        }
        Ok(Opening {
            deployment: deployment.id(),
            coordinator: self.coordinator,
            signer: account.signer,
            fee_rate: account.fee.min(self.fee_cap),
            node_keys,
            gone,
            open: anchor(&account),
            closed,
        })
    }

    async fn node_key(&self, node: NodeId) -> Result<Option<PublicKey>, SourceError> {
        let found = self.chain.node(node, AT).await.map_err(|error| unreachable(&error))?;
        Ok(found.map(|node| node.signer))
    }

    async fn former_key(&self, node: NodeId, key: PublicKey) -> Result<bool, SourceError> {
        let found = self.chain.retired_signer(&node, &key, AT).await;
        Ok(found.map_err(|error| unreachable(&error))?.is_some())
    }

    async fn settled(&self, due: &BTreeMap<NodeId, Amount>) -> Result<Settled, SourceError> {
        let deadline = Instant::now() + self.settle_wait;
        loop {
            // In this order: everything in the first two is covered by the log in the third.
            let payouts = self.chain.payouts(PayoutFilter::Coordinator(self.coordinator), AT).await;
            let payouts = payouts.map_err(|error| unreachable(&error))?;
            let filter = AllowanceFilter::Coordinator(self.coordinator);
            let allowances = self.chain.allowances(filter, AT).await;
            let allowances = allowances.map_err(|error| unreachable(&error))?;
            let account = self.account().await?;
            let credits: BTreeMap<NodeId, Amount> =
                payouts.iter().map(|payout| (payout.node, payout.credited)).collect();
            let paid = due
                .iter()
                .all(|(node, due)| credits.get(node).copied().unwrap_or(Amount::ZERO) >= *due);
            if paid || Instant::now() >= deadline {
                return Ok(Settled {
                    open: anchor(&account),
                    debited: account.debited,
                    credited: account.credited,
                    fees: account.fees,
                    credits,
                    debits: allowances
                        .iter()
                        .map(|allowance| (allowance.id, allowance.debited))
                        .collect(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

fn anchor(account: &pinaivu_chain::Coordinator) -> Anchor {
    Anchor { epoch: account.log.epoch, size: account.log.size, root: account.log.root }
}
