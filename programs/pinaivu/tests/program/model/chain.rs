//! The ledger's actions as instructions, and the chain's accounts held against the ledger.

use pinaivu::instructions::CoordinatorUpdateArgs;
use pinaivu::state;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, NodeId, RequestId, Segment};
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::units::Amount;
use pinaivu_protocol::voucher::Voucher;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::action::{Action, Fault};
use super::ledger::*;
use crate::harness::{
    Actor, Extension, Parties, World, close_between, exit_between, raise_between, retired_signer,
    rules, verify, verify_records,
};
use crate::settings::log;
use crate::settings::served::deployment;

/// The chain beside the ledger.
pub(super) struct Chain {
    pub(super) world: World,
    pub(super) sponsor: Pubkey,
    /// The ledger's people, in order.
    pub(super) people: Vec<Actor>,
    /// The ledger's hot keys, in order.
    pub(super) keys: Vec<Keypair>,
}

impl Chain {
    /// The instruction, and the address of what it opens if it opens something.
    pub(super) fn build(&self, ledger: &Ledger, action: &Action) -> (Pubkey, Instruction) {
        let (w, market) = (&self.world, &self.world.market);
        let person = |id: &Id| ledger.people[*id].address;
        let tokens = |id: &Id| ledger.people[*id].tokens;
        let rent_payer = w.payer.pubkey();
        let none = |instruction: Instruction| (Pubkey::default(), instruction);
        match action {
            Action::EscrowOpen { owner, opened } => w.escrow_open(market, &person(owner), *opened),
            Action::EscrowDeposit { escrow, person, amount } => {
                let escrow = &ledger.escrows[*escrow].address;
                none(w.escrow_deposit(market, escrow, &self.people[*person], *amount))
            }
            Action::EscrowWithdraw { escrow, by, amount } => {
                let escrow = &ledger.escrows[*escrow].address;
                none(w.escrow_withdraw(market, escrow, &self.people[*by], *amount))
            }
            Action::EscrowSweep { escrow } => {
                none(w.escrow_sweep(market, &ledger.escrows[*escrow].address))
            }
            Action::EscrowClose { escrow, by } => {
                none(w.escrow_close(&ledger.escrows[*escrow].address, &person(by)))
            }
            Action::AllowanceOpen { escrow, by, coordinator, opened, amount, expiry, voucher } => {
                let (escrow, by) = (&ledger.escrows[*escrow].address, person(by));
                let coordinator = &ledger.coordinators[*coordinator].address;
                let (address, open) =
                    w.allowance_open(market, &by, escrow, coordinator, *opened, *amount, *expiry);
                let wallet = voucher.map(|signer| ledger.keys[signer]);
                (address, w.allowance_open_with_vouchers(&open, wallet))
            }
            Action::VoucherAccept { allowance, .. } => {
                none(w.voucher_accept(&ledger.allowances[*allowance].address))
            }
            Action::AllowanceRaise { allowance, by, amount, expiry } => none(raise_between(
                market,
                parties(ledger, *allowance, *by, rent_payer),
                *amount,
                *expiry,
            )),
            Action::AllowanceRelease { allowance, by, amount, to_wallet } => {
                let it = &ledger.allowances[*allowance];
                let destination = to_wallet.then(|| tokens(&ledger.escrows[it.escrow].owner));
                none(w.allowance_release(&it.address, &person(by), *amount, destination))
            }
            Action::AllowanceExit { allowance, with_wallet } => {
                let owner = ledger.escrows[ledger.allowances[*allowance].escrow].owner;
                let destination = with_wallet.then(|| tokens(&owner));
                none(exit_between(
                    market,
                    parties(ledger, *allowance, owner, rent_payer),
                    destination,
                ))
            }
            Action::AllowanceClose { allowance, by } => {
                none(close_between(parties(ledger, *allowance, *by, rent_payer)))
            }
            Action::MarketPause { by_governance, paused } => {
                let mut pause = w.market_pause(market, *paused);
                if !by_governance {
                    pause.accounts[0].pubkey = ledger.people[0].address;
                }
                none(pause)
            }
            Action::MarketInitialize => {
                none(w.market_initialize(market, rules(w.governance.pubkey())))
            }
            _ => self.build_operators(ledger, action),
        }
    }

    fn build_operators(&self, ledger: &Ledger, action: &Action) -> (Pubkey, Instruction) {
        let (w, market) = (&self.world, &self.world.market);
        let person = |id: &Id| ledger.people[*id].address;
        let key = |id: &Id| ledger.keys[*id];
        let none = |instruction: Instruction| (Pubkey::default(), instruction);
        match action {
            Action::NodeRegister { operator, payout_owner, signer, opened } => {
                let (operator, payout_owner) = (person(operator), person(payout_owner));
                w.node_register(market, &operator, &key(signer), &payout_owner, *opened)
            }
            Action::NodeStake { node, person, amount } => {
                let node = &ledger.nodes[*node].address;
                none(w.node_stake(market, node, &self.people[*person], *amount))
            }
            Action::NodeUnbond { node, by, amount } => {
                none(w.node_unbond(&ledger.nodes[*node].address, &person(by), *amount))
            }
            Action::NodeUnbondClaim { node } => {
                let it = &ledger.nodes[*node];
                let tokens = &ledger.people[it.operator].tokens;
                none(w.node_unbond_claim(market, &it.address, tokens))
            }
            Action::NodeRotateSigner { node, by, signer } => {
                let it = &ledger.nodes[*node];
                let mut rotate = w.node_rotate_signer(&it.address, &person(by), &key(signer));
                // The key it has by then, not the one on chain now.
                rotate.accounts[4].pubkey = retired_signer(&it.address, &key(&it.signer));
                none(rotate)
            }
            Action::NodeClose { node, by } => {
                none(w.node_close(&ledger.nodes[*node].address, &person(by)))
            }
            Action::CoordinatorRegister { authority, signer, opened, fee_bps } => {
                w.coordinator_register(market, &person(authority), &key(signer), *opened, *fee_bps)
            }
            Action::PayoutOpen { coordinator, node } => {
                let coordinator = &ledger.coordinators[*coordinator].address;
                w.payout_open(market, coordinator, &ledger.nodes[*node].address)
            }
            _ => self.build_coordinators(ledger, action),
        }
    }

    fn build_coordinators(&self, ledger: &Ledger, action: &Action) -> (Pubkey, Instruction) {
        let (w, market) = (&self.world, &self.world.market);
        let none = |instruction: Instruction| (Pubkey::default(), instruction);
        let cold = |id: &Id, by: &Id| self.coordinator_as(ledger, *id, *by, 0);
        let hot = |id: &Id, by: &Id| self.coordinator_as(ledger, *id, 0, *by);
        match action {
            Action::CoordinatorBond { coordinator, by, guarantee, penalty } => {
                none(w.coordinator_bond(market, &cold(coordinator, by), *guarantee, *penalty))
            }
            Action::CoordinatorRotateSigner { coordinator, by, signer } => {
                let it = &ledger.coordinators[*coordinator];
                let mut rotate =
                    w.coordinator_rotate_signer(&cold(coordinator, by), &ledger.keys[*signer]);
                let old = &ledger.keys[it.signer];
                rotate.accounts[4].pubkey = retired_signer(&it.address, old);
                none(rotate)
            }
            Action::CoordinatorUpdate { coordinator, by, value } => {
                let args = CoordinatorUpdateArgs {
                    endpoint: None,
                    measurement: None,
                    evidence_hash: Some([*value; 32]),
                };
                none(w.coordinator_update(&cold(coordinator, by), args))
            }
            Action::LogExtend { coordinator, by, new, fault } => {
                let extension = extension(&ledger.coordinators[*coordinator], new, *fault);
                none(w.log_extend(&hot(coordinator, by), extension))
            }
            Action::LogEpochOpen { coordinator, by } => {
                let epoch = ledger.coordinators[*coordinator].epoch;
                w.log_epoch_open(&cold(coordinator, by), epoch)
            }
            Action::Debit { coordinator, by, entries } => {
                let entries: Vec<(Pubkey, u64)> = entries
                    .iter()
                    .map(|(id, asked)| (ledger.allowances[*id].address, *asked))
                    .collect();
                none(w.debit(&hot(coordinator, by), &entries))
            }
            Action::Credit { coordinator, by, entries, fees } => {
                let entries: Vec<(Pubkey, u64)> = entries
                    .iter()
                    .map(|(id, asked)| (ledger.payouts[*id].address, *asked))
                    .collect();
                none(w.credit(market, &hot(coordinator, by), &entries, *fees))
            }
            Action::Claim { payout } => {
                let it = &ledger.payouts[*payout];
                none(w.claim(market, &it.address, &ledger.people[it.owner].tokens))
            }
            Action::FeeClaim { coordinator } => {
                let it = &ledger.coordinators[*coordinator];
                none(w.fee_claim(market, &it.address, &ledger.people[it.authority].tokens))
            }
            _ => self.build_guarantees(ledger, action),
        }
    }

    fn build_guarantees(&self, ledger: &Ledger, action: &Action) -> (Pubkey, Instruction) {
        let (w, market) = (&self.world, &self.world.market);
        let payout = |id: &Id| &ledger.payouts[*id];
        let instruction = match action {
            Action::GuaranteeSet { payout: id, by, guarantee } => {
                let cold = self.coordinator_as(ledger, payout(id).coordinator, *by, 0);
                w.guarantee_set(&cold, &payout(id).address, *guarantee)
            }
            Action::GuaranteeLower { payout: id } => {
                let coordinator = &ledger.coordinators[payout(id).coordinator].address;
                w.guarantee_lower(market, coordinator, &payout(id).address)
            }
            Action::GuaranteeRefill { payout: id } => {
                let coordinator = &ledger.coordinators[payout(id).coordinator].address;
                w.guarantee_refill(market, coordinator, &payout(id).address)
            }
            Action::DemandOpen { payout: id, by, .. } => {
                let payee = &ledger.people[*by].address;
                let mut demand = w.demand_open(market, &payout(id).address, payee);
                // The node is left out: only the payout owner may then demand.
                demand.accounts[4].pubkey = pinaivu::ID;
                demand
            }
            Action::DemandSettle { payout: id } => {
                let tokens = &ledger.people[payout(id).owner].tokens;
                w.demand_settle(market, &payout(id).address, tokens)
            }
            Action::CoordinatorUnbond { coordinator, by, guarantee, penalty } => {
                let cold = self.coordinator_as(ledger, *coordinator, *by, 0);
                w.coordinator_unbond(&cold, *guarantee, *penalty)
            }
            Action::CoordinatorUnbondClaim { coordinator } => {
                let authority = ledger.coordinators[*coordinator].authority;
                let cold = self.coordinator_as(ledger, *coordinator, authority, 0);
                w.coordinator_unbond_claim(market, &cold)
            }
            other => panic!("{other:?} is built elsewhere"),
        };
        (Pubkey::default(), instruction)
    }

    /// Whether what the builders read of an action's accounts is on chain already.
    pub(super) fn can_build(&self, ledger: &Ledger, action: &Action) -> bool {
        match action {
            Action::DemandOpen { payout, .. } | Action::DemandSettle { payout } => {
                self.world.exists(&ledger.payouts[*payout].address)
            }
            Action::CoordinatorRotateSigner { coordinator, .. } => {
                self.world.exists(&ledger.coordinators[*coordinator].address)
            }
            _ => true,
        }
    }

    /// The receipt head that a demand shows, or a voucher, verified by an instruction of its own.
    pub(super) fn evidence(&self, ledger: &Ledger, action: &Action) -> Option<Instruction> {
        if let Action::VoucherAccept { allowance, signer, cumulative, expiry } = action {
            let allowance = AllowanceId(ledger.allowances[*allowance].address.to_bytes());
            let voucher = Voucher { allowance, cumulative: Amount(*cumulative), expiry: *expiry };
            return Some(verify(&[(&self.keys[*signer], voucher.signing_bytes().to_vec())]));
        }
        let Action::DemandOpen { payout, signer, cumulative, .. } = action else { return None };
        let it = &ledger.payouts[*payout];
        let head = ReceiptHead {
            deployment: deployment(),
            coordinator: CoordinatorId(ledger.coordinators[it.coordinator].address.to_bytes()),
            epoch: 0,
            index: 0,
            request: RequestId([0; 16]),
            segment: Segment(0),
            node: NodeId(ledger.nodes[it.node].address.to_bytes()),
            node_cumulative: Amount(*cumulative).to_fine(),
            body: Hash32([0; 32]),
        };
        Some(verify_records(&[(&self.keys[*signer], &head)]))
    }

    /// A coordinator that these people speak for, rightly or not.
    fn coordinator_as(
        &self,
        ledger: &Ledger,
        id: Id,
        cold: Id,
        hot: Id,
    ) -> crate::harness::Coordinator {
        let authority = &self.people[cold];
        let authority = Actor { key: authority.key.insecure_clone(), tokens: authority.tokens };
        let address = ledger.coordinators[id].address;
        crate::harness::Coordinator { address, authority, signer: self.keys[hot].insecure_clone() }
    }

    /// Holds what an action touched against the chain.
    pub(super) fn compare(&self, ledger: &Ledger, touched: Touched) {
        let (w, market) = (&self.world, &self.world.market);
        match touched {
            Touched::Market => {
                assert_eq!(w.read::<state::Market>(&market.address).paused, ledger.paused);
            }
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
                }
            }
            Touched::Coordinator(id) => self.compare_coordinator(ledger, id),
            Touched::Payout(id) => {
                let it = &ledger.payouts[id];
                let stored: state::Payout = w.read(&it.address);
                assert_eq!(stored.node, ledger.nodes[it.node].address);
                assert_eq!(u128::from(stored.credited), it.credited);
                assert_eq!(u128::from(stored.paid), it.paid);
                assert_eq!(u128::from(stored.advanced), it.advanced);
                assert_eq!(u128::from(stored.guarantee), it.guarantee);
                let demanded = it.demand.map_or(0, |(demanded, _)| demanded);
                assert_eq!(u128::from(stored.demand.cumulative), demanded);
                assert_eq!(stored.lowering.is_pending(), it.lowering.is_some());
            }
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
            }
        }
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
        let stored: state::Coordinator = self.world.read(&it.address);
        let totals = [stored.debited, stored.credited, stored.fees, stored.fees_paid];
        assert_eq!(totals.map(u128::from), [it.debited, it.credited, it.fees, it.fees_paid]);
        assert_eq!(u128::from(stored.guarantee_bond), it.guarantee);
        assert_eq!(u128::from(stored.penalty_bond), it.penalty);
        assert_eq!(stored.signer, ledger.keys[it.signer]);
        assert_eq!(stored.evidence_hash, [it.evidence; 32]);
        assert_eq!(u128::from(stored.guaranteed), ledger.promised(id));
        let leaving = [stored.guarantee_unbonding.amount, stored.penalty_unbonding.amount];
        assert_eq!(leaving.map(u128::from), [it.guarantee_leaving.0, it.penalty_leaving.0]);
        assert_eq!((stored.log.epoch, stored.log.size), (it.epoch, it.leaves.len() as u64));
        assert_eq!(stored.log.root, log::root(&it.leaves));
        if let Some((address, size, root)) = it.closed.last() {
            let head: state::EpochHead = self.world.read(address);
            assert_eq!((head.epoch + 1, head.size, head.root), (it.epoch, *size, *root));
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
            .chain([Touched::Market, Touched::Vaults]);
        all.for_each(|touched| self.compare(ledger, touched));
        // Logs that were closed stay as they were.
        for (address, size, root) in ledger.coordinators.iter().flat_map(|it| &it.closed) {
            let head: state::EpochHead = self.world.read(address);
            assert_eq!((head.size, head.root), (*size, *root));
        }
    }
}

fn parties(ledger: &Ledger, allowance: Id, owner: Id, rent_payer: Pubkey) -> Parties {
    let it = &ledger.allowances[allowance];
    Parties {
        owner: ledger.people[owner].address,
        escrow: ledger.escrows[it.escrow].address,
        coordinator: ledger.coordinators[it.coordinator].address,
        allowance: it.address,
        rent_payer,
    }
}

/// The log's extension by these leaves, with something wrong.
fn extension(it: &Coordinator, new: &[[u8; 32]], fault: Fault) -> Extension {
    let leaves = [it.leaves.as_slice(), new].concat();
    let mut extension = log::extension(it.epoch, &leaves, it.leaves.len(), leaves.len());
    match fault {
        Fault::None => {}
        Fault::Epoch => extension.epoch += 1,
        Fault::Size => extension.old_size += 1,
        Fault::Count => extension.hashes.push([1; 32]),
        Fault::Root => extension.expected_root[0] ^= 1,
    }
    extension
}
