//! The nodes' door: TLS connections that nodes dial, over which the coordinator asks.
//!
//! Invariants: a node gets requests only after its account on chain names the TLS key as signer and its
//! stake is enough; nothing but a window of its stream stands between a slow client and a node, and it
//! holds back that one stream only. The protocol is `pinaivu_protocol::tunnel`; what proofs are worth is
//! for the [`Evidence`] behind it.

mod directory;
mod listener;
mod measure;
mod nodes;
mod session;
mod timeline;
mod tls;

pub use directory::{Census, Directory, Refusal};
pub use listener::{Door, OpenError, open};
pub use measure::{Sample, Speed};
pub use nodes::{DispatchError, LiveNode, Nodes, Presence};
pub use timeline::{Histogram, NodeHour};
pub use tls::{TlsError, TlsIdentity};

use async_trait::async_trait;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{NodeId, PublicKey};
use pinaivu_protocol::proof::ProofRoot;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::tunnel::{CoordinatorMessage, Represented};

/// Takes what nodes say about answers they have given. `signer` is the key of the session it came over.
#[async_trait]
pub trait Evidence: Send + Sync + 'static {
    /// A signed root over recent proofs, with their leaves.
    async fn root(
        &self,
        node: NodeId,
        signer: PublicKey,
        root: Signed<ProofRoot>,
        leaves: Vec<Hash32>,
    );

    /// A proof presented again; gives what to answer, if anything yet.
    async fn represented(
        &self,
        node: NodeId,
        signer: PublicKey,
        represented: Represented,
    ) -> Option<CoordinatorMessage>;
}
