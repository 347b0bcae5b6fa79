//! One episode: choose, foresee, run, compare.

use std::collections::{BTreeMap, VecDeque};

use pinaivu::error::PinaivuError;
use solana_keypair::Keypair;
use solana_signer::Signer as _;

use super::action::Action;
use super::build::Chain;
use super::choose::Chooser;
use super::coverage::Tracer;
use super::ledger::*;
use super::random::Random;
use crate::harness::{
    Actor, CLASSIC, EXIT_SECONDS, EXIT_SLOTS, FEE, GOVERNANCE_SECONDS, GOVERNANCE_SLOTS, Market,
    Refusal, UNBOND_SECONDS, UNBOND_SLOTS, World,
};

/// Tokens everybody begins with.
const WEALTH: u64 = 1_000_000;

/// Lamports everybody gets, for evidence.
const LAMPORTS: u64 = 100_000_000_000;

/// Measurements there are, the one that stands for none included.
const MEASUREMENTS: usize = 4;

/// Transactions after which everything is compared, not only what was touched.
const FULL_COMPARISON: u64 = 256;

/// Actions that are remembered, to be tried again.
const REMEMBERED: usize = 400;

/// A market with people and nothing else, made once for all episodes.
pub(super) struct Start {
    chain: Chain,
}

impl Start {
    pub(super) fn new() -> Self {
        Self::in_world(World::new())
    }

    /// One whose every step of the program a tracer sees.
    pub(super) fn traced(tracer: &Tracer) -> Self {
        Self::in_world(World::traced(tracer.clone()))
    }

    fn in_world(mut world: World) -> Self {
        let people: Vec<Actor> = (0..8).map(|_| world.actor(WEALTH)).collect();
        for person in &people {
            world.svm.airdrop(&person.address(), LAMPORTS).unwrap();
        }
        let keys = (0..6).map(|_| world.key()).collect();
        let second = Market::of(world.mint(CLASSIC, 6), CLASSIC);
        let second_wallet = world.token_account(&second, &people[0].address(), 0);
        let sponsor = world.sponsor();
        Self { chain: Chain { world, sponsor, people, keys, second, second_wallet } }
    }
}

/// How often an instruction was accepted and refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcomes {
    pub(super) accepted: u64,
    pub(super) refused: u64,
}

/// By instruction.
pub(super) type Tally = BTreeMap<&'static str, Outcomes>;

/// One run over a fresh copy of the start.
pub(super) struct Episode {
    pub(super) chain: Chain,
    pub(super) ledger: Ledger,
    random: Random,
    /// What led here, for whoever has to find out why it failed.
    recipe: String,
    sent: u64,
    tally: Tally,
    supply: u128,
    past: VecDeque<Action>,
    /// The last two transactions: what was tried last in each, and with which error it was refused.
    outcomes: [(&'static str, String); 2],
}

impl Episode {
    pub(super) fn new(start: &Start) -> Self {
        let chain = start.chain.fork();
        let world = &chain.world;
        let holds = u128::from(WEALTH);
        let person = |it: &Actor| Person { address: it.address(), tokens: it.tokens, holds };
        let ledger = Ledger {
            slot: world.slot(),
            time: world.time(),
            paused: false,
            governance: world.governance.pubkey(),
            rules: Rules::FIRST,
            proposals: Vec::new(),
            listed: vec![false; MEASUREMENTS],
            second_market: false,
            people: chain.people.iter().map(person).collect(),
            keys: chain.keys.iter().map(Keypair::pubkey).collect(),
            escrows: Vec::new(),
            allowances: Vec::new(),
            nodes: Vec::new(),
            coordinators: Vec::new(),
            payouts: Vec::new(),
            retired: Vec::new(),
            evidence: Vec::new(),
            records: Vec::new(),
            vaults: [0; 3],
            gifts: [0; 3],
            burned: 0,
            recovered: 0,
        };
        let supply = holds * chain.people.len() as u128;
        let mut episode = Self {
            chain,
            ledger,
            random: Random::new(0),
            recipe: String::new(),
            sent: 0,
            tally: Tally::new(),
            supply,
            past: VecDeque::new(),
            outcomes: Default::default(),
        };
        episode.begin();
        episode
    }

    /// The same again, with nothing counted.
    pub(super) fn fork(&self) -> Self {
        Self {
            chain: self.chain.fork(),
            ledger: self.ledger.clone(),
            random: self.random.clone(),
            recipe: self.recipe.clone(),
            sent: 0,
            tally: Tally::new(),
            supply: self.supply,
            past: self.past.clone(),
            outcomes: self.outcomes.clone(),
        }
    }

    /// How often each instruction was accepted and refused.
    pub(super) const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What came of the last two transactions.
    pub(super) const fn outcomes(&self) -> &[(&'static str, String); 2] {
        &self.outcomes
    }

    /// Instructions that were run.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
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
                measurement: 0,
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

    /// From here on everything follows from this seed.
    pub(super) fn seed(&mut self, seed: u64, recipe: String) {
        self.random = Random::new(seed);
        self.recipe = recipe;
    }

    /// One transaction, or something else that happens.
    pub(super) fn step(&mut self) {
        match self.random.below(12) {
            0 => self.pass(),
            1 if self.random.once_in(8) => self.gift(),
            2 if self.random.once_in(4) => self.transfer(),
            _ => self.transaction(),
        }
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
            (GOVERNANCE_SLOTS, GOVERNANCE_SECONDS),
            (WINDOW + 1, 1),
            (1, 2_000),
        ]);
        self.wait((slots, seconds));
    }

    pub(super) fn wait(&mut self, (slots, seconds): Wait) {
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

    /// A plain transfer to an escrow's address from somewhere else, whether the escrow is open or
    /// closed, and of the market's mint or of another.
    fn transfer(&mut self) {
        let (escrow, amount) =
            (self.random.below(self.ledger.escrows.len()), self.random.below(300) as u64);
        let other_mint = self.random.once_in(4);
        let it = &mut self.ledger.escrows[escrow];
        let market = if other_mint { self.chain.second } else { self.chain.world.market };
        self.chain.world.deposit_tokens(&market, &it.address, amount);
        if other_mint {
            *it.strayed.get_or_insert(0) += u128::from(amount);
        } else {
            *it.deposited.get_or_insert(0) += u128::from(amount);
            self.supply += u128::from(amount);
        }
    }

    /// What to try next: mostly something new, sometimes exactly what was tried before.
    fn choose(&mut self, ledger: &Ledger) -> Action {
        if !self.past.is_empty() && self.random.once_in(20) {
            return self.past[self.random.below(self.past.len())].clone();
        }
        Chooser { ledger, random: &mut self.random }.choose()
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
            let action = self.choose(&after);
            let (address, mut instruction) = self.chain.build(&after, &action);
            if let Some(signatures) = self.chain.signatures(&after, &action) {
                // Its place in the transaction is the instruction's only argument.
                let place = u16::try_from(instructions.len()).unwrap();
                instruction.data[8..].copy_from_slice(&place.to_le_bytes());
                instructions.push(signatures);
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
        let recipe = &self.recipe;
        match (result, &refused) {
            (Err(failure), Some(expected)) => {
                let error = format!("{:?}", failure.err);
                assert!(
                    &error == expected || is_out_of_heap(&error, expected),
                    "{recipe}, {actions:?}: {error}, not {expected}"
                );
            }
            (Ok(_), None) => {
                self.ledger = after;
                for touched in touched {
                    self.chain.compare(&self.ledger, touched);
                }
            }
            (Ok(_), Some(expected)) => panic!("{recipe}, {actions:?}: not {expected}"),
            (Err(failure), None) => {
                panic!("{recipe}, {actions:?}: {:?}\n{}", failure.err, failure.meta.pretty_logs())
            }
        }
        self.count(actions, refused);
        self.ledger.check(self.supply);
        if self.sent.is_multiple_of(FULL_COMPARISON) {
            self.chain.compare_all(&self.ledger);
        }
    }

    /// Of a refused transaction the last instruction was refused; those before it do not count.
    fn count(&mut self, actions: Vec<Action>, refused: Option<String>) {
        let last = actions.len() - 1;
        for action in &actions[if refused.is_some() { last } else { 0 }..] {
            let outcomes = self.tally.entry(action.name()).or_default();
            outcomes.accepted += u64::from(refused.is_none());
            outcomes.refused += u64::from(refused.is_some());
        }
        let error = refused.and_then(|text| Some(text.split_once(", ")?.1.to_owned()));
        self.outcomes.swap(0, 1);
        self.outcomes[1] = (actions[last].name(), error.unwrap_or_default());
        for action in actions {
            if self.past.len() == REMEMBERED {
                self.past.pop_front();
            }
            self.past.push_back(action);
        }
    }

    /// Runs what must succeed.
    #[track_caller]
    pub(super) fn must(&mut self, action: Action) {
        let (address, instruction) = self.chain.build(&self.ledger, &action);
        let verdict = self.ledger.foresee(&action, address);
        assert!(verdict.is_ok(), "{}, {action:?}: {verdict:?}", self.recipe);
        let sponsor = self.chain.sponsor;
        let result = self.chain.world.send_sponsored(&[instruction], &sponsor);
        self.sent += 1;
        if let Err(failure) = result {
            panic!("{}, {action:?}: {}", self.recipe, failure.meta.pretty_logs());
        }
        self.tally.entry(action.name()).or_default().accepted += 1;
        for touched in verdict.unwrap() {
            self.chain.compare(&self.ledger, touched);
        }
        self.ledger.check(self.supply);
    }
}

/// Bytes that are no record may claim a length that the program's heap has no room for. They are refused
/// too, by the virtual machine.
fn is_out_of_heap(error: &str, expected: &str) -> bool {
    let Refusal(malformed) = PinaivuError::EvidenceMalformed.into();
    expected.replace(&malformed, "ProgramFailedToComplete") == error
        && expected.contains(&malformed)
}
