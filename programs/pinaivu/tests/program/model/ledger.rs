//! The reference: what everybody has, in plain numbers that never overflow. It computes from what the
//! documentation promises and shares no arithmetic with the program or its rules.

use solana_pubkey::Pubkey;

use crate::harness::Refusal;

/// Position in one of the ledger's lists.
pub(super) type Id = usize;

#[derive(Clone, Debug)]
pub(super) struct Escrow {
    pub(super) address: Pubkey,
    pub(super) owner: Id,
    pub(super) opened: u64,
    pub(super) free: u128,
    /// In its deposit account, once there is one.
    pub(super) deposited: Option<u128>,
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
    pub(super) since: (u64, i64),
    /// Hot keys it had before.
    pub(super) retired: Vec<Id>,
    pub(super) open: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Coordinator {
    pub(super) address: Pubkey,
    pub(super) authority: Id,
    pub(super) signer: Id,
    pub(super) fee_bps: u16,
    /// The two bonds, and what of them waits to be taken out since when.
    pub(super) guarantee: u128,
    pub(super) penalty: u128,
    pub(super) guarantee_leaving: (u128, (u64, i64)),
    pub(super) penalty_leaving: (u128, (u64, i64)),
    pub(super) debited: u128,
    pub(super) credited: u128,
    pub(super) fees: u128,
    pub(super) fees_paid: u128,
    pub(super) evidence: u8,
    /// Hot keys it had before.
    pub(super) retired: Vec<Id>,
    pub(super) epoch: u32,
    pub(super) leaves: Vec<[u8; 32]>,
    /// Address, size and root of every log that was closed, by epoch.
    pub(super) closed: Vec<(Pubkey, u64, [u8; 32])>,
}

impl Coordinator {
    pub(super) fn undistributed(&self) -> u128 {
        self.debited - self.credited - self.fees
    }
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
    pub(super) lowering: Option<(u128, (u64, i64))>,
    /// What was demanded, and when.
    pub(super) demand: Option<(u128, (u64, i64))>,
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
    pub(super) people: Vec<Person>,
    /// Hot keys.
    pub(super) keys: Vec<Pubkey>,
    pub(super) escrows: Vec<Escrow>,
    pub(super) allowances: Vec<Allowance>,
    pub(super) nodes: Vec<Node>,
    pub(super) coordinators: Vec<Coordinator>,
    pub(super) payouts: Vec<Payout>,
    /// Held by the escrow, stake and bond vaults, gifts included.
    pub(super) vaults: [u128; 3],
    pub(super) gifts: [u128; 3],
}

pub(super) const ESCROW: usize = 0;
pub(super) const STAKE: usize = 1;
pub(super) const BOND: usize = 2;

/// What an instruction changed, and must be compared with the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    Market,
    Escrow(Id),
    Allowance(Id),
    Node(Id),
    Coordinator(Id),
    Payout(Id),
    Person(Id),
    Vaults,
}

/// What must come of an instruction.
pub(super) type Verdict = Result<Vec<Touched>, Refusal>;

/// Refuses unless something holds.
pub(super) fn require(holds: bool, otherwise: impl Into<Refusal>) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

impl Ledger {
    /// Both counts of a delay have passed.
    pub(super) fn has_waited(&self, since: (u64, i64), slots: u64, seconds: u64) -> bool {
        let slots = u128::from(self.slot) >= u128::from(since.0) + u128::from(slots);
        slots && i128::from(self.time) >= i128::from(since.1) + i128::from(seconds)
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
        let collected: u128 = self.coordinators.iter().map(|it| it.debited - it.fees_paid).sum();
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
        assert_eq!(held + arrived + self.vaults.iter().sum::<u128>(), supply);
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
