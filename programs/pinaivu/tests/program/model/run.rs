//! One episode: choose, foresee, run, compare; in the end everybody leaves.

use std::collections::BTreeMap;

use super::action::{Action, Chooser};
use super::chain::Chain;
use super::ledger::*;
use super::random::Random;
use crate::harness::{
    ALREADY_IN_USE, Actor, EXIT_SECONDS, EXIT_SLOTS, FEE, Refusal, UNBOND_SECONDS, UNBOND_SLOTS,
    World, custom,
};

/// Tokens everybody begins with.
const WEALTH: u64 = 1_000_000;

/// Transactions after which everything is compared, not only what was touched.
const FULL_COMPARISON: u64 = 256;

/// A market with people and nothing else, made once for all episodes.
pub(super) struct Start {
    world: World,
    sponsor: solana_pubkey::Pubkey,
    people: Vec<Actor>,
    keys: Vec<solana_keypair::Keypair>,
}

impl Start {
    pub(super) fn new() -> Self {
        let mut world = World::new();
        let people: Vec<Actor> = (0..8).map(|_| world.actor(WEALTH)).collect();
        let keys = (0..6).map(|_| world.key()).collect();
        let sponsor = world.sponsor();
        Self { world, sponsor, people, keys }
    }
}

/// One run over a fresh copy of the start.
pub(super) struct Episode {
    chain: Chain,
    ledger: Ledger,
    random: Random,
    seed: u64,
    sent: u64,
    accepted: BTreeMap<&'static str, u64>,
    supply: u128,
}

impl Episode {
    pub(super) fn new(start: &Start, seed: u64) -> Self {
        let clone = |it: &Actor| Actor { key: it.key.insecure_clone(), tokens: it.tokens };
        let people: Vec<Actor> = start.people.iter().map(clone).collect();
        let keys: Vec<_> = start.keys.iter().map(|key| key.insecure_clone()).collect();
        let holds = u128::from(WEALTH);
        let ledger = Ledger {
            slot: start.world.slot(),
            time: start.world.time(),
            paused: false,
            people: people
                .iter()
                .map(|it| Person { address: it.address(), tokens: it.tokens, holds })
                .collect(),
            keys: keys.iter().map(solana_signer::Signer::pubkey).collect(),
            escrows: Vec::new(),
            allowances: Vec::new(),
            nodes: Vec::new(),
            coordinators: Vec::new(),
            payouts: Vec::new(),
            vaults: [0; 3],
            gifts: [0; 3],
        };
        let supply = holds * people.len() as u128;
        let chain = Chain { world: start.world.fork(), sponsor: start.sponsor, people, keys };
        let random = Random::new(seed);
        let accepted = BTreeMap::new();
        let mut episode = Self { chain, ledger, random, seed, sent: 0, accepted, supply };
        episode.begin();
        episode
    }

    pub(super) fn accepted(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.accepted.iter().map(|(name, count)| (*name, *count))
    }

    /// A little of everything, so that there is something to choose from.
    fn begin(&mut self) {
        let opened = self.ledger.slot;
        for id in 0..2 {
            let register = Action::CoordinatorRegister {
                authority: id,
                signer: id,
                opened: opened - id as u64,
                fee_bps: FEE,
            };
            self.must(register);
            let bond =
                Action::CoordinatorBond { coordinator: id, by: id, guarantee: 2_000, penalty: 60 };
            self.must(bond);
            let (operator, payout_owner, signer) = (2 + id, 4 + id, 2 + id);
            self.must(Action::NodeRegister { operator, payout_owner, signer, opened });
            self.must(Action::EscrowOpen { owner: 6 + id, opened });
            self.must(Action::EscrowDeposit { escrow: id, person: 6 + id, amount: 50_000 });
        }
        for (coordinator, node) in [(0, 0), (0, 1), (1, 0)] {
            self.must(Action::PayoutOpen { coordinator, node });
        }
    }

    /// Runs so many instructions, then lets everybody leave; gives how many were run.
    pub(super) fn run(&mut self, instructions: u64) -> u64 {
        let end = self.sent + instructions;
        while self.sent < end {
            match self.random.below(12) {
                0 => self.pass(),
                1 if self.random.once_in(8) => self.gift(),
                2 if self.random.once_in(4) => self.transfer(),
                _ => self.transaction(),
            }
        }
        self.leave();
        self.sent
    }

    fn pass(&mut self) {
        let (slots, seconds) = self.random.choose(&[
            (1, 0),
            (1, 1),
            (7, 3),
            (EXIT_SLOTS / 2, EXIT_SECONDS),
            (EXIT_SLOTS, EXIT_SECONDS - 1),
            (EXIT_SLOTS, EXIT_SECONDS),
            (UNBOND_SLOTS, UNBOND_SECONDS),
            (super::users::WINDOW + 1, 1),
            (1, 2_000),
        ]);
        self.wait(slots, seconds);
    }

    fn wait(&mut self, slots: u64, seconds: u64) {
        self.ledger.slot += slots;
        self.ledger.time += i64::try_from(seconds).unwrap();
        self.chain.world.set_clock(self.ledger.slot, self.ledger.time);
    }

    /// A stranger sends tokens to a vault; they are nobody's.
    fn gift(&mut self) {
        let (vault, amount) = (self.random.below(3), 1 + self.random.below(50) as u64);
        let market = self.chain.world.market;
        let address = [market.escrow_vault, market.stake_vault, market.bond_vault][vault];
        self.chain.world.give(&address, amount);
        self.ledger.vaults[vault] += u128::from(amount);
        self.ledger.gifts[vault] += u128::from(amount);
        self.supply += u128::from(amount);
    }

    /// A plain transfer to an escrow's deposit account, from somewhere else.
    fn transfer(&mut self) {
        let (escrow, amount) =
            (self.random.below(self.ledger.escrows.len()), self.random.below(300) as u64);
        if self.ledger.escrows[escrow].open {
            let (market, address) = (self.chain.world.market, self.ledger.escrows[escrow].address);
            self.chain.world.deposit_tokens(&market, &address, amount);
            let deposited = self.ledger.escrows[escrow].deposited.get_or_insert(0);
            *deposited += u128::from(amount);
            self.supply += u128::from(amount);
        }
    }

    /// One to three instructions in one transaction.
    fn transaction(&mut self) {
        let count = match self.random.below(20) {
            0 => 3,
            1 | 2 => 2,
            _ => 1,
        };
        let mut after = self.ledger.clone();
        let (mut actions, mut instructions) = (Vec::new(), Vec::new());
        let (mut touched, mut refused) = (Vec::new(), None);
        for _ in 0..count {
            let action = Chooser { ledger: &after, random: &mut self.random }.choose();
            if !self.chain.can_build(&after, &action) {
                break;
            }
            let (address, mut instruction) = self.chain.build(&after, &action);
            if let Some(evidence) = self.chain.evidence(&after, &action) {
                // Its place in the transaction is the instruction's only argument.
                let place = u16::try_from(instructions.len()).unwrap();
                instruction.data[8..].copy_from_slice(&place.to_le_bytes());
                instructions.push(evidence);
            }
            instructions.push(instruction);
            let index = instructions.len() - 1;
            let verdict = after.foresee(&action, address);
            actions.push(action);
            match verdict {
                Ok(more) => touched.extend(more),
                Err(Refusal(error)) => {
                    refused = Some(format!("InstructionError({index}, {error})"));
                    break;
                }
            }
        }
        self.sent += instructions.len() as u64;
        let result = self.chain.world.send_sponsored(&instructions, &self.chain.sponsor);
        let seed = self.seed;
        match (result, refused) {
            (Err(failure), Some(expected)) => {
                let error = format!("{:?}", failure.err);
                assert_eq!(error, expected, "seed {seed}, {actions:?}");
            }
            (Ok(_), None) => {
                self.ledger = after;
                for action in &actions {
                    *self.accepted.entry(action.name()).or_default() += 1;
                }
                for touched in touched {
                    self.chain.compare(&self.ledger, touched);
                }
            }
            (Ok(_), Some(expected)) => panic!("seed {seed}, {actions:?}: not {expected}"),
            (Err(failure), None) => {
                panic!(
                    "seed {seed}, {actions:?}: {:?}\n{}",
                    failure.err,
                    failure.meta.pretty_logs()
                )
            }
        }
        self.ledger.check(self.supply);
        if self.sent.is_multiple_of(FULL_COMPARISON) {
            self.chain.compare_all(&self.ledger);
        }
    }

    /// Runs what must succeed.
    #[track_caller]
    fn must(&mut self, action: Action) {
        let (address, instruction) = self.chain.build(&self.ledger, &action);
        let verdict = self.ledger.foresee(&action, address);
        assert!(verdict.is_ok(), "seed {}, {action:?}: {verdict:?}", self.seed);
        let sponsor = self.chain.sponsor;
        let result = self.chain.world.send_sponsored(&[instruction], &sponsor);
        self.sent += 1;
        if let Err(failure) = result {
            panic!("seed {}, {action:?}: {}", self.seed, failure.meta.pretty_logs());
        }
        *self.accepted.entry(action.name()).or_default() += 1;
        for touched in verdict.unwrap() {
            self.chain.compare(&self.ledger, touched);
        }
        self.ledger.check(self.supply);
    }

    /// Everybody takes out what is theirs, whatever state things are in, while coordinators debit what
    /// they still can; no coordinator, governance or other person has to do anything for it.
    fn leave(&mut self) {
        let open = |it: &Allowance| it.open && it.remaining() > 0;
        let all: Vec<Id> = (0..self.ledger.allowances.len()).collect();
        for &allowance in &all {
            let it = &self.ledger.allowances[allowance];
            if open(it) {
                let (by, to_wallet) = (self.ledger.escrows[it.escrow].owner, allowance % 2 == 0);
                let amount = u64::MAX;
                self.must(Action::AllowanceRelease { allowance, by, amount, to_wallet });
            }
        }
        for node in 0..self.ledger.nodes.len() {
            let it = &self.ledger.nodes[node];
            if it.open && it.stake > 0 {
                let (by, amount) = (it.operator, u64::try_from(it.stake).unwrap());
                self.must(Action::NodeUnbond { node, by, amount });
            }
        }
        self.wait(EXIT_SLOTS, EXIT_SECONDS);
        for &allowance in &all {
            let it = &self.ledger.allowances[allowance];
            if it.open && self.random.once_in(3) {
                let (coordinator, asked) = (it.coordinator, u64::try_from(it.debited).unwrap() + 5);
                let by = self.ledger.coordinators[coordinator].signer;
                let entries = vec![(allowance, asked)];
                self.must(Action::Debit { coordinator, by, entries });
            }
            let it = &self.ledger.allowances[allowance];
            if it.open && it.pending.is_some() {
                self.must(Action::AllowanceExit { allowance, with_wallet: true });
            }
            assert_eq!(self.ledger.allowances[allowance].remaining(), 0);
        }
        for escrow in 0..self.ledger.escrows.len() {
            if self.ledger.escrows[escrow].deposited.is_some_and(|amount| amount > 0) {
                self.must(Action::EscrowSweep { escrow });
            }
            let it = &self.ledger.escrows[escrow];
            if it.free > 0 {
                let (by, amount) = (it.owner, u64::try_from(it.free).unwrap());
                self.must(Action::EscrowWithdraw { escrow, by, amount });
            }
        }
        self.wait(UNBOND_SLOTS, UNBOND_SECONDS);
        for node in 0..self.ledger.nodes.len() {
            if self.ledger.nodes[node].unbonding > 0 {
                self.must(Action::NodeUnbondClaim { node });
            }
        }
        for payout in 0..self.ledger.payouts.len() {
            if self.ledger.payouts[payout].credited > self.ledger.payouts[payout].paid {
                self.must(Action::Claim { payout });
            }
        }
        for coordinator in 0..self.ledger.coordinators.len() {
            let it = &self.ledger.coordinators[coordinator];
            if it.fees > it.fees_paid {
                self.must(Action::FeeClaim { coordinator });
            }
        }
        self.chain.compare_all(&self.ledger);
        // What stays is what was debited and given to nobody, credits that the bond has advanced and
        // that go back to it, bonds, and gifts.
        let all = self.ledger.coordinators.iter();
        let undistributed: u128 = all.map(Coordinator::undistributed).sum();
        let all = self.ledger.payouts.iter();
        let going_back: u128 = all.map(|it| it.credited - it.out_of_pool()).sum();
        let bonds = self.ledger.owed_by_bond();
        let left = [undistributed + going_back, 0, bonds];
        for ((held, left), gifts) in self.ledger.vaults.iter().zip(left).zip(self.ledger.gifts) {
            assert_eq!(*held, left + gifts);
        }
    }
}

impl Ledger {
    /// What must come of an action, and what it leaves; `address` is that of what it opens. A ledger
    /// that refused is no good any more.
    pub(super) fn foresee(&mut self, action: &Action, address: solana_pubkey::Pubkey) -> Verdict {
        match action {
            Action::EscrowOpen { owner, opened } => self.escrow_open(address, *owner, *opened),
            Action::EscrowDeposit { escrow, person, amount } => {
                self.escrow_deposit(*escrow, *person, *amount)
            }
            Action::EscrowWithdraw { escrow, by, amount } => {
                self.escrow_withdraw(*escrow, *by, *amount)
            }
            Action::EscrowSweep { escrow } => self.escrow_sweep(*escrow),
            Action::EscrowClose { escrow, by } => self.escrow_close(*escrow, *by),
            Action::AllowanceOpen { escrow, by, coordinator, opened, amount, expiry, voucher } => {
                let (by, to, voucher) = (*by, *coordinator, *voucher);
                self.allowance_open(address, *escrow, by, to, *opened, *amount, *expiry, voucher)
            }
            Action::VoucherAccept { allowance, signer, cumulative, expiry } => {
                self.voucher_accept(*allowance, *signer, *cumulative, *expiry)
            }
            Action::AllowanceRaise { allowance, by, amount, expiry } => {
                self.allowance_raise(*allowance, *by, *amount, *expiry)
            }
            Action::AllowanceRelease { allowance, by, amount, to_wallet } => {
                self.allowance_release(*allowance, *by, *amount, *to_wallet)
            }
            Action::AllowanceExit { allowance, with_wallet } => {
                self.allowance_exit(*allowance, *with_wallet)
            }
            Action::AllowanceClose { allowance, by } => self.allowance_close(*allowance, *by),
            Action::NodeRegister { operator, payout_owner, signer, opened } => {
                self.node_register(address, [*operator, *payout_owner, *signer], *opened)
            }
            Action::NodeStake { node, person, amount } => self.node_stake(*node, *person, *amount),
            Action::NodeUnbond { node, by, amount } => self.node_unbond(*node, *by, *amount),
            Action::NodeUnbondClaim { node } => self.node_unbond_claim(*node),
            Action::NodeRotateSigner { node, by, signer } => {
                self.node_rotate_signer(*node, *by, *signer)
            }
            Action::NodeClose { node, by } => self.node_close(*node, *by),
            Action::CoordinatorRegister { authority, signer, opened, fee_bps } => {
                self.coordinator_register(address, [*authority, *signer], *opened, *fee_bps)
            }
            Action::CoordinatorBond { coordinator, by, guarantee, penalty } => {
                self.coordinator_bond(*coordinator, *by, *guarantee, *penalty)
            }
            Action::CoordinatorRotateSigner { coordinator, by, signer } => {
                self.coordinator_rotate_signer(*coordinator, *by, *signer)
            }
            Action::CoordinatorUpdate { coordinator, by, value } => {
                self.coordinator_update(*coordinator, *by, *value)
            }
            Action::PayoutOpen { coordinator, node } => {
                self.payout_open(address, *coordinator, *node)
            }
            Action::LogExtend { coordinator, by, new, fault } => {
                self.log_extend(*coordinator, *by, new, *fault)
            }
            Action::LogEpochOpen { coordinator, by } => {
                self.log_epoch_open(*coordinator, *by, address)
            }
            Action::Debit { coordinator, by, entries } => self.debit(*coordinator, *by, entries),
            Action::Credit { coordinator, by, entries, fees } => {
                self.credit(*coordinator, *by, entries, *fees)
            }
            Action::Claim { payout } => self.claim(*payout),
            Action::FeeClaim { coordinator } => self.fee_claim(*coordinator),
            Action::MarketPause { by_governance, paused } => {
                self.market_pause(*by_governance, *paused)
            }
            Action::GuaranteeSet { payout, by, guarantee } => {
                self.guarantee_set(*payout, *by, *guarantee)
            }
            Action::GuaranteeLower { payout } => self.guarantee_lower(*payout),
            Action::GuaranteeRefill { payout } => self.guarantee_refill(*payout),
            Action::DemandOpen { payout, by, signer, cumulative } => {
                self.demand_open(*payout, *by, *signer, *cumulative)
            }
            Action::DemandSettle { payout } => self.demand_settle(*payout),
            Action::CoordinatorUnbond { coordinator, by, guarantee, penalty } => {
                self.coordinator_unbond(*coordinator, *by, *guarantee, *penalty)
            }
            Action::CoordinatorUnbondClaim { coordinator } => {
                self.coordinator_unbond_claim(*coordinator)
            }
            Action::MarketInitialize => Err(custom(ALREADY_IN_USE)),
        }
    }
}
