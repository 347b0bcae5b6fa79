//! Crediting what a plain transfer brought.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::EscrowSwept;
use pinaivu::state::Escrow;
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;

use crate::harness::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    Case::of(stage.world.escrow_sweep(&stage.market, &stage.escrow))
}

#[test]
fn sweep_by_anyone_credits_the_whole_balance_and_can_be_withdrawn_at_once() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(0));
    let escrow = world.escrow(&alice, 0);
    let deposit = world.deposit_tokens(&market, &escrow, 70);
    let meta = world.ok(&world.escrow_sweep(&market, &escrow), &[]);
    assert_eq!((world.read::<Escrow>(&escrow).free, world.tokens(&deposit)), (70, 0));
    assert_eq!(world.tokens(&market.escrow_vault), 70);
    let swept: EscrowSwept = event(&meta);
    assert_eq!((swept.escrow, swept.amount, swept.free), (escrow, 70, 70));
    assert_eq!((swept.escrow_liabilities, swept.vault_balance), (70, 70));
    world.ok(&world.escrow_withdraw(&market, &escrow, &alice, 70), &[&alice.key]);
    assert_eq!(world.tokens(&alice.tokens), 70);
}

#[test]
fn sweep_again_credits_only_what_came_since() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(0));
    let escrow = world.escrow(&alice, 0);
    world.deposit_tokens(&market, &escrow, 1);
    let sweep = world.escrow_sweep(&market, &escrow);
    world.ok(&sweep, &[]);
    world.fails(&sweep, &[], PinaivuError::NothingToSweep);
    world.deposit_tokens(&market, &escrow, 2);
    world.ok(&sweep, &[]);
    assert_eq!(world.read::<Escrow>(&escrow).free, 3);
}

#[test]
fn sweep_while_paused_still_credits_what_has_arrived() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(0));
    let escrow = world.escrow(&alice, 0);
    world.deposit_tokens(&market, &escrow, 5);
    let governance = world.governance.insecure_clone();
    world.ok(&world.market_pause(&market, true), &[&governance]);
    world.ok(&world.escrow_sweep(&market, &escrow), &[]);
    world.ok(&world.escrow_withdraw(&market, &escrow, &alice, 5), &[&alice.key]);
    assert_eq!(world.tokens(&alice.tokens), 5);
}

#[test]
fn sweep_of_anything_but_the_escrows_own_associated_account_is_refused() {
    let mut world = World::new();
    let (market, alice, bob) = (world.market, world.actor(0), world.actor(0));
    let (hers, his) = (world.escrow(&alice, 0), world.escrow(&bob, 0));
    let deposit = world.deposit_tokens(&market, &hers, 5);
    let sweep = world.escrow_sweep(&market, &his);
    let place = sweep
        .accounts
        .iter()
        .position(|it| it.pubkey == deposit_account(&his, &market.mint, &market.token_program));
    // Another escrow's deposits, and a token account that only belongs to the escrow.
    let loose = world.token_account(&market, &his, 5);
    for (address, error) in [
        (deposit, ErrorCode::ConstraintTokenOwner),
        (loose, ErrorCode::ConstraintAssociated),
        (market.escrow_vault, ErrorCode::ConstraintDuplicateMutableAccount),
    ] {
        let mut other = sweep.clone();
        other.accounts[place.unwrap()].pubkey = address;
        world.fails(&other, &[], error);
    }
    world.fails(&sweep, &[], ErrorCode::AccountNotInitialized);
}

#[test]
fn sweep_into_another_market_is_refused() {
    let mut world = World::new();
    let other = world.open_market(CLASSIC);
    let (market, alice) = (world.market, world.actor(0));
    let escrow = world.escrow(&alice, 0);
    world.deposit_tokens(&other, &escrow, 5);
    world.fails(&world.escrow_sweep(&other, &escrow), &[], PinaivuError::WrongMarket);
    world.deposit_tokens(&market, &escrow, 5);
    world.ok(&world.escrow_sweep(&market, &escrow), &[]);
}

#[test]
fn escrow_with_deposits_does_not_close_and_without_them_its_deposit_account_closes_too() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(0));
    let escrow = world.escrow(&alice, 0);
    let deposit = world.deposit_tokens(&market, &escrow, 5);
    world.pass(OPENING_SLOT_WINDOW + 1, 0);
    let close = world.escrow_close(&escrow, &alice.address());
    world.fails(&close, &[&alice.key], PinaivuError::EscrowNotEmpty);
    world.ok(&world.escrow_sweep(&market, &escrow), &[]);
    world.fails(&close, &[&alice.key], PinaivuError::EscrowNotEmpty);
    world.ok(&world.escrow_withdraw(&market, &escrow, &alice, 5), &[&alice.key]);
    let mut forgotten = close.clone();
    forgotten.accounts[4].pubkey = alice.tokens;
    world.fails(&forgotten, &[&alice.key], PinaivuError::WrongTokenAccount);
    world.ok(&close, &[&alice.key]);
    assert!(!world.exists(&deposit) && !world.exists(&escrow));
}
