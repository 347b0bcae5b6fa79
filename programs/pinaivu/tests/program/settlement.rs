//! Debits and credits to cumulative amounts.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::{AllowancesDebited, PayoutsCredited};
use pinaivu::state::{Allowance, Coordinator as CoordinatorAccount, Payout};
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_pubkey::Pubkey;

use crate::harness::*;

struct Setting {
    world: World,
    alice: Actor,
    escrow: Pubkey,
    coordinator: Coordinator,
    /// Alice's reservations of 100 and 50.
    allowances: [Pubkey; 2],
    nodes: [Node; 2],
    payouts: [Pubkey; 2],
}

fn setting() -> Setting {
    let mut world = World::new();
    let alice = world.actor(1_000);
    let escrow = world.escrow(&alice, 1_000);
    let coordinator = world.coordinator();
    let first = world.allowance(&alice, &escrow, &coordinator, 100);
    world.pass(1, 0);
    let second = world.allowance(&alice, &escrow, &coordinator, 50);
    let nodes = [world.node(), world.node()];
    let payouts = [world.payout(&coordinator, &nodes[0]), world.payout(&coordinator, &nodes[1])];
    Setting { world, alice, escrow, coordinator, allowances: [first, second], nodes, payouts }
}

impl Setting {
    fn debit(&mut self, entries: &[(Pubkey, u64)]) -> AllowancesDebited {
        let debit = self.world.debit(&self.coordinator, entries);
        event(&self.world.ok(&debit, &[&self.coordinator.signer]))
    }

    fn credit(&mut self, entries: &[(Pubkey, u64)], fees: u64) -> PayoutsCredited {
        let credit = self.world.credit(&self.world.market, &self.coordinator, entries, fees);
        event(&self.world.ok(&credit, &[&self.coordinator.signer]))
    }

    #[track_caller]
    fn refuses_debit(&mut self, entries: &[(Pubkey, u64)], error: PinaivuError) {
        let debit = self.world.debit(&self.coordinator, entries);
        self.world.fails(&debit, &[&self.coordinator.signer], error);
    }

    #[track_caller]
    fn refuses_credit(&mut self, entries: &[(Pubkey, u64)], error: PinaivuError) {
        let credit = self.world.credit(&self.world.market, &self.coordinator, entries, 0);
        self.world.fails(&credit, &[&self.coordinator.signer], error);
    }

    fn debited(&self) -> [u64; 2] {
        self.allowances.map(|allowance| self.world.read::<Allowance>(&allowance).debited)
    }

    fn credited(&self) -> [u64; 2] {
        self.payouts.map(|payout| self.world.read::<Payout>(&payout).credited)
    }

    /// Debited, credited, fees.
    fn totals(&self) -> (u64, u64, u64) {
        let it: CoordinatorAccount = self.world.read(&self.coordinator.address);
        (it.debited, it.credited, it.fees)
    }
}

#[test]
fn debit_takes_each_allowance_to_its_cumulative_and_moves_no_tokens() {
    let mut it = setting();
    let [first, second] = it.allowances;
    let vault = it.world.tokens(&it.world.market.escrow_vault);
    let debited = it.debit(&[(first, 30), (second, 50)]);
    assert_eq!((it.debited(), it.totals()), ([30, 50], (80, 0, 0)));
    assert_eq!(it.world.tokens(&it.world.market.escrow_vault), vault);
    assert_eq!(
        (debited.coordinator, debited.taken, debited.debited),
        (it.coordinator.address, 80, 80)
    );
    let entries: Vec<_> =
        debited.entries.iter().map(|e| (e.allowance, e.debited, e.remaining)).collect();
    assert_eq!(entries, [(first, 30, 70), (second, 50, 0)]);
    let debited = it.debit(&[(first, 31)]);
    assert_eq!((debited.taken, debited.debited), (1, 81));
}

#[test]
fn debit_that_is_stale_changes_nothing_and_stops_nothing() {
    let mut it = setting();
    let [first, second] = it.allowances;
    it.debit(&[(first, 30)]);
    for stale in [30, 29, 0] {
        let debited = it.debit(&[(first, stale)]);
        assert_eq!((debited.taken, debited.entries.len()), (0, 0));
    }
    let debited = it.debit(&[(first, 7), (second, 5)]);
    assert_eq!((debited.taken, it.debited()), (5, [30, 5]));
}

#[test]
fn debit_beyond_what_remains_takes_what_is_there_and_stops_nothing() {
    let mut it = setting();
    let [first, second] = it.allowances;
    assert_eq!(it.debit(&[(first, u64::MAX), (second, 51)]).taken, 150);
    assert_eq!((it.debited(), it.totals().0), ([100, 50], 150));
    assert_eq!(it.debit(&[(first, u64::MAX)]).taken, 0);
}

#[test]
fn debit_after_a_raise_takes_the_rest_of_a_short_cumulative() {
    let mut it = setting();
    let [first, _] = it.allowances;
    it.debit(&[(first, 130)]);
    let expiry = it.world.read::<Allowance>(&first).expiry_time;
    let raise = it.world.allowance_raise(&it.world.market, &first, 100, expiry);
    it.world.ok(&raise, &[&it.alice.key]);
    assert_eq!(it.debit(&[(first, 130)]).taken, 30);
}

#[test]
fn debit_with_the_same_allowance_twice_counts_it_once() {
    let mut it = setting();
    let [first, second] = it.allowances;
    assert_eq!(it.debit(&[(first, 40), (first, 40)]).taken, 40);
    assert_eq!(it.debit(&[(first, 60), (first, 50), (first, 70)]).taken, 30);
    assert_eq!(it.debit(&[(first, 500), (second, 500), (first, 500), (second, 500)]).taken, 80);
    assert_eq!((it.debited(), it.totals().0), ([100, 50], 150));
}

#[test]
fn debit_of_an_allowance_that_was_closed_takes_nothing_and_stops_nothing() {
    let mut it = setting();
    let [first, second] = it.allowances;
    it.debit(&[(first, 100)]);
    it.world.pass(OPENING_SLOT_WINDOW + 1, 0);
    let close = it.world.allowance_close(&first);
    it.world.ok(&close, &[&it.alice.key]);
    let debited = it.debit(&[(first, 110), (second, 20)]);
    assert_eq!((debited.taken, debited.debited), (20, 120));
}

#[test]
fn debit_with_an_account_of_another_kind_is_refused_as_a_whole() {
    let mut it = setting();
    let [first, _] = it.allowances;
    let others =
        [it.escrow, it.payouts[0], it.nodes[0].address, it.alice.tokens, it.world.market.address];
    for other in others {
        it.refuses_debit(&[(first, 10), (other, 10)], PinaivuError::WrongEntryAccount);
    }
    let program = it.world.debit(&it.coordinator, &[(first, 10), (pinaivu::ID, 10)]);
    it.world.fails(&program, &[&it.coordinator.signer], PinaivuError::WrongEntryAccount);
    assert_eq!(it.debited(), [0, 0]);
}

#[test]
fn debit_of_another_coordinators_allowance_is_refused_as_a_whole() {
    let mut it = setting();
    let [first, second] = it.allowances;
    let rival = it.world.coordinator();
    let theirs = it.world.allowance(&it.alice, &it.escrow, &rival, 10);
    it.refuses_debit(&[(first, 10), (theirs, 10), (second, 10)], PinaivuError::WrongCoordinator);
    assert_eq!((it.debited(), it.world.read::<Allowance>(&theirs).debited), ([0, 0], 0));
}

#[test]
fn debit_of_a_read_only_allowance_is_refused() {
    let mut it = setting();
    let mut debit = it.world.debit(&it.coordinator, &[(it.allowances[0], 1)]);
    debit.accounts[2].is_writable = false;
    it.world.fails(&debit, &[&it.coordinator.signer], PinaivuError::EntryNotWritable);
}

#[test]
fn debit_with_no_entries_or_another_number_of_accounts_is_refused() {
    let mut it = setting();
    let [first, second] = it.allowances;
    it.refuses_debit(&[], PinaivuError::EntriesEmpty);
    let mut missing = it.world.debit(&it.coordinator, &[(first, 1), (second, 1)]);
    missing.accounts.pop();
    it.world.fails(&missing, &[&it.coordinator.signer], PinaivuError::EntryCountMismatch);
    let mut surplus = it.world.debit(&it.coordinator, &[(first, 1)]);
    surplus.accounts.push(surplus.accounts[2].clone());
    it.world.fails(&surplus, &[&it.coordinator.signer], PinaivuError::EntryCountMismatch);
}

#[test]
fn debit_by_anyone_but_the_hot_signer_is_refused() {
    let mut it = setting();
    let debit = it.world.debit(&it.coordinator, &[(it.allowances[0], 1)]);
    let mut cold = debit.clone();
    cold.accounts[0].pubkey = it.coordinator.authority.address();
    it.world.fails(&cold, &[&it.coordinator.authority.key], PinaivuError::NotSigner);
    let mut unsigned = debit;
    unsigned.accounts[0].is_signer = false;
    it.world.fails(&unsigned, &[], ErrorCode::AccountNotSigner);
}

#[test]
fn debit_and_credit_write_only_the_coordinator_and_their_entries() {
    let it = setting();
    let debit = it.world.debit(&it.coordinator, &[(it.allowances[0], 1)]);
    let credit = it.world.credit(&it.world.market, &it.coordinator, &[(it.payouts[0], 1)], 0);
    let written = |instruction: &solana_instruction::Instruction| -> Vec<Pubkey> {
        let metas = instruction.accounts.iter();
        metas.filter(|meta| meta.is_writable).map(|meta| meta.pubkey).collect()
    };
    assert_eq!(written(&debit), [it.coordinator.address, it.allowances[0]]);
    assert_eq!(written(&credit), [it.coordinator.address, it.payouts[0]]);
}

#[test]
fn debit_of_as_many_allowances_as_a_transaction_holds_fits_the_compute_budget() {
    let mut it = setting();
    let mut entries = Vec::new();
    for _ in 0..24 {
        it.world.pass(1, 0);
        let allowance = it.world.allowance(&it.alice, &it.escrow, &it.coordinator, 2);
        entries.push((allowance, 1));
    }
    let debit = it.world.debit(&it.coordinator, &entries);
    let meta = it.world.ok(&debit, &[&it.coordinator.signer]);
    assert!(meta.compute_units_consumed < 200_000, "{}", meta.compute_units_consumed);
    assert_eq!(event::<AllowancesDebited>(&meta).taken, 24);
}

#[test]
fn credit_takes_each_node_to_its_cumulative_and_keeps_the_fees() {
    let mut it = setting();
    let ([first, _], [node, other]) = (it.allowances, it.payouts);
    it.debit(&[(first, 100)]);
    let vault = it.world.tokens(&it.world.market.escrow_vault);
    let credited = it.credit(&[(node, 60), (other, 29)], 10);
    assert_eq!((it.credited(), it.totals()), ([60, 29], (100, 89, 10)));
    assert_eq!(it.world.tokens(&it.world.market.escrow_vault), vault);
    assert_eq!((credited.debited, credited.credited, credited.fees), (100, 89, 10));
    let entries: Vec<_> = credited.entries.iter().map(|e| (e.payout, e.credited)).collect();
    assert_eq!(entries, [(node, 60), (other, 29)]);
}

#[test]
fn credit_that_is_stale_changes_nothing_and_stops_nothing() {
    let mut it = setting();
    let ([first, _], [node, other]) = (it.allowances, it.payouts);
    it.debit(&[(first, 100)]);
    it.credit(&[(node, 60)], 9);
    for stale in [60, 59, 0] {
        let credited = it.credit(&[(node, stale)], 9);
        assert!(credited.entries.is_empty());
    }
    let credited = it.credit(&[(node, 3), (other, 4)], 2);
    assert_eq!((credited.credited, credited.fees, credited.entries.len()), (64, 9, 1));
    assert_eq!(it.credited(), [60, 4]);
}

#[test]
fn credit_beyond_what_was_debited_takes_what_is_there_nodes_before_fees() {
    let mut it = setting();
    let ([first, second], [node, other]) = (it.allowances, it.payouts);
    it.debit(&[(first, 100)]);
    let credited = it.credit(&[(node, 70), (other, u64::MAX)], 10);
    assert_eq!((it.credited(), credited.fees), ([70, 30], 0));
    it.debit(&[(second, 4)]);
    // The same cumulatives again: the other node's is still short and comes first.
    let credited = it.credit(&[(node, 70), (other, u64::MAX)], 10);
    assert_eq!((it.credited(), credited.fees), ([70, 34], 0));
    it.debit(&[(second, 20)]);
    let credited = it.credit(&[], 10);
    assert_eq!((it.credited(), credited.fees), ([70, 34], 10));
}

#[test]
fn credit_before_anything_was_debited_gives_nothing() {
    let mut it = setting();
    let credited = it.credit(&[(it.payouts[0], 10)], 10);
    assert_eq!((credited.credited, credited.fees, it.totals()), (0, 0, (0, 0, 0)));
}

#[test]
fn credit_keeps_fees_up_to_the_rate_rounded_down() {
    let mut it = setting();
    let [first, _] = it.allowances;
    for (debited, most) in [(9, 0), (10, 1), (19, 1), (99, 9), (100, 10)] {
        it.debit(&[(first, debited)]);
        assert_eq!(it.credit(&[], u64::MAX).fees, most, "of {debited}");
    }
}

#[test]
fn credit_with_the_same_payout_twice_counts_it_once() {
    let mut it = setting();
    let ([first, _], [node, other]) = (it.allowances, it.payouts);
    it.debit(&[(first, 100)]);
    it.credit(&[(node, 40), (node, 40), (other, 1), (node, 50)], 0);
    assert_eq!((it.credited(), it.totals().1), ([50, 1], 51));
}

#[test]
fn credit_with_an_account_of_another_kind_or_coordinator_is_refused_as_a_whole() {
    let mut it = setting();
    let ([first, _], [node, _]) = (it.allowances, it.payouts);
    it.debit(&[(first, 100)]);
    let absent = Pubkey::new_unique();
    for other in
        [first, it.escrow, it.nodes[0].address, it.alice.tokens, it.alice.address(), absent]
    {
        it.refuses_credit(&[(node, 10), (other, 10)], PinaivuError::WrongEntryAccount);
    }
    let rival = it.world.coordinator();
    let theirs = it.world.payout(&rival, &it.nodes[0]);
    it.refuses_credit(&[(node, 10), (theirs, 10)], PinaivuError::WrongCoordinator);
    assert_eq!(it.credited(), [0, 0]);
}

#[test]
fn credit_with_no_entries_or_another_number_of_accounts_or_read_only_is_refused() {
    let mut it = setting();
    let [node, other] = it.payouts;
    it.refuses_credit(&[], PinaivuError::EntriesEmpty);
    let mut missing =
        it.world.credit(&it.world.market, &it.coordinator, &[(node, 1), (other, 1)], 0);
    missing.accounts.pop();
    it.world.fails(&missing, &[&it.coordinator.signer], PinaivuError::EntryCountMismatch);
    let mut frozen = it.world.credit(&it.world.market, &it.coordinator, &[(node, 1)], 0);
    frozen.accounts[3].is_writable = false;
    it.world.fails(&frozen, &[&it.coordinator.signer], PinaivuError::EntryNotWritable);
}

#[test]
fn credit_by_anyone_but_the_hot_signer_or_in_another_market_is_refused() {
    let mut it = setting();
    let credit = it.world.credit(&it.world.market, &it.coordinator, &[(it.payouts[0], 1)], 0);
    let mut cold = credit.clone();
    cold.accounts[0].pubkey = it.coordinator.authority.address();
    it.world.fails(&cold, &[&it.coordinator.authority.key], PinaivuError::NotSigner);
    let mut unsigned = credit.clone();
    unsigned.accounts[0].is_signer = false;
    it.world.fails(&unsigned, &[], ErrorCode::AccountNotSigner);
    let other = it.world.open_market(CLASSIC);
    let mut foreign = credit;
    foreign.accounts[1].pubkey = other.address;
    it.world.fails(&foreign, &[&it.coordinator.signer], PinaivuError::WrongMarket);
}
