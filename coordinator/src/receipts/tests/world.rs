//! A running pipeline over a database in a temporary directory.

use std::sync::Arc;

use pinaivu_protocol::ids::RequestId;
use pinaivu_protocol::receipt::Receipt;
use pinaivu_protocol::ticket::Ticket;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::receipts::fixtures::{
    self, FEE_RATE, ManualClock, Recorder, account, auction, identity, signer,
};
use crate::receipts::{Draft, Metered, Receipted, Receipts, ReceiptsConfig};
use crate::store::{Store, StoreConfig, StoredReceipt};

/// When the clock of every test stands, unless it is moved.
pub(super) const NOW: u64 = 1_700_000_001_000;

pub(super) struct World {
    pub(super) directory: TempDir,
    pub(super) store: Store,
    pub(super) receipts: Receipts,
    pub(super) recorder: Arc<Recorder>,
    pub(super) clock: Arc<ManualClock>,
    config: ReceiptsConfig,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(ReceiptsConfig::default()).await
    }

    pub(super) async fn with(config: ReceiptsConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = fixtures::store(&directory, 4).await;
        Self::over(directory, store, config)
    }

    fn over(directory: TempDir, store: Store, config: ReceiptsConfig) -> Self {
        let recorder = Arc::new(Recorder::default());
        let clock = ManualClock::at(NOW);
        let (receipts, pipeline) = Receipts::start(
            config.clone(),
            identity(),
            signer(),
            store.clone(),
            Arc::clone(&clock) as _,
            Arc::clone(&recorder) as _,
            FEE_RATE,
        );
        let stop = CancellationToken::new();
        let task = tokio::spawn(pipeline.run(stop.clone()));
        Self { directory, store, receipts, recorder, clock, config, task, stop }
    }

    /// Ends as a killed process does: nothing is drained.
    pub(super) async fn kill(self) -> Self {
        let Self { directory, store, config, task, .. } = self;
        task.abort();
        assert!(task.await.is_err_and(|error| error.is_cancelled()));
        drop(self.receipts);
        drop(store);
        let path = directory.path().join("coordinator.db");
        let store = Store::open(&StoreConfig::at(path), identity()).unwrap();
        Self::over(directory, store, config)
    }

    /// Ends in good order; every draft is committed.
    pub(super) async fn stop(self) -> (TempDir, Arc<Recorder>) {
        self.stop.cancel();
        self.task.await.unwrap();
        (self.directory, self.recorder)
    }

    pub(super) fn draft(&self, ticket: &Ticket, account_number: u8, metered: Metered) -> Draft {
        Draft {
            ticket: ticket.clone(),
            allowance: account(account_number).allowance,
            escrow: account(account_number).escrow,
            api_key: None,
            metered,
            auction: auction(),
            proof: None,
            flight: self.receipts.begin(ticket.request).unwrap(),
            hold: None,
        }
    }

    /// Waits until this many receipts have been heard of.
    pub(super) async fn heard(&self, count: usize) -> Vec<Receipted> {
        loop {
            let heard = self.recorder.0.lock().clone();
            if heard.len() >= count {
                return heard;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    pub(super) async fn stored(&self, request: RequestId) -> Vec<StoredReceipt> {
        self.store.read(move |state| state.receipts_of(&request)).await.unwrap()
    }

    /// The one receipt of a request, checked offline as anyone would.
    pub(super) async fn receipt(&self, request: RequestId) -> Receipt {
        let stored = self.stored(request).await;
        assert_eq!(stored.len(), 1);
        let receipt = Receipt::decode(&stored[0].bytes).unwrap();
        receipt.verify(&signer().public()).unwrap();
        receipt
    }
}
