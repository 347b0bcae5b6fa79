//! Lists, figures and blobs, and that a database from before them is taken over whole.

use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::units::FineAmount;
use rusqlite::Connection;

use super::*;
use crate::store::{
    BlobExpectation, BlobId, BlobOutcome, FigureQuery, FigureRow, FigureStep, FiguresOf, NewBlob,
    ReceiptCursor, ReceiptFilter, StoredReceipt,
};

/// When the fixtures' receipts are made.
const MADE: u64 = 1_700_000_001_000;
const HOUR: u64 = 3_600_000;

async fn listed(store: &Store, filter: ReceiptFilter, limit: usize) -> Vec<u64> {
    let found = store.read(move |look| look.list_receipts(&filter, limit)).await.unwrap();
    found.iter().map(|receipt: &StoredReceipt| receipt.index).collect()
}

async fn figures(store: &Store, of: FiguresOf, step: FigureStep) -> Vec<FigureRow> {
    let width = if step == FigureStep::Hour { HOUR } else { 60_000 };
    let query = FigureQuery {
        of,
        step,
        from: UnixMillis(MADE - MADE % HOUR),
        to: UnixMillis(MADE + 2 * HOUR),
        width,
    };
    store.read(move |look| look.figures(&query)).await.unwrap()
}

const fn at(index: u64) -> ReceiptCursor {
    ReceiptCursor { epoch: 0, index }
}

#[tokio::test]
async fn receipts_are_listed_newest_first_in_pages_and_by_whom_they_concern() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 3).await;
    // Request r stands at r − 1; node r mod 2, account r mod 3.
    commit_now(&store, &charges(7)).await;
    let any = ReceiptFilter::default();
    assert_eq!(listed(&store, any.clone(), 100).await, [6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(listed(&store, any.clone(), 2).await, [6, 5]);
    let older = ReceiptFilter { before: Some(at(5)), ..any.clone() };
    assert_eq!(listed(&store, older, 2).await, [4, 3]);
    let newer = ReceiptFilter { after: Some(at(4)), ..any.clone() };
    assert_eq!(listed(&store, newer, 100).await, [6, 5]);
    let between = ReceiptFilter { after: Some(at(1)), before: Some(at(4)), ..any.clone() };
    assert_eq!(listed(&store, between, 100).await, [3, 2]);
    let of_node = ReceiptFilter { node: Some(node(1)), ..any.clone() };
    assert_eq!(listed(&store, of_node, 100).await, [6, 4, 2, 0]);
    let payer = ReceiptFilter { allowance: Some(allowance(0)), ..any.clone() };
    assert_eq!(listed(&store, payer.clone(), 100).await, [5, 2]);
    let both = ReceiptFilter { node: Some(node(1)), ..payer };
    assert_eq!(listed(&store, both, 100).await, [2]);
    let model = |name: &str| ReceiptFilter { model: Some(name.into()), ..ReceiptFilter::default() };
    assert_eq!(listed(&store, model("smollm2"), 2).await, [6, 5]);
    assert!(listed(&store, model("another"), 2).await.is_empty());
    let ended = |outcome| ReceiptFilter { outcome: Some(outcome), ..ReceiptFilter::default() };
    assert_eq!(listed(&store, ended(Outcome::Completed), 1).await, [6]);
    assert!(listed(&store, ended(Outcome::Failed), 1).await.is_empty());
    let unknown = ReceiptFilter { node: Some(node(9)), ..any };
    assert!(listed(&store, unknown, 100).await.is_empty());
}

#[tokio::test]
async fn pages_and_filters_are_served_by_an_index() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 3).await;
    commit_now(&store, &charges(3)).await;
    drop(store);
    let connection = Connection::open(path(&directory)).unwrap();
    for (condition, index) in [
        ("position < 9", "INTEGER PRIMARY KEY"),
        ("node = 1 AND position < 9", "receipts_by_node"),
        ("account = 1 AND position < 9", "receipts_by_account"),
        ("model = 1 AND position < 9", "receipts_by_model"),
        ("api_key = x'00' AND position < 9", "receipts_by_key"),
        ("outcome <> 0 AND outcome = 2 AND position < 9", "receipts_not_completed"),
    ] {
        let plan: String = connection
            .query_row(
                &format!(
                    "EXPLAIN QUERY PLAN SELECT bytes FROM receipts WHERE {condition}
                     ORDER BY position DESC LIMIT 5"
                ),
                [],
                |row| row.get(3),
            )
            .unwrap();
        assert!(plan.starts_with("SEARCH") && plan.contains(index), "{condition}: {plan}");
    }
}

#[tokio::test]
async fn figures_are_the_sums_of_the_receipts_they_stand_for() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 3).await;
    commit_now(&store, &charges(4)).await;
    commit_now(&store, &[Charge { request: 9, node: 1, account: 1, input: 1, output: 2 }]).await;
    // 40 weighted tokens at 150,001 each, four times, and once 7; the fee is floored for each.
    for step in [FigureStep::Minute, FigureStep::Hour] {
        let all = figures(&store, FiguresOf::All, step).await;
        assert_eq!(all.len(), 1);
        let row = &all[0];
        assert_eq!((row.requests, row.input_tokens, row.output_tokens), (5, 41, 42));
        assert_eq!(row.charged, FineAmount(150_001 * 167));
        assert_eq!((row.price.0, row.model.as_str(), row.failed), (150_001, "smollm2", 0));
        let totals = store.read(|look| look.totals()).await.unwrap();
        assert_eq!((row.charged, row.fees), (totals.charged, totals.fees));
        assert_eq!((totals.requests, totals.input_tokens, totals.output_tokens), (5, 41, 42));
    }
    let payer = figures(&store, FiguresOf::Allowance(allowance(1)), FigureStep::Hour).await;
    assert_eq!(payer.iter().map(|row| row.requests).sum::<u64>(), 3);
    let of_node = figures(&store, FiguresOf::Node(node(0)), FigureStep::Hour).await;
    assert_eq!(of_node.iter().map(|row| row.requests).sum::<u64>(), 2);
    let nodes = store.read(|look| look.nodes()).await.unwrap();
    let first = nodes.iter().find(|known| known.total.node == node(0)).unwrap();
    assert_eq!((first.requests, first.last_served), (2, Some(UnixMillis(MADE))));
    let earned: u128 = of_node.iter().map(|row| row.charged.0 - row.fees.0).sum();
    assert_eq!(first.total.earned, FineAmount(earned));
}

/// Turns a database into one of the first schema, with everything that schema had.
fn take_back(directory: &TempDir) {
    let new = path(directory);
    let old = directory.path().join("old.db");
    let connection = Connection::open(&old).unwrap();
    connection.execute_batch(include_str!("../../../migrations/0001_initial.sql")).unwrap();
    let tables: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    connection.execute("ATTACH ?1 AS newer", [new.to_str().unwrap()]).unwrap();
    for table in tables {
        let columns: Vec<String> = connection
            .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let columns = columns.join(", ");
        connection
            .execute_batch(&format!(
                "INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}"
            ))
            .unwrap();
    }
    connection.execute_batch("DETACH newer").unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    drop(connection);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", new.display()));
    }
    std::fs::rename(old, new).unwrap();
}

#[tokio::test]
async fn database_of_the_first_schema_gets_lists_and_figures_of_what_it_holds() {
    let directory = tempfile::tempdir().unwrap();
    let before = store(&directory, 3).await;
    write(&before, |transaction| transaction.insert_api_key(&key(1))).await.unwrap();
    // More than one batch of the step.
    for batch in charges(1_500).chunks(500) {
        commit_now(&before, batch).await;
    }
    let look = async |store: &Store| {
        let totals = store.read(|look| look.totals()).await.unwrap();
        let nodes = store.read(|look| look.nodes()).await.unwrap();
        let figures = figures(store, FiguresOf::All, FigureStep::Hour).await;
        let receipts =
            store.read(|look| look.list_receipts(&ReceiptFilter::default(), 9_999)).await.unwrap();
        let of_node = ReceiptFilter { node: Some(node(0)), ..ReceiptFilter::default() };
        let model = ReceiptFilter { model: Some("smollm2".into()), ..ReceiptFilter::default() };
        (
            totals,
            nodes,
            figures,
            receipts,
            listed(store, of_node, 9).await,
            listed(store, model, 9).await,
        )
    };
    let expected = look(&before).await;
    assert_eq!(expected.3.len(), 1_500);
    drop(before);
    take_back(&directory);
    let after = reopen(&directory).unwrap();
    assert_eq!(look(&after).await, expected);
    // Keys go on, without limits and with a name of their own in tickets.
    let known = after.read(|look| look.api_key(&key(1).hash)).await.unwrap().unwrap();
    assert_eq!(ApiKey { handle: key(1).handle, ..known.clone() }, key(1));
    let billed = after.read(move |look| look.billed(&known.handle)).await.unwrap().unwrap();
    assert_eq!((billed.account.allowance, billed.api_key), (allowance(0), Some(key(1).id)));
    // And receipts are appended as before.
    commit_now(&after, &[Charge { request: 5_000, node: 1, account: 1, input: 1, output: 1 }])
        .await;
    drop(after);
    assert_eq!(reopen(&directory).unwrap().read(|look| look.log_head()).await.unwrap().size, 1_501);
}

#[tokio::test]
async fn blob_is_changed_only_from_the_version_that_was_expected_and_within_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 1).await;
    let namespace = PublicKey([5; 32]);
    let put = |expected, bytes: usize| {
        let blob = NewBlob {
            namespace,
            id: BlobId([1; 16]),
            expected,
            bytes: vec![7; bytes],
            limit: 100,
            now: UnixMillis(3),
        };
        write(&store, move |transaction| transaction.put_blob(&blob))
    };
    assert_eq!(put(BlobExpectation::Absent, 1).await.unwrap(), BlobOutcome::NoNamespace);
    let open = |payer| {
        write(&store, move |transaction| {
            transaction.open_blob_namespace(&namespace, &allowance(payer), UnixMillis(1))
        })
    };
    assert!(matches!(open(9).await, Err(StoreError::Missing(_))));
    open(0).await.unwrap();
    for (expected, bytes, outcome) in [
        (BlobExpectation::Version(1), 10, BlobOutcome::Conflict),
        (BlobExpectation::Absent, 101, BlobOutcome::Full),
        (BlobExpectation::Absent, 100, BlobOutcome::Done(1)),
        (BlobExpectation::Absent, 1, BlobOutcome::Conflict),
        (BlobExpectation::Version(2), 1, BlobOutcome::Conflict),
        (BlobExpectation::Version(1), 101, BlobOutcome::Full),
        (BlobExpectation::Version(1), 99, BlobOutcome::Done(2)),
    ] {
        assert_eq!(put(expected, bytes).await.unwrap(), outcome, "{expected:?} {bytes}");
    }
    let (blobs, used) = store.read(move |look| look.blobs(&namespace)).await.unwrap().unwrap();
    assert_eq!((blobs.len(), blobs[0].version, blobs[0].bytes, used), (1, 2, 99, 99));
    let delete = |expected| {
        write(&store, move |transaction| {
            transaction.delete_blob(&namespace, &BlobId([1; 16]), expected)
        })
    };
    assert_eq!(delete(BlobExpectation::Version(1)).await.unwrap(), BlobOutcome::Conflict);
    assert_eq!(delete(BlobExpectation::Version(2)).await.unwrap(), BlobOutcome::Done(0));
    let left = store.read(move |look| look.blobs(&namespace)).await.unwrap().unwrap();
    assert_eq!(left, (Vec::new(), 0));
}
