//! A chain in memory: accounts are what the test says, transactions land when the test says.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use pinaivu_chain::{
    ChainError, ChainTime, Commitment, Delay, Demand, Keypair, Payout, PreparedTransaction,
    Signature, Signer as _, TransactionStatus, UnixSeconds, public_key,
};
use pinaivu_node_client::chain::{CoordinatorFacts, NodeChain, NodeFacts};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, NodeId, PublicKey};
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::units::{Amount, Slot};

use super::{NODE, deployment};

/// How long a demand waits.
pub(crate) const LIVENESS: Delay = Delay { slots: 60, seconds: 60 };

#[derive(Default)]
struct State {
    coordinators: HashMap<CoordinatorId, CoordinatorFacts>,
    payouts: HashMap<CoordinatorId, (u64, u64)>,
    guarantee: Amount,
    demand: Option<Demand>,
    /// Heads that were demanded with, by whom.
    demanded: Vec<(Signed<ReceiptHead>, PublicKey)>,
    settlements: usize,
    seconds: i64,
    prepared: Vec<PreparedTransaction>,
    submitted: Vec<Signature>,
    landed: Vec<Signature>,
    away: bool,
}

#[derive(Default)]
pub(crate) struct MemoryChain {
    state: Mutex<State>,
}

impl MemoryChain {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(&self, id: CoordinatorId, signer: PublicKey, endpoint: &str) {
        let facts = CoordinatorFacts {
            signer,
            endpoint: endpoint.to_owned(),
            measurement: Hash32::ZERO,
            listed: Vec::new(),
        };
        self.state().coordinators.insert(id, facts);
    }

    /// What a coordinator's account names, and what the market lists.
    pub(crate) fn measure(&self, id: CoordinatorId, named: Hash32, listed: &[Hash32]) {
        let mut state = self.state();
        let facts = state.coordinators.get_mut(&id).unwrap();
        (facts.measurement, facts.listed) = (named, listed.to_vec());
    }

    pub(crate) fn credit(&self, coordinator: CoordinatorId, credited: u64, paid: u64) {
        self.state().payouts.insert(coordinator, (credited, paid));
    }

    pub(crate) fn guarantee(&self, amount: u64) {
        self.state().guarantee = Amount(amount);
    }

    /// The payout now shows this demand.
    pub(crate) fn show_demand(&self, cumulative: Option<u64>) {
        let opened = ChainTime { slot: Slot(0), unix: UnixSeconds(0) };
        self.state().demand = cumulative.map(|it| Demand { cumulative: Amount(it), opened });
    }

    /// Time passes on chain, a slot a second; the liveness period is [`LIVENESS`].
    pub(crate) fn pass(&self, seconds: i64) {
        self.state().seconds += seconds;
    }

    pub(crate) fn demanded(&self) -> Vec<(Signed<ReceiptHead>, PublicKey)> {
        self.state().demanded.clone()
    }

    pub(crate) fn settlements(&self) -> usize {
        self.state().settlements
    }

    fn prepare(&self) -> Result<PreparedTransaction, ChainError> {
        let mut state = self.reachable()?;
        let number = u8::try_from(state.prepared.len() + 1).unwrap_or(u8::MAX);
        let transaction = PreparedTransaction {
            signature: Signature::from([number; 64]),
            bytes: vec![number],
            last_valid_block_height: u64::from(number),
        };
        state.prepared.push(transaction.clone());
        Ok(transaction)
    }

    pub(crate) fn land(&self, signature: Signature) {
        self.state().landed.push(signature);
    }

    pub(crate) fn prepared(&self) -> Vec<PreparedTransaction> {
        self.state().prepared.clone()
    }

    pub(crate) fn submitted(&self) -> Vec<Signature> {
        self.state().submitted.clone()
    }

    /// Whether every call fails as if the RPC server were gone.
    pub(crate) fn set_away(&self, away: bool) {
        self.state().away = away;
    }

    fn reachable(&self) -> Result<MutexGuard<'_, State>, ChainError> {
        let state = self.state();
        if state.away {
            return Err(ChainError::Unreachable {
                url: "memory".to_owned(),
                cause: "set away by the test".into(),
            });
        }
        Ok(state)
    }
}

#[async_trait]
impl NodeChain for MemoryChain {
    async fn deployment(&self) -> Result<DeploymentId, ChainError> {
        self.reachable().map(|_| deployment())
    }

    async fn node(&self, _: NodeId) -> Result<Option<NodeFacts>, ChainError> {
        self.reachable().map(|_| None)
    }

    async fn coordinator(&self, id: CoordinatorId) -> Result<Option<CoordinatorFacts>, ChainError> {
        Ok(self.reachable()?.coordinators.get(&id).cloned())
    }

    async fn payout(
        &self,
        coordinator: CoordinatorId,
        node: NodeId,
    ) -> Result<Option<Payout>, ChainError> {
        let state = self.reachable()?;
        Ok(state.payouts.get(&coordinator).map(|(credited, paid)| Payout {
            address: [1; 32].into(),
            coordinator,
            node,
            payout_owner: PublicKey([2; 32]),
            credited: Amount(*credited),
            paid: Amount(*paid),
            guarantee: state.guarantee,
            sequence: 0,
            advanced: Amount::ZERO,
            lowering: None,
            demand: state.demand,
            rent_payer: PublicKey([0; 32]),
        }))
    }

    async fn prepare_claim(
        &self,
        _: CoordinatorId,
        node: NodeId,
        _: &Keypair,
    ) -> Result<PreparedTransaction, ChainError> {
        assert_eq!(node, NODE);
        self.prepare()
    }

    async fn liveness(&self, node: NodeId) -> Result<(Delay, ChainTime), ChainError> {
        assert_eq!(node, NODE);
        let seconds = self.reachable()?.seconds;
        let slot = Slot(seconds.unsigned_abs());
        Ok((LIVENESS, ChainTime { slot, unix: UnixSeconds(seconds) }))
    }

    async fn prepare_demand(
        &self,
        head: &Signed<ReceiptHead>,
        payee: &Keypair,
        _: &Keypair,
    ) -> Result<Option<PreparedTransaction>, ChainError> {
        let who = (head.clone(), public_key(&payee.pubkey()));
        self.reachable()?.demanded.push(who);
        self.prepare().map(Some)
    }

    async fn prepare_demand_settlement(
        &self,
        _: &Payout,
        _: &Keypair,
    ) -> Result<PreparedTransaction, ChainError> {
        self.reachable()?.settlements += 1;
        self.prepare()
    }

    async fn submit(&self, transaction: &PreparedTransaction) -> Result<(), ChainError> {
        self.reachable()?.submitted.push(transaction.signature);
        Ok(())
    }

    async fn status(&self, signature: &Signature, _: u64) -> Result<TransactionStatus, ChainError> {
        Ok(if self.reachable()?.landed.contains(signature) {
            TransactionStatus::Landed {
                slot: Slot(1),
                commitment: Commitment::Confirmed,
                result: Ok(()),
            }
        } else {
            TransactionStatus::Pending
        })
    }
}
