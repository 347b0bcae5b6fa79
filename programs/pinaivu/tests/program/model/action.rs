//! What somebody may try next, and how likely.

use super::ledger::*;
use super::random::Random;
use crate::harness::{FEE, FEE_CAP, MIN_BOND};

/// What is wrong with a log extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Epoch,
    Size,
    Count,
    Root,
}

/// One instruction, or something that happens to the chain. Ids are positions in the ledger's lists;
/// `by` is who signs, not always who may.
#[derive(Clone, Debug)]
pub(super) enum Action {
    EscrowOpen {
        owner: Id,
        opened: u64,
    },
    EscrowDeposit {
        escrow: Id,
        person: Id,
        amount: u64,
    },
    EscrowWithdraw {
        escrow: Id,
        by: Id,
        amount: u64,
    },
    EscrowSweep {
        escrow: Id,
    },
    EscrowClose {
        escrow: Id,
        by: Id,
    },
    AllowanceOpen {
        escrow: Id,
        by: Id,
        coordinator: Id,
        opened: u64,
        amount: u64,
        expiry: i64,
        voucher: Option<Id>,
    },
    AllowanceRaise {
        allowance: Id,
        by: Id,
        amount: u64,
        expiry: i64,
    },
    AllowanceRelease {
        allowance: Id,
        by: Id,
        amount: u64,
        to_wallet: bool,
    },
    AllowanceExit {
        allowance: Id,
        with_wallet: bool,
    },
    VoucherAccept {
        allowance: Id,
        signer: Id,
        cumulative: u64,
        expiry: i64,
    },
    AllowanceClose {
        allowance: Id,
        by: Id,
    },
    NodeRegister {
        operator: Id,
        payout_owner: Id,
        signer: Id,
        opened: u64,
    },
    NodeStake {
        node: Id,
        person: Id,
        amount: u64,
    },
    NodeUnbond {
        node: Id,
        by: Id,
        amount: u64,
    },
    NodeUnbondClaim {
        node: Id,
    },
    NodeRotateSigner {
        node: Id,
        by: Id,
        signer: Id,
    },
    NodeClose {
        node: Id,
        by: Id,
    },
    CoordinatorRegister {
        authority: Id,
        signer: Id,
        opened: u64,
        fee_bps: u16,
    },
    CoordinatorBond {
        coordinator: Id,
        by: Id,
        guarantee: u64,
        penalty: u64,
    },
    CoordinatorRotateSigner {
        coordinator: Id,
        by: Id,
        signer: Id,
    },
    CoordinatorUpdate {
        coordinator: Id,
        by: Id,
        value: u8,
    },
    PayoutOpen {
        coordinator: Id,
        node: Id,
    },
    LogExtend {
        coordinator: Id,
        by: Id,
        new: Vec<[u8; 32]>,
        fault: Fault,
    },
    LogEpochOpen {
        coordinator: Id,
        by: Id,
    },
    Debit {
        coordinator: Id,
        by: Id,
        entries: Vec<(Id, u64)>,
    },
    Credit {
        coordinator: Id,
        by: Id,
        entries: Vec<(Id, u64)>,
        fees: u64,
    },
    Claim {
        payout: Id,
    },
    FeeClaim {
        coordinator: Id,
    },
    MarketPause {
        by_governance: bool,
        paused: bool,
    },
    GuaranteeSet {
        payout: Id,
        by: Id,
        guarantee: u64,
    },
    GuaranteeLower {
        payout: Id,
    },
    GuaranteeRefill {
        payout: Id,
    },
    DemandOpen {
        payout: Id,
        by: Id,
        signer: Id,
        cumulative: u64,
    },
    DemandSettle {
        payout: Id,
    },
    CoordinatorUnbond {
        coordinator: Id,
        by: Id,
        guarantee: u64,
        penalty: u64,
    },
    CoordinatorUnbondClaim {
        coordinator: Id,
    },
    /// The market's own opening, again.
    MarketInitialize,
}

impl Action {
    /// The instruction's name in the IDL.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::EscrowOpen { .. } => "escrow_open",
            Self::EscrowDeposit { .. } => "escrow_deposit",
            Self::EscrowWithdraw { .. } => "escrow_withdraw",
            Self::EscrowSweep { .. } => "escrow_sweep",
            Self::EscrowClose { .. } => "escrow_close",
            Self::AllowanceOpen { .. } => "allowance_open",
            Self::AllowanceRaise { .. } => "allowance_raise",
            Self::AllowanceRelease { .. } => "allowance_release",
            Self::AllowanceExit { .. } => "allowance_exit",
            Self::VoucherAccept { .. } => "voucher_accept",
            Self::AllowanceClose { .. } => "allowance_close",
            Self::NodeRegister { .. } => "node_register",
            Self::NodeStake { .. } => "node_stake",
            Self::NodeUnbond { .. } => "node_unbond",
            Self::NodeUnbondClaim { .. } => "node_unbond_claim",
            Self::NodeRotateSigner { .. } => "node_rotate_signer",
            Self::NodeClose { .. } => "node_close",
            Self::CoordinatorRegister { .. } => "coordinator_register",
            Self::CoordinatorBond { .. } => "coordinator_bond",
            Self::CoordinatorRotateSigner { .. } => "coordinator_rotate_signer",
            Self::CoordinatorUpdate { .. } => "coordinator_update",
            Self::PayoutOpen { .. } => "payout_open",
            Self::LogExtend { .. } => "log_extend",
            Self::LogEpochOpen { .. } => "log_epoch_open",
            Self::Debit { .. } => "debit",
            Self::Credit { .. } => "credit",
            Self::Claim { .. } => "claim",
            Self::FeeClaim { .. } => "fee_claim",
            Self::MarketPause { .. } => "market_pause",
            Self::GuaranteeSet { .. } => "guarantee_set",
            Self::GuaranteeLower { .. } => "guarantee_lower",
            Self::GuaranteeRefill { .. } => "guarantee_refill",
            Self::DemandOpen { .. } => "demand_open",
            Self::DemandSettle { .. } => "demand_settle",
            Self::CoordinatorUnbond { .. } => "coordinator_unbond",
            Self::CoordinatorUnbondClaim { .. } => "coordinator_unbond_claim",
            Self::MarketInitialize => "market_initialize",
        }
    }
}

/// Chooses what to try next.
pub(super) struct Chooser<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) random: &'a mut Random,
}

impl Chooser<'_> {
    pub(super) fn choose(&mut self) -> Action {
        match self.random.below(121) {
            0..=3 => Action::EscrowOpen { owner: self.person(), opened: self.opening_slot() },
            4..=11 => self.deposit(),
            12..=16 => self.withdraw(),
            17..=19 => {
                let escrow = self.escrow();
                Action::EscrowClose { escrow, by: self.mostly(self.ledger.escrows[escrow].owner) }
            }
            20..=27 => self.allowance_open(),
            28..=53 if !self.ledger.allowances.is_empty() => self.allowance_action(),
            54..=58 => self.settle_entries(),
            59..=69 if !self.ledger.payouts.is_empty() => self.credit(),
            70..=73 if !self.ledger.payouts.is_empty() => {
                Action::Claim { payout: self.random.below(self.ledger.payouts.len()) }
            }
            74..=75 => Action::FeeClaim { coordinator: self.coordinator() },
            76..=85 => self.node_action(),
            86..=98 => self.coordinator_action(),
            100..=113 if !self.ledger.payouts.is_empty() => self.guarantee_action(),
            114..=117 => self.unbond_action(),
            118..=120 => Action::EscrowSweep { escrow: self.escrow() },
            99 if self.random.once_in(20) => Action::MarketInitialize,
            _ => Action::MarketPause {
                by_governance: !self.random.once_in(4),
                paused: !self.ledger.paused && self.random.once_in(2),
            },
        }
    }

    fn person(&mut self) -> Id {
        self.random.below(self.ledger.people.len())
    }

    /// Mostly who may, sometimes whoever comes along.
    fn mostly(&mut self, right: Id) -> Id {
        if self.random.once_in(16) { self.person() } else { right }
    }

    fn mostly_key(&mut self, right: Id) -> Id {
        if self.random.once_in(24) { self.key() } else { right }
    }

    fn key(&mut self) -> Id {
        self.random.below(self.ledger.keys.len())
    }

    fn opening_slot(&mut self) -> u64 {
        let age = match self.random.below(16) {
            0 => 300,
            1 => 301,
            2 => return self.ledger.slot + 1,
            3..=6 => self.random.below(300) as u64,
            _ => self.random.below(3) as u64,
        };
        self.ledger.slot - age
    }

    /// A position, preferably of something open.
    fn open_one(&mut self, length: usize, open: impl Fn(usize) -> bool) -> Id {
        let tries = if self.random.once_in(12) { 1 } else { 12 };
        let mut chosen = 0;
        for _ in 0..tries {
            chosen = self.random.below(length);
            if open(chosen) {
                break;
            }
        }
        chosen
    }

    fn escrow(&mut self) -> Id {
        let escrows = &self.ledger.escrows;
        self.open_one(escrows.len(), |id| escrows[id].open)
    }

    fn allowance(&mut self) -> Id {
        let allowances = &self.ledger.allowances;
        self.open_one(allowances.len(), |id| allowances[id].open)
    }

    fn node(&mut self) -> Id {
        let nodes = &self.ledger.nodes;
        self.open_one(nodes.len(), |id| nodes[id].open)
    }

    fn coordinator(&mut self) -> Id {
        self.random.below(self.ledger.coordinators.len())
    }

    fn deposit(&mut self) -> Action {
        let (escrow, person) = (self.escrow(), self.person());
        let amount = self.random.amount(self.ledger.people[person].holds / 8);
        Action::EscrowDeposit { escrow, person, amount }
    }

    fn withdraw(&mut self) -> Action {
        let escrow = self.escrow();
        let it = &self.ledger.escrows[escrow];
        let amount = self.random.amount(it.free);
        Action::EscrowWithdraw { escrow, by: self.mostly(it.owner), amount }
    }

    fn allowance_open(&mut self) -> Action {
        let escrow = self.escrow();
        let it = &self.ledger.escrows[escrow];
        Action::AllowanceOpen {
            escrow,
            by: self.mostly(it.owner),
            coordinator: self.coordinator(),
            opened: self.opening_slot(),
            amount: self.random.amount(it.free / 2),
            expiry: self.ledger.time + self.random.below(2_000) as i64 - 20,
            voucher: self.random.once_in(3).then(|| self.key()),
        }
    }

    fn allowance_action(&mut self) -> Action {
        let allowance = self.allowance();
        let it = &self.ledger.allowances[allowance];
        let escrow = &self.ledger.escrows[it.escrow];
        let by = self.mostly(escrow.owner);
        match self.random.below(16) {
            13..=15 => {
                let wallet = it.voucher.map_or(0, |(wallet, _)| wallet);
                let times = [0, self.ledger.time + 1, self.ledger.time, self.ledger.time + 900];
                Action::VoucherAccept {
                    allowance,
                    signer: self.mostly_key(wallet),
                    cumulative: self.random.amount(it.reserved),
                    expiry: self.random.choose(&times),
                }
            }
            0 | 1 => Action::AllowanceRaise {
                allowance,
                by,
                amount: self.random.amount(escrow.free / 2),
                expiry: it.expiry + self.random.below(1_000) as i64 - 50,
            },
            2..=5 => Action::AllowanceRelease {
                allowance,
                by,
                amount: self.random.amount(it.remaining()),
                to_wallet: self.random.once_in(2),
            },
            6..=9 => Action::AllowanceExit { allowance, with_wallet: !self.random.once_in(8) },
            _ => Action::AllowanceClose { allowance, by },
        }
    }

    fn settle_entries(&mut self) -> Action {
        let coordinator = self.coordinator();
        let own: Vec<Id> = (0..self.ledger.allowances.len())
            .filter(|id| self.ledger.allowances[*id].coordinator == coordinator)
            .collect();
        let mut entries = Vec::new();
        for _ in 0..self.random.below(6) {
            let anybodys = own.is_empty() || self.random.once_in(60);
            if anybodys && self.ledger.allowances.is_empty() {
                break;
            }
            let id = if anybodys { self.allowance() } else { self.random.choose(&own) };
            let it = &self.ledger.allowances[id];
            entries.push((id, self.random.amount(it.debited + it.remaining())));
        }
        let by = self.mostly_key(self.ledger.coordinators[coordinator].signer);
        Action::Debit { coordinator, by, entries }
    }

    fn credit(&mut self) -> Action {
        let coordinator = self.coordinator();
        let it = &self.ledger.coordinators[coordinator];
        let own: Vec<Id> = (0..self.ledger.payouts.len())
            .filter(|id| self.ledger.payouts[*id].coordinator == coordinator)
            .collect();
        let mut entries = Vec::new();
        for _ in 0..self.random.below(5) {
            let anybodys = own.is_empty() || self.random.once_in(60);
            let all = self.ledger.payouts.len();
            let id = if anybodys { self.random.below(all) } else { self.random.choose(&own) };
            let there = self.ledger.payouts[id].credited + it.undistributed() / 3;
            entries.push((id, self.random.amount(there)));
        }
        let fees = self.random.amount(it.debited / 10);
        Action::Credit { coordinator, by: self.mostly_key(it.signer), entries, fees }
    }

    fn node_action(&mut self) -> Action {
        let node = self.node();
        let it = &self.ledger.nodes[node];
        let by = self.mostly(it.operator);
        match self.random.below(12) {
            0 => Action::NodeRegister {
                operator: self.person(),
                payout_owner: self.person(),
                signer: self.key(),
                opened: self.opening_slot(),
            },
            1..=3 => {
                let person = self.person();
                let amount = self.random.amount(self.ledger.people[person].holds / 16);
                Action::NodeStake { node, person, amount }
            }
            4 | 5 => Action::NodeUnbond { node, by, amount: self.random.amount(it.stake) },
            6..=8 => Action::NodeUnbondClaim { node },
            9 => Action::NodeRotateSigner { node, by, signer: self.key() },
            _ => Action::NodeClose { node, by },
        }
    }

    fn coordinator_action(&mut self) -> Action {
        let coordinator = self.coordinator();
        let it = &self.ledger.coordinators[coordinator];
        let by = self.mostly(it.authority);
        match self.random.below(20) {
            0 if self.ledger.coordinators.len() < 6 => Action::CoordinatorRegister {
                authority: self.person(),
                signer: self.key(),
                opened: self.opening_slot(),
                fee_bps: self.random.choose(&[0, 1, FEE, FEE_CAP, FEE_CAP + 1]),
            },
            1 | 2 => Action::CoordinatorBond {
                coordinator,
                by,
                guarantee: self.random.amount(2_000),
                penalty: self.random.amount(200),
            },
            3 => Action::CoordinatorRotateSigner { coordinator, by, signer: self.key() },
            4 => Action::CoordinatorUpdate { coordinator, by, value: self.random.below(256) as u8 },
            5..=7 => Action::PayoutOpen { coordinator, node: self.node() },
            8 => Action::LogEpochOpen { coordinator, by },
            _ if it.leaves.len() > 60 => Action::LogEpochOpen { coordinator, by },
            _ => {
                let faults = [
                    Fault::Epoch,
                    Fault::Size,
                    Fault::Count,
                    Fault::Root,
                    Fault::None,
                    Fault::None,
                ];
                let fault =
                    if self.random.once_in(4) { self.random.choose(&faults) } else { Fault::None };
                let new = (0..self.random.below(9)).map(|_| self.leaf()).collect();
                Action::LogExtend { coordinator, by: self.mostly_key(it.signer), new, fault }
            }
        }
    }

    fn guarantee_action(&mut self) -> Action {
        let payout = self.random.below(self.ledger.payouts.len());
        let it = &self.ledger.payouts[payout];
        let coordinator = &self.ledger.coordinators[it.coordinator];
        match self.random.below(14) {
            0..=2 => {
                let by = self.mostly(coordinator.authority);
                let guarantee = self.random.amount(coordinator.guarantee / 2);
                Action::GuaranteeSet { payout, by, guarantee }
            }
            3 | 4 => Action::GuaranteeLower { payout },
            5 | 6 => Action::GuaranteeRefill { payout },
            7..=9 => {
                let owed = it.credited.max(it.paid) + 1 + self.random.below(300) as u128;
                Action::DemandOpen {
                    payout,
                    by: self.mostly(it.owner),
                    signer: self.mostly_key(coordinator.signer),
                    cumulative: self.random.amount(owed),
                }
            }
            _ => Action::DemandSettle { payout },
        }
    }

    fn unbond_action(&mut self) -> Action {
        let coordinator = self.coordinator();
        let it = &self.ledger.coordinators[coordinator];
        if self.random.once_in(2) {
            return Action::CoordinatorUnbondClaim { coordinator };
        }
        let by = self.mostly(it.authority);
        let free = it.guarantee - self.ledger.promised(coordinator);
        let guarantee = self.random.amount(free / 2);
        // Mostly above the least, so that people can go on reserving for it.
        let penalty = it.penalty.saturating_sub(u128::from(MIN_BOND));
        let penalty = if self.random.once_in(2) { 0 } else { self.random.amount(penalty) };
        Action::CoordinatorUnbond { coordinator, by, guarantee, penalty }
    }

    fn leaf(&mut self) -> [u8; 32] {
        let mut leaf = [0; 32];
        leaf[..8].copy_from_slice(&self.random.next().to_le_bytes());
        leaf
    }
}
