//! Accepts nodes' connections and watches over their sessions.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pinaivu_protocol::ids::{CoordinatorId, DeploymentId};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::directory::{Directory, Refusal};
use super::nodes::{Nodes, REFRESH};
use super::tls::TlsIdentity;
use super::{Evidence, session, tls};
use crate::attestation::Attestation;
use crate::clock::SharedClock;
use crate::config;
use crate::receipts::Signer;
use crate::tasks::Tasks;

/// For the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// After `accept` failed, for example because no file descriptor was left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every session needs.
pub struct Door {
    /// Cluster and program.
    pub deployment: DeploymentId,
    /// This coordinator's account.
    pub coordinator: CoordinatorId,
    /// Proves who this coordinator is.
    pub signer: Arc<Signer>,
    /// The certificate nodes see.
    pub tls: TlsIdentity,
    /// What vouches for this process.
    pub attestation: Attestation,
    /// Which nodes may serve.
    pub directory: Directory,
    /// Where they are entered.
    pub nodes: Arc<Nodes>,
    /// Who takes their proofs.
    pub evidence: Arc<dyn Evidence>,
    /// The configuration.
    pub config: config::Tunnel,
    /// The time.
    pub clock: SharedClock,
    /// Connections; waited for at shutdown.
    pub tracker: TaskTracker,
}

/// Starts listening and the tasks that keep the registry true.
///
/// # Errors
/// [`OpenError`] when the address cannot be listened on or TLS cannot be set up.
pub async fn open(door: Door, tasks: &Tasks) -> Result<SocketAddr, OpenError> {
    let acceptor = TlsAcceptor::from(Arc::new(tls::server_config(&door.tls)?));
    let address = door.config.listen;
    let listener =
        TcpListener::bind(address).await.map_err(|source| OpenError::Listen { address, source })?;
    let address = listener.local_addr().map_err(|source| OpenError::Listen { address, source })?;
    let door = Arc::new(door);
    {
        let nodes = Arc::clone(&door.nodes);
        tasks.spawn("order book refresh", |stop| async move {
            while pause(REFRESH, &stop).await {
                nodes.refresh_book();
            }
        });
    }
    {
        let door = Arc::clone(&door);
        tasks.spawn("node recheck", |stop| async move {
            while pause(door.config.recheck, &stop).await {
                recheck(&door).await;
            }
        });
    }
    tasks.spawn("tunnel listener", |stop| accept(listener, acceptor, door, stop));
    Ok(address)
}

/// Why the nodes' door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    door: Arc<Door>,
    stop: CancellationToken,
) {
    let places = usize::try_from(door.config.max_nodes).unwrap_or(usize::MAX);
    let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a node");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(%address, "node turned away: too many connections");
            continue;
        };
        let (door, acceptor, stop) = (Arc::clone(&door), acceptor.clone(), stop.child_token());
        door.clone().tracker.spawn(async move {
            let _place = place;
            serve(stream, address, acceptor, door, stop).await;
        });
    }
    drop(listener);
    door.tracker.close();
    door.tracker.wait().await;
}

async fn serve(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    door: Arc<Door>,
    stop: CancellationToken,
) {
    // Without it, small frames wait for acknowledgements: 44 ms measured.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%address, %error, "cannot set TCP_NODELAY");
    }
    let accepting = acceptor.accept(pinaivu_tunnel::by_records(stream));
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, accepting).await;
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "TLS handshake failed");
            return;
        }
        Err(_) => {
            tracing::debug!(%address, "TLS handshake timed out");
            return;
        }
    };
    let end = session::run(stream, door, stop).await;
    tracing::info!(%address, reason = %end, "tunnel closed");
}

/// Reads all nodes once and ends the sessions of those that may not serve any more.
async fn recheck(door: &Door) {
    let sessions = door.nodes.sessions();
    if sessions.is_empty() {
        return;
    }
    // While the chain cannot be read, what was true last stays true.
    let Ok(census) = door.directory.census().await else { return };
    for live in sessions {
        match census.admit(live.id(), live.signer()) {
            Ok(facts) => door.nodes.update_facts(live.id(), facts),
            Err(Refusal::ChainUnavailable) => {}
            Err(refusal) => {
                tracing::warn!(node = %live.id(), %refusal, "node may not serve any more");
                live.end(refusal.goodbye());
            }
        }
    }
}

/// False when it is time to stop.
async fn pause(length: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(length) => true,
        () = stop.cancelled() => false,
    }
}
