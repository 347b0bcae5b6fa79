//! Many people doing anything in any order, and the oracle after every step.
//!
//! The sequences are random but the same in every run: what fails once fails again. At the end of each
//! everybody leaves, and only what was never distributed may stay behind.

use std::cell::RefCell;
use std::collections::BTreeMap;

use pinaivu::state::{
    Allowance, Coordinator as CoordinatorAccount, Escrow, Node as NodeAccount, Payout,
};
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;

use crate::harness::*;

/// One thing somebody does. The numbers choose among what there is; amounts are taken as they are.
#[derive(Clone, Debug)]
enum Step {
    Deposit { escrow: usize, user: usize, amount: u64 },
    Withdraw { escrow: usize, user: usize, amount: u64 },
    OpenEscrow { user: usize },
    CloseEscrow { escrow: usize },
    OpenAllowance { escrow: usize, coordinator: usize, amount: u64, lasting: i64 },
    Raise { allowance: usize, amount: u64, longer: i64 },
    Release { allowance: usize, amount: u64, to_wallet: bool },
    Exit { allowance: usize },
    CloseAllowance { allowance: usize },
    Stake { node: usize, user: usize, amount: u64 },
    Unbond { node: usize, amount: u64 },
    UnbondClaim { node: usize },
    Bond { coordinator: usize, guarantee: u64, penalty: u64 },
    Debit { coordinator: usize, entries: Vec<(usize, u64)> },
    Credit { coordinator: usize, entries: Vec<(usize, u64)>, fees: u64 },
    Claim { payout: usize },
    FeeClaim { coordinator: usize },
    Donate { vault: usize, amount: u64 },
    Pause { paused: bool },
    Pass { slots: u64, seconds: u64 },
}

impl Step {
    const fn name(&self) -> &'static str {
        match self {
            Self::Deposit { .. } => "deposit",
            Self::Withdraw { .. } => "withdraw",
            Self::OpenEscrow { .. } => "open escrow",
            Self::CloseEscrow { .. } => "close escrow",
            Self::OpenAllowance { .. } => "open allowance",
            Self::Raise { .. } => "raise",
            Self::Release { .. } => "release",
            Self::Exit { .. } => "exit",
            Self::CloseAllowance { .. } => "close allowance",
            Self::Stake { .. } => "stake",
            Self::Unbond { .. } => "unbond",
            Self::UnbondClaim { .. } => "unbond claim",
            Self::Bond { .. } => "bond",
            Self::Debit { .. } => "debit",
            Self::Credit { .. } => "credit",
            Self::Claim { .. } => "claim",
            Self::FeeClaim { .. } => "fee claim",
            Self::Donate { .. } => "donate",
            Self::Pause { .. } => "pause",
            Self::Pass { .. } => "pass",
        }
    }
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0), 1 => Just(1), 8 => 2..400_u64, 2 => 400..5_000_u64, 1 => Just(u64::MAX)]
}

fn entries() -> impl Strategy<Value = Vec<(usize, u64)>> {
    proptest::collection::vec((0..64_usize, amount()), 0..6)
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..64_usize;
    let pass = prop_oneof![
        4 => Just((1, 0)),
        2 => Just((EXIT_SLOTS / 2, EXIT_SECONDS)),
        2 => Just((EXIT_SLOTS, EXIT_SECONDS)),
        2 => Just((UNBOND_SLOTS, UNBOND_SECONDS)),
        2 => Just((OPENING_SLOT_WINDOW + 1, 1)),
        1 => Just((1, 2_000)),
    ];
    prop_oneof![
        6 => (which.clone(), which.clone(), amount()).prop_map(|(escrow, user, amount)| Step::Deposit { escrow, user, amount }),
        3 => (which.clone(), which.clone(), amount()).prop_map(|(escrow, user, amount)| Step::Withdraw { escrow, user, amount }),
        2 => which.clone().prop_map(|user| Step::OpenEscrow { user }),
        5 => which.clone().prop_map(|escrow| Step::CloseEscrow { escrow }),
        5 => (which.clone(), which.clone(), amount(), 1..3_000_i64)
            .prop_map(|(escrow, coordinator, amount, lasting)| Step::OpenAllowance { escrow, coordinator, amount, lasting }),
        2 => (which.clone(), amount(), 0..2_000_i64).prop_map(|(allowance, amount, longer)| Step::Raise { allowance, amount, longer }),
        4 => (which.clone(), amount(), any::<bool>())
            .prop_map(|(allowance, amount, to_wallet)| Step::Release { allowance, amount, to_wallet }),
        6 => which.clone().prop_map(|allowance| Step::Exit { allowance }),
        2 => which.clone().prop_map(|allowance| Step::CloseAllowance { allowance }),
        4 => (which.clone(), which.clone(), amount()).prop_map(|(node, user, amount)| Step::Stake { node, user, amount }),
        3 => (which.clone(), 0..90_u64).prop_map(|(node, amount)| Step::Unbond { node, amount }),
        8 => which.clone().prop_map(|node| Step::UnbondClaim { node }),
        1 => (which.clone(), amount(), amount())
            .prop_map(|(coordinator, guarantee, penalty)| Step::Bond { coordinator, guarantee, penalty }),
        8 => (which.clone(), entries()).prop_map(|(coordinator, entries)| Step::Debit { coordinator, entries }),
        8 => (which.clone(), entries(), amount())
            .prop_map(|(coordinator, entries, fees)| Step::Credit { coordinator, entries, fees }),
        3 => which.clone().prop_map(|payout| Step::Claim { payout }),
        2 => which.clone().prop_map(|coordinator| Step::FeeClaim { coordinator }),
        1 => (0..3_usize, 1..100_u64).prop_map(|(vault, amount)| Step::Donate { vault, amount }),
        1 => any::<bool>().prop_map(|paused| Step::Pause { paused }),
        6 => pass.prop_map(|(slots, seconds)| Step::Pass { slots, seconds }),
    ]
}

/// The people and what they have opened so far.
struct Crowd {
    world: World,
    users: Vec<Actor>,
    coordinators: Vec<Coordinator>,
    nodes: Vec<Node>,
    /// Owner and address.
    escrows: Vec<(usize, Pubkey)>,
    /// Owner, coordinator and address.
    allowances: Vec<(usize, usize, Pubkey)>,
    /// Coordinator, node and address.
    payouts: Vec<(usize, usize, Pubkey)>,
    donated: [u64; 3],
}

impl Crowd {
    fn new() -> Self {
        let mut world = World::new();
        let users: Vec<Actor> = (0..3).map(|_| world.actor(20_000)).collect();
        let mut coordinators = vec![world.coordinator(), world.coordinator()];
        for coordinator in &mut coordinators {
            let authority = coordinator.authority.address();
            coordinator.authority.tokens =
                world.token_account(&world.market.clone(), &authority, 1_000);
        }
        let nodes: Vec<Node> = (0..3).map(|_| world.node()).collect();
        let mut payouts = Vec::new();
        for (c, coordinator) in coordinators.iter().enumerate() {
            for (n, node) in nodes.iter().enumerate() {
                payouts.push((c, n, world.payout(coordinator, node)));
            }
        }
        let escrows = (0..3).map(|user| (user, world.escrow(&users[user], 3_000))).collect();
        Self {
            world,
            users,
            coordinators,
            nodes,
            escrows,
            allowances: Vec::new(),
            payouts,
            donated: [0; 3],
        }
    }

    /// Does it; whether the program let it.
    fn take(&mut self, step: &Step) -> bool {
        let market = self.world.market;
        match step {
            Step::Deposit { escrow, user, amount } => {
                let (_, escrow) = *pick(&self.escrows, *escrow);
                let user = *user % self.users.len();
                let deposit =
                    self.world.escrow_deposit(&market, &escrow, &self.users[user], *amount);
                self.run_as_user(&deposit, user)
            }
            Step::Withdraw { escrow, user, amount } => {
                let (owner, escrow) = *pick(&self.escrows, *escrow);
                // Mostly the owner, sometimes whoever comes along.
                let user = if user % 4 == 0 { *user % self.users.len() } else { owner };
                // The largest amount stands for everything there is, mostly.
                let all = *amount == u64::MAX && !self.world.slot().is_multiple_of(4);
                let amount = if all { self.world.read::<Escrow>(&escrow).free } else { *amount };
                let withdraw =
                    self.world.escrow_withdraw(&market, &escrow, &self.users[user], amount);
                self.run_as_user(&withdraw, user)
            }
            Step::OpenEscrow { user } => self.open_escrow(*user % self.users.len()),
            Step::CloseEscrow { escrow } => {
                let (owner, escrow) = *pick(&self.escrows, *escrow);
                let close = self.world.escrow_close(&escrow, &self.users[owner].address());
                let closed = self.escrows.len() > 1 && self.run_as_user(&close, owner);
                self.escrows.retain(|(_, address)| !closed || *address != escrow);
                closed
            }
            Step::OpenAllowance { escrow, coordinator, amount, lasting } => {
                self.open_allowance(*escrow, *coordinator, *amount, *lasting)
            }
            Step::Raise { allowance, amount, longer } => {
                let Some((owner, _, address)) = self.allowance(*allowance) else { return false };
                let expiry = self.world.read::<Allowance>(&address).expiry_time + longer;
                let raise = self.world.allowance_raise(&market, &address, *amount, expiry);
                self.run_as_user(&raise, owner)
            }
            Step::Release { allowance, amount, to_wallet } => {
                let Some((owner, _, address)) = self.allowance(*allowance) else { return false };
                let user = &self.users[owner];
                let destination = to_wallet.then_some(user.tokens);
                let release =
                    self.world.allowance_release(&address, &user.address(), *amount, destination);
                self.run_as_user(&release, owner)
            }
            Step::Exit { allowance } => {
                let Some((owner, _, address)) = self.allowance(*allowance) else { return false };
                let exit =
                    self.world.allowance_exit(&market, &address, Some(self.users[owner].tokens));
                self.world.send(&[exit], &[]).is_ok()
            }
            Step::CloseAllowance { allowance } => {
                let Some((owner, _, address)) = self.allowance(*allowance) else { return false };
                let close = self.world.allowance_close(&address);
                let closed = self.run_as_user(&close, owner);
                self.allowances.retain(|(_, _, other)| !closed || *other != address);
                closed
            }
            Step::Stake { node, user, amount } => {
                let user = *user % self.users.len();
                let node = pick(&self.nodes, *node).address;
                let stake = self.world.node_stake(&market, &node, &self.users[user], *amount);
                self.run_as_user(&stake, user)
            }
            Step::Unbond { node, amount } => {
                let node = pick(&self.nodes, *node);
                let unbond =
                    self.world.node_unbond(&node.address, &node.operator.address(), *amount);
                self.world.send(&[unbond], &[&node.operator.key]).is_ok()
            }
            Step::UnbondClaim { node } => {
                let node = pick(&self.nodes, *node);
                let claim =
                    self.world.node_unbond_claim(&market, &node.address, &node.operator.tokens);
                self.world.send(&[claim], &[]).is_ok()
            }
            Step::Bond { coordinator, guarantee, penalty } => {
                let coordinator = pick(&self.coordinators, *coordinator);
                let bond = self.world.coordinator_bond(&market, coordinator, *guarantee, *penalty);
                self.world.send(&[bond], &[&coordinator.authority.key]).is_ok()
            }
            Step::Debit { coordinator, entries } => self.debit(*coordinator, entries),
            Step::Credit { coordinator, entries, fees } => {
                self.credit(*coordinator, entries, *fees)
            }
            Step::Claim { payout } => {
                let (_, node, payout) = *pick(&self.payouts, *payout);
                let destination = self.nodes[node].payout_owner.tokens;
                let claim = self.world.claim(&market, &payout, &destination);
                self.world.send(&[claim], &[]).is_ok()
            }
            Step::FeeClaim { coordinator } => {
                let coordinator = pick(&self.coordinators, *coordinator);
                let destination = coordinator.authority.tokens;
                let claim = self.world.fee_claim(&market, &coordinator.address, &destination);
                self.world.send(&[claim], &[]).is_ok()
            }
            Step::Donate { vault, amount } => {
                let vaults = [market.escrow_vault, market.stake_vault, market.bond_vault];
                self.world.donate(&vaults[*vault], *amount);
                self.donated[*vault] += amount;
                true
            }
            Step::Pause { paused } => {
                let governance = self.world.governance.insecure_clone();
                let pause = self.world.market_pause(&market, *paused);
                self.world.send(&[pause], &[&governance]).is_ok()
            }
            Step::Pass { slots, seconds } => {
                self.world.pass(*slots, *seconds);
                true
            }
        }
    }

    fn run_as_user(&mut self, instruction: &Instruction, user: usize) -> bool {
        let key: &Keypair = &self.users[user].key;
        self.world.send(std::slice::from_ref(instruction), &[key]).is_ok()
    }

    fn allowance(&self, index: usize) -> Option<(usize, usize, Pubkey)> {
        (!self.allowances.is_empty()).then(|| *pick(&self.allowances, index))
    }

    fn open_escrow(&mut self, user: usize) -> bool {
        let slot = self.world.slot();
        let address = self.users[user].address();
        let (escrow, open) = self.world.escrow_open(&self.world.market, &address, slot);
        let opened = self.run_as_user(&open, user);
        self.escrows.extend(opened.then_some((user, escrow)));
        opened
    }

    fn open_allowance(
        &mut self,
        escrow: usize,
        coordinator: usize,
        amount: u64,
        lasting: i64,
    ) -> bool {
        let (owner, escrow) = *pick(&self.escrows, escrow);
        let coordinator = coordinator % self.coordinators.len();
        let (slot, expiry) = (self.world.slot(), self.world.time() + lasting);
        let (allowance, open) = self.world.allowance_open(
            &self.world.market,
            &self.users[owner].address(),
            &escrow,
            &self.coordinators[coordinator].address,
            slot,
            amount,
            expiry,
        );
        let opened = self.run_as_user(&open, owner);
        self.allowances.extend(opened.then_some((owner, coordinator, allowance)));
        opened
    }

    /// Debits by a coordinator, of its own allowances and now and then another's.
    fn debit(&mut self, coordinator: usize, entries: &[(usize, u64)]) -> bool {
        let coordinator = coordinator % self.coordinators.len();
        let own: Vec<Pubkey> = self
            .allowances
            .iter()
            .filter(|(_, its, _)| *its == coordinator)
            .map(|(_, _, address)| *address)
            .collect();
        let choose = |index: usize| match (index % 16, own.is_empty(), self.allowances.is_empty()) {
            (0, _, false) => Some(pick(&self.allowances, index).2),
            (_, false, _) => Some(*pick(&own, index)),
            _ => None,
        };
        let entries: Vec<_> =
            entries.iter().filter_map(|(index, value)| Some((choose(*index)?, *value))).collect();
        let coordinator = &self.coordinators[coordinator];
        let debit = self.world.debit(coordinator, &entries);
        self.world.send(&[debit], &[&coordinator.signer]).is_ok()
    }

    fn credit(&mut self, coordinator: usize, entries: &[(usize, u64)], fees: u64) -> bool {
        let coordinator = coordinator % self.coordinators.len();
        let own: Vec<Pubkey> = self
            .payouts
            .iter()
            .filter(|(its, _, _)| *its == coordinator)
            .map(|(_, _, address)| *address)
            .collect();
        let entries: Vec<_> =
            entries.iter().map(|(index, value)| (*pick(&own, *index), *value)).collect();
        let coordinator = &self.coordinators[coordinator];
        let credit = self.world.credit(&self.world.market, coordinator, &entries, fees);
        self.world.send(&[credit], &[&coordinator.signer]).is_ok()
    }

    /// Every cumulative there is, by the account and the field.
    fn cumulatives(&self) -> BTreeMap<(Pubkey, &'static str), u64> {
        let mut all = BTreeMap::new();
        for (address, it) in self.world.all::<Allowance>() {
            all.insert((address, "reserved"), it.reserved);
            all.insert((address, "released"), it.released);
            all.insert((address, "debited"), it.debited);
            all.insert((address, "sequence"), it.sequence);
        }
        for (address, it) in self.world.all::<CoordinatorAccount>() {
            all.insert((address, "debited"), it.debited);
            all.insert((address, "credited"), it.credited);
            all.insert((address, "fees"), it.fees);
            all.insert((address, "fees paid"), it.fees_paid);
            all.insert((address, "sequence"), it.sequence);
        }
        for (address, it) in self.world.all::<Payout>() {
            all.insert((address, "credited"), it.credited);
            all.insert((address, "paid"), it.paid);
            all.insert((address, "sequence"), it.sequence);
        }
        all
    }

    /// Everybody takes out what is theirs; nobody has to be asked.
    fn leave(&mut self) {
        let market = self.world.market;
        let (users, allowances) = (&self.users, self.allowances.clone());
        for (owner, _, address) in &allowances {
            if self.world.read::<Allowance>(address).remaining().unwrap() > 0 {
                let owner = &users[*owner];
                let release =
                    self.world.allowance_release(address, &owner.address(), u64::MAX, None);
                self.world.ok(&release, &[&owner.key]);
            }
        }
        for node in &self.nodes {
            let stake = self.world.read::<NodeAccount>(&node.address).stake;
            if stake > 0 {
                let unbond = self.world.node_unbond(&node.address, &node.operator.address(), stake);
                self.world.ok(&unbond, &[&node.operator.key]);
            }
        }
        self.world.pass(UNBOND_SLOTS.max(EXIT_SLOTS), UNBOND_SECONDS.max(EXIT_SECONDS));
        for (owner, _, address) in &allowances {
            if self.world.read::<Allowance>(address).remaining().unwrap() > 0 {
                let tokens = users[*owner].tokens;
                let exit = self.world.allowance_exit(&market, address, Some(tokens));
                self.world.ok(&exit, &[]);
            }
        }
        for (owner, escrow) in &self.escrows {
            let free = self.world.read::<Escrow>(escrow).free;
            if free > 0 {
                let withdraw = self.world.escrow_withdraw(&market, escrow, &users[*owner], free);
                self.world.ok(&withdraw, &[&users[*owner].key]);
            }
        }
        for node in &self.nodes {
            if self.world.read::<NodeAccount>(&node.address).unbonding.amount > 0 {
                let claim =
                    self.world.node_unbond_claim(&market, &node.address, &node.operator.tokens);
                self.world.ok(&claim, &[]);
            }
        }
        for (_, node, payout) in &self.payouts {
            if self.world.read::<Payout>(payout).debt().claimable().0 > 0 {
                let destination = self.nodes[*node].payout_owner.tokens;
                let claim = self.world.claim(&market, payout, &destination);
                self.world.ok(&claim, &[]);
            }
        }
        for coordinator in &self.coordinators {
            let it: CoordinatorAccount = self.world.read(&coordinator.address);
            if it.fees > it.fees_paid {
                let destination = coordinator.authority.tokens;
                let claim = self.world.fee_claim(&market, &coordinator.address, &destination);
                self.world.ok(&claim, &[]);
            }
        }
    }

    /// What may be left in the vaults when everybody has gone.
    fn check_what_is_left(&self) {
        let market = self.world.market;
        let coordinators = self.world.all::<CoordinatorAccount>();
        let undistributed: u64 =
            coordinators.iter().map(|(_, it)| it.debited - it.credited - it.fees).sum();
        let bonds: u64 =
            coordinators.iter().map(|(_, it)| it.guarantee_bond + it.penalty_bond).sum();
        let [escrow, stake, bond] = self.donated;
        assert_eq!(self.world.tokens(&market.escrow_vault), undistributed + escrow);
        assert_eq!(self.world.tokens(&market.stake_vault), stake);
        assert_eq!(self.world.tokens(&market.bond_vault), bonds + bond);
    }
}

fn pick<T>(from: &[T], index: usize) -> &T {
    &from[index % from.len()]
}

#[test]
fn anything_in_any_order_conserves_every_token_and_lets_everybody_leave() {
    let config =
        Config { cases: 32, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let succeeded: RefCell<BTreeMap<&str, u32>> = RefCell::default();
    let sequences = proptest::collection::vec(step(), 150);
    let outcome = runner.run(&sequences, |steps| {
        let mut crowd = Crowd::new();
        let mut before = crowd.cumulatives();
        for step in &steps {
            if crowd.take(step) {
                *succeeded.borrow_mut().entry(step.name()).or_default() += 1;
            }
            let after = crowd.cumulatives();
            for (field, value) in &after {
                let earlier = before.get(field).copied().unwrap_or_default();
                prop_assert!(*value >= earlier, "{field:?} fell in {step:?}");
            }
            before = after;
        }
        crowd.leave();
        crowd.check_what_is_left();
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    // A step that never succeeded was not tested.
    let succeeded = succeeded.into_inner();
    for name in ALL {
        assert!(succeeded.get(name).is_some_and(|count| *count >= 5), "{name}: {succeeded:?}");
    }
}

const ALL: [&str; 20] = [
    "deposit",
    "withdraw",
    "open escrow",
    "close escrow",
    "open allowance",
    "raise",
    "release",
    "exit",
    "close allowance",
    "stake",
    "unbond",
    "unbond claim",
    "bond",
    "debit",
    "credit",
    "claim",
    "fee claim",
    "donate",
    "pause",
    "pass",
];
