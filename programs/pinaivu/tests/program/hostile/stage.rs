//! A world in which every instruction can succeed, with everything twice and more: another market,
//! other people, other accounts of every kind. Everything in it has a name.

use std::collections::BTreeMap;

use litesvm::types::{FailedTransactionMetadata, TransactionMetadata};
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::flows::{self, Flows};
use crate::harness::*;
use crate::settings::served::Setting;

/// What came of a transaction.
pub(crate) type Outcome = Result<TransactionMetadata, FailedTransactionMetadata>;

/// An outcome as the snapshots say it.
pub(crate) fn said(outcome: &Outcome) -> String {
    outcome.as_ref().map_or_else(named, |_| "accepted".to_owned())
}

/// The world and what a case is made from.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) market: Market,
    /// Has a mint and nothing else.
    pub(crate) unopened: Market,
    pub(crate) alice: Actor,
    pub(crate) bob: Actor,
    /// Has nothing yet.
    pub(crate) newcomer: Actor,
    /// A key that nothing names yet.
    pub(crate) fresh: Keypair,
    /// Alice's, with money.
    pub(crate) escrow: Pubkey,
    /// Bob's, empty and old.
    pub(crate) empty: Pubkey,
    pub(crate) coordinator: Coordinator,
    /// Alice's for the coordinator: 200 reserved, 100 debited.
    pub(crate) allowance: Pubkey,
    /// Alice's, empty and old.
    pub(crate) spent: Pubkey,
    /// Alice's, with a release of 60 to her tokens that has waited.
    pub(crate) leaving: Pubkey,
    /// 150 staked, 50 of its stake has waited; 80 credited and not paid.
    pub(crate) node: Node,
    pub(crate) payout: Pubkey,
    /// Without a payout.
    pub(crate) idle: Node,
    /// Empty and old.
    pub(crate) leaver: Node,
    /// What takes more to set up.
    pub(crate) flows: Flows,
    /// Pays fees and takes no other part, so that every flag of every account counts.
    sponsor: Pubkey,
    names: BTreeMap<Pubkey, String>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let mut world = World::new();
        let mut names = BTreeMap::new();
        elsewhere(&mut world, &mut names);
        rivals(&mut world, &mut names);

        let market = world.market;
        let alice = world.actor(10_000);
        let escrow = world.escrow(&alice, 1_000);
        let mut coordinator = world.coordinator();
        coordinator.authority.tokens =
            world.token_account(&market, &coordinator.authority.address(), 1_000);
        let mut node = world.node();
        node.operator.tokens = world.token_account(&market, &node.operator.address(), 1_000);
        let payout = world.payout(&coordinator, &node);

        // Empty and old, to close.
        let spent = world.allowance(&alice, &escrow, &coordinator, 10);
        world.ok(&world.debit(&coordinator, &[(spent, 10)]), &[&coordinator.signer]);
        let bob = world.actor(0);
        let empty = world.escrow(&bob, 0);
        let leaver = world.node();
        world.pass(OPENING_SLOT_WINDOW + 1, 1);

        // Matured releases and stake.
        let leaving = world.allowance(&alice, &escrow, &coordinator, 100);
        let release = world.allowance_release(&leaving, &alice.address(), 60, Some(alice.tokens));
        world.ok(&release, &[&alice.key]);
        let stake = world.node_stake(&market, &node.address, &node.operator, 200);
        world.ok(&stake, &[&node.operator.key]);
        let unbond = world.node_unbond(&node.address, &node.operator.address(), 50);
        world.ok(&unbond, &[&node.operator.key]);
        world.pass(UNBOND_SLOTS, UNBOND_SECONDS);

        // Something to settle and to claim.
        let allowance = world.allowance(&alice, &escrow, &coordinator, 200);
        world.ok(&world.debit(&coordinator, &[(allowance, 100)]), &[&coordinator.signer]);
        let credit = world.credit(&market, &coordinator, &[(payout, 80)], 8);
        world.ok(&credit, &[&coordinator.signer]);

        let unopened = Market::of(world.mint(CLASSIC, 6), CLASSIC);
        let mut it = Setting::of(world, alice, allowance, coordinator, node, payout);
        let flows = flows::prepare(&mut it, &escrow, &unopened, &mut names);
        let Setting { mut world, alice, allowance, coordinator, node, payout, .. } = it;
        world.pass(1, 0);
        let (fresh, newcomer, idle) = (world.key(), world.actor(0), world.node());

        let mut name = |address: Pubkey, text: &str| names.insert(address, text.to_owned());
        name(world.payer.pubkey(), "payer");
        name(world.deployer.pubkey(), "deployer");
        name(world.governance.pubkey(), "governance");
        name(fresh.pubkey(), "fresh key");
        for (address, text) in [
            (market.address, "market"),
            (market.mint, "mint"),
            (market.ledger, "ledger"),
            (market.escrow_vault, "escrow vault"),
            (market.stake_vault, "stake vault"),
            (market.bond_vault, "bond vault"),
            (unopened.mint, "unopened mint"),
            (CLASSIC, "token program"),
            (TOKEN_2022, "token-2022 program"),
            (pinaivu::ID, "this program"),
            (anchor_lang::system_program::ID, "system program"),
            (program_data(), "program data"),
            (escrow, "alice's escrow"),
            (empty, "bob's escrow"),
            (allowance, "alice's allowance"),
            (spent, "alice's spent allowance"),
            (leaving, "alice's leaving allowance"),
            (payout, "payout"),
        ] {
            name(address, text);
        }
        name_actor(&mut names, "alice", &alice);
        name_actor(&mut names, "bob", &bob);
        name_actor(&mut names, "newcomer", &newcomer);
        name_coordinator(&mut names, "coordinator", &coordinator);
        name_node(&mut names, "node", &node);
        name_node(&mut names, "leaver", &leaver);
        name_node(&mut names, "idle", &idle);
        let sponsor = world.sponsor();
        Self {
            world,
            market,
            unopened,
            alice,
            bob,
            newcomer,
            fresh,
            escrow,
            empty,
            coordinator,
            allowance,
            spent,
            leaving,
            node,
            payout,
            idle,
            leaver,
            flows,
            sponsor,
            names,
        }
    }

    /// Runs instructions in one transaction on a world that came from this stage's; whoever must sign
    /// does. What is refused must have changed nothing, and whatever happens everything must add up.
    pub(crate) fn attempt(&self, world: &mut World, instructions: &[Instruction]) -> Outcome {
        let before = world.footprint();
        let result = world.send_sponsored(instructions, &self.sponsor);
        if result.is_ok() {
            world.check();
        } else {
            assert!(world.footprint() == before, "a refused transaction left a trace");
        }
        result
    }

    /// Everything that has a name, in order of names.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&str, &Pubkey)> {
        let names: BTreeMap<&str, &Pubkey> =
            self.names.iter().map(|(address, name)| (name.as_str(), address)).collect();
        names.into_iter()
    }
}

/// One of everything in another market, with the same rules.
fn elsewhere(world: &mut World, names: &mut BTreeMap<Pubkey, String>) {
    let governance = std::mem::replace(&mut world.governance, Keypair::new_from_array([4; 32]));
    names.insert(world.governance.pubkey(), "other governance".to_owned());
    let market = world.open_market(CLASSIC);
    world.governance = governance;
    let mallory = world.actor_in(market, 1_000);
    let escrow = world.escrow_in(market, &mallory, 500);
    let coordinator = world.coordinator_in(market);
    let node = world.node_in(market);
    let (slot, expiry) = (world.slot(), world.time() + 3_600);
    let owner = mallory.address();
    let (allowance, open) =
        world.allowance_open(&market, &owner, &escrow, &coordinator.address, slot, 50, expiry);
    world.ok(&open, &[&mallory.key]);
    let (payout, open) = world.payout_open(&market, &coordinator.address, &node.address);
    world.ok(&open, &[]);
    let (head, open) = world.log_epoch_open(&coordinator, 0);
    world.ok(&open, &[&coordinator.authority.key]);
    for (address, text) in [
        (market.address, "other market"),
        (market.mint, "other mint"),
        (market.ledger, "other ledger"),
        (market.escrow_vault, "other escrow vault"),
        (market.stake_vault, "other stake vault"),
        (market.bond_vault, "other bond vault"),
        (escrow, "other market's escrow"),
        (allowance, "other market's allowance"),
        (payout, "other market's payout"),
        (head, "other market's epoch head"),
    ] {
        names.insert(address, text.to_owned());
    }
    name_actor(names, "other market's user", &mallory);
    name_coordinator(names, "other market's coordinator", &coordinator);
    name_node(names, "other market's node", &node);
}

/// One of everything in this market that belongs to others.
fn rivals(world: &mut World, names: &mut BTreeMap<Pubkey, String>) {
    let mallory = world.actor(1_000);
    let coordinator = world.coordinator();
    let escrow = world.escrow(&mallory, 100);
    let allowance = world.allowance(&mallory, &escrow, &coordinator, 50);
    let node = world.node();
    let payout = world.payout(&coordinator, &node);
    for (address, text) in [
        (escrow, "mallory's escrow"),
        (allowance, "mallory's allowance"),
        (payout, "rival's payout"),
    ] {
        names.insert(address, text.to_owned());
    }
    name_actor(names, "mallory", &mallory);
    name_coordinator(names, "rival", &coordinator);
    name_node(names, "rival node", &node);
}

fn name_actor(names: &mut BTreeMap<Pubkey, String>, name: &str, actor: &Actor) {
    names.insert(actor.address(), name.to_owned());
    names.insert(actor.tokens, format!("{name}'s tokens"));
}

fn name_coordinator(names: &mut BTreeMap<Pubkey, String>, name: &str, it: &Coordinator) {
    names.insert(it.address, name.to_owned());
    name_actor(names, &format!("{name}'s authority"), &it.authority);
    names.insert(it.signer.pubkey(), format!("{name}'s signer"));
}

fn name_node(names: &mut BTreeMap<Pubkey, String>, name: &str, it: &Node) {
    names.insert(it.address, name.to_owned());
    name_actor(names, &format!("{name}'s operator"), &it.operator);
    name_actor(names, &format!("{name}'s payout owner"), &it.payout_owner);
    names.insert(it.signer.pubkey(), format!("{name}'s signer"));
}
