//! Every status of the specification, and what is remembered after it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::cosignature::{verify_line, witness_key};
use pinaivu_log::note::NoteSignature;
use pinaivu_log::source::SourceError;
use pinaivu_log::tile::{Resource, tiles_of};
use pinaivu_protocol::hash::{Hash32, sha256};
use pinaivu_protocol::merkle::{
    MemoryTree, NodeSource as _, consistency_proof, empty_root, leaf_hash, tree_root,
};
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
    memory: Arc<Memory>,
    folder: tempfile::TempDir,
}

impl Desk {
    fn open() -> Self {
        Self::following(None)
    }

    fn following(followed: Option<ChainDouble>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let memory = Arc::new(Memory::new(&folder.path().join("seen.json")));
        let witness = Arc::new(Witness {
            name: WITNESS.to_owned(),
            key: key(2),
            logs: vec![NoteKey::new(LOG, key(1).public(), SignatureType::Ed25519).unwrap()],
            followed,
            memory: Arc::clone(&memory),
        });
        Self { router: router(witness), memory, folder }
    }

    /// Files of evidence: name and contents.
    fn kept(&self) -> Vec<(String, String)> {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap());
        let named = files.map(|file| (file.file_name().into_string().unwrap(), file.path()));
        let mut kept: Vec<(String, String)> = named
            .filter(|(name, _)| name.contains("contradiction"))
            .map(|(name, path)| (name, std::fs::read_to_string(path).unwrap()))
            .collect();
        kept.sort();
        kept
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
        self.memory.lock().await.unwrap().of(LOG).unwrap()
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
    let [(name, contents)] = desk.kept().try_into().unwrap();
    assert_eq!(name, format!("seen.contradiction-5-{}.json", other.root));
    assert!(contents.contains("another root"));

    // A second split lies beside the first, and the first again changes nothing.
    let second = Checkpoint { root: sha256(&[b"a third history"]), ..head(5) };
    for split in [&second, &other] {
        let checkpoint = split.sign(&key(1)).unwrap();
        desk.post(AddCheckpoint { old_size: 5, proof: Vec::new(), checkpoint }).await;
    }
    let kept = desk.kept();
    assert_eq!(kept.len(), 2);
    assert!(kept.contains(&(name, contents)));
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
    // Whoever brings a genuine head with a wrong proof leaves no evidence against the log.
    assert_eq!(desk.kept(), []);
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

const COORDINATOR: CoordinatorId = CoordinatorId([7; 32]);

/// A chain double: what an account would say, and the files of a log of `leaves` entries.
struct ChainDouble {
    anchored: Observed,
    files: Files,
}

#[derive(Clone)]
struct Files(HashMap<String, Vec<u8>>);

impl LogSource for Files {
    async fn fetch(&self, _epoch: u32, path: &str) -> Result<Vec<u8>, SourceError> {
        self.0.get(path).cloned().ok_or_else(|| SourceError::Missing(path.to_owned()))
    }
}

impl Followed for ChainDouble {
    async fn open_log(&self) -> anyhow::Result<OpenLog> {
        let anchored = self.anchored;
        Ok(OpenLog { coordinator: COORDINATOR, epoch: 3, signer: key(4).public(), anchored })
    }

    fn files(&self) -> impl LogSource + Send {
        self.files.clone()
    }
}

/// Every tile of trees up to that size.
fn files(leaves: u64) -> Files {
    let tree = tree(leaves);
    let mut files = HashMap::new();
    for resource in (1..=leaves).flat_map(tiles_of) {
        let Resource::Tile { level, span } = resource else { continue };
        let nodes = span.start()..span.start() + u64::from(span.width);
        let bytes = nodes.flat_map(|index| tree.node(level * 8, index).unwrap().0).collect();
        files.insert(resource.to_string(), bytes);
    }
    Files(files)
}

fn anchored(size: u64) -> Observed {
    Observed { size, root: if size == 0 { empty_root() } else { head(size).root } }
}

/// The followed coordinator's head.
fn own(size: u64) -> Checkpoint {
    Checkpoint { origin: origin(COORDINATOR, 3), ..head(size) }
}

/// The first head that is brought.
fn first(head: &Checkpoint) -> AddCheckpoint {
    AddCheckpoint { old_size: 0, proof: Vec::new(), checkpoint: head.sign(&key(4)).unwrap() }
}

async fn own_seen(desk: &Desk) -> u64 {
    desk.memory.lock().await.unwrap().of(&own(1).origin).unwrap().size
}

#[tokio::test]
async fn first_head_that_extends_the_chains_is_cosigned() {
    for (chain, brought) in [(0, 9), (8, 9), (7, 300), (9, 9)] {
        let double = ChainDouble { anchored: anchored(chain), files: files(brought) };
        let desk = Desk::following(Some(double));
        let answer = desk.post(first(&own(brought))).await;
        assert_eq!(answer.status, 200, "{chain} to {brought}: {}", answer.body);
        assert_eq!(own_seen(&desk).await, brought);
    }
}

#[tokio::test]
async fn first_head_that_contradicts_the_chains_is_refused_and_kept() {
    let other = sha256(&[b"another history"]);
    // Of the same size; and one that grew from another history than the chain holds.
    for (chain, brought) in [
        (Observed { size: 9, root: other }, own(9)),
        (Observed { size: 8, root: other }, own(300)),
        (Observed { size: 7, root: other }, own(300)),
    ] {
        let files = files(brought.size);
        let desk = Desk::following(Some(ChainDouble { anchored: chain, files }));
        let answer = desk.post(first(&brought)).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        assert_eq!(own_seen(&desk).await, 0);
        let [(name, contents)] = desk.kept().try_into().unwrap();
        let expected = format!("seen.contradiction-{}-{}.json", brought.size, brought.root);
        assert_eq!(name, expected);
        assert!(contents.contains(&other.to_string()));
    }
}

#[tokio::test]
async fn head_from_before_the_chains_is_refused_and_is_no_evidence() {
    let desk = Desk::following(Some(ChainDouble { anchored: anchored(9), files: files(9) }));
    assert_eq!(desk.post(first(&own(5))).await.status, 422);
    assert_eq!((own_seen(&desk).await, desk.kept()), (0, Vec::new()));
}

#[tokio::test]
async fn head_whose_tiles_are_not_served_is_not_cosigned_and_is_no_evidence() {
    let missing = Files(HashMap::new());
    let mut broken = files(300);
    for tile in broken.0.values_mut() {
        tile[0] ^= 1;
    }
    for files in [missing, broken] {
        let desk = Desk::following(Some(ChainDouble { anchored: anchored(9), files }));
        assert_eq!(desk.post(first(&own(300))).await.status, 500);
        assert_eq!((own_seen(&desk).await, desk.kept()), (0, Vec::new()));
    }
}

#[tokio::test]
async fn wrong_proof_is_evidence_only_when_the_logs_own_tiles_show_a_fork() {
    let desk = Desk::following(Some(ChainDouble { anchored: anchored(0), files: files(12) }));
    let brought = |old_size, head: &Checkpoint| AddCheckpoint { old_size, ..first(head) };
    desk.post(first(&own(9))).await;
    // The head is genuine, the proof is not.
    assert_eq!(desk.post(brought(9, &own(12))).await.status, 422);
    assert_eq!(desk.kept(), []);

    // What was cosigned is of another history than the tiles.
    let forked = Checkpoint { root: sha256(&[b"another history"]), ..own(9) };
    let desk = Desk::following(Some(ChainDouble { anchored: anchored(0), files: files(12) }));
    desk.post(first(&forked)).await;
    assert_eq!(desk.post(brought(9, &own(12))).await.status, 422);
    assert_eq!(desk.kept().len(), 1);
    assert_eq!(own_seen(&desk).await, 9);
}
