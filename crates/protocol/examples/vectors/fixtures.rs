//! One valid record of each type, with a different value in every field, all about one request. Also
//! what the tamper tests start from.

use pinaivu_protocol::acknowledgement::AskAcknowledgement;
use pinaivu_protocol::ask::{Ask, Features};
use pinaivu_protocol::hash::{Hash32, tagged};
use pinaivu_protocol::ids::{
    AllowanceId, ClusterId, CoordinatorId, DeploymentId, NodeId, ProgramId, PublicKey, RequestId,
    Segment,
};
use pinaivu_protocol::key_command::{KeyAction, KeyCommand};
use pinaivu_protocol::merkle::{MemoryTree, inclusion_proof};
use pinaivu_protocol::proof::{NodeEvidence, Outcome, ProofOfInference, ProofRoot};
use pinaivu_protocol::receipt::{
    AuctionDigest, NodeStatement, OwnerCommitments, Receipt, ReceiptBody, ReceiptHead, fee_floor,
};
use pinaivu_protocol::signed::SigningKey;
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::tunnel::{Hello, binding};
use pinaivu_protocol::units::{Bps, FineAmount, Tariff, TokenCount, TokenPrice, UnixMillis};

/// Ed25519 seed of the coordinator's signer.
pub(crate) const COORDINATOR_SEED: [u8; 32] = [0x0c; 32];
/// Ed25519 seed of the node's signer.
pub(crate) const NODE_SEED: [u8; 32] = [0x0e; 32];
/// Ed25519 seed of the user's wallet.
pub(crate) const WALLET_SEED: [u8; 32] = [0x0a; 32];

/// The cluster's genesis hash.
pub(crate) const CLUSTER: ClusterId = ClusterId([0xc1; 32]);
/// The program's address.
pub(crate) const PROGRAM: ProgramId = ProgramId([0xd2; 32]);
/// The 32 bytes that TLS exported.
pub(crate) const EXPORTER: [u8; 32] = [0x77; 32];

const COORDINATOR: CoordinatorId = CoordinatorId([0xc0; 32]);
const NODE: NodeId = NodeId([0xe0; 32]);
const TARIFF: Tariff = Tariff { price: TokenPrice(250_003), input_weight: 1, output_weight: 4 };
const INPUT: TokenCount = TokenCount(39);
const OUTPUT: TokenCount = TokenCount(12);

/// A key pair.
pub(crate) fn key(seed: &[u8; 32]) -> SigningKey {
    SigningKey::from_seed(seed).unwrap()
}

/// The deployment all records are for.
pub(crate) fn deployment() -> DeploymentId {
    DeploymentId::new(&CLUSTER, &PROGRAM)
}

fn request() -> RequestId {
    RequestId::new(UnixMillis(1_760_000_000_123), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
}

/// A hash that stands for something with this name.
pub(crate) fn filler(name: &str) -> Hash32 {
    tagged("pinaivu/test-vector/v1", &[name.as_bytes()])
}

/// A standing offer.
pub(crate) fn ask() -> Ask {
    Ask {
        deployment: deployment(),
        coordinator: COORDINATOR,
        node: NODE,
        model: "smollm2-135m-instruct".to_owned(),
        price: TokenPrice(240_000),
        context_length: 8192,
        features: Features::CHAT.union(Features::TOOLS).union(Features::LOGPROBS),
        sequence: 0x0102_0304_0506_0708,
        expires: UnixMillis(1_760_000_060_000),
    }
}

/// A dispatch of [`request`] to the node.
pub(crate) fn ticket() -> Ticket {
    Ticket {
        deployment: deployment(),
        coordinator: COORDINATOR,
        node: NODE,
        request: request(),
        segment: Segment(1),
        model: "smollm2-135m-instruct".to_owned(),
        max_output: TokenCount(256),
        tariff: TARIFF,
        issued: UnixMillis(1_760_000_000_130),
        deadline: UnixMillis(1_760_000_120_130),
        salt: filler("salt").0,
        request_commitment: filler("request commitment"),
        book_head: filler("book head"),
        billing: [0xb1; 16],
        issuer_mac: filler("issuer mac").0,
    }
}

/// The node's statement about the ticket.
pub(crate) fn proof() -> ProofOfInference {
    ProofOfInference {
        deployment: deployment(),
        coordinator: COORDINATOR,
        node: NODE,
        request: request(),
        segment: Segment(1),
        ticket: ticket().hash(),
        model: "SmolLM2-135M-Instruct.Q4_1.gguf".to_owned(),
        backend: "llama.cpp b10434".to_owned(),
        response_commitment: filler("response commitment"),
        input_tokens: INPUT,
        output_tokens: OUTPUT,
        outcome: Outcome::Completed,
        finished: UnixMillis(1_760_000_001_456),
    }
}

/// Three proofs under one root, the one of [`proof`] being the second.
pub(crate) fn batch() -> MemoryTree {
    let mut tree = MemoryTree::new();
    for leaf in [filler("first leaf"), proof().leaf(), filler("third leaf")] {
        tree.push(leaf).unwrap();
    }
    tree
}

/// The root over [`batch`].
pub(crate) fn proof_root() -> ProofRoot {
    ProofRoot {
        deployment: deployment(),
        coordinator: COORDINATOR,
        node: NODE,
        size: u32::try_from(batch().size()).unwrap(),
        root: batch().root(),
    }
}

/// The signed root and the path to it.
pub(crate) fn evidence() -> NodeEvidence {
    let node = key(&NODE_SEED);
    NodeEvidence {
        signer: node.public(),
        root: node.sign(proof_root()),
        index: 1,
        path: inclusion_proof(&batch(), 1, 3).unwrap(),
    }
}

/// Everything beyond the head; with every optional field, or with none.
pub(crate) fn body(complete: bool) -> ReceiptBody {
    let amount = TARIFF.amount(INPUT, OUTPUT);
    ReceiptBody {
        model: "smollm2-135m-instruct".to_owned(),
        ticket: ticket().hash(),
        request_commitment: ticket().request_commitment,
        response_commitment: proof().response_commitment,
        input_tokens: INPUT,
        output_tokens: OUTPUT,
        tariff: TARIFF,
        amount,
        fee: fee_floor(amount, Bps(333)).unwrap(),
        fee_rate: Bps(333),
        outcome: if complete { Outcome::Completed } else { Outcome::Failed },
        auction: AuctionDigest {
            book_head: ticket().book_head,
            candidates: 7,
            winner_ask: TokenPrice(240_000),
            best_losing_ask: complete.then_some(TokenPrice(250_003)),
        },
        owner: OwnerCommitments {
            escrow: filler("escrow"),
            allowance: filler("allowance"),
            cumulative: filler("cumulative"),
        },
        statement: complete.then(|| NodeStatement { proof: proof(), evidence: evidence() }),
        attestation: complete.then(|| filler("attestation")),
        created: UnixMillis(1_760_000_001_789),
    }
}

/// The head of a receipt with this body.
pub(crate) fn head(body: &ReceiptBody) -> ReceiptHead {
    ReceiptHead {
        deployment: deployment(),
        coordinator: COORDINATOR,
        epoch: 3,
        index: 1_000_001,
        request: request(),
        segment: Segment(1),
        node: NODE,
        node_cumulative: FineAmount(123_456_789_012_345_678_901),
        body: body.hash(),
    }
}

/// A receipt that verifies.
pub(crate) fn receipt(complete: bool) -> Receipt {
    let body = body(complete);
    Receipt { head: key(&COORDINATOR_SEED).sign(head(&body)), body }
}

/// A wallet's command of each kind.
pub(crate) fn key_commands() -> [KeyCommand; 3] {
    [
        KeyAction::Create {
            allowance: AllowanceId([0xa1; 32]),
            label: "laptop – tests".to_owned(),
        },
        KeyAction::List,
        KeyAction::Revoke { key: [0x5e; 16] },
    ]
    .map(|action| KeyCommand {
        deployment: deployment(),
        coordinator: COORDINATOR,
        owner: wallet(),
        issued: UnixMillis(1_760_000_000_000),
        nonce: [0x1c; 16],
        action,
    })
}

fn wallet() -> PublicKey {
    key(&WALLET_SEED).public()
}

/// The coordinator's word for the ask.
pub(crate) fn acknowledgement() -> AskAcknowledgement {
    AskAcknowledgement {
        deployment: deployment(),
        coordinator: COORDINATOR,
        node: NODE,
        ask: ask().hash(),
        book: filler("book opened"),
        version: 17,
        head: filler("book head"),
        at: UnixMillis(1_760_000_000_100),
    }
}

/// The coordinator's greeting on a TLS session that exported [`EXPORTER`].
pub(crate) fn hello() -> Hello {
    Hello {
        deployment: deployment(),
        coordinator: COORDINATOR,
        binding: binding(&EXPORTER),
        now: UnixMillis(1_760_000_000_001),
    }
}
