//! A chain in memory: accounts that tests set, and no transactions.

use std::collections::HashMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use pinaivu_chain::{
    Allowance, AllowanceFilter, Chain, ChainError, ChainPosition, ChainTime, Commitment,
    Coordinator, CoordinatorFilter, Delay, Deployment, EpochHead, Escrow, EscrowFilter, Ledger,
    LogHead, Market, Measurement, Node, NodeFilter, NodeStatus, Payout, PayoutFilter,
    PreparedTransaction, Pubkey, RecentBlockhash, Signature, TokenAccount, TransactionStatus,
    UnixSeconds,
};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{
    AllowanceId, ClusterId, CoordinatorId, EscrowId, MarketId, NodeId, ProgramId, PublicKey,
};
use pinaivu_protocol::units::{Amount, Bps, Slot};

pub(crate) const CLUSTER: ClusterId = ClusterId([11; 32]);
pub(crate) const PROGRAM: ProgramId = pinaivu_chain::PROGRAM_ID;
pub(crate) const MARKET: MarketId = MarketId([12; 32]);
pub(crate) const COORDINATOR: CoordinatorId = CoordinatorId([13; 32]);
pub(crate) const MIN_STAKE: Amount = Amount(1_000_000);

/// Far in the future.
pub(crate) const NEVER: UnixSeconds = UnixSeconds(4_000_000_000);

#[derive(Default)]
struct State {
    coordinators: HashMap<CoordinatorId, Coordinator>,
    nodes: HashMap<NodeId, Node>,
    allowances: HashMap<AllowanceId, Allowance>,
    unreachable: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct MemoryChain(Mutex<State>);

impl MemoryChain {
    pub(crate) fn deployment() -> Deployment {
        Deployment { cluster: CLUSTER, program: PROGRAM }
    }

    pub(crate) fn set_coordinator(&self, signer: PublicKey) {
        let coordinator = Coordinator {
            id: COORDINATOR,
            market: MARKET,
            authority: PublicKey([14; 32]),
            signer,
            opening_slot: Slot(1),
            endpoint: String::new(),
            measurement: Hash32::ZERO,
            evidence_hash: Hash32::ZERO,
            guarantee_bond: Amount::ZERO,
            penalty_bond: Amount::ZERO,
            fee: Bps(100),
            log: LogHead::default(),
            debited: Amount::ZERO,
            credited: Amount::ZERO,
            fees: Amount::ZERO,
            fees_paid: Amount::ZERO,
            sequence: 0,
            guaranteed: Amount::ZERO,
            advanced: Amount::ZERO,
            guarantee_unbonding: None,
            penalty_unbonding: None,
            slashed: false,
            rent_payer: PublicKey([0; 32]),
        };
        self.0.lock().coordinators.insert(COORDINATOR, coordinator);
    }

    pub(crate) fn set_node(&self, id: NodeId, signer: PublicKey, stake: Amount) {
        let node = Node {
            id,
            market: MARKET,
            operator: PublicKey(id.0),
            signer,
            payout_owner: PublicKey(id.0),
            opening_slot: Slot(1),
            stake,
            unbonding: None,
            status: NodeStatus::Active,
            sequence: 0,
            rent_payer: PublicKey([0; 32]),
        };
        self.0.lock().nodes.insert(id, node);
    }

    pub(crate) fn set_allowance(&self, id: AllowanceId, owner: PublicKey, reserved: Amount) {
        let allowance = Allowance {
            id,
            escrow: EscrowId([15; 32]),
            owner,
            coordinator: COORDINATOR,
            opening_slot: Slot(1),
            reserved,
            released: Amount::ZERO,
            debited: Amount::ZERO,
            expiry: NEVER,
            expiry_observed: None,
            pending_release: None,
            sequence: 0,
            vouchers: None,
            rent_payer: PublicKey([0; 32]),
        };
        self.0.lock().allowances.insert(id, allowance);
    }

    pub(crate) fn change_allowance(&self, id: &AllowanceId, change: impl FnOnce(&mut Allowance)) {
        change(self.0.lock().allowances.get_mut(id).expect("the allowance was set"));
    }

    pub(crate) fn set_reachable(&self, reachable: bool) {
        self.0.lock().unreachable = !reachable;
    }

    fn look<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T, ChainError> {
        let state = self.0.lock();
        if state.unreachable { Err(unreachable()) } else { Ok(look(&state)) }
    }
}

fn unreachable() -> ChainError {
    ChainError::Unreachable { url: "memory".into(), cause: "told to be".into() }
}

fn market() -> Market {
    Market {
        id: MARKET,
        mint: Pubkey::new_from_array([16; 32]),
        token_program: Pubkey::new_from_array([17; 32]),
        cluster: CLUSTER,
        governance: PublicKey([18; 32]),
        fee_cap: Bps(1_000),
        exit_delay: Delay::default(),
        unbond_delay: Delay::default(),
        min_stake: MIN_STAKE,
        min_bond: Amount::ZERO,
        paused: false,
        liveness: Delay::default(),
        guarantee_delay: Delay::default(),
        governance_delay: Delay::default(),
        proposals: 0,
    }
}

#[async_trait]
impl Chain for MemoryChain {
    async fn deployment(&self) -> Result<Deployment, ChainError> {
        self.look(|_| Self::deployment())
    }

    async fn position(&self, _: Commitment) -> Result<ChainPosition, ChainError> {
        self.look(|_| ChainPosition { time: ChainTime::default(), block_height: 1 })
    }

    async fn market(&self, id: MarketId, _: Commitment) -> Result<Option<Market>, ChainError> {
        self.look(|_| (id == MARKET).then(market))
    }

    async fn ledger(&self, _: MarketId, _: Commitment) -> Result<Option<Ledger>, ChainError> {
        self.look(|_| None)
    }

    async fn escrow(&self, _: EscrowId, _: Commitment) -> Result<Option<Escrow>, ChainError> {
        self.look(|_| None)
    }

    async fn escrows(&self, _: EscrowFilter, _: Commitment) -> Result<Vec<Escrow>, ChainError> {
        self.look(|_| Vec::new())
    }

    async fn allowance(
        &self,
        id: AllowanceId,
        _: Commitment,
    ) -> Result<Option<Allowance>, ChainError> {
        self.look(|state| state.allowances.get(&id).cloned())
    }

    async fn allowances_by_id(
        &self,
        ids: &[AllowanceId],
        _: Commitment,
    ) -> Result<Vec<Option<Allowance>>, ChainError> {
        self.look(|state| ids.iter().map(|id| state.allowances.get(id).cloned()).collect())
    }

    async fn allowances(
        &self,
        _: AllowanceFilter,
        _: Commitment,
    ) -> Result<Vec<Allowance>, ChainError> {
        self.look(|state| state.allowances.values().cloned().collect())
    }

    async fn node(&self, id: NodeId, _: Commitment) -> Result<Option<Node>, ChainError> {
        self.look(|state| state.nodes.get(&id).cloned())
    }

    async fn nodes(&self, _: NodeFilter, _: Commitment) -> Result<Vec<Node>, ChainError> {
        self.look(|state| state.nodes.values().cloned().collect())
    }

    async fn coordinator(
        &self,
        id: CoordinatorId,
        _: Commitment,
    ) -> Result<Option<Coordinator>, ChainError> {
        self.look(|state| state.coordinators.get(&id).cloned())
    }

    async fn coordinators(
        &self,
        _: CoordinatorFilter,
        _: Commitment,
    ) -> Result<Vec<Coordinator>, ChainError> {
        self.look(|state| state.coordinators.values().cloned().collect())
    }

    async fn payout(
        &self,
        _: CoordinatorId,
        _: NodeId,
        _: Commitment,
    ) -> Result<Option<Payout>, ChainError> {
        self.look(|_| None)
    }

    async fn payouts(&self, _: PayoutFilter, _: Commitment) -> Result<Vec<Payout>, ChainError> {
        self.look(|_| Vec::new())
    }

    async fn measurements(
        &self,
        _: MarketId,
        _: Commitment,
    ) -> Result<Vec<Measurement>, ChainError> {
        self.look(|_| Vec::new())
    }

    async fn epoch_head(
        &self,
        _: CoordinatorId,
        _: u32,
        _: Commitment,
    ) -> Result<Option<EpochHead>, ChainError> {
        self.look(|_| None)
    }

    async fn token_account(
        &self,
        _: Pubkey,
        _: Commitment,
    ) -> Result<Option<TokenAccount>, ChainError> {
        self.look(|_| None)
    }

    async fn lamports(&self, _: Pubkey, _: Commitment) -> Result<u64, ChainError> {
        self.look(|_| 1_000_000_000)
    }

    async fn recent_blockhash(&self) -> Result<RecentBlockhash, ChainError> {
        Err(unreachable())
    }

    async fn submit(&self, _: &PreparedTransaction) -> Result<(), ChainError> {
        Err(unreachable())
    }

    async fn status(&self, _: &Signature, _: u64) -> Result<TransactionStatus, ChainError> {
        Err(unreachable())
    }
}
