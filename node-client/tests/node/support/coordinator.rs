//! The coordinator's end of a tunnel: accepts the node's TLS connection and asks.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use borsh::BorshDeserialize as _;
use bytes::Bytes;
use http::StatusCode;
use pinaivu_protocol::acknowledgement::AskAcknowledgement;
use pinaivu_protocol::ask::Ask;
use pinaivu_protocol::commitment::{Salt, request_commitment_raw};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, PublicKey, RequestId, Segment};
use pinaivu_protocol::proof::{ProofOfInference, ProofRoot};
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::signed::{Signed, SigningKey};
use pinaivu_protocol::ticket::{TUNNEL_ALPN, TUNNEL_EXPORTER_LABEL, Ticket};
use pinaivu_protocol::tunnel::{
    CONTROL_PATH, CoordinatorMessage, EVENTS_PATH, FrameReader, GOODBYE_PATH, Goodbye, HELLO_PATH,
    Hello, HelloReply, NodeMessage, Represented, TunnelMac, binding, encode_frame,
};
use pinaivu_protocol::units::{FineAmount, Tariff, TokenCount, TokenPrice, UnixMillis};
use pinaivu_testkit::PATIENCE;
use pinaivu_tunnel::{Client, Response};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::{NODE, PRICE, deployment};

pub(crate) const MODEL: &str = "scripted-model";
pub(crate) const CHAT: &str = "/v1/chat/completions";

/// Longer than any answer.
pub(crate) const MOST: usize = 64 * 1024 * 1024;

/// Waits no longer than a test may take.
pub(crate) async fn soon<T>(awaited: &str, what: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, what).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {awaited}"),
    }
}

pub(crate) fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the node under test has the real clock")]
    let now = std::time::SystemTime::now();
    u64::try_from(now.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

pub(crate) struct TestCoordinator {
    pub(crate) id: CoordinatorId,
    pub(crate) key: SigningKey,
    seed: [u8; 32],
    pub(crate) address: SocketAddr,
    /// Hash of the key in its certificate.
    pub(crate) tls_key: Hash32,
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl TestCoordinator {
    pub(crate) async fn listen(id: CoordinatorId, seed: u8) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (acceptor, tls_key) = acceptor();
        Self {
            id,
            key: SigningKey::from_seed(&[seed; 32]).unwrap(),
            seed: [seed; 32],
            address: listener.local_addr().unwrap(),
            tls_key,
            listener,
            acceptor,
        }
    }

    /// The next connection of a node; nothing has been said yet.
    pub(crate) async fn accept(&self) -> Peer {
        soon("a node to dial", async {
            let (stream, _) = self.listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let stream = self.acceptor.accept(stream).await.unwrap();
            let session = stream.get_ref().1;
            assert_eq!(session.alpn_protocol(), Some(TUNNEL_ALPN));
            let exporter =
                session.export_keying_material([0; 32], TUNNEL_EXPORTER_LABEL, None).unwrap();
            let certificate = session.peer_certificates().unwrap()[0].clone();
            let spki = rustls::server::ParsedCertificate::try_from(&certificate)
                .unwrap()
                .subject_public_key_info();
            let key = PublicKey(*spki.last_chunk::<32>().unwrap());
            let (client, connection) = pinaivu_tunnel::connect(stream, PATIENCE);
            let driver = tokio::task::JoinSet::from_iter([async move {
                let _ = connection.await;
            }]);
            Peer { client, exporter, key, mac: TunnelMac::new(&exporter), _driver: driver }
        })
        .await
    }

    pub(crate) fn hello(&self, peer: &Peer) -> Hello {
        Hello {
            deployment: deployment(),
            coordinator: self.id,
            binding: binding(&peer.exporter),
            now: UnixMillis(now()),
        }
    }

    /// The next connection, greeted, with its events stream open and the first ask accepted.
    pub(crate) async fn connect(&self) -> Tunnel {
        let mut tunnel = self.greet().await;
        tunnel.next_ask().await;
        tunnel
    }

    /// The next connection, greeted, with its events stream open.
    pub(crate) async fn greet(&self) -> Tunnel {
        let peer = self.accept().await;
        let reply = peer.hello(&self.key.sign(self.hello(&peer))).await.unwrap();
        assert_eq!(reply.node, NODE);
        let events = peer.get(EVENTS_PATH).await;
        assert_eq!(events.status, 200);
        let (sender, messages) = mpsc::unbounded_channel();
        let mut reader = tokio::task::JoinSet::new();
        reader.spawn(async move {
            let (mut body, mut frames) = (events.body, FrameReader::default());
            while let Some(Ok(bytes)) = body.data().await {
                frames.push(&bytes);
                while let Some(message) = frames.next_message::<NodeMessage>().unwrap() {
                    let _ = sender.send(message);
                }
            }
        });
        Tunnel {
            peer,
            seed: self.seed,
            id: self.id,
            messages,
            kept: VecDeque::new(),
            _reader: reader,
        }
    }

    pub(crate) fn receipt(
        &self,
        ticket: &Ticket,
        index: u64,
        cumulative: u128,
    ) -> CoordinatorMessage {
        CoordinatorMessage::Receipted {
            ticket: ticket.hash(),
            head: self.key.sign(ReceiptHead {
                deployment: ticket.deployment,
                coordinator: self.id,
                epoch: 0,
                index,
                request: ticket.request,
                segment: ticket.segment,
                node: ticket.node,
                node_cumulative: FineAmount(cumulative),
                body: Hash32::ZERO,
            }),
        }
    }
}

/// A node's connection.
pub(crate) struct Peer {
    pub(crate) client: Client,
    pub(crate) exporter: [u8; 32],
    pub(crate) key: PublicKey,
    pub(crate) mac: TunnelMac,
    /// Ends the connection when dropped.
    _driver: tokio::task::JoinSet<()>,
}

impl Peer {
    pub(crate) async fn send(&self, path: &str, ticket: &[u8], body: Vec<u8>) -> Response {
        soon("a response", self.client.request(path, ticket, body.into())).await.unwrap()
    }

    /// Asks with no body.
    pub(crate) async fn get(&self, path: &str) -> Response {
        self.post(path, Vec::new()).await
    }

    /// Asks with no ticket.
    pub(crate) async fn post(&self, path: &str, body: Vec<u8>) -> Response {
        self.send(path, &[], body).await
    }

    /// The reply, or the status of the refusal.
    pub(crate) async fn hello(&self, hello: &Signed<Hello>) -> Result<HelloReply, StatusCode> {
        let response = self.post(HELLO_PATH, hello.encode()).await;
        if response.status != 200 {
            return Err(StatusCode::from_u16(response.status).unwrap());
        }
        let (body, _) = response.body.collect(MOST).await.unwrap();
        Ok(HelloReply::try_from_slice(&body).unwrap())
    }

    pub(crate) async fn goodbye(&self, code: &str) {
        let goodbye = Goodbye { code: code.to_owned(), message: "go away".to_owned() };
        let response = self.post(GOODBYE_PATH, borsh::to_vec(&goodbye).unwrap()).await;
        assert_eq!(response.status, 200);
    }
}

/// A request as a client sends it.
pub(crate) fn body(stream: bool) -> Vec<u8> {
    format!(
        r#"{{"model":"{MODEL}","messages":[{{"role":"user","content":"Hi"}}],"stream":{stream},"max_tokens":64}}"#
    )
    .into_bytes()
}

/// A greeted connection.
pub(crate) struct Tunnel {
    pub(crate) peer: Peer,
    /// Signs words for asks.
    pub(crate) seed: [u8; 32],
    pub(crate) id: CoordinatorId,
    messages: mpsc::UnboundedReceiver<NodeMessage>,
    kept: VecDeque<NodeMessage>,
    /// Ends reading when dropped.
    _reader: tokio::task::JoinSet<()>,
}

impl Tunnel {
    /// A ticket for `body`, unlike any other.
    pub(crate) fn ticket(&self, body: &[u8]) -> Ticket {
        let salt = Salt::random();
        let mut request = [0; 16];
        request.copy_from_slice(&salt.0[..16]);
        Ticket {
            deployment: deployment(),
            coordinator: self.id,
            node: NODE,
            request: RequestId(request),
            segment: Segment(0),
            model: MODEL.to_owned(),
            max_output: TokenCount(64),
            tariff: Tariff { price: TokenPrice(PRICE), input_weight: 1, output_weight: 3 },
            issued: UnixMillis(now()),
            deadline: UnixMillis(now() + 60_000),
            salt: salt.0,
            request_commitment: request_commitment_raw(&salt, body).unwrap_or_default(),
            book_head: Hash32::ZERO,
            billing: [7; 16],
            issuer_mac: [8; 32],
        }
    }

    /// Sends a request with a ticket of one's own.
    pub(crate) async fn dispatch(&self, ticket: &Ticket, body: Vec<u8>) -> Response {
        self.dispatch_sealed(&self.peer.mac.seal(ticket), body).await
    }

    pub(crate) async fn dispatch_sealed(&self, ticket: &[u8], body: Vec<u8>) -> Response {
        self.peer.send(CHAT, ticket, body).await
    }

    /// A whole request under a good ticket.
    pub(crate) async fn ask(&self, body: Vec<u8>) -> (Ticket, Whole) {
        let ticket = self.ticket(&body);
        let whole = Whole::read(self.dispatch(&ticket, body).await).await;
        (ticket, whole)
    }

    /// The next message that `wanted` takes. Others are kept for later.
    async fn next<T>(&mut self, wanted: impl Fn(&NodeMessage) -> Option<T>) -> T {
        let kept = self.kept.iter().position(|message| wanted(message).is_some());
        if let Some(place) = kept {
            return wanted(&self.kept.remove(place).unwrap()).unwrap();
        }
        loop {
            let message = soon("a message of the node", self.messages.recv()).await.unwrap();
            match wanted(&message) {
                Some(found) => return found,
                None => self.kept.push_back(message),
            }
        }
    }

    /// What comes when nothing is waited for any more: the end, or the first message before it.
    pub(crate) async fn next_or_end(&mut self) -> Option<NodeMessage> {
        match self.kept.pop_front() {
            Some(kept) => Some(kept),
            None => soon("a message or the end", self.messages.recv()).await,
        }
    }

    /// The next ask, which is accepted.
    pub(crate) async fn next_ask(&mut self) -> Signed<Ask> {
        let ask = self.unanswered_ask().await;
        let word = self.word(&ask.record);
        self.accept(&ask, word).await;
        ask
    }

    /// The next ask, which nobody has answered.
    pub(crate) async fn unanswered_ask(&mut self) -> Signed<Ask> {
        self.next(|message| match message {
            NodeMessage::Ask(ask) => Some(ask.clone()),
            _ => None,
        })
        .await
    }

    /// An honest word for an ask.
    pub(crate) fn word(&self, ask: &Ask) -> AskAcknowledgement {
        AskAcknowledgement {
            deployment: deployment(),
            coordinator: self.id,
            node: NODE,
            ask: ask.hash(),
            book: Hash32([1; 32]),
            version: 7,
            head: Hash32([2; 32]),
            at: UnixMillis(now()),
        }
    }

    /// Accepts an ask with this word for it, signed.
    pub(crate) async fn accept(&self, ask: &Signed<Ask>, word: AskAcknowledgement) {
        let key = SigningKey::from_seed(&self.seed).unwrap();
        self.accept_signed(ask, key.sign(word)).await;
    }

    /// Accepts an ask with this word for it.
    pub(crate) async fn accept_signed(
        &self,
        ask: &Signed<Ask>,
        acknowledgement: Signed<AskAcknowledgement>,
    ) {
        let accepted = CoordinatorMessage::AskAccepted {
            model: ask.record.model.clone(),
            sequence: ask.record.sequence,
            acknowledgement,
            input_weight: 1,
            output_weight: 3,
        };
        self.control(&[accepted]).await;
    }

    pub(crate) async fn next_root(&mut self) -> (Signed<ProofRoot>, Vec<Hash32>) {
        self.next(|message| match message {
            NodeMessage::Root { root, leaves } => Some((root.clone(), leaves.clone())),
            _ => None,
        })
        .await
    }

    pub(crate) async fn next_represented(&mut self) -> Represented {
        self.next(|message| match message {
            NodeMessage::Represent(represented) => Some((**represented).clone()),
            _ => None,
        })
        .await
    }

    /// Whether anything has been presented again in what has come so far.
    pub(crate) fn has_represented(&self) -> bool {
        self.kept.iter().any(|message| matches!(message, NodeMessage::Represent(_)))
    }

    pub(crate) async fn control(&self, messages: &[CoordinatorMessage]) {
        let frames: Vec<u8> = messages.iter().flat_map(encode_frame).collect();
        let response = self.peer.post(CONTROL_PATH, frames).await;
        assert_eq!(response.status, 200);
    }
}

/// A response read to its end.
pub(crate) struct Whole {
    pub(crate) status: StatusCode,
    pub(crate) note: Bytes,
    pub(crate) body: Bytes,
    pub(crate) attachment: Bytes,
}

impl Whole {
    pub(crate) async fn read(response: Response) -> Self {
        let Response { status, note, body } = response;
        let (body, attachment) = soon("the body", body.collect(MOST)).await.unwrap();
        Self { status: StatusCode::from_u16(status).unwrap(), note, body, attachment }
    }

    pub(crate) fn refusal(&self) -> Option<&str> {
        Some(std::str::from_utf8(&self.note).unwrap()).filter(|code| !code.is_empty())
    }

    pub(crate) fn proof(&self) -> ProofOfInference {
        self.try_proof().unwrap()
    }

    pub(crate) fn try_proof(&self) -> Option<ProofOfInference> {
        let proof = Some(&self.attachment).filter(|proof| !proof.is_empty())?;
        Some(ProofOfInference::try_from_slice(proof).unwrap())
    }

    pub(crate) fn error_code(&self) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        json["error"]["code"].as_str().unwrap().to_owned()
    }
}

fn acceptor() -> (TlsAcceptor, Hash32) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(AnyKey(provider)))
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    config.alpn_protocols = vec![TUNNEL_ALPN.to_vec()];
    let certificate = rustls::server::ParsedCertificate::try_from(certificate.der()).unwrap();
    let tls_key = pinaivu_attestation::tls_key_hash(&certificate.subject_public_key_info());
    (TlsAcceptor::from(Arc::new(config)), tls_key)
}

#[derive(Debug)]
struct AnyKey(Arc<rustls::crypto::CryptoProvider>);

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ED25519]
    }
}
