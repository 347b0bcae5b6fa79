//! Nodes, coordinators and what they settle.

use pinaivu::instructions::{CoordinatorRegisterArgs, CoordinatorUpdateArgs};
use pinaivu::{accounts, instruction};

use super::*;
use crate::harness::{Extension, build, retired_signer};
use crate::model::action::Fault;
use crate::settings::log::{self, Hash};

impl Chain {
    pub(super) fn build_node(
        &self,
        ledger: &Ledger,
        action: &Action,
    ) -> Option<(Pubkey, Instruction)> {
        let (w, market) = (&self.world, &self.world.market);
        let person = |id: &Id| ledger.people[*id].address;
        let key = |id: &Id| ledger.keys[*id];
        let address = |node: &Id| &ledger.nodes[*node].address;
        Some(match action {
            Action::NodeRegister { operator, payout_owner, signer, opened } => {
                let (operator, payout_owner) = (person(operator), person(payout_owner));
                w.node_register(market, &operator, &key(signer), &payout_owner, *opened)
            }
            Action::NodeStake { node, person, amount } => {
                none(w.node_stake(market, address(node), &self.people[*person], *amount))
            }
            Action::NodeUnbond { node, by, amount } => {
                none(w.node_unbond(address(node), &person(by), *amount))
            }
            Action::NodeUnbondClaim { node } => {
                let tokens = &ledger.people[ledger.nodes[*node].operator].tokens;
                none(w.node_unbond_claim(market, address(node), tokens))
            }
            Action::NodeRotateSigner { node, by, signer } => {
                let it = &ledger.nodes[*node];
                let record = retired_signer(&it.address, &ledger.keys[it.signer]);
                let mut rotate = w.node_rotate_signer(&it.address, &person(by), &key(signer));
                // The ledger may be ahead of the chain.
                rotate.accounts[4].pubkey = record;
                (record, rotate)
            }
            Action::NodeClose { node, by } => none(w.node_close(address(node), &person(by))),
            _ => return None,
        })
    }

    pub(super) fn build_coordinator(
        &self,
        ledger: &Ledger,
        action: &Action,
    ) -> Option<(Pubkey, Instruction)> {
        let (w, market) = (&self.world, &self.world.market);
        let cold = |id: &Id, by: &Id| self.coordinator_as(ledger, *id, *by, 0);
        let hot = |id: &Id, by: &Id| self.coordinator_as(ledger, *id, 0, *by);
        Some(match action {
            Action::CoordinatorRegister { authority, signer, opened, fee_bps, measurement: of } => {
                let args = CoordinatorRegisterArgs {
                    opening_slot: *opened,
                    endpoint: "localhost:8443".to_owned(),
                    fee_bps: *fee_bps,
                    measurement: measurement(*of),
                };
                let (authority, signer) = (ledger.people[*authority].address, ledger.keys[*signer]);
                w.coordinator_register_as(market, &authority, &signer, args)
            }
            Action::CoordinatorBond { coordinator, by, guarantee, penalty } => {
                none(w.coordinator_bond(market, &cold(coordinator, by), *guarantee, *penalty))
            }
            Action::CoordinatorUnbond { coordinator, by, guarantee, penalty } => {
                none(w.coordinator_unbond(&cold(coordinator, by), *guarantee, *penalty))
            }
            Action::CoordinatorUnbondClaim { coordinator } => {
                let authority = &ledger.coordinators[*coordinator].authority;
                none(w.coordinator_unbond_claim(market, &cold(coordinator, authority)))
            }
            Action::CoordinatorRotateSigner { coordinator, by, signer } => {
                let it = &ledger.coordinators[*coordinator];
                let record = retired_signer(&it.address, &ledger.keys[it.signer]);
                let accounts = accounts::CoordinatorRotateSigner {
                    payer: self.rent_payer(),
                    authority: ledger.people[*by].address,
                    new_signer: ledger.keys[*signer],
                    coordinator: it.address,
                    retired_signer: record,
                    returning: retired_signer(&it.address, &ledger.keys[*signer]),
                    system_program: anchor_lang::system_program::ID,
                };
                (record, build(accounts, instruction::CoordinatorRotateSigner {}))
            }
            Action::CoordinatorUpdate { coordinator, by, value, measurement: to } => {
                let args = CoordinatorUpdateArgs {
                    endpoint: None,
                    measurement: to.map(measurement),
                    evidence_hash: Some([*value; 32]),
                };
                none(w.coordinator_update(&cold(coordinator, by), args))
            }
            Action::CoordinatorClose { coordinator, by } => {
                let accounts = accounts::CoordinatorClose {
                    authority: ledger.people[*by].address,
                    market: market.address,
                    ledger: market.ledger,
                    coordinator: ledger.coordinators[*coordinator].address,
                    rent_payer: self.rent_payer(),
                };
                none(build(accounts, instruction::CoordinatorClose {}))
            }
            Action::SignerClose { retired } => {
                let accounts = accounts::SignerClose {
                    market: market.address,
                    retired_signer: ledger.retired[*retired].address,
                    rent_payer: self.rent_payer(),
                };
                none(build(accounts, instruction::SignerClose {}))
            }
            Action::LogExtend { coordinator, by, new, fault } => {
                let new: Vec<Hash> = new.iter().map(|(leaf, _)| *leaf).collect();
                let extension = extension(&ledger.coordinators[*coordinator], &new, *fault);
                none(w.log_extend(&hot(coordinator, by), extension))
            }
            Action::LogEpochOpen { coordinator, by } => {
                let epoch = ledger.coordinators[*coordinator].epoch;
                w.log_epoch_open(&cold(coordinator, by), epoch)
            }
            _ => return None,
        })
    }

    pub(super) fn build_settlement(
        &self,
        ledger: &Ledger,
        action: &Action,
    ) -> Option<(Pubkey, Instruction)> {
        let (w, market) = (&self.world, &self.world.market);
        let hot = |id: &Id, by: &Id| self.coordinator_as(ledger, *id, 0, *by);
        Some(match action {
            Action::PayoutOpen { coordinator, node } => {
                let coordinator = &ledger.coordinators[*coordinator].address;
                w.payout_open(market, coordinator, &ledger.nodes[*node].address)
            }
            Action::Debit { coordinator, by, entries } => {
                let address = |id: Id| ledger.allowances[id].address;
                let entries: Vec<(Pubkey, u64)> =
                    entries.iter().map(|(id, asked)| (address(*id), *asked)).collect();
                none(w.debit(&hot(coordinator, by), &entries))
            }
            Action::Credit { coordinator, by, entries, fees } => {
                let address = |id: Id| ledger.payouts[id].address;
                let entries: Vec<(Pubkey, u64)> =
                    entries.iter().map(|(id, asked)| (address(*id), *asked)).collect();
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
            Action::PayoutClose { payout, by } => {
                let it = &ledger.payouts[*payout];
                let accounts = accounts::PayoutClose {
                    payout_owner: ledger.people[*by].address,
                    coordinator: ledger.coordinators[it.coordinator].address,
                    node: ledger.nodes[it.node].address,
                    payout: it.address,
                    rent_payer: self.rent_payer(),
                };
                none(build(accounts, instruction::PayoutClose {}))
            }
            _ => return None,
        })
    }
}

/// The log's extension by these leaves, with something wrong.
fn extension(it: &Coordinator, new: &[Hash], fault: Fault) -> Extension {
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
