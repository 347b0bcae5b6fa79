//! The reference: what everybody has, in plain numbers that never overflow. It computes from what the
//! documentation promises and shares no arithmetic with the program or its rules.

mod evidence;
mod foresee;
mod governance;
mod guarantees;
mod operators;
mod settlement;
mod users;

use std::sync::Arc;

use pinaivu::error::PinaivuError as E;
use solana_pubkey::Pubkey;

use crate::harness::Refusal;
use crate::settings::log::Hash;

pub(super) use evidence::{Evidence, Plan, Purpose, Record, receipt};
pub(super) use governance::{Proposal, Proposed, Rules, measurement};

/// Position in one of the ledger's lists.
pub(super) type Id = usize;

/// A slot and a time.
pub(super) type Moment = (u64, i64);

/// Slots and seconds.
pub(super) type Wait = (u64, u64);

/// Slots for which an address can be opened.
pub(super) const WINDOW: u64 = 300;

#[derive(Clone, Debug)]
pub(super) struct Escrow {
    pub(super) address: Pubkey,
    pub(super) owner: Id,
    pub(super) opened: u64,
    pub(super) free: u128,
    /// In its deposit account, once there is one.
    pub(super) deposited: Option<u128>,
    /// Tokens of another mint that were sent to it, once any were.
    pub(super) strayed: Option<u128>,
    pub(super) allowances: u32,
    pub(super) open: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) amount: u128,
    pub(super) slot: u64,
    pub(super) time: i64,
    pub(super) to_wallet: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Allowance {
    pub(super) address: Pubkey,
    pub(super) escrow: Id,
    pub(super) coordinator: Id,
    pub(super) opened: u64,
    pub(super) reserved: u128,
    pub(super) released: u128,
    pub(super) debited: u128,
    pub(super) expiry: i64,
    pub(super) observed: Option<u64>,
    pub(super) pending: Option<Pending>,
    /// Who signs vouchers, and the highest that was presented, where debits need them.
    pub(super) voucher: Option<(Id, u128)>,
    pub(super) open: bool,
}

impl Allowance {
    pub(super) fn remaining(&self) -> u128 {
        self.reserved - self.released - self.debited
    }
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) address: Pubkey,
    pub(super) operator: Id,
    pub(super) signer: Id,
    pub(super) payout_owner: Id,
    pub(super) opened: u64,
    pub(super) stake: u128,
    pub(super) unbonding: u128,
    pub(super) since: Moment,
    /// It contradicted itself.
    pub(super) suspended: bool,
    pub(super) open: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Coordinator {
    pub(super) address: Pubkey,
    pub(super) authority: Id,
    pub(super) signer: Id,
    pub(super) opened: u64,
    pub(super) fee_bps: u16,
    /// The two bonds, and what of them waits to be taken out since when.
    pub(super) guarantee: u128,
    pub(super) penalty: u128,
    pub(super) guarantee_leaving: (u128, Moment),
    pub(super) penalty_leaving: (u128, Moment),
    pub(super) debited: u128,
    pub(super) credited: u128,
    pub(super) fees: u128,
    pub(super) fees_paid: u128,
    /// What it is attested by: the number of a measurement, and of its evidence.
    pub(super) measurement: Id,
    pub(super) evidence: u8,
    /// It contradicted itself.
    pub(super) slashed: bool,
    pub(super) epoch: u32,
    pub(super) leaves: Vec<Hash>,
    /// For each leaf the node and the amount of its receipt, where it is one. Nothing is foreseen from
    /// this: it says what is worth trying.
    pub(super) receipts: Vec<Option<(Id, u64)>>,
    /// Every log that was closed, by epoch.
    pub(super) closed: Vec<ClosedLog>,
    /// What it debited and gave to nobody before it was closed.
    pub(super) abandoned: u128,
    pub(super) open: bool,
}

/// A log that goes no further.
#[derive(Clone, Debug)]
pub(super) struct ClosedLog {
    pub(super) address: Pubkey,
    pub(super) root: Hash,
    pub(super) leaves: Arc<[Hash]>,
    pub(super) receipts: Arc<[Option<(Id, u64)>]>,
}

impl Coordinator {
    pub(super) fn undistributed(&self) -> u128 {
        self.debited - self.credited - self.fees - self.abandoned
    }
}

/// Who can have hot keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    Coordinator(Id),
    Node(Id),
}

/// The record of a hot key that was replaced.
#[derive(Clone, Debug)]
pub(super) struct Retired {
    pub(super) address: Pubkey,
    pub(super) of: Party,
    pub(super) key: Id,
    pub(super) since: Moment,
    pub(super) open: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Payout {
    pub(super) address: Pubkey,
    pub(super) coordinator: Id,
    pub(super) node: Id,
    pub(super) owner: Id,
    pub(super) credited: u128,
    /// Ever paid to the node, out of credits and out of the guarantee bond.
    pub(super) paid: u128,
    /// Out of the guarantee bond, and not given back.
    pub(super) advanced: u128,
    pub(super) guarantee: u128,
    /// A lower guarantee, and when it was asked for.
    pub(super) lowering: Option<(u128, Moment)>,
    /// What was demanded, and when.
    pub(super) demand: Option<(u128, Moment)>,
    pub(super) open: bool,
}

impl Payout {
    /// What came out of the escrow vault for it, to the node or back to the bond.
    pub(super) fn out_of_pool(&self) -> u128 {
        self.paid - self.advanced
    }
}

/// Someone with a wallet and tokens in it; anybody may be anything.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) address: Pubkey,
    pub(super) tokens: Pubkey,
    pub(super) holds: u128,
}

/// Everything there is.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) slot: u64,
    pub(super) time: i64,
    pub(super) paused: bool,
    pub(super) governance: Pubkey,
    pub(super) rules: Rules,
    pub(super) proposals: Vec<Proposal>,
    /// By number whether a measurement is on the list. Number 0 stands for none and never is.
    pub(super) listed: Vec<bool>,
    /// Whether the other mint has a market.
    pub(super) second_market: bool,
    pub(super) people: Vec<Person>,
    /// Hot keys.
    pub(super) keys: Vec<Pubkey>,
    pub(super) escrows: Vec<Escrow>,
    pub(super) allowances: Vec<Allowance>,
    pub(super) nodes: Vec<Node>,
    pub(super) coordinators: Vec<Coordinator>,
    pub(super) payouts: Vec<Payout>,
    pub(super) retired: Vec<Retired>,
    pub(super) evidence: Vec<Evidence>,
    pub(super) records: Vec<Record>,
    /// Held by the escrow, stake and bond vaults, gifts included.
    pub(super) vaults: [u128; 3],
    pub(super) gifts: [u128; 3],
    /// Tokens of the market's mint that are no more.
    pub(super) burned: u128,
    /// Strayed tokens of another mint that came back.
    pub(super) recovered: u128,
}

pub(super) const ESCROW: usize = 0;
pub(super) const STAKE: usize = 1;
pub(super) const BOND: usize = 2;

/// What an instruction changed, and must be compared with the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    Market,
    SecondMarket,
    Proposal(Id),
    Measurement(Id),
    Escrow(Id),
    Allowance(Id),
    Node(Id),
    Coordinator(Id),
    Payout(Id),
    Retired(Id),
    Evidence(Id),
    Record(Id),
    Person(Id),
    Vaults,
    Strays,
}

/// What must come of an instruction.
pub(super) type Verdict = Result<Vec<Touched>, Refusal>;

/// Refuses unless something holds.
pub(super) fn require(holds: bool, otherwise: impl Into<Refusal>) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

impl Ledger {
    /// Both counts of a delay have passed.
    pub(super) fn has_waited(&self, since: Moment, (slots, seconds): Wait) -> bool {
        let slots = u128::from(self.slot) >= u128::from(since.0) + u128::from(slots);
        slots && i128::from(self.time) >= i128::from(since.1) + i128::from(seconds)
    }

    pub(super) fn now(&self) -> Moment {
        (self.slot, self.time)
    }

    pub(super) fn signer(&self, party: Party) -> Id {
        match party {
            Party::Coordinator(id) => self.coordinators[id].signer,
            Party::Node(id) => self.nodes[id].signer,
        }
    }

    /// The record of a key, retired and not closed.
    pub(super) fn retired(&self, party: Party, key: Id) -> Option<Id> {
        self.retired.iter().position(|it| it.open && it.of == party && it.key == key)
    }

    /// Refuses keys that may not speak for a party; `shown` is a retired key's record.
    pub(super) fn accountable(
        &self,
        party: Party,
        key: Id,
        shown: Option<Id>,
    ) -> Result<(), Refusal> {
        if self.signer(party) == key {
            return Ok(());
        }
        let it = &self.retired[shown.ok_or(E::WrongSignerKey)?];
        require(it.of == party && it.key == key, E::WrongSignerKey)?;
        require(!self.has_waited(it.since, self.rules.unbond), E::EvidenceTooOld)
    }

    /// Takes everything of a slashed bond or stake out of a vault: a quarter, rounded down, goes to
    /// whoever reports, the rest is burned.
    pub(super) fn slash(&mut self, vault: usize, total: u128, reporter: Id) {
        let part = total / 4;
        self.pay(vault, reporter, part);
        self.vaults[vault] -= total - part;
        self.burned += total - part;
    }

    /// Moves tokens between a person and a vault.
    pub(super) fn deposit(&mut self, person: Id, vault: usize, amount: u128) {
        self.people[person].holds -= amount;
        self.vaults[vault] += amount;
    }

    pub(super) fn pay(&mut self, vault: usize, person: Id, amount: u128) {
        self.vaults[vault] -= amount;
        self.people[person].holds += amount;
    }

    /// What the guarantee bond may still have to pay for a coordinator.
    pub(super) fn promised(&self, coordinator: Id) -> u128 {
        let own = self.payouts.iter().filter(|it| it.coordinator == coordinator);
        own.map(|it| it.guarantee - it.advanced).sum()
    }

    /// Σ free + Σ remaining + Σ (debited − given out of the pool − fees paid).
    pub(super) fn owed_by_escrow(&self) -> u128 {
        let free: u128 = self.escrows.iter().map(|it| it.free).sum();
        let reserved: u128 = self.allowances.iter().map(Allowance::remaining).sum();
        let collected: u128 =
            self.coordinators.iter().map(|it| it.debited - it.abandoned - it.fees_paid).sum();
        let paid: u128 = self.payouts.iter().map(Payout::out_of_pool).sum();
        free + reserved + collected - paid
    }

    pub(super) fn owed_by_stake(&self) -> u128 {
        self.nodes.iter().map(|it| it.stake + it.unbonding).sum()
    }

    pub(super) fn owed_by_bond(&self) -> u128 {
        let all = self.coordinators.iter();
        all.map(|it| it.guarantee + it.guarantee_leaving.0 + it.penalty + it.penalty_leaving.0)
            .sum()
    }

    /// What must hold of any ledger, whatever was done: every vault holds what it owes and gifts, no
    /// dollar is owed to two, nobody is paid more than was credited, nothing is given that was not
    /// taken, and nobody's counters contradict each other.
    pub(super) fn check(&self, supply: u128) {
        let owed = [self.owed_by_escrow(), self.owed_by_stake(), self.owed_by_bond()];
        for ((held, owed), gifts) in self.vaults.iter().zip(owed).zip(self.gifts) {
            assert_eq!(*held, owed + gifts);
        }
        let held: u128 = self.people.iter().map(|it| it.holds).sum();
        let arrived: u128 = self.escrows.iter().filter_map(|it| it.deposited).sum();
        let there = held + arrived + self.vaults.iter().sum::<u128>();
        assert_eq!(there + self.burned, supply);
        for (id, it) in self.coordinators.iter().enumerate() {
            let own = || self.payouts.iter().filter(move |payout| payout.coordinator == id);
            assert_eq!(own().map(|payout| payout.credited).sum::<u128>(), it.credited);
            // Paid once, whether by claim or by demand: what the pool gave is at most what was
            // credited, and what the bond gave at most what it guaranteed.
            assert!(own().all(|payout| payout.out_of_pool() <= payout.credited));
            assert!(own().all(|payout| payout.advanced <= payout.guarantee));
            assert!(self.promised(id) <= it.guarantee, "a guarantee that no bond stands for");
            let taken = self.allowances.iter().filter(|allowance| allowance.coordinator == id);
            assert_eq!(taken.map(|allowance| allowance.debited).sum::<u128>(), it.debited);
            assert!(it.credited + it.fees <= it.debited && it.fees_paid <= it.fees);
            assert!(it.fees * 10_000 <= it.debited * u128::from(it.fee_bps));
        }
    }
}
