//! Every status of the specification, and what is remembered after it.
#![expect(clippy::unwrap_used, reason = "tests")]

use axum::body::{Body, to_bytes};
use axum::http::Request;
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::cosignature::{verify_line, witness_key};
use pinaivu_log::note::NoteSignature;
use pinaivu_log::witness::Observed;
use pinaivu_protocol::hash::{Hash32, sha256};
use pinaivu_protocol::merkle::{MemoryTree, consistency_proof, leaf_hash, tree_root};
use tower::ServiceExt as _;

use super::*;

const LOG: &str = "log.example/one";
const WITNESS: &str = "witness.example/w1";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn tree(leaves: u64) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for leaf in 0..leaves {
        tree.push(leaf_hash(&leaf.to_be_bytes())).unwrap();
    }
    tree
}

fn head(size: u64) -> Checkpoint {
    let root = tree_root(&tree(size), size).unwrap();
    Checkpoint { origin: LOG.to_owned(), size, root }
}

/// What an honest log brings.
fn request(old_size: u64, size: u64) -> AddCheckpoint {
    let proof = match old_size {
        0 => Vec::new(),
        old => consistency_proof(&tree(size), old, size).unwrap(),
    };
    AddCheckpoint { old_size, proof, checkpoint: head(size).sign(&key(1)).unwrap() }
}

struct Answer {
    status: u16,
    kind: Option<String>,
    body: String,
}

struct Desk {
    router: Router,
    witness: Arc<Witness>,
    folder: tempfile::TempDir,
}

impl Desk {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let witness = Arc::new(Witness {
            name: WITNESS.to_owned(),
            key: key(2),
            logs: vec![NoteKey::new(LOG, key(1).public(), SignatureType::Ed25519).unwrap()],
            network: None,
            memory: Arc::new(Memory::new(&folder.path().join("seen.json"))),
        });
        Self { router: router(Arc::clone(&witness)), witness, folder }
    }

    async fn post(&self, body: impl ToString) -> Answer {
        let request = Request::post("/add-checkpoint").body(Body::from(body.to_string())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let kind = response.headers().get("content-type");
        let kind = kind.map(|kind| kind.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Answer { status, kind, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn seen(&self) -> Observed {
        self.witness.memory.lock().await.unwrap().of(LOG).unwrap()
    }
}

#[tokio::test]
async fn extensions_are_cosigned_and_remembered_one_after_the_other() {
    let desk = Desk::open();
    let public = witness_key(WITNESS, key(2).public()).unwrap();
    // From nothing, further, and the same head again.
    for (old, size) in [(0, 3), (3, 11), (11, 11), (11, 12)] {
        let answer = desk.post(request(old, size)).await;
        assert_eq!(answer.status, 200, "{old} to {size}: {}", answer.body);
        let line = answer.body.strip_suffix('\n').unwrap();
        let line = NoteSignature::parse(line).unwrap();
        assert!(verify_line(&line, &head(size), &public).unwrap() > 1_700_000_000);
        assert_eq!(desk.seen().await, Observed { size, root: head(size).root });
    }
}

#[tokio::test]
async fn other_old_size_is_a_conflict_that_says_the_cosigned_size() {
    let desk = Desk::open();
    desk.post(request(0, 5)).await;
    for (old, size) in [(0, 9), (4, 9)] {
        let answer = desk.post(request(old, size)).await;
        assert_eq!((answer.status, answer.body.as_str()), (409, "5\n"));
        assert_eq!(answer.kind.as_deref(), Some("text/x.tlog.size"));
    }
    assert_eq!(desk.seen().await.size, 5);
}

#[tokio::test]
async fn two_heads_of_one_size_are_a_conflict_and_are_kept() {
    let desk = Desk::open();
    desk.post(request(0, 5)).await;
    let other = Checkpoint { root: sha256(&[b"another history"]), ..head(5) };
    let checkpoint = other.sign(&key(1)).unwrap();
    let answer = desk.post(AddCheckpoint { old_size: 5, proof: Vec::new(), checkpoint }).await;
    assert_eq!(answer.status, 409);
    assert_ne!(answer.kind.as_deref(), Some("text/x.tlog.size"));
    assert_eq!(desk.seen().await.root, head(5).root);
    let kept = desk.folder.path().join("seen.contradiction.json");
    assert!(std::fs::read_to_string(kept).unwrap().contains("another root"));
}

#[tokio::test]
async fn proof_that_does_not_hold_is_unprocessable() {
    let desk = Desk::open();
    let proof = vec![Hash32([1; 32])];
    let superfluous = AddCheckpoint { proof: proof.clone(), ..request(0, 5) };
    assert_eq!(desk.post(superfluous).await.status, 422);
    desk.post(request(0, 5)).await;
    for proof in [Vec::new(), proof] {
        assert_eq!(desk.post(AddCheckpoint { proof, ..request(5, 9) }).await.status, 422);
    }
    assert_eq!(desk.seen().await.size, 5);
}

#[tokio::test]
async fn old_size_beyond_the_checkpoint_is_a_bad_request() {
    let desk = Desk::open();
    let beyond = AddCheckpoint { old_size: 6, ..request(0, 5) };
    assert_eq!(desk.post(beyond).await.status, 400);
}

#[tokio::test]
async fn unknown_logs_are_not_found_and_other_signers_forbidden() {
    let desk = Desk::open();
    let unknown = Checkpoint { origin: "log.example/two".to_owned(), ..head(5) };
    let checkpoint = unknown.sign(&key(1)).unwrap();
    assert_eq!(desk.post(AddCheckpoint { checkpoint, ..request(0, 5) }).await.status, 404);
    let checkpoint = head(5).sign(&key(9)).unwrap();
    assert_eq!(desk.post(AddCheckpoint { checkpoint, ..request(0, 5) }).await.status, 403);
    assert_eq!(desk.seen().await.size, 0);
}

#[tokio::test]
async fn what_is_no_request_is_a_bad_request() {
    let desk = Desk::open();
    let good = request(0, 5).to_string();
    for body in [
        String::new(),
        "old x\n\n".to_owned(),
        good.replacen("old 0", "old 00", 1),
        good.replacen("old 0\n", "old 0\nnot base64\n", 1),
        good.replace("log.example/one\n5", "log.example/one\nfive"),
    ] {
        assert_eq!(desk.post(&body).await.status, 400, "{body}");
    }
    let long = "old 0\n".to_owned() + &"A".repeat(4 * MAX_NOTE_BYTES);
    assert_eq!(desk.post(long).await.status, 413);
}
