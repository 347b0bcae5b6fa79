//! What an audit needs of the chain.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, DeploymentId, NodeId, PublicKey};
use pinaivu_protocol::units::{Amount, Bps};

use crate::source::SourceError;

/// A head of the log as the chain holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Which epoch.
    pub epoch: u32,
    /// Leaves.
    pub size: u64,
    /// RFC 9162 root over them.
    pub root: Hash32,
}

/// The coordinator as the chain has it when the audit begins.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Cluster and program.
    pub deployment: DeploymentId,
    /// Which coordinator.
    pub coordinator: CoordinatorId,
    /// The key that signs its log.
    pub signer: PublicKey,
    /// What it may keep of each receipt: the lower of its own rate and the market's cap.
    pub fee_rate: Bps,
    /// The keys each node signs with: today's, and former ones that the caller knows.
    pub node_keys: BTreeMap<NodeId, Vec<PublicKey>>,
    /// Nodes with a key that the caller knows and without an account: they have closed it, and what they were
    /// paid is on chain no more.
    pub gone: BTreeSet<NodeId>,
    /// The open epoch.
    pub open: Anchor,
    /// Closed epochs, oldest first.
    pub closed: Vec<Anchor>,
}

/// The money as the chain has it later on.
///
/// `credits` and `debits` are read **before** the rest, so that everything in them is covered by the log
/// in `open`.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The open epoch now.
    pub open: Anchor,
    /// Taken from allowances.
    pub debited: Amount,
    /// Promised to nodes.
    pub credited: Amount,
    /// Kept by the coordinator.
    pub fees: Amount,
    /// Each node's cumulative credit.
    pub credits: BTreeMap<NodeId, Amount>,
    /// Each open allowance's cumulative debit.
    pub debits: BTreeMap<AllowanceId, Amount>,
}

/// Reads the chain for one coordinator.
pub trait ChainReader: Sync {
    /// Who the coordinator is and where its log stands.
    fn opening(&self) -> impl Future<Output = Result<Opening, SourceError>> + Send;

    /// The key `node` signs with now; none when it is not on chain. For nodes that were registered, and
    /// keys that were rotated, after the audit began.
    fn node_key(
        &self,
        node: NodeId,
    ) -> impl Future<Output = Result<Option<PublicKey>, SourceError>> + Send;

    /// Whether `key` was `node`'s before it rotated: the program keeps a record of every key that was
    /// replaced, at an address that follows from the two.
    fn former_key(
        &self,
        node: NodeId,
        key: PublicKey,
    ) -> impl Future<Output = Result<bool, SourceError>> + Send;

    /// The money, once every node has at least what is `due` or when settling has had its time.
    fn settled(
        &self,
        due: &BTreeMap<NodeId, Amount>,
    ) -> impl Future<Output = Result<Settled, SourceError>> + Send;
}
