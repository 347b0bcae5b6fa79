//! The part of the stage that has to do with promises: guarantees and demands, vouchers, receipts on
//! chain, keys that were retired, and changes of the market that wait.

use std::collections::BTreeMap;

use pinaivu::state::{Change, MarketRules};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, NodeId, RequestId};
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use pinaivu_protocol::units::Amount;
use pinaivu_protocol::voucher::Voucher;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::stage::{name_actor, name_coordinator, name_node};
use crate::harness::*;
use crate::settings::served;

/// A measurement that is on the list, and one that is about to be.
pub(crate) const LISTED: [u8; 32] = [9; 32];
pub(crate) const PROPOSED: [u8; 32] = [8; 32];

/// What cases are made from.
pub(crate) struct Promises {
    /// Has a guarantee bond that stands for nodes, and a part of it that has waited.
    pub(crate) guarantor: Coordinator,
    /// Guaranteed 300; the bond advanced 60, of which 50 can go back.
    pub(crate) node: Node,
    pub(crate) payout: Pubkey,
    /// Has demanded 80 and waited.
    pub(crate) starved: (Node, Pubkey),
    /// Guaranteed 100, soon 40.
    pub(crate) lowered: (Node, Pubkey),
    /// Of a node that is closed, with nothing in it.
    pub(crate) orphan: Pubkey,
    /// Without bonds, and old.
    pub(crate) departing: Coordinator,
    /// A saver's, with 30 tokens in its deposit account.
    pub(crate) swept: Pubkey,
    /// Debits of it need vouchers of `wallet`.
    pub(crate) vouched: Pubkey,
    pub(crate) wallet: Keypair,
    /// The record of a key the starved node had.
    pub(crate) retired: Pubkey,
    /// Receipts: one recorded, one as evidence; and evidence that is not complete.
    pub(crate) record: Pubkey,
    pub(crate) evidence: Pubkey,
    pub(crate) unfinished: Pubkey,
    /// Proposals that are due: other rules, a measurement more, a measurement less.
    pub(crate) rules: Pubkey,
    pub(crate) allowing: Pubkey,
    pub(crate) revoking: Pubkey,
    /// A receipt head for more than the node has.
    head: ReceiptHead,
}

impl Promises {
    /// A world with all of it.
    pub(super) fn new(names: &mut BTreeMap<Pubkey, String>) -> (World, Self) {
        let mut it = served::setting();
        let market = it.market;
        let receipts = [it.receipt(0, 125), it.receipt(1, 130)];
        it.log(&receipts, 2);
        let record = it.record(&receipts[0]);
        let evidence = it.logged(&receipts[1]);
        let unfinished = it.evidence_bytes(&[7; 16]);

        // The bond paid 60; since then 50 were credited.
        it.demand_and_wait(60);
        it.world.ok(&it.settle_demand(), &[]);
        it.settle(100, 50);

        let cold = it.coordinator.authority.key.insecure_clone();
        let guaranteed = |world: &mut World, coordinator: &Coordinator| {
            let node = world.node();
            let payout = world.payout(coordinator, &node);
            let set = world.guarantee_set(coordinator, &payout, 100);
            world.ok(&set, &[&coordinator.authority.key]);
            (node, payout)
        };
        let starved = guaranteed(&mut it.world, &it.coordinator);
        let lowered = guaranteed(&mut it.world, &it.coordinator);
        let lower = it.world.guarantee_set(&it.coordinator, &lowered.1, 40);
        it.world.ok(&lower, &[&cold]);
        let unbond = it.world.coordinator_unbond(&it.coordinator, 100, 0);
        it.world.ok(&unbond, &[&cold]);

        let (operator, fresh) = (starved.0.operator.key.insecure_clone(), it.world.key());
        let address = starved.0.address;
        let rotate = it.world.node_rotate_signer(&address, &operator.pubkey(), &fresh.pubkey());
        it.world.ok(&rotate, &[&operator, &fresh]);
        let retired = retired_signer(&address, &starved.0.signer.pubkey());

        let gone = it.world.node();
        let orphan = it.world.payout(&it.coordinator, &gone);
        let departing = it.world.actor(0);
        let (signer, slot) = (it.world.key(), it.world.slot());
        let owner = departing.address();
        let (address, register) =
            it.world.coordinator_register(&market, &owner, &signer.pubkey(), slot, FEE);
        it.world.ok(&register, &[&departing.key, &signer]);
        let departing = Coordinator { address, authority: departing, signer };

        let saver = it.world.actor(200);
        let swept = it.world.escrow(&saver, 200);
        it.world.deposit_tokens(&market, &swept, 30);
        let wallet = it.world.key();
        let (slot, expiry) = (it.world.slot(), it.world.time() + 3_600);
        let (owner, by) = (saver.address(), it.coordinator.address);
        let (vouched, open) =
            it.world.allowance_open(&market, &owner, &swept, &by, slot, 100, expiry);
        let open = it.world.allowance_open_with_vouchers(&open, Some(wallet.pubkey()));
        it.world.ok(&open, &[&saver.key]);

        let governance = it.world.governance.insecure_clone();
        let propose = |world: &mut World, number: u64, change: Change| {
            let (proposal, open) = world.proposal_open(&market, number, change);
            world.ok(&open, &[&governance]);
            proposal
        };
        let listing = propose(&mut it.world, 0, Change::MeasurementAllowed(LISTED));
        it.world.pass(GOVERNANCE_SLOTS, GOVERNANCE_SECONDS);
        let allow = it.world.measurement_allow(&market, &listing, &LISTED);
        it.world.ok(&allow, &[]);
        let rules = MarketRules { min_stake: 101, ..market_rules() };
        let rules = propose(&mut it.world, 1, Change::Rules(rules));
        let allowing = propose(&mut it.world, 2, Change::MeasurementAllowed(PROPOSED));
        let revoking = propose(&mut it.world, 3, Change::MeasurementRevoked(LISTED));
        it.world.pass(GOVERNANCE_SLOTS.max(OPENING_SLOT_WINDOW + 1), GOVERNANCE_SECONDS);
        let close = it.world.node_close(&gone.address, &gone.operator.address());
        it.world.ok(&close, &[&gone.operator.key]);

        let head = ReceiptHead { node: NodeId(starved.0.address.to_bytes()), ..it.head(80) };
        let owner = starved.0.payout_owner.key.insecure_clone();
        let demand = it.world.demand_open(&market, &starved.1, &owner.pubkey());
        let signature = verify_records(&[(&it.coordinator.signer, &head)]);
        it.world.sends(&[signature, demand], &[&owner]);
        it.world.pass(LIVENESS_SLOTS, LIVENESS_SECONDS);

        for (address, text) in [
            (it.payout, "advanced payout"),
            (starved.1, "starved payout"),
            (lowered.1, "lowered payout"),
            (orphan, "orphan payout"),
            (swept, "saver's escrow"),
            (it.allowance, "patron's allowance"),
            (vouched, "vouched allowance"),
            (retired, "retired key"),
            (record, "record"),
            (evidence, "evidence"),
            (unfinished, "unfinished evidence"),
            (rules, "rules proposal"),
            (allowing, "allowing proposal"),
            (revoking, "revoking proposal"),
        ] {
            names.insert(address, text.to_owned());
        }
        name_actor(names, "patron", &it.alice);
        name_actor(names, "saver", &saver);
        name_coordinator(names, "guarantor", &it.coordinator);
        name_coordinator(names, "departing", &departing);
        name_node(names, "advanced node", &it.node);
        name_node(names, "starved node", &starved.0);
        name_node(names, "lowered node", &lowered.0);
        names.insert(gone.payout_owner.address(), "orphan's owner".to_owned());
        let head = it.head(150);
        let (guarantor, node, payout) = (it.coordinator, it.node, it.payout);
        let promises = Self {
            guarantor,
            node,
            payout,
            starved,
            lowered,
            orphan,
            departing,
            swept,
            vouched,
            wallet,
            retired,
            record,
            evidence,
            unfinished,
            rules,
            allowing,
            revoking,
            head,
        };
        (it.world, promises)
    }

    /// Verifies a head for more than the node has.
    pub(crate) fn receipt(&self) -> Instruction {
        verify_records(&[(&self.guarantor.signer, &self.head)])
    }

    /// Verifies two heads of one place in the log that contradict each other.
    pub(crate) fn contradiction(&self) -> Instruction {
        let other =
            ReceiptHead { request: RequestId([5; 16]), body: Hash32([6; 32]), ..self.head.clone() };
        let signer = &self.guarantor.signer;
        verify_records(&[(signer, &self.head), (signer, &other)])
    }

    /// Verifies a voucher for 70.
    pub(crate) fn voucher(&self, time: i64) -> Instruction {
        let allowance = AllowanceId(self.vouched.to_bytes());
        let voucher = Voucher { allowance, cumulative: Amount(70), expiry: time + 1_000 };
        verify(&[(&self.wallet, voucher.signing_bytes().to_vec())])
    }
}
