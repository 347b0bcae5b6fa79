//! Killed at moments that come as they come, under load.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use pinaivu_coordinator::clock::SystemClock;
use pinaivu_coordinator::receipts::{
    EpochTree, LogError, PublicLog, Receipts, ReceiptsConfig, archive_settled,
};
use pinaivu_coordinator::store::{Store, StoreConfig, StoreError};
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::entry::entries;
use pinaivu_log::note::Note;
use pinaivu_log::tile::Span;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::{leaf_hash, verify_inclusion};
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::units::Bps;
use tokio_util::sync::CancellationToken;

use crate::world::{DATABASE, Shown, check, draft, identity, open_account, signer};

/// How often it is killed.
const LIVES: usize = 6;

/// Makes receipts until it is killed. Run only by the test below, as a process of its own.
#[tokio::test]
#[ignore = "never ends by itself"]
async fn process_that_makes_receipts() {
    let path = std::env::var(DATABASE).unwrap();
    let store = Store::open(&StoreConfig::at(path), identity()).unwrap();
    open_account(&store).await;
    // Requests of one life are not those of another.
    let size = store.read(|state| state.log_head()).await.unwrap().size;
    let mut number = size * 1_000_000;
    let config = ReceiptsConfig { capacity: 256, ..ReceiptsConfig::default() };
    let (receipts, pipeline) = Receipts::start(
        config,
        identity(),
        signer(),
        store.clone(),
        Arc::new(SystemClock),
        Arc::new(Shown),
        Bps(300),
    );
    let log = PublicLog::new(identity(), signer(), store.clone(), Vec::new());
    let submitting = async {
        loop {
            if number.is_multiple_of(16) {
                // What a stranger sees of the log meanwhile.
                let note = log.checkpoint(0).await.unwrap().unwrap();
                let line = format!("checkpoint {}\n", hex::encode(note.to_string()));
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
            }
            match draft(&receipts, number) {
                Some(draft) => {
                    receipts.submit(draft).unwrap();
                    number += 1;
                }
                None => tokio::task::yield_now().await,
            }
        }
    };
    // As if the chain covered everything at once, so that it is killed while archiving too.
    let archiving = async {
        loop {
            let size = store.read(|state| state.log_head()).await.unwrap().size;
            archive_settled(&store, 0, size, 0).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = submitting => {}
        () = archiving => {}
        () = pipeline.run(CancellationToken::new()) => {}
    }
}

/// Lets the process live until it has shown some receipts, kills it, and gives all it has shown.
fn one_life(path: &Path, until: usize, heads: &mut Vec<Checkpoint>) -> Vec<Signed<ReceiptHead>> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["any_moment::process_that_makes_receipts", "--exact", "--ignored", "--nocapture"])
        .env(DATABASE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut shown = Vec::new();
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        // A line without its end was cut off by the kill; nobody has read a whole receipt then.
        if let Some(digits) = line.strip_suffix('\n').and_then(|line| line.split_once("head ")) {
            shown.push(Signed::decode(&hex::decode(digits.1).unwrap()).unwrap());
        }
        let digits = line.strip_suffix('\n').and_then(|line| line.strip_prefix("checkpoint "));
        if let Some(digits) = digits {
            let note = String::from_utf8(hex::decode(digits).unwrap()).unwrap();
            let origin = pinaivu_log::origin(identity().coordinator, 0);
            let head = Checkpoint::open(&Note::parse(&note).unwrap(), &origin, signer().public());
            heads.push(head.unwrap());
        }
        if shown.len() == until {
            child.kill().unwrap();
        }
        line.clear();
    }
    assert!(!child.wait().unwrap().success());
    assert!(shown.len() >= until);
    shown
}

#[test]
fn process_killed_at_any_moment_has_shown_nothing_that_is_not_stored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("coordinator.db");
    let mut shown: BTreeMap<u64, Signed<ReceiptHead>> = BTreeMap::new();
    let mut heads = Vec::new();
    for life in 0..LIVES {
        for head in one_life(&path, 1 + life * 97, &mut heads) {
            head.verify(&signer().public()).unwrap();
            // Across all lives, a position is signed once.
            assert_eq!(shown.insert(head.record.index, head), None);
        }
        let store = Store::open(&StoreConfig::at(&path), identity()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&store, &shown));
        runtime.block_on(check_heads(&store, &heads));
        if life == LIVES - 1 {
            runtime.block_on(check_archive(&store, directory.path()));
        }
    }
}

/// What is in the archive is shown as it would be out of the database; a file that is lost or broken is
/// said to be, and put back it is as before.
async fn check_archive(store: &Store, directory: &Path) {
    let size = store.read(|state| state.log_head()).await.unwrap().size;
    archive_settled(store, 0, size, 0).await.unwrap();
    let newest = size - 1;
    let archived =
        async |index| store.read(move |state| state.is_archived(0, index)).await.unwrap();
    assert!(archived(0).await && archived(255).await && archived(256).await);
    assert!(!archived(newest).await, "the rest of a bundle stays");
    let log = PublicLog::new(identity(), signer(), store.clone(), Vec::new());
    let span = Span::at(0, size).unwrap();
    let bundle = async || -> Result<Vec<u8>, LogError> {
        let mut chunks = log.entries(0, span).await?.unwrap();
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    let head = Checkpoint::from_text(log.checkpoint(0).await.unwrap().unwrap().text()).unwrap();
    let served = bundle().await.unwrap();
    for (index, entry) in (0..).zip(entries(&served)) {
        let proof = log.proof(0, index, None).await.unwrap().unwrap();
        let leaf = leaf_hash(entry.unwrap());
        verify_inclusion(&leaf, index, head.size, &proof.path, &head.root).unwrap();
    }

    let file = directory.join("archive/0/000000000000.receipts");
    let copy = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(bundle().await, Err(LogError::Store(StoreError::Archive { .. }))));
    let mut broken = copy.clone();
    broken[100] ^= 1;
    std::fs::write(&file, broken).unwrap();
    assert!(matches!(bundle().await, Err(LogError::Store(StoreError::Corrupt(_)))));
    std::fs::write(&file, copy).unwrap();
    assert_eq!(bundle().await.unwrap(), served);
}

/// Every head that was ever shown is one of the log as it is, and none is smaller than one before it.
async fn check_heads(store: &Store, heads: &[Checkpoint]) {
    assert!(heads.is_sorted_by_key(|head| head.size));
    let sizes: Vec<u64> = heads.iter().map(|head| head.size).collect();
    let roots: Vec<Hash32> = store
        .read(move |state| {
            sizes.iter().map(|size| EpochTree::new(state, 0).root(*size)).collect::<Result<_, _>>()
        })
        .await
        .unwrap_or_else(|error: StoreError| panic!("a head that was shown is gone: {error}"));
    for (head, root) in heads.iter().zip(roots) {
        assert_eq!(head.root, root);
    }
}
