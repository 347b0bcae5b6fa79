//! Getting back what no sweep can credit.

use pinaivu::error::PinaivuError;
use pinaivu::event::EscrowRecovered;
use pinaivu::state::Escrow;
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;

use crate::harness::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let (flows, unopened) = (&stage.flows, &stage.unopened);
    let mint = (unopened.mint, unopened.token_program);
    Case::of(stage.world.escrow_recover(
        &stage.market,
        &stage.alice.address(),
        flows.escrow_slot,
        mint,
        &flows.stray,
        &flows.stray_wallet,
    ))
}

#[test]
fn tokens_of_another_mint_go_back_to_the_owner_and_change_no_balance() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(0));
    let (slot, escrow) = (world.slot(), world.escrow(&alice, 0));
    let other = Market::of(world.mint(TOKEN_2022, 9), TOKEN_2022);
    let stray = world.deposit_tokens(&other, &escrow, 40);
    let wallet = world.token_account(&other, &alice.address(), 0);
    let mint = (other.mint, TOKEN_2022);
    let recover = world.escrow_recover(&market, &alice.address(), slot, mint, &stray, &wallet);
    let meta = world.ok(&recover, &[&alice.key]);
    assert_eq!((world.tokens(&wallet), world.read::<Escrow>(&escrow).free), (40, 0));
    let recovered: EscrowRecovered = event(&meta);
    assert_eq!((recovered.escrow, recovered.mint), (escrow, other.mint));
    assert_eq!((recovered.destination, recovered.amount), (wallet, 40));
    world.fails(&recover, &[&alice.key], PinaivuError::NothingToSweep);
}

#[test]
fn tokens_that_can_be_swept_are_not_recovered_until_the_escrow_is_closed() {
    let mut world = World::new();
    let (market, alice, bob) = (world.market, world.actor(0), world.actor(0));
    let (slot, escrow) = (world.slot(), world.escrow(&alice, 0));
    let mint = (market.mint, market.token_program);
    let deposit = world.deposit_tokens(&market, &escrow, 5);
    let owner = alice.address();
    let recover = world.escrow_recover(&market, &owner, slot, mint, &deposit, &alice.tokens);
    world.fails(&recover, &[&alice.key], PinaivuError::SweepInstead);
    world.ok(&world.escrow_sweep(&market, &escrow), &[]);
    world.ok(&world.escrow_withdraw(&market, &escrow, &alice, 5), &[&alice.key]);
    world.pass(OPENING_SLOT_WINDOW + 1, 0);
    world.ok(&world.escrow_close(&escrow, &owner), &[&alice.key]);
    // Somebody's standing order goes on.
    world.deposit_tokens(&market, &escrow, 7);
    let theft = world.escrow_recover(&market, &bob.address(), slot, mint, &deposit, &bob.tokens);
    world.fails(&theft, &[&bob.key], PinaivuError::WrongTokenAccount);
    world.ok(&recover, &[&alice.key]);
    assert_eq!(world.tokens(&alice.tokens), 12);
}

#[test]
fn tokens_in_a_vault_are_out_of_reach() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(9));
    let slot = world.slot();
    world.escrow(&alice, 9);
    let mint = (market.mint, market.token_program);
    for vault in [market.escrow_vault, market.stake_vault, market.bond_vault] {
        let owner = alice.address();
        let theft = world.escrow_recover(&market, &owner, slot, mint, &vault, &alice.tokens);
        world.fails(&theft, &[&alice.key], PinaivuError::WrongTokenAccount);
    }
}
