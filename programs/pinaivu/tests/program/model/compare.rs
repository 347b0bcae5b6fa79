//! The chain's accounts held against the ledger.

use pinaivu::state;

use super::build::Chain;
use super::build::governance::market_rules;
use super::ledger::*;
use crate::harness::measurement_entry;
use crate::settings::log;

impl Chain {
    /// Holds what an action touched against the chain.
    pub(super) fn compare(&self, ledger: &Ledger, touched: Touched) {
        let (w, market) = (&self.world, &self.world.market);
        match touched {
            Touched::Market => {
                let stored: state::Market = w.read(&market.address);
                assert_eq!((stored.paused, stored.governance), (ledger.paused, ledger.governance));
                assert_eq!(stored.rules(), market_rules(&ledger.rules));
                assert_eq!(stored.proposals, ledger.proposals.len() as u64);
            }
            Touched::SecondMarket => {
                assert_eq!(w.exists(&self.second.address), ledger.second_market);
            }
            Touched::Proposal(_)
            | Touched::Measurement(_)
            | Touched::Retired(_)
            | Touched::Evidence(_)
            | Touched::Record(_) => self.compare_records(ledger, touched),
            Touched::Escrow(id) => {
                let it = &ledger.escrows[id];
                assert_eq!(w.exists(&it.address), it.open);
                if it.open {
                    let stored: state::Escrow = w.read(&it.address);
                    assert_eq!(stored.owner, ledger.people[it.owner].address);
                    assert_eq!(u128::from(stored.free), it.free);
                    assert_eq!(stored.allowances, it.allowances);
                }
            }
            Touched::Allowance(id) => self.compare_allowance(&ledger.allowances[id]),
            Touched::Node(id) => {
                let it = &ledger.nodes[id];
                assert_eq!(w.exists(&it.address), it.open);
                if it.open {
                    let stored: state::Node = w.read(&it.address);
                    assert_eq!(u128::from(stored.stake), it.stake);
                    assert_eq!(u128::from(stored.unbonding.amount), it.unbonding);
                    assert_eq!(stored.signer, ledger.keys[it.signer]);
                    assert_eq!(stored.status == state::NodeStatus::Suspended, it.suspended);
                }
            }
            Touched::Coordinator(id) => self.compare_coordinator(ledger, id),
            Touched::Payout(id) => self.compare_payout(ledger, id),
            Touched::Person(id) => {
                let it = &ledger.people[id];
                assert_eq!(u128::from(w.tokens(&it.tokens)), it.holds);
            }
            Touched::Vaults => {
                let vaults = [market.escrow_vault, market.stake_vault, market.bond_vault];
                assert_eq!(vaults.map(|vault| u128::from(w.tokens(&vault))), ledger.vaults);
                let stored: state::Ledger = w.read(&market.ledger);
                let liabilities =
                    [stored.escrow_liabilities, stored.stake_liabilities, stored.bond_liabilities];
                for (id, liability) in liabilities.into_iter().enumerate() {
                    assert_eq!(u128::from(liability), ledger.vaults[id] - ledger.gifts[id]);
                }
                assert_eq!(w.burned(&market.mint), ledger.burned);
            }
            Touched::Strays => {
                assert_eq!(u128::from(w.tokens(&self.second_wallet)), ledger.recovered);
                for it in &ledger.escrows {
                    for (other_mint, held) in [(false, it.deposited), (true, it.strayed)] {
                        if let Some(held) = held {
                            let there = w.tokens(&self.deposits(&it.address, other_mint));
                            assert_eq!(u128::from(there), held);
                        }
                    }
                }
            }
        }
    }

    fn compare_records(&self, ledger: &Ledger, touched: Touched) {
        let w = &self.world;
        match touched {
            Touched::Proposal(id) => {
                let it = &ledger.proposals[id];
                assert_eq!(w.exists(&it.address), it.open);
            }
            Touched::Measurement(number) => {
                let entry = measurement_entry(&w.market, &measurement(number));
                let listed = entry.is_some_and(|entry| w.exists(&entry));
                assert_eq!(listed, ledger.listed[number]);
            }
            Touched::Retired(id) => {
                let it = &ledger.retired[id];
                assert_eq!(w.exists(&it.address), it.open);
                if it.open {
                    let stored: state::RetiredSigner = w.read(&it.address);
                    assert_eq!(stored.signer, ledger.keys[it.key]);
                    assert_eq!((stored.retired_slot, stored.retired_time), it.since);
                }
            }
            Touched::Evidence(id) => {
                let it = &ledger.evidence[id];
                assert_eq!(w.exists(&it.address), it.open);
                if it.open {
                    let stored: state::EvidenceBuffer = w.read(&it.address);
                    assert_eq!((stored.number, &stored.data), (it.number, &it.data));
                    assert_eq!(stored.owner, ledger.people[it.owner].address);
                }
            }
            Touched::Record(id) => {
                let it = &ledger.records[id];
                assert_eq!(w.exists(&it.address), it.open);
                if it.open {
                    let stored: state::ReceiptRecord = w.read(&it.address);
                    let coordinator = ledger.coordinators[it.coordinator].address;
                    assert_eq!((stored.coordinator, stored.node), (coordinator, it.node));
                    assert_eq!(stored.node_cumulative / 1_000_000, it.cumulative);
                }
            }
            other => panic!("{other:?} is compared elsewhere"),
        }
    }

    fn compare_payout(&self, ledger: &Ledger, id: Id) {
        let it = &ledger.payouts[id];
        assert_eq!(self.world.exists(&it.address), it.open);
        if !it.open {
            return;
        }
        let stored: state::Payout = self.world.read(&it.address);
        assert_eq!(stored.node, ledger.nodes[it.node].address);
        let counters = [stored.credited, stored.paid, stored.advanced, stored.guarantee];
        assert_eq!(counters.map(u128::from), [it.credited, it.paid, it.advanced, it.guarantee]);
        let demanded = it.demand.map_or(0, |(demanded, _)| demanded);
        assert_eq!(u128::from(stored.demand.cumulative), demanded);
        assert_eq!(stored.lowering.is_pending(), it.lowering.is_some());
    }

    fn compare_allowance(&self, it: &Allowance) {
        assert_eq!(self.world.exists(&it.address), it.open);
        if !it.open {
            return;
        }
        let stored: state::Allowance = self.world.read(&it.address);
        let counters = [stored.reserved, stored.released, stored.debited].map(u128::from);
        assert_eq!(counters, [it.reserved, it.released, it.debited]);
        let limit = it.voucher.map_or(0, |(_, limit)| limit);
        assert_eq!(u128::from(stored.voucher_limit), limit);
        assert_eq!(stored.expiry_time, it.expiry);
        assert_eq!(stored.expiry_observed_slot, it.observed.unwrap_or_default());
        let pending = it.pending.map_or((0, 0), |pending| (pending.amount, pending.slot));
        let stored = stored.pending_release;
        assert_eq!((u128::from(stored.amount), stored.requested_slot), pending);
    }

    fn compare_coordinator(&self, ledger: &Ledger, id: Id) {
        let it = &ledger.coordinators[id];
        assert_eq!(self.world.exists(&it.address), it.open);
        if !it.open {
            return;
        }
        let stored: state::Coordinator = self.world.read(&it.address);
        let totals = [stored.debited, stored.credited, stored.fees, stored.fees_paid];
        assert_eq!(totals.map(u128::from), [it.debited, it.credited, it.fees, it.fees_paid]);
        assert_eq!(u128::from(stored.guarantee_bond), it.guarantee);
        assert_eq!(u128::from(stored.penalty_bond), it.penalty);
        assert_eq!(stored.signer, ledger.keys[it.signer]);
        assert_eq!(stored.slashed, it.slashed);
        assert_eq!(stored.measurement, measurement(it.measurement));
        assert_eq!(stored.evidence_hash, [it.evidence; 32]);
        assert_eq!(u128::from(stored.guaranteed), ledger.promised(id));
        let leaving = [stored.guarantee_unbonding.amount, stored.penalty_unbonding.amount];
        assert_eq!(leaving.map(u128::from), [it.guarantee_leaving.0, it.penalty_leaving.0]);
        assert_eq!((stored.log.epoch, stored.log.size), (it.epoch, it.leaves.len() as u64));
        assert_eq!(stored.log.root, log::root(&it.leaves));
        if let Some(log) = it.closed.last() {
            let head: state::EpochHead = self.world.read(&log.address);
            let size = log.leaves.len() as u64;
            assert_eq!((head.epoch + 1, head.size, head.root), (it.epoch, size, log.root));
        }
    }

    /// Holds everything against the chain.
    pub(super) fn compare_all(&self, ledger: &Ledger) {
        let every = |length: usize, of: fn(Id) -> Touched| (0..length).map(of);
        let all = every(ledger.escrows.len(), Touched::Escrow)
            .chain(every(ledger.allowances.len(), Touched::Allowance))
            .chain(every(ledger.nodes.len(), Touched::Node))
            .chain(every(ledger.coordinators.len(), Touched::Coordinator))
            .chain(every(ledger.payouts.len(), Touched::Payout))
            .chain(every(ledger.people.len(), Touched::Person))
            .chain(every(ledger.proposals.len(), Touched::Proposal))
            .chain(every(ledger.listed.len(), Touched::Measurement))
            .chain(every(ledger.retired.len(), Touched::Retired))
            .chain(every(ledger.evidence.len(), Touched::Evidence))
            .chain(every(ledger.records.len(), Touched::Record))
            .chain([Touched::Market, Touched::SecondMarket, Touched::Vaults, Touched::Strays]);
        all.for_each(|touched| self.compare(ledger, touched));
        // Logs that were closed stay as they were, also when their coordinator is gone.
        for log in ledger.coordinators.iter().flat_map(|it| &it.closed) {
            let head: state::EpochHead = self.world.read(&log.address);
            assert_eq!((head.size, head.root), (log.leaves.len() as u64, log.root));
        }
    }
}
