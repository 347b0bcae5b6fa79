//! A chain in memory that goes wrong in every way a chain can: requests and answers get lost, calls hang,
//! transactions land late or never, blockhashes expire, blocks are undone, servers forget.

use std::collections::HashMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use pinaivu_chain::{
    Allowance, AllowanceFilter, Chain, ChainError, ChainPosition, ChainTime, Commitment,
    Coordinator, CoordinatorFilter, Delay, Deployment, EpochHead, Escrow, EscrowFilter,
    Instruction, Keypair, Ledger, Market, Measurement, Node, NodeFilter, NodeStatus, Payout,
    PayoutFilter, PreparedTransaction, Pubkey, RecentBlockhash, Signature, TokenAccount,
    TransactionFailure, TransactionStatus, UnixSeconds,
};
use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, EscrowId, MarketId, NodeId, PublicKey};
use pinaivu_protocol::units::{Amount, Bps, Slot};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::Notify;

use super::rules::{MARKET, State};
use crate::receipts::fixtures::{CLUSTER, PROGRAM};

/// How many blocks a blockhash stays valid.
const VALID_BLOCKS: u64 = 8;
/// How many blocks below the newest one is confirmed, and finalized.
const CONFIRMED_DEPTH: usize = 1;
const FINALIZED_DEPTH: usize = 4;

/// What goes wrong, in percent of calls or blocks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// A call never reaches the server.
    pub(super) request_lost: u32,
    /// A call takes effect, its answer is lost.
    pub(super) answer_lost: u32,
    /// A call never returns; before or after its effect.
    pub(super) hangs: u32,
    /// A transaction that waits is dropped.
    pub(super) dropped: u32,
    /// A transaction that waits does so for another block.
    pub(super) delayed: u32,
    /// The newest block, which is not finalized, is undone.
    pub(super) undone: u32,
    /// The server does not remember a transaction.
    pub(super) forgotten: u32,
}

impl Faults {
    pub(super) const NONE: Self = Self {
        request_lost: 0,
        answer_lost: 0,
        hangs: 0,
        dropped: 0,
        delayed: 0,
        undone: 0,
        forgotten: 0,
    };

    pub(super) const ALL: Self = Self {
        request_lost: 4,
        answer_lost: 4,
        hangs: 3,
        dropped: 15,
        delayed: 30,
        undone: 15,
        forgotten: 10,
    };
}

struct World {
    random: StdRng,
    faults: Faults,
    /// By height; the last one is the newest.
    blocks: Vec<State>,
    signed: HashMap<Signature, (Vec<Instruction>, u64)>,
    waiting: Vec<Signature>,
    /// Where each landed, and whether it failed.
    landed: HashMap<Signature, (usize, Result<(), u32>)>,
    /// Every submission that reached the server, duplicates included.
    submissions: Vec<Signature>,
    /// What the next submission meets.
    next_submission: Option<Mishap>,
}

/// What can happen to one submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    /// It never reaches the server, and the caller is stuck.
    StuckBefore,
    /// It reaches the server, and the caller is stuck.
    StuckAfter,
    /// It never reaches the server, and the caller is told so.
    Lost,
    /// It reaches the server, and the caller does not hear of it.
    Unheard,
}

/// The chain. Calls are answered as `faults` allow.
pub(super) struct SimChain {
    world: Mutex<World>,
    /// Told when a call hangs: its caller is stuck and has to be given up.
    pub(super) hung: Notify,
}

impl SimChain {
    pub(super) fn new(seed: u64, genesis: State) -> Self {
        Self {
            world: Mutex::new(World {
                random: StdRng::seed_from_u64(seed),
                faults: Faults::NONE,
                blocks: vec![genesis],
                signed: HashMap::new(),
                waiting: Vec::new(),
                landed: HashMap::new(),
                submissions: Vec::new(),
                next_submission: None,
            }),
            hung: Notify::new(),
        }
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        self.world.lock().faults = faults;
    }

    /// The newest block.
    pub(super) fn tip(&self) -> State {
        self.world.lock().blocks.last().unwrap().clone()
    }

    /// Every submission that reached the server, duplicates included.
    pub(super) fn submitted(&self) -> Vec<Signature> {
        self.world.lock().submissions.clone()
    }

    /// What the next submission meets.
    pub(super) fn set_mishap(&self, mishap: Mishap) {
        self.world.lock().next_submission = Some(mishap);
    }

    /// Changes the newest block from outside, as other people's transactions do.
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        let mut world = self.world.lock();
        let mut next = world.blocks.last().unwrap().clone();
        change(&mut next);
        world.blocks.push(next);
    }

    /// Makes a block, or undoes one.
    pub(super) fn advance(&self) {
        let mut world = self.world.lock();
        let world = &mut *world;
        if world.blocks.len() > FINALIZED_DEPTH + 1 && hits(&mut world.random, world.faults.undone)
        {
            world.blocks.pop();
            let height = world.blocks.len();
            let undone: Vec<_> = world
                .landed
                .iter()
                .filter(|(_, (at, _))| *at == height)
                .map(|(signature, _)| *signature)
                .collect();
            for signature in undone {
                world.landed.remove(&signature);
                world.waiting.push(signature);
            }
            return;
        }
        let height = world.blocks.len();
        let before = world.blocks.last().unwrap();
        let mut state = before.clone();
        for signature in std::mem::take(&mut world.waiting) {
            let (instructions, last_valid) = &world.signed[&signature];
            let expired = u64::try_from(height).unwrap() > *last_valid;
            if expired || world.landed.contains_key(&signature) {
                continue;
            }
            if hits(&mut world.random, world.faults.dropped) {
                continue;
            }
            if hits(&mut world.random, world.faults.delayed) {
                world.waiting.push(signature);
                continue;
            }
            let result = state.apply(instructions);
            world.landed.insert(signature, (height, result));
        }
        state.check_follows(before);
        world.blocks.push(state);
    }

    fn read<T>(&self, at: Commitment, look: impl FnOnce(&State) -> T) -> T {
        let world = self.world.lock();
        look(&world.blocks[world.height(at)])
    }

    /// Whether this call gets through and back. `effect` runs when it gets through.
    async fn call<T>(&self, effect: impl FnOnce(&Self) -> T) -> Result<T, ChainError> {
        let (lost, hangs, early, answer_lost) = {
            let mut world = self.world.lock();
            let faults = world.faults;
            (
                hits(&mut world.random, faults.request_lost),
                hits(&mut world.random, faults.hangs),
                world.random.random_bool(0.5),
                hits(&mut world.random, faults.answer_lost),
            )
        };
        if lost {
            return Err(unreachable());
        }
        if hangs && early {
            self.hang().await;
        }
        let result = effect(self);
        if hangs {
            self.hang().await;
        }
        if answer_lost { Err(unreachable()) } else { Ok(result) }
    }

    async fn hang(&self) {
        self.hung.notify_one();
        std::future::pending::<()>().await;
    }
}

impl World {
    fn height(&self, at: Commitment) -> usize {
        let depth = match at {
            Commitment::Processed => 0,
            Commitment::Confirmed => CONFIRMED_DEPTH,
            Commitment::Finalized => FINALIZED_DEPTH,
        };
        (self.blocks.len() - 1).saturating_sub(depth)
    }

    fn submit(&mut self, signature: Signature) -> Result<(), ChainError> {
        self.submissions.push(signature);
        if self.landed.contains_key(&signature) || self.waiting.contains(&signature) {
            return Ok(());
        }
        // The server simulates on what it holds for newest.
        let mut state = self.blocks.last().unwrap().clone();
        let (instructions, _) = &self.signed[&signature];
        if let Err(code) = state.apply(instructions) {
            return Err(ChainError::Transaction(refused(code)));
        }
        self.waiting.push(signature);
        Ok(())
    }
}

fn hits(random: &mut StdRng, percent: u32) -> bool {
    random.random_range(0..100) < percent
}

fn unreachable() -> ChainError {
    ChainError::Unreachable { url: "sim".to_owned(), cause: "fault".into() }
}

fn refused(code: u32) -> TransactionFailure {
    TransactionFailure::Custom { instruction: 0, code }
}

#[async_trait]
impl Chain for SimChain {
    async fn deployment(&self) -> Result<Deployment, ChainError> {
        Ok(Deployment { cluster: CLUSTER, program: PROGRAM })
    }

    async fn position(&self, at: Commitment) -> Result<ChainPosition, ChainError> {
        self.call(|sim| {
            let height = u64::try_from(sim.world.lock().height(at)).unwrap();
            let time = ChainTime { slot: Slot(height), unix: UnixSeconds(0) };
            ChainPosition { time, block_height: height }
        })
        .await
    }

    async fn market(&self, id: MarketId, _: Commitment) -> Result<Option<Market>, ChainError> {
        Ok((id == MARKET).then(|| Market {
            id,
            mint: Pubkey::new_from_array([7; 32]),
            token_program: Pubkey::new_from_array([8; 32]),
            cluster: CLUSTER,
            governance: PublicKey([9; 32]),
            fee_cap: Bps(1_000),
            exit_delay: Delay::default(),
            unbond_delay: Delay::default(),
            min_stake: Amount(0),
            min_bond: Amount(0),
            paused: false,
            liveness: Delay::default(),
            guarantee_delay: Delay::default(),
            governance_delay: Delay::default(),
            proposals: 0,
        }))
    }

    async fn ledger(&self, _: MarketId, _: Commitment) -> Result<Option<Ledger>, ChainError> {
        panic!("settlement has no business with the ledger")
    }

    async fn escrow(&self, _: EscrowId, _: Commitment) -> Result<Option<Escrow>, ChainError> {
        panic!("settlement has no business with escrows")
    }

    async fn escrows(&self, _: EscrowFilter, _: Commitment) -> Result<Vec<Escrow>, ChainError> {
        panic!("settlement has no business with escrows")
    }

    async fn allowance(
        &self,
        id: AllowanceId,
        at: Commitment,
    ) -> Result<Option<Allowance>, ChainError> {
        self.call(|sim| sim.read(at, |state| state.allowances.get(&id).cloned())).await
    }

    async fn allowances_by_id(
        &self,
        ids: &[AllowanceId],
        at: Commitment,
    ) -> Result<Vec<Option<Allowance>>, ChainError> {
        self.call(|sim| {
            sim.read(at, |state| ids.iter().map(|id| state.allowances.get(id).cloned()).collect())
        })
        .await
    }

    async fn allowances(
        &self,
        _: AllowanceFilter,
        at: Commitment,
    ) -> Result<Vec<Allowance>, ChainError> {
        self.call(|sim| sim.read(at, |state| state.allowances.values().cloned().collect())).await
    }

    async fn node(&self, id: NodeId, at: Commitment) -> Result<Option<Node>, ChainError> {
        self.call(|sim| {
            sim.read(at, |state| {
                state.nodes.contains(&id).then_some(Node {
                    id,
                    market: MARKET,
                    operator: PublicKey([1; 32]),
                    signer: PublicKey([1; 32]),
                    payout_owner: PublicKey([1; 32]),
                    opening_slot: Slot(1),
                    stake: Amount(0),
                    unbonding: None,
                    status: NodeStatus::Active,
                    sequence: 0,
                    rent_payer: PublicKey([0; 32]),
                })
            })
        })
        .await
    }

    async fn nodes(&self, _: NodeFilter, _: Commitment) -> Result<Vec<Node>, ChainError> {
        panic!("settlement lists no nodes")
    }

    async fn coordinator(
        &self,
        _: CoordinatorId,
        at: Commitment,
    ) -> Result<Option<Coordinator>, ChainError> {
        self.call(|sim| sim.read(at, |state| Some(state.coordinator.clone()))).await
    }

    async fn coordinators(
        &self,
        _: CoordinatorFilter,
        _: Commitment,
    ) -> Result<Vec<Coordinator>, ChainError> {
        panic!("settlement lists no coordinators")
    }

    async fn payout(
        &self,
        _: CoordinatorId,
        node: NodeId,
        at: Commitment,
    ) -> Result<Option<Payout>, ChainError> {
        self.call(|sim| sim.read(at, |state| state.payouts.get(&node).cloned())).await
    }

    async fn payouts(&self, _: PayoutFilter, at: Commitment) -> Result<Vec<Payout>, ChainError> {
        self.call(|sim| sim.read(at, |state| state.payouts.values().cloned().collect())).await
    }

    async fn measurements(
        &self,
        _: MarketId,
        _: Commitment,
    ) -> Result<Vec<Measurement>, ChainError> {
        panic!("settlement reads no measurements")
    }

    async fn epoch_head(
        &self,
        _: CoordinatorId,
        _: u32,
        _: Commitment,
    ) -> Result<Option<EpochHead>, ChainError> {
        panic!("settlement reads no closed epochs")
    }

    async fn token_account(
        &self,
        _: Pubkey,
        _: Commitment,
    ) -> Result<Option<TokenAccount>, ChainError> {
        panic!("settlement reads no token accounts")
    }

    async fn lamports(&self, _: Pubkey, _: Commitment) -> Result<u64, ChainError> {
        Ok(1_000_000_000)
    }

    async fn recent_blockhash(&self) -> Result<RecentBlockhash, ChainError> {
        self.call(|sim| {
            let height = u64::try_from(sim.world.lock().height(Commitment::Confirmed)).unwrap();
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&height.to_be_bytes());
            let hash = pinaivu_protocol::hash::sha256(&[&hash]).0.into();
            RecentBlockhash { hash, last_valid_block_height: height + VALID_BLOCKS }
        })
        .await
    }

    async fn prepare(
        &self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<PreparedTransaction, ChainError> {
        let blockhash = self.recent_blockhash().await?;
        let prepared = pinaivu_chain::transaction::sign(instructions, signers, blockhash)?;
        self.world
            .lock()
            .signed
            .insert(prepared.signature, (instructions.to_vec(), prepared.last_valid_block_height));
        Ok(prepared)
    }

    async fn submit(&self, transaction: &PreparedTransaction) -> Result<(), ChainError> {
        let signature = transaction.signature;
        let mishap = self.world.lock().next_submission.take();
        match mishap {
            Some(Mishap::StuckBefore) => self.hang().await,
            Some(Mishap::Lost) => return Err(unreachable()),
            Some(Mishap::StuckAfter | Mishap::Unheard) | None => {}
        }
        let result = self.call(|sim| sim.world.lock().submit(signature)).await?;
        match mishap {
            Some(Mishap::StuckAfter) => self.hang().await,
            Some(Mishap::Unheard) => return Err(unreachable()),
            _ => {}
        }
        result
    }

    async fn status(
        &self,
        signature: &Signature,
        last_valid_block_height: u64,
    ) -> Result<TransactionStatus, ChainError> {
        self.call(|sim| {
            let mut world = sim.world.lock();
            let forgotten = world.faults.forgotten;
            if hits(&mut world.random, forgotten) {
                return TransactionStatus::Unknown;
            }
            let height = |at| world.height(at);
            match world.landed.get(signature) {
                Some((at, result)) => TransactionStatus::Landed {
                    slot: Slot(u64::try_from(*at).unwrap()),
                    commitment: if *at <= height(Commitment::Finalized) {
                        Commitment::Finalized
                    } else if *at <= height(Commitment::Confirmed) {
                        Commitment::Confirmed
                    } else {
                        Commitment::Processed
                    },
                    result: result.map_err(refused),
                },
                None => {
                    let finalized = u64::try_from(height(Commitment::Finalized)).unwrap();
                    if finalized > last_valid_block_height {
                        TransactionStatus::Expired
                    } else {
                        TransactionStatus::Pending
                    }
                }
            }
        })
        .await
    }
}
