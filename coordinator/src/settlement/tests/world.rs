//! One coordinator's database beside a simulated chain.

use std::sync::Arc;
use std::time::Duration;

use pinaivu_protocol::units::{Amount, FineAmount};
use tempfile::TempDir;

use super::chain::SimChain;
use super::rules::{MARKET, State};
use crate::receipts::fixtures::{
    self, Charge, FEE_RATE, ManualClock, Recorder, commit_now, identity, node, signer,
};
use crate::receipts::{Receipts, ReceiptsConfig};
use crate::settlement::settle::{Progress, Settler, StepError};
use crate::settlement::{Settlement, SettlementConfig, SettlementError};
use crate::store::{Account, SettlementRecord, SettlementState, Store, Totals};

pub(super) struct World {
    pub(super) directory: TempDir,
    pub(super) store: Store,
    pub(super) chain: Arc<SimChain>,
    pub(super) nodes: u8,
    next_request: u64,
}

impl World {
    /// `reserved` for each allowance; as many nodes.
    pub(super) async fn new(seed: u64, reserved: &[u64], nodes: u8) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let accounts = u8::try_from(reserved.len()).unwrap();
        let store = fixtures::store(&directory, accounts).await;
        let mut state = State::new();
        for (number, reserved) in (0..).zip(reserved) {
            state.reserve(number, *reserved);
        }
        state.nodes = (0..nodes).map(node).collect();
        let chain = Arc::new(SimChain::new(seed, state));
        Self { directory, store, chain, nodes, next_request: 0 }
    }

    /// Makes durable receipts.
    pub(super) async fn charge(&mut self, charges: &[(u8, u8, u32, u32)]) {
        let charges: Vec<_> = charges
            .iter()
            .map(|&(account, node, input, output)| {
                self.next_request += 1;
                Charge { request: self.next_request, node, account, input, output }
            })
            .collect();
        commit_now(&self.store, &charges).await;
    }

    pub(super) fn receipts(&self) -> Receipts {
        let (receipts, _) = Receipts::start(
            ReceiptsConfig::default(),
            identity(),
            signer(),
            self.store.clone(),
            ManualClock::at(1),
            Arc::new(Recorder::default()),
            FEE_RATE,
        );
        receipts
    }

    pub(super) async fn open(&self) -> Result<Settlement, SettlementError> {
        Settlement::open(
            // Rounds follow one another as fast as steps are taken.
            SettlementConfig { interval: Duration::ZERO, ..SettlementConfig::default() },
            identity(),
            MARKET,
            Arc::clone(&self.chain) as _,
            self.store.clone(),
            signer(),
            ManualClock::at(1),
        )
        .await
    }

    /// A settler as a process that has just started has it.
    pub(super) async fn settler(&self) -> Settler {
        Settler::new(Arc::new(self.open().await.unwrap()), self.receipts())
    }

    /// Steps and blocks until nothing is left to do; how many steps it took.
    pub(super) async fn settle(&self, settler: &mut Settler) -> usize {
        for step in 1..=200 {
            match settler.step().await {
                Ok(Progress::Idle) => return step,
                Ok(_) | Err(StepError::Failed(_)) => self.chain.advance(),
                Err(StepError::Halt(standing)) => panic!("halted: {standing}"),
            }
        }
        panic!("settlement did not come to rest");
    }

    pub(super) async fn accounts(&self) -> Vec<Account> {
        self.store.read(|state| state.accounts()).await.unwrap()
    }

    pub(super) async fn totals(&self) -> Totals {
        self.store.read(|state| state.totals()).await.unwrap()
    }

    pub(super) async fn records(&self) -> Vec<SettlementRecord> {
        self.store.read(|state| state.recent_settlements(usize::MAX)).await.unwrap()
    }

    pub(super) async fn earned(&self, number: u8) -> FineAmount {
        let total = self.store.read(move |state| state.node_total(&node(number))).await.unwrap();
        total.map_or(FineAmount::ZERO, |total| total.earned)
    }

    /// What the chain must hold once every allowance suffices and all is settled: exact ceilings for
    /// users, exact floors for nodes and fees, and the whole log.
    pub(super) async fn assert_settled_exactly(&self) {
        let state = self.chain.tip();
        for account in self.accounts().await {
            let ceiling = account.receipted.0.div_ceil(1_000_000);
            assert_eq!(u128::from(state.allowances[&account.allowance].debited.0), ceiling);
            assert_eq!(u128::from(account.debited.0), ceiling);
        }
        for number in 0..self.nodes {
            let floor = self.earned(number).await.0 / 1_000_000;
            let credited = state.payouts.get(&node(number)).map_or(0, |payout| payout.credited.0);
            assert_eq!(u128::from(credited), floor);
        }
        let totals = self.totals().await;
        let fees = (totals.fees.0 + totals.fees_baseline.0) / 1_000_000;
        assert_eq!(u128::from(state.coordinator.fees.0), fees);
        self.assert_consistent().await;
    }

    /// What must hold at rest, whatever happened before.
    pub(super) async fn assert_consistent(&self) {
        let state = self.chain.tip();
        let debited: u64 = state.allowances.values().map(|allowance| allowance.debited.0).sum();
        assert_eq!(state.coordinator.debited, Amount(debited));
        let head = self.store.read(|state| state.log_head()).await.unwrap();
        assert_eq!(state.coordinator.log.size, head.size);
        assert_eq!(state.coordinator.log.root, head.root);
        let records = self.records().await;
        assert!(records.iter().all(|record| record.state.is_final() && record.bytes.is_empty()));
    }

    /// Nothing was ever sent that was not stored before.
    pub(super) async fn assert_everything_sent_is_stored(&self) {
        let records = self.records().await;
        for signature in self.chain.submitted() {
            let bytes: [u8; 64] = signature.into();
            assert!(records.iter().any(|record| record.signature == bytes));
        }
    }

    pub(super) async fn states(&self) -> Vec<SettlementState> {
        self.records().await.iter().map(|record| record.state).collect()
    }
}
