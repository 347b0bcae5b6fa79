//! Pausing a market.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::MarketPaused;
use pinaivu::state::Market as MarketAccount;
use solana_keypair::Keypair;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    Case::of(stage.world.market_pause(&stage.market, true))
}

#[test]
fn market_paused_and_resumed_by_governance_says_so() {
    let mut world = World::new();
    let (market, governance) = (world.market, world.governance.insecure_clone());
    let meta = world.ok(&world.market_pause(&market, true), &[&governance]);
    let paused: MarketPaused = event(&meta);
    assert_eq!((paused.market, paused.sequence, paused.paused), (market.address, 2, true));
    assert!(world.read::<MarketAccount>(&market.address).paused);
    world.fails(&world.market_pause(&market, true), &[&governance], PinaivuError::NothingToChange);
    let meta = world.ok(&world.market_pause(&market, false), &[&governance]);
    assert_eq!(event::<MarketPaused>(&meta).sequence, 3);
    world.fails(&world.market_pause(&market, false), &[&governance], PinaivuError::NothingToChange);
}

#[test]
fn market_paused_by_anyone_else_is_refused() {
    let mut world = World::new();
    let market = world.market;
    let stranger: Keypair = world.key();
    let mut pause = world.market_pause(&market, true);
    pause.accounts[0].pubkey = stranger.pubkey();
    world.fails(&pause, &[&stranger], PinaivuError::NotGovernance);
    let mut unsigned = world.market_pause(&market, true);
    unsigned.accounts[0].is_signer = false;
    world.fails(&unsigned, &[], ErrorCode::AccountNotSigner);
}

#[test]
fn market_paused_stops_deposits_and_registrations() {
    let mut world = World::new();
    let (market, governance) = (world.market, world.governance.insecure_clone());
    let alice = world.actor(10);
    let escrow = world.escrow(&alice, 5);
    let coordinator = world.coordinator();
    let node = world.node();
    let slot = world.slot();
    let key = world.key();
    let address = alice.address();
    world.ok(&world.market_pause(&market, true), &[&governance]);

    let paused = PinaivuError::MarketPaused;
    world.fails(&world.escrow_deposit(&market, &escrow, &alice, 1), &[&alice.key], paused);
    let paused = PinaivuError::MarketPaused;
    world.fails(&world.node_stake(&market, &node.address, &alice, 1), &[&alice.key], paused);
    let paused = PinaivuError::MarketPaused;
    let bond = world.coordinator_bond(&market, &coordinator, 1, 0);
    world.fails(&bond, &[&coordinator.authority.key], paused);
    let paused = PinaivuError::MarketPaused;
    let (_, register) = world.node_register(&market, &address, &key.pubkey(), &address, slot);
    world.fails(&register, &[&alice.key, &key], paused);
    let paused = PinaivuError::MarketPaused;
    let (_, register) = world.coordinator_register(&market, &address, &key.pubkey(), slot, FEE);
    world.fails(&register, &[&alice.key, &key], paused);
}

#[test]
fn market_paused_stops_neither_settlement_nor_exit_nor_claim() {
    let mut world = World::new();
    let (market, governance) = (world.market, world.governance.insecure_clone());
    let alice = world.actor(1_000);
    let escrow = world.escrow(&alice, 1_000);
    let coordinator = world.coordinator();
    let node = world.node();
    let payout = world.payout(&coordinator, &node);
    let allowance = world.allowance(&alice, &escrow, &coordinator, 600);
    world.ok(&world.market_pause(&market, true), &[&governance]);

    world.ok(&world.debit(&coordinator, &[(allowance, 100)]), &[&coordinator.signer]);
    world.ok(&world.credit(&market, &coordinator, &[(payout, 90)], 10), &[&coordinator.signer]);
    let destination = node.payout_owner.tokens;
    world.ok(&world.claim(&market, &payout, &destination), &[]);
    let destination = coordinator.authority.tokens;
    world.ok(&world.fee_claim(&market, &coordinator.address, &destination), &[]);
    world.ok(&world.escrow_withdraw(&market, &escrow, &alice, 400), &[&alice.key]);
    let release = world.allowance_release(&allowance, &alice.address(), 500, Some(alice.tokens));
    world.ok(&release, &[&alice.key]);
    world.pass(EXIT_SLOTS, EXIT_SECONDS);
    world.ok(&world.allowance_exit(&market, &allowance, Some(alice.tokens)), &[]);
    assert_eq!(world.tokens(&alice.tokens), 900);
    assert_eq!(world.tokens(&market.escrow_vault), 0);
}
