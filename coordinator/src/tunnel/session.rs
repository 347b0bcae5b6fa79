//! One node's connection, from the TLS handshake to its end.

use std::sync::Arc;
use std::time::Duration;

use borsh::BorshDeserialize as _;
use bytes::Bytes;
use pinaivu_attestation::{Nonce, TUNNEL_ATTESTATION_PATH};
use pinaivu_auction::AskEffect;
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::ticket::MAX_DOOR_LENGTH;
use pinaivu_protocol::tunnel::{
    CONTROL_PATH, CoordinatorMessage, EVENTS_PATH, FrameError, FrameReader, GOODBYE_PATH, Goodbye,
    HELLO_PATH, Hello, HelloReply, NodeMessage, TunnelMac, binding, encode_frame,
};
use pinaivu_tunnel::{Body, Client, Error, Response};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::listener::Door;
use super::nodes::{AskRefusal, LiveNode, OUTBOX};
use super::tls::{self, Peer};

/// For each step before the node is admitted.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest answer to a hello.
const MAX_HELLO_REPLY: usize = 4096;

/// Asks a node may send at once, and how fast that many more come.
const ASK_BURST: u32 = 256;
const ASK_REFILL: Duration = Duration::from_millis(100);

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionEnd {
    #[error("the handshake did not give a key and an exporter")]
    Handshake,
    #[error("the node did not answer in time")]
    TimedOut,
    #[error("the connection failed: {0}")]
    Connection(#[from] Error),
    #[error("the node answered {0}")]
    Status(u16),
    #[error("the node's answer to the hello is not one")]
    HelloReply,
    #[error("refused: {}", .0.code)]
    Refused(Goodbye),
    #[error("the node's messages cannot be read: {0}")]
    Frame(#[from] FrameError),
    #[error("the node ended its events")]
    EventsEnded,
    #[error("told to end")]
    Stopped,
}

/// Serves one connection until it ends.
pub(super) async fn run(
    stream: TlsStream<BufReader<TcpStream>>,
    door: Arc<Door>,
    stop: CancellationToken,
) -> SessionEnd {
    let Some(peer) = tls::peer(stream.get_ref().1) else { return SessionEnd::Handshake };
    let (client, connection) = pinaivu_tunnel::connect(stream, door.config.keep_alive);
    // The connection has to be driven beside the session; it ends with the last client.
    let closed = CancellationToken::new();
    let ended = closed.clone().drop_guard();
    door.tracker.spawn(async move {
        let _ended = ended;
        match connection.await {
            Err(error @ Error::Violation(_)) => tracing::warn!(%error, "a node's tunnel is cut"),
            Err(error) => tracing::debug!(%error, "tunnel connection failed"),
            Ok(()) => {}
        }
    });
    let end = tokio::select! {
        end = serve(&client, &peer, &door, &stop) => end,
        () = closed.cancelled() => SessionEnd::EventsEnded,
    };
    if let SessionEnd::Refused(goodbye) = &end {
        say_goodbye(&client, goodbye).await;
    }
    end
}

async fn serve(
    client: &Client,
    peer: &Peer,
    door: &Arc<Door>,
    stop: &CancellationToken,
) -> SessionEnd {
    let admitted = tokio::select! {
        admitted = admit(client, peer, door, stop) => admitted,
        () = stop.cancelled() => return SessionEnd::Stopped,
    };
    let (live, events, outbox) = match admitted {
        Ok(parts) => parts,
        Err(end) => return end,
    };
    // Leaves the registry also when this future is dropped.
    let _membership = Membership { door, live: &live };
    tracing::info!(node = %live.node, signer = %live.signer, "node connected");
    let end = tokio::select! {
        end = read_events(events, &live, door) => end,
        end = write_control(outbox, client) => end,
        () = live.stop.cancelled() => SessionEnd::Stopped,
    };
    // Whoever ended the session may have left a reason for the node.
    match live.goodbye.lock().take() {
        Some(goodbye) => SessionEnd::Refused(goodbye),
        None => end,
    }
}

struct Membership<'a> {
    door: &'a Door,
    live: &'a Arc<LiveNode>,
}

impl Drop for Membership<'_> {
    fn drop(&mut self) {
        self.door.nodes.leave(self.live);
        tracing::info!(node = %self.live.node, "node disconnected");
    }
}

type Admitted = (Arc<LiveNode>, Body, mpsc::Receiver<CoordinatorMessage>);

async fn admit(
    client: &Client,
    peer: &Peer,
    door: &Door,
    stop: &CancellationToken,
) -> Result<Admitted, SessionEnd> {
    in_time(present_evidence(client, peer, door)).await?;
    let HelloReply { node, software } = in_time(hello(client, peer, door)).await?;
    let facts = in_time(async { Ok(door.directory.admit(node, peer.key).await) })
        .await?
        .map_err(|refusal| SessionEnd::Refused(refusal.goodbye()))?;
    let events = in_time(ask(client, EVENTS_PATH, Bytes::new())).await?;
    let (outbox, messages) = mpsc::channel(OUTBOX);
    let live = door.nodes.enter(node, facts, |slot| LiveNode {
        node,
        signer: peer.key,
        slot,
        mac: TunnelMac::new(&peer.exporter),
        client: client.clone(),
        outbox,
        software,
        since: door.clock.now(),
        asks: parking_lot::Mutex::default(),
        address: parking_lot::Mutex::default(),
        stop: stop.child_token(),
        goodbye: parking_lot::Mutex::default(),
    });
    match live {
        Ok(live) => Ok((live, events.body, messages)),
        Err(full) => Err(SessionEnd::Refused(Goodbye {
            code: "book_full".into(),
            message: full.to_string(),
        })),
    }
}

/// Shows the node what vouches for this process, made for this very session. What it thinks of it, its
/// answer to the hello says.
async fn present_evidence(client: &Client, peer: &Peer, door: &Door) -> Result<(), SessionEnd> {
    let nonce = Nonce(binding(&peer.exporter).0);
    let evidence = match door.attestation.answer(nonce).await {
        Ok(Some(evidence)) => evidence,
        Ok(None) => return Ok(()),
        Err(error) => {
            tracing::error!(%error, "no attestation evidence for a node");
            return Ok(());
        }
    };
    match ask(client, TUNNEL_ATTESTATION_PATH, evidence).await {
        Err(SessionEnd::Status(status)) => {
            tracing::debug!(status, "the node does not take our evidence");
            Ok(())
        }
        asked => asked.map(drop),
    }
}

/// Proves to the node who we are and learns who it says it is.
async fn hello(client: &Client, peer: &Peer, door: &Door) -> Result<HelloReply, SessionEnd> {
    let hello = door.signer.sign_hello(Hello {
        deployment: door.deployment,
        coordinator: door.coordinator,
        binding: binding(&peer.exporter),
        now: door.clock.now(),
    });
    let response = ask(client, HELLO_PATH, hello.encode().into()).await?;
    let body = response.body.collect(MAX_HELLO_REPLY).await;
    let (body, _) = body.map_err(|_| SessionEnd::HelloReply)?;
    let reply = HelloReply::try_from_slice(&body).map_err(|_| SessionEnd::HelloReply)?;
    tracing::debug!(node = %reply.node, software = %reply.software, "hello answered");
    Ok(reply)
}

async fn read_events(mut events: Body, live: &Arc<LiveNode>, door: &Arc<Door>) -> SessionEnd {
    let mut frames = FrameReader::default();
    let mut asks = Bucket::new();
    while let Some(data) = events.data().await {
        match data {
            Ok(data) => frames.push(&data),
            Err(error) => return error.into(),
        }
        loop {
            match frames.next_message::<NodeMessage>() {
                Ok(Some(message)) => receive(message, live, door, &mut asks).await,
                Ok(None) => break,
                Err(error) => return error.into(),
            }
        }
    }
    SessionEnd::EventsEnded
}

async fn receive(message: NodeMessage, live: &LiveNode, door: &Door, asks: &mut Bucket) {
    match message {
        NodeMessage::Heartbeat => {}
        NodeMessage::Door(address) => {
            let taken = is_address(&address);
            if !taken && !address.is_empty() {
                tracing::warn!(node = %live.node, "its address for clients is not taken");
            }
            *live.address.lock() = taken.then(|| address.trim_end_matches('/').into());
        }
        NodeMessage::Ask(ask) => {
            let taken = match asks.take() {
                true => match door.nodes.apply(live, &ask) {
                    // Nothing is signed about a book that a crash could still shorten.
                    Ok(taken) => door.nodes.stored().await.map(|()| taken),
                    refused => refused,
                },
                false => Err(AskRefusal::TooMany),
            };
            let (model, sequence) = (ask.record.model, ask.record.sequence);
            let answer = match taken {
                Ok(taken) => {
                    if matches!(taken.effect, AskEffect::Standing(_) | AskEffect::Withdrawn(_)) {
                        tracing::debug!(node = %live.node, model, sequence, "ask taken");
                    }
                    CoordinatorMessage::AskAccepted {
                        model,
                        sequence,
                        acknowledgement: door.signer.sign_acknowledgement(taken.word),
                        input_weight: taken.weights.input,
                        output_weight: taken.weights.output,
                    }
                }
                Err(refusal) => {
                    tracing::warn!(node = %live.node, model, sequence, %refusal, "ask refused");
                    CoordinatorMessage::AskRefused {
                        model,
                        sequence,
                        code: refusal.code().into(),
                        message: refusal.to_string(),
                    }
                }
            };
            door.nodes.send(&live.node, answer);
        }
        NodeMessage::Root { root, leaves } => {
            door.evidence.root(live.node, live.signer, root, leaves).await;
        }
        NodeMessage::Represent(represented) => {
            let answer = door.evidence.represented(live.node, live.signer, *represented).await;
            if let Some(answer) = answer {
                door.nodes.send(&live.node, answer);
            }
        }
    }
}

/// Whether clients may be sent to an address: by TLS, or to this very machine, and with nothing in it that
/// would change where the path goes.
fn is_address(address: &str) -> bool {
    let Ok(uri) = address.parse::<http::Uri>() else { return false };
    let local = matches!(uri.host(), Some("127.0.0.1" | "[::1]" | "localhost"));
    let scheme = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => local,
        _ => false,
    };
    let bare = uri.query().is_none() && !uri.authority().is_some_and(|a| a.as_str().contains('@'));
    scheme && bare && address.len() <= MAX_DOOR_LENGTH
}

/// Sends what is queued, all that is waiting in one request.
async fn write_control(
    mut messages: mpsc::Receiver<CoordinatorMessage>,
    client: &Client,
) -> SessionEnd {
    let mut waiting = Vec::new();
    while messages.recv_many(&mut waiting, 256).await > 0 {
        let mut body = Vec::new();
        for message in waiting.drain(..) {
            body.extend_from_slice(&encode_frame(&message));
        }
        if let Err(end) = in_time(ask(client, CONTROL_PATH, body.into())).await {
            return end;
        }
    }
    SessionEnd::Stopped
}

/// Tells the node why, if it still listens.
async fn say_goodbye(client: &Client, goodbye: &Goodbye) {
    let body = borsh::to_vec(goodbye).unwrap_or_default();
    if let Err(error) = in_time(ask(client, GOODBYE_PATH, body.into())).await {
        tracing::debug!(%error, "goodbye was not heard");
    }
}

async fn in_time<T>(step: impl Future<Output = Result<T, SessionEnd>>) -> Result<T, SessionEnd> {
    tokio::time::timeout(STEP_TIMEOUT, step).await.unwrap_or(Err(SessionEnd::TimedOut))
}

/// Asks for something that has to succeed.
async fn ask(client: &Client, path: &str, body: Bytes) -> Result<Response, SessionEnd> {
    let response = client.request(path, &[], body).await?;
    match response.status {
        200..=299 => Ok(response),
        status => Err(SessionEnd::Status(status)),
    }
}

/// Lets a burst through and then so many a second: each ask costs a signature check and an entry.
struct Bucket {
    left: u32,
    filled: tokio::time::Instant,
}

impl Bucket {
    fn new() -> Self {
        Self { left: ASK_BURST, filled: tokio::time::Instant::now() }
    }

    fn take(&mut self) -> bool {
        let elapsed = self.filled.elapsed();
        let earned = elapsed.as_millis().checked_div(ASK_REFILL.as_millis()).unwrap_or(0);
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(earned).min(ASK_BURST);
            self.filled = tokio::time::Instant::now();
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

/// What a session needs of its peer beyond the registry.
impl LiveNode {
    /// The key the node's session is authenticated by.
    #[must_use]
    pub const fn signer(&self) -> PublicKey {
        self.signer
    }
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn clients_are_sent_by_tls_or_to_this_machine_only() {
        for good in
            ["https://node.example.org", "https://[2001:db8::1]:8443/x", "http://127.0.0.1:1"]
        {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "http://node.example.org",
            "ftp://127.0.0.1",
            "https://a@b.example",
            "node",
            "",
            "https://node.example.org/?x=1",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
