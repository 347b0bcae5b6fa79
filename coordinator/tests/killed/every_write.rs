//! Killed before every single write, one life for each: of a few receipts, one commit each, and of the
//! archive file that they complete.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use pinaivu_coordinator::clock::SystemClock;
use pinaivu_coordinator::receipts::{Receipts, ReceiptsConfig, archive_settled};
use pinaivu_coordinator::store::{Store, StoreConfig};
use pinaivu_log::tile::TILE_WIDTH;
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::units::Bps;
use tokio_util::sync::CancellationToken;

use crate::traced::{Life, killed_before};
use crate::world::{DATABASE, Shown, check, draft, identity, open_account, signer};

/// How many receipts a life makes, to the process that makes them.
const COUNT: &str = "PINAIVU_KILLED_COUNT";
/// Receipts before the first kill: with two more a bundle is full.
const BEFORE: u64 = TILE_WIDTH as u64 - 2;
/// Receipts of each life.
const EACH: u64 = 3;
/// More writes than any life has.
const MOST: usize = 2_000;

/// Makes some receipts, each in a commit of its own, and archives what is full. Run only by the test below,
/// as a process of its own.
#[test]
#[ignore = "is run as a process"]
fn process_that_makes_a_few_receipts() {
    let path = std::env::var(DATABASE).unwrap();
    let count: u64 = std::env::var(COUNT).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(make(Path::new(&path), count));
}

async fn make(path: &Path, count: u64) {
    let store = Store::open(&StoreConfig::at(path), identity()).unwrap();
    open_account(&store).await;
    let size = store.read(|state| state.log_head()).await.unwrap().size;
    let config =
        ReceiptsConfig { commit_interval: std::time::Duration::ZERO, ..ReceiptsConfig::default() };
    let (receipts, pipeline) = Receipts::start(
        config,
        identity(),
        signer(),
        store.clone(),
        Arc::new(SystemClock),
        Arc::new(Shown),
        Bps(300),
    );
    let making = async {
        for made in 1..=count {
            // Another request in each life, also where an earlier one was killed.
            let request = u64::from(std::process::id()) * 1_000_000 + size + made;
            // An answer's second part waits for its first.
            let draft = loop {
                match draft(&receipts, request) {
                    Some(draft) => break draft,
                    None => tokio::task::yield_now().await,
                }
            };
            receipts.submit(draft).unwrap();
            while made > count.saturating_sub(EACH)
                && store.read(|state| state.log_head()).await.unwrap().size < size + made
            {
                tokio::task::yield_now().await;
            }
        }
        archive_settled(&store, 0, size + count, 0).await.unwrap();
    };
    tokio::select! {
        () = making => {}
        () = pipeline.run(CancellationToken::new()) => {}
    }
}

fn process(database: &Path, count: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "every_write::process_that_makes_a_few_receipts",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(DATABASE, database)
        .env(COUNT, count.to_string());
    command
}

/// What a life has shown, of lines that were written to their end.
fn shown(life: &Life, all: &mut BTreeMap<u64, Signed<ReceiptHead>>) {
    for line in life.shown.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        // The test runner's own words stand before the first.
        let Some((_, digits)) = line.split_once("head ") else { continue };
        let head: Signed<ReceiptHead> = Signed::decode(&hex::decode(digits).unwrap()).unwrap();
        head.verify(&signer().public()).unwrap();
        // A position is signed once, whatever was killed in between.
        assert_eq!(all.insert(head.record.index, head), None);
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

#[test]
fn log_goes_on_consistently_after_a_kill_before_any_write() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("base");
    std::fs::create_dir(&base).unwrap();
    let made = process(&base.join("coordinator.db"), BEFORE).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut lives, mut archived) = (0, 0);
    for nth in 1..MOST {
        let place = directory.path().join("life");
        copy(&base, &place);
        let database = place.join("coordinator.db");
        let mut seen = BTreeMap::new();
        let life = killed_before(&process(&database, EACH), nth);
        shown(&life, &mut seen);
        archived += usize::from(place.join("archive/0/000000000000.receipts").exists());
        // It starts again on what is there, and goes on.
        let again = process(&database, EACH).output().unwrap();
        assert!(again.status.success(), "{nth}: {}", String::from_utf8_lossy(&again.stderr));
        let again = Life { shown: String::from_utf8(again.stdout).unwrap(), ended: true };
        shown(&again, &mut seen);
        let store = Store::open(&StoreConfig::at(&database), identity()).unwrap();
        runtime.block_on(check(&store, &seen));
        let size = runtime.block_on(store.read(|state| state.log_head())).unwrap().size;
        assert!((BEFORE + EACH..=BEFORE + 2 * EACH).contains(&size), "{nth}: {size}");
        drop(store);
        std::fs::remove_dir_all(&place).unwrap();
        lives = nth;
        if life.ended {
            assert_eq!(size, BEFORE + 2 * EACH);
            break;
        }
    }
    // Each of the commits writes and flushes; the archive's file comes after them.
    assert!(lives > 20 && archived > 1 && archived < lives, "{lives} lives, {archived} archived");
}
