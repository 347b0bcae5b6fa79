//! Money into an escrow.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::EscrowDeposited;
use pinaivu::state::Escrow;

use crate::harness::*;
use crate::hostile::{Again, Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let deposit = stage.world.escrow_deposit(&stage.market, &stage.escrow, &stage.alice, 5);
    Case::of(deposit).again(Again::Repeats).also("escrow", &["bob's escrow", "mallory's escrow"])
}

#[test]
fn deposit_by_a_stranger_credits_the_escrow_and_nobody_else() {
    let mut world = World::new();
    let (market, alice, bob) = (world.market, world.actor(0), world.actor(10));
    let escrow = world.escrow(&alice, 0);
    let meta = world.ok(&world.escrow_deposit(&market, &escrow, &bob, 7), &[&bob.key]);
    assert_eq!(world.read::<Escrow>(&escrow).free, 7);
    assert_eq!((world.tokens(&bob.tokens), world.tokens(&market.escrow_vault)), (3, 7));
    let deposited: EscrowDeposited = event(&meta);
    assert_eq!((deposited.escrow, deposited.depositor), (escrow, bob.address()));
    assert_eq!((deposited.sequence, deposited.ledger_sequence), (2, 2));
    assert_eq!((deposited.amount, deposited.free), (7, 7));
    assert_eq!((deposited.escrow_liabilities, deposited.vault_balance), (7, 7));
}

#[test]
fn deposit_of_zero_or_more_than_the_source_holds_is_refused() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(10));
    let escrow = world.escrow(&alice, 0);
    world.fails(
        &world.escrow_deposit(&market, &escrow, &alice, 0),
        &[&alice.key],
        PinaivuError::AmountZero,
    );
    for amount in [11, u64::MAX] {
        let deposit = world.escrow_deposit(&market, &escrow, &alice, amount);
        world.fails(&deposit, &[&alice.key], custom(INSUFFICIENT_TOKENS));
    }
    for amount in [1, 9] {
        world.ok(&world.escrow_deposit(&market, &escrow, &alice, amount), &[&alice.key]);
    }
    assert_eq!(world.tokens(&alice.tokens), 0);
}

#[test]
fn deposit_of_every_token_there_can_be_fits() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(u64::MAX));
    let escrow = world.escrow(&alice, u64::MAX);
    assert_eq!(world.read::<Escrow>(&escrow).free, u64::MAX);
    let bob = world.actor(1);
    // The vault is full: the token program refuses before the program counts anything.
    let deposit = world.escrow_deposit(&market, &escrow, &bob, 1);
    assert!(world.send(&[deposit], &[&bob.key]).is_err());
    world.ok(&world.escrow_withdraw(&market, &escrow, &alice, u64::MAX), &[&alice.key]);
    assert_eq!(world.tokens(&alice.tokens), u64::MAX);
}

#[test]
fn deposit_from_anothers_token_account_is_refused() {
    let mut world = World::new();
    let (market, alice, bob) = (world.market, world.actor(10), world.actor(10));
    let escrow = world.escrow(&alice, 0);
    let mut deposit = world.escrow_deposit(&market, &escrow, &alice, 1);
    deposit.accounts[6].pubkey = bob.tokens;
    world.fails(&deposit, &[&alice.key], custom(OWNER_MISMATCH));
}

#[test]
fn deposit_of_another_mints_tokens_is_refused() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(10));
    let other = world.open_market(CLASSIC);
    let rich = world.actor_in(other, 10);
    let escrow = world.escrow(&alice, 0);
    let mut deposit = world.escrow_deposit(&market, &escrow, &rich, 1);
    world.fails(&deposit, &[&rich.key], custom(MINT_MISMATCH));
    deposit.accounts[5].pubkey = other.mint;
    world.fails(&deposit, &[&rich.key], PinaivuError::WrongMint);
}

#[test]
fn deposit_into_another_markets_escrow_is_refused() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(10));
    let other = world.open_market(CLASSIC);
    let bob = world.actor_in(other, 10);
    let escrow = world.escrow_in(other, &bob, 1);
    let deposit = world.escrow_deposit(&market, &escrow, &alice, 1);
    world.fails(&deposit, &[&alice.key], PinaivuError::WrongMarket);
}

#[test]
fn deposit_from_the_vault_itself_is_refused() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(10));
    let escrow = world.escrow(&alice, 10);
    let mut deposit = world.escrow_deposit(&market, &escrow, &alice, 1);
    deposit.accounts[6].pubkey = market.escrow_vault;
    world.fails(&deposit, &[&alice.key], ErrorCode::ConstraintDuplicateMutableAccount);
}
