//! Who this node is, in every record it signs.

use std::sync::Arc;

use pinaivu_protocol::ids::{DeploymentId, NodeId};

use crate::key::HotKey;

/// The node, its key and the deployment it counts on.
#[derive(Debug)]
pub struct Identity {
    /// Cluster and program.
    pub deployment: DeploymentId,
    /// The account.
    pub node: NodeId,
    /// The key the account names as signer.
    pub key: Arc<HotKey>,
}

impl Identity {
    /// This software, for the coordinator's operator.
    pub const SOFTWARE: &'static str = concat!("pinaivu-node/", env!("CARGO_PKG_VERSION"));
}
