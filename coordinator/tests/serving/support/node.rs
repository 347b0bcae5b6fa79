//! The node's side of the tunnel, scripted: it dials out, proves its key, offers, and does with each
//! request what it was told to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use borsh::BorshDeserialize as _;
use bytes::Bytes;
use parking_lot::Mutex;
use pinaivu_attestation::TUNNEL_ATTESTATION_PATH;
use pinaivu_openai::encode_event;
use pinaivu_protocol::answer::{Answer, AnswerAssembler};
use pinaivu_protocol::ask::{Ask, Features};
use pinaivu_protocol::commitment::{Salt, request_commitment_raw, response_commitment};
use pinaivu_protocol::ids::{NodeId, PublicKey};
use pinaivu_protocol::merkle::{MemoryTree, inclusion_proof};
use pinaivu_protocol::proof::{NodeEvidence, Outcome, ProofOfInference, ProofRoot};
use pinaivu_protocol::signed::{Signed, SigningKey};
use pinaivu_protocol::ticket::{TUNNEL_ALPN, TUNNEL_EXPORTER_LABEL, Ticket};
use pinaivu_protocol::tunnel::{
    CONTROL_PATH, CoordinatorMessage, EVENTS_PATH, FrameReader, GOODBYE_PATH, Goodbye, HELLO_PATH,
    Hello, HelloReply, NodeMessage, Represented, TunnelMac, binding, encode_frame,
};
use pinaivu_protocol::units::{TokenCount, TokenPrice, UnixMillis};
use pinaivu_testkit::{PATIENCE, wait_until};
use pinaivu_tunnel::{Piece, Reply, Request};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::as_asked::as_asked;
use super::chain::{COORDINATOR, MemoryChain};
use super::script::{Script, chunk, completion, last_chunk, usage_chunk};

/// Prompt tokens a scripted node reports.
pub(crate) const PROMPT_TOKENS: u32 = 7;

/// Longest body it takes.
const MOST: usize = 64 * 1024 * 1024;
/// How often it looks whether a silent coordinator is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What it answers.
enum NodeBody {
    Pieces(VecDeque<Piece>),
    Events(mpsc::UnboundedReceiver<Bytes>),
    Played(mpsc::Receiver<Piece>),
}

impl pinaivu_tunnel::Answer for NodeBody {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Piece> {
        let end = || Piece::End(Bytes::new());
        match self {
            Self::Pieces(pieces) => Poll::Ready(pieces.pop_front().unwrap_or_else(end)),
            Self::Events(messages) => {
                messages.poll_recv(context).map(|bytes| bytes.map_or_else(end, Piece::Data))
            }
            Self::Played(pieces) => {
                pieces.poll_recv(context).map(|piece| piece.unwrap_or_else(end))
            }
        }
    }
}

/// A node under script. Dropping it cuts its connection.
pub(crate) struct ScriptedNode {
    pub(crate) shared: Arc<Shared>,
    cut: CancellationToken,
    _guard: DropGuard,
}

pub(crate) struct Shared {
    pub(crate) id: NodeId,
    key: SigningKey,
    mac: TunnelMac,
    /// The hello as it came, and whether it was good.
    hello: Mutex<Option<(Vec<u8>, bool)>>,
    pub(crate) coordinator_signer: PublicKey,
    exporter: [u8; 32],
    events: Mutex<Option<mpsc::UnboundedSender<Bytes>>>,
    pub(crate) messages: Mutex<Vec<CoordinatorMessage>>,
    goodbye: Mutex<Option<Goodbye>>,
    scripts: Mutex<VecDeque<Script>>,
    default_script: Mutex<Script>,
    pub(crate) requests: Mutex<Vec<(Ticket, Bytes)>>,
    /// Where those came in.
    pub(crate) paths: Mutex<Vec<String>>,
    /// Streams that ended before their script did.
    pub(crate) resets: AtomicUsize,
    /// Bytes of endless streams that were taken from us.
    pub(crate) sent: AtomicU64,
    /// Requests of clients that were sent to it, and secrets among them.
    pub(crate) fetched: AtomicUsize,
    pub(crate) leaked: AtomicUsize,
    /// Presents cut-off answers again at once.
    pub(crate) represents: std::sync::atomic::AtomicBool,
    sequence: AtomicU64,
}

/// The seed of a node's key.
pub(crate) fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

impl ScriptedNode {
    /// Dials and serves; whether the coordinator admits it shows later.
    pub(crate) async fn dial(tunnel: SocketAddr, id: NodeId, seed: u8, signer: PublicKey) -> Self {
        let cut = CancellationToken::new();
        let stream = TcpStream::connect(tunnel).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let connector = TlsConnector::from(Arc::new(client_config(&[seed; 32])));
        let name = ServerName::try_from("coordinator").unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        let exporter = stream
            .get_ref()
            .1
            .export_keying_material([0; 32], TUNNEL_EXPORTER_LABEL, None)
            .unwrap();
        let shared = Arc::new(Shared {
            id,
            key: signing_key(seed),
            mac: TunnelMac::new(&exporter),
            hello: Mutex::default(),
            coordinator_signer: signer,
            exporter,
            events: Mutex::default(),
            messages: Mutex::default(),
            goodbye: Mutex::default(),
            scripts: Mutex::default(),
            default_script: Mutex::new(Script::words("Hello from the node")),
            requests: Mutex::default(),
            paths: Mutex::default(),
            resets: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            fetched: AtomicUsize::new(0),
            leaked: AtomicUsize::new(0),
            represents: true.into(),
            sequence: AtomicU64::new(1),
        });
        let (serving, stop) = (Arc::clone(&shared), cut.clone());
        tokio::spawn(async move {
            let connection = pinaivu_tunnel::Server::new(stream, KEEP_ALIVE, move |request| {
                Arc::clone(&serving).handle(request)
            });
            tokio::select! {
                _ = connection => {}
                () = stop.cancelled() => {}
            }
        });
        Self { shared, cut: cut.clone(), _guard: cut.drop_guard() }
    }

    /// Cancelled when it is dropped.
    pub(crate) fn stopped(&self) -> CancellationToken {
        self.cut.clone()
    }

    /// What it does with the next request; after those the default.
    pub(crate) fn enqueue(&self, script: Script) {
        self.shared.scripts.lock().push_back(script);
    }

    /// What it does with requests nothing is queued for.
    pub(crate) fn behave(&self, script: Script) {
        *self.shared.default_script.lock() = script;
    }

    /// Offers `model` and waits for the answer.
    pub(crate) async fn offer(&self, model: &str, price: TokenPrice) -> CoordinatorMessage {
        let ask = self.shared.ask(model, price);
        self.send_ask(self.shared.key.sign(ask)).await
    }

    /// The same with every feature there is.
    pub(crate) async fn offer_everything(
        &self,
        model: &str,
        price: TokenPrice,
    ) -> CoordinatorMessage {
        let mut ask = self.shared.ask(model, price);
        ask.features = Features(u32::MAX);
        self.send_ask(self.shared.key.sign(ask)).await
    }

    /// Sends an ask as it is and waits for the answer.
    pub(crate) async fn send_ask(&self, ask: Signed<Ask>) -> CoordinatorMessage {
        let sequence = ask.record.sequence;
        wait_until("the events stream is open", PATIENCE, async || {
            self.shared.events.lock().is_some().then_some(())
        })
        .await;
        self.shared.say(&NodeMessage::Ask(ask));
        self.message("the ask is answered", |message| match message {
            CoordinatorMessage::AskAccepted { sequence: of, .. }
            | CoordinatorMessage::AskRefused { sequence: of, .. } => *of == sequence,
            _ => false,
        })
        .await
    }

    /// Waits for a message.
    pub(crate) async fn message(
        &self,
        awaited: &str,
        matches: impl Fn(&CoordinatorMessage) -> bool,
    ) -> CoordinatorMessage {
        wait_until(awaited, PATIENCE, async || {
            self.shared.messages.lock().iter().find(|message| matches(message)).cloned()
        })
        .await
    }

    /// Waits for the coordinator's goodbye.
    pub(crate) async fn goodbye(&self) -> Goodbye {
        wait_until("the coordinator says goodbye", PATIENCE, async || {
            self.shared.goodbye.lock().clone()
        })
        .await
    }

    /// The hello as it came, and whether it verified.
    pub(crate) fn hello(&self) -> Option<(Vec<u8>, bool)> {
        self.shared.hello.lock().clone()
    }
}

impl Shared {
    /// An ask of this node, not signed yet.
    pub(crate) fn ask(&self, model: &str, price: TokenPrice) -> Ask {
        Ask {
            deployment: MemoryChain::deployment().id(),
            coordinator: COORDINATOR,
            node: self.id,
            model: model.into(),
            price,
            context_length: 8192,
            features: Features::CHAT
                .union(Features::TOOLS)
                .union(Features::STRUCTURED)
                .union(Features::COMPLETIONS)
                .union(Features::EMBEDDINGS),
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
            expires: UnixMillis(u64::MAX),
        }
    }

    /// Signs an ask with the node's key.
    pub(crate) fn signed(&self, ask: Ask) -> Signed<Ask> {
        self.key.sign(ask)
    }

    /// Whether the coordinator listens to messages.
    pub(crate) fn is_heard(&self) -> bool {
        self.events.lock().is_some()
    }

    pub(crate) fn say(&self, message: &NodeMessage) {
        let frame = Bytes::from(encode_frame(message));
        if let Some(events) = &*self.events.lock() {
            let _ = events.send(frame);
        }
    }

    /// Checks a hello as a node has to.
    pub(crate) fn accepts(&self, hello: &[u8]) -> bool {
        let Ok(signed) = Signed::<Hello>::decode(hello) else { return false };
        let Ok(hello) = signed.verify(&self.coordinator_signer) else { return false };
        hello.binding == binding(&self.exporter)
            && hello.coordinator == COORDINATOR
            && hello.deployment == MemoryChain::deployment().id()
    }

    async fn handle(self: Arc<Self>, request: Request) -> Reply<NodeBody> {
        let Request { path, attachment, body } = request;
        match path.as_str() {
            HELLO_PATH => {
                let bytes = body.collect(MOST).await.unwrap();
                let good = self.accepts(&bytes);
                *self.hello.lock() = Some((bytes.to_vec(), good));
                let reply = HelloReply { node: self.id, software: "scripted".into() };
                full(200, borsh::to_vec(&reply).unwrap())
            }
            EVENTS_PATH => {
                let (sender, receiver) = mpsc::unbounded_channel();
                *self.events.lock() = Some(sender);
                ok(NodeBody::Events(receiver))
            }
            CONTROL_PATH => {
                let mut frames = FrameReader::default();
                frames.push(&body.collect(MOST).await.unwrap());
                while let Some(message) = frames.next_message().unwrap() {
                    self.messages.lock().push(message);
                }
                full(200, Vec::new())
            }
            // Not every node is interested.
            TUNNEL_ATTESTATION_PATH => full(403, Vec::new()),
            GOODBYE_PATH => {
                let bytes = body.collect(MOST).await.unwrap();
                *self.goodbye.lock() = Some(Goodbye::try_from_slice(&bytes).unwrap());
                full(200, Vec::new())
            }
            path => {
                self.paths.lock().push(path.to_owned());
                let Ok(body) = body.collect(MOST).await else {
                    return full(400, Vec::new());
                };
                self.serve(path, &attachment, body).await
            }
        }
    }

    async fn serve(self: Arc<Self>, path: &str, sealed: &[u8], body: Bytes) -> Reply<NodeBody> {
        let ticket = self.mac.open(sealed).expect("a good ticket");
        assert_eq!(ticket.node, self.id);
        let commitment = request_commitment_raw(&Salt(ticket.salt), &body).unwrap();
        assert_eq!(ticket.request_commitment, commitment, "the body is the one committed to");
        self.requests.lock().push((ticket.clone(), body.clone()));
        let script = self.scripts.lock().pop_front();
        let script = script.unwrap_or_else(|| self.default_script.lock().clone());
        let request: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let streamed = request["stream"] == true;
        let script = match script {
            Script::AsAsked => as_asked(path, &request),
            script => script,
        };
        match script {
            Script::RefuseTicket(code) => Reply { note: code.into(), ..full(403, Vec::new()) },
            Script::Error(status, body) => full(status, body.to_string().into_bytes()),
            Script::Hang => {
                let _watch = Watch(&self);
                std::future::pending().await
            }
            script if streamed => self.stream(ticket, script),
            script => self.unary(&ticket, script),
        }
    }

    fn unary(self: Arc<Self>, ticket: &Ticket, script: Script) -> Reply<NodeBody> {
        let (pieces, cut, usage) = match script {
            Script::Bytes(_, bytes) => return full(200, bytes.to_vec()),
            Script::Whole(object) => {
                let answer = Answer::from_completion(&object).unwrap();
                let proof = self.prove(ticket, &answer, Outcome::Completed);
                let json = Bytes::from(object.to_string());
                return ok(NodeBody::Pieces([Piece::Data(json), proof].into()));
            }
            Script::Answer(pieces) => (pieces, false, None),
            Script::Miscount { pieces, prompt, completion } => {
                (pieces, false, Some((prompt, completion)))
            }
            Script::ResetAfter(pieces) => (pieces, true, None),
            script => panic!("not a unary script: {script:?}"),
        };
        let count = u32::try_from(pieces.len()).unwrap() + 1;
        let (prompt, count) = usage.unwrap_or((PROMPT_TOKENS, count));
        let object = completion(&ticket.model, &pieces.concat(), prompt, count);
        let json = Bytes::from(object.to_string());
        let answer = Answer::from_completion(&object).unwrap();
        let proof = self.prove(ticket, &answer, Outcome::Completed);
        ok(NodeBody::Pieces(if cut {
            [Piece::Data(json.slice(..json.len() / 2)), Piece::Broken].into()
        } else {
            [Piece::Data(json), proof].into()
        }))
    }

    fn stream(self: Arc<Self>, ticket: Ticket, script: Script) -> Reply<NodeBody> {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move { Arc::clone(&self).play(ticket, script, sender).await });
        ok(NodeBody::Played(receiver))
    }

    async fn play(self: Arc<Self>, ticket: Ticket, script: Script, out: mpsc::Sender<Piece>) {
        let model = ticket.model.clone();
        let mut stream = Playing { node: &self, out, answer: AnswerAssembler::new() };
        if let Script::Chunks(chunks) = &script {
            for chunk in chunks {
                stream.chunk(chunk).await;
            }
            stream.data(Bytes::from_static(b"data: [DONE]\n\n")).await;
            let proof = self.prove(&ticket, &stream.answer.finish(), Outcome::Completed);
            let _ = stream.out.send(proof).await;
            return;
        }
        if let Script::Bytes(pieces, bytes) = &script {
            for piece in pieces {
                stream.chunk(&chunk(&model, piece)).await;
            }
            stream.data(Bytes::from_static(bytes)).await;
            return;
        }
        if let Script::ChunksThenReset(chunks) = &script {
            for chunk in chunks {
                stream.chunk(chunk).await;
            }
            let _ = stream.out.send(Piece::Broken).await;
            return;
        }
        let (pieces, usage) = match &script {
            Script::Miscount { pieces, prompt, completion } => {
                (pieces.clone(), Some((*prompt, *completion)))
            }
            Script::Answer(pieces) | Script::WithoutProof(pieces) => (pieces.clone(), None),
            Script::ResetAfter(pieces) | Script::ErrorAfter(pieces) | Script::HangAfter(pieces) => {
                (pieces.clone(), None)
            }
            Script::Endless(bytes) => {
                let piece = "x".repeat(*bytes);
                while stream.chunk(&chunk(&model, &piece)).await {
                    self.sent.fetch_add(*bytes as u64, Ordering::Relaxed);
                }
                return self.cut_off(&ticket, stream.answer.finish());
            }
            Script::ResetBeforeFirstByte => (Vec::new(), None),
            script => panic!("not a streamed script: {script:?}"),
        };
        let mut alive = true;
        for piece in &pieces {
            alive = alive && stream.chunk(&chunk(&model, piece)).await;
        }
        match script {
            Script::ResetBeforeFirstByte | Script::ResetAfter(_) => {
                let _ = stream.out.send(Piece::Broken).await;
            }
            Script::ErrorAfter(_) => {
                let error = Bytes::from_static(b"data: {\"error\":{\"message\":\"oom\"}}\n\n");
                let _ = stream.out.send(Piece::Data(error)).await;
            }
            Script::HangAfter(_) => {
                stream.out.closed().await;
                self.resets.fetch_add(1, Ordering::Relaxed);
                self.cut_off(&ticket, stream.answer.finish());
            }
            script if alive => {
                let count = u32::try_from(pieces.len()).unwrap() + 1;
                let (prompt, completion) = usage.unwrap_or((PROMPT_TOKENS, count));
                let _ = stream.chunk(&last_chunk(&model)).await
                    && stream.chunk(&usage_chunk(&model, prompt, completion)).await
                    && stream.data(Bytes::from_static(b"data: [DONE]\n\n")).await;
                if !matches!(script, Script::WithoutProof(_)) {
                    let answer = stream.answer.finish();
                    let proof = self.prove(&ticket, &answer, Outcome::Completed);
                    let _ = stream.out.send(proof).await;
                }
            }
            _ => self.cut_off(&ticket, stream.answer.finish()),
        }
    }

    /// Makes the proof, sends the signed root over it, and gives the answer's end.
    fn prove(&self, ticket: &Ticket, answer: &Answer, outcome: Outcome) -> Piece {
        let proof = self.proof(ticket, answer, outcome);
        let (root, _) = self.root(&proof);
        self.say(&NodeMessage::Root { root, leaves: vec![proof.leaf()] });
        Piece::End(borsh::to_vec(&proof).unwrap().into())
    }

    /// What the node counts for itself: one token a byte of text, whatever the pieces were.
    pub(crate) fn proof(
        &self,
        ticket: &Ticket,
        answer: &Answer,
        outcome: Outcome,
    ) -> ProofOfInference {
        let counted = answer
            .usage
            .map_or(TokenCount(u32::try_from(answer.output_bytes()).unwrap()), |usage| {
                usage.completion_tokens
            });
        ProofOfInference {
            deployment: ticket.deployment,
            coordinator: ticket.coordinator,
            node: self.id,
            request: ticket.request,
            segment: ticket.segment,
            ticket: ticket.hash(),
            model: ticket.model.clone(),
            backend: "scripted".into(),
            response_commitment: response_commitment(&Salt(ticket.salt), answer),
            input_tokens: TokenCount(PROMPT_TOKENS),
            output_tokens: counted,
            outcome,
            finished: UnixMillis(1),
        }
    }

    pub(crate) fn root(&self, proof: &ProofOfInference) -> (Signed<ProofRoot>, MemoryTree) {
        let mut tree = MemoryTree::new();
        tree.push(proof.leaf()).unwrap();
        let root = self.key.sign(ProofRoot {
            deployment: proof.deployment,
            coordinator: proof.coordinator,
            node: self.id,
            size: 1,
            root: tree.root(),
        });
        (root, tree)
    }

    /// An answer was cut off by the other side: presents it again, if it is of that kind.
    fn cut_off(&self, ticket: &Ticket, answer: Answer) {
        if self.represents.load(Ordering::Relaxed) {
            self.present(ticket, &answer);
        }
    }

    /// Presents an answer that was cut off with its proof.
    pub(crate) fn present(&self, ticket: &Ticket, answer: &Answer) {
        self.report(ticket, answer, Outcome::Cancelled);
    }

    /// Presents an answer with its proof.
    pub(crate) fn report(&self, ticket: &Ticket, answer: &Answer, outcome: Outcome) {
        let proof = self.proof(ticket, answer, outcome);
        let (root, tree) = self.root(&proof);
        let path = inclusion_proof(&tree, 0, 1).unwrap();
        let evidence = NodeEvidence { signer: self.key.public(), root, index: 0, path };
        self.say(&NodeMessage::Represent(Box::new(Represented {
            ticket: ticket.clone(),
            proof,
            evidence,
            answer_json: answer.canonical_bytes(),
        })));
    }
}

/// Counts a request that was dropped.
struct Watch<'a>(&'a Shared);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.resets.fetch_add(1, Ordering::Relaxed);
    }
}

struct Playing<'a> {
    node: &'a Shared,
    out: mpsc::Sender<Piece>,
    answer: AnswerAssembler,
}

impl Playing<'_> {
    async fn chunk(&mut self, chunk: &serde_json::Value) -> bool {
        self.answer.push(chunk).unwrap();
        self.data(encode_event(chunk.to_string().as_bytes())).await
    }

    async fn data(&self, bytes: Bytes) -> bool {
        let sent = self.out.send(Piece::Data(bytes)).await.is_ok();
        if !sent {
            self.node.resets.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }
}

fn full(status: u16, body: Vec<u8>) -> Reply<NodeBody> {
    Reply { status, ..ok(NodeBody::Pieces([Piece::Data(body.into())].into())) }
}

fn ok(answer: NodeBody) -> Reply<NodeBody> {
    Reply { status: 200, note: Bytes::new(), answer }
}

/// TLS 1.3 with an Ed25519 client certificate; the server's is not looked at, as in the real node.
pub(crate) fn client_config(seed: &[u8; 32]) -> ClientConfig {
    let pkcs8 = pkcs8(seed);
    let key =
        rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8.clone().into(), &rcgen::PKCS_ED25519)
            .unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["node".into()]).unwrap().self_signed(&key).unwrap();
    let mut config = base_config()
        .with_client_auth_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pkcs8)),
        )
        .unwrap();
    config.alpn_protocols = vec![TUNNEL_ALPN.to_vec()];
    config
}

pub(crate) fn base_config() -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>
{
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer))
}

/// RFC 8410: version 0, Ed25519, the seed in an octet string in an octet string.
fn pkcs8(seed: &[u8; 32]) -> Vec<u8> {
    let mut der = vec![
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    der.extend_from_slice(seed);
    der
}

#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let algorithms = provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// Long enough that a hung node shows, short enough to wait for in a test.
pub(crate) const SHORT: Duration = Duration::from_millis(300);
