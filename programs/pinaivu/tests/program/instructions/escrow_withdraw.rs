//! Free money out of an escrow.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::EscrowWithdrawn;
use pinaivu::state::{Escrow, Ledger};

use crate::harness::*;
use crate::hostile::{Again, Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let withdraw = stage.world.escrow_withdraw(&stage.market, &stage.escrow, &stage.alice, 5);
    Case::of(withdraw).again(Again::Repeats).anyone("destination").gifts()
}

#[test]
fn withdrawal_pays_at_once_and_exactly() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(10));
    let escrow = world.escrow(&alice, 10);
    let meta = world.ok(&world.escrow_withdraw(&market, &escrow, &alice, 4), &[&alice.key]);
    assert_eq!(world.read::<Escrow>(&escrow).free, 6);
    assert_eq!((world.tokens(&alice.tokens), world.tokens(&market.escrow_vault)), (4, 6));
    let withdrawn: EscrowWithdrawn = event(&meta);
    assert_eq!((withdrawn.escrow, withdrawn.destination), (escrow, alice.tokens));
    assert_eq!((withdrawn.sequence, withdrawn.ledger_sequence), (3, 3));
    assert_eq!((withdrawn.amount, withdrawn.free), (4, 6));
    assert_eq!((withdrawn.escrow_liabilities, withdrawn.vault_balance), (6, 6));
    world.ok(&world.escrow_withdraw(&market, &escrow, &alice, 6), &[&alice.key]);
    assert_eq!(world.read::<Ledger>(&market.ledger).escrow_liabilities, 0);
}

#[test]
fn withdrawal_of_zero_or_more_than_is_free_is_refused() {
    let mut world = World::new();
    let (market, alice, bob) = (world.market, world.actor(10), world.actor(90));
    let escrow = world.escrow(&alice, 10);
    world.escrow(&bob, 90);
    let coordinator = world.coordinator();
    world.allowance(&alice, &escrow, &coordinator, 4);
    world.fails(
        &world.escrow_withdraw(&market, &escrow, &alice, 0),
        &[&alice.key],
        PinaivuError::AmountZero,
    );
    for amount in [7, 11, u64::MAX] {
        let withdraw = world.escrow_withdraw(&market, &escrow, &alice, amount);
        world.fails(&withdraw, &[&alice.key], PinaivuError::InsufficientFree);
    }
    world.ok(&world.escrow_withdraw(&market, &escrow, &alice, 6), &[&alice.key]);
}

#[test]
fn withdrawal_by_anyone_but_the_owner_is_refused() {
    let mut world = World::new();
    let (market, alice, bob) = (world.market, world.actor(10), world.actor(0));
    let escrow = world.escrow(&alice, 10);
    let theft = world.escrow_withdraw(&market, &escrow, &bob, 1);
    world.fails(&theft, &[&bob.key], PinaivuError::NotOwner);
    let mut unsigned = world.escrow_withdraw(&market, &escrow, &alice, 1);
    unsigned.accounts[0].is_signer = false;
    world.fails(&unsigned, &[], ErrorCode::AccountNotSigner);
}

#[test]
fn withdrawal_to_the_vault_itself_is_refused() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(10));
    let escrow = world.escrow(&alice, 10);
    let mut withdraw = world.escrow_withdraw(&market, &escrow, &alice, 1);
    withdraw.accounts[6].pubkey = market.escrow_vault;
    world.fails(&withdraw, &[&alice.key], ErrorCode::ConstraintDuplicateMutableAccount);
}

#[test]
fn donation_to_every_vault_changes_nobodys_balance_and_stops_nothing() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(10));
    let escrow = world.escrow(&alice, 10);
    for vault in [market.escrow_vault, market.stake_vault, market.bond_vault] {
        world.donate(&vault, 1_000);
    }
    assert_eq!(world.read::<Escrow>(&escrow).free, 10);
    world.fails(
        &world.escrow_withdraw(&market, &escrow, &alice, 11),
        &[&alice.key],
        PinaivuError::InsufficientFree,
    );
    world.ok(&world.escrow_withdraw(&market, &escrow, &alice, 10), &[&alice.key]);
    assert_eq!((world.tokens(&alice.tokens), world.tokens(&market.escrow_vault)), (10, 1_000));
    world.ok(&world.escrow_deposit(&market, &escrow, &alice, 3), &[&alice.key]);
    assert_eq!(world.read::<Ledger>(&market.ledger).escrow_liabilities, 3);
}

#[test]
fn vault_short_of_what_it_owes_pays_nobody() {
    let mut world = World::new();
    let (market, alice, bob) = (world.market, world.actor(10), world.actor(10));
    let escrow = world.escrow(&alice, 10);
    world.escrow(&bob, 10);
    // No instruction leads here; a ledger that owes one more than the vault holds stands for any
    // flaw that would.
    let mut account = world.svm.get_account(&market.ledger).unwrap();
    let mut ledger: Ledger = world.read(&market.ledger);
    ledger.escrow_liabilities += 1;
    let mut data = Vec::new();
    anchor_lang::AccountSerialize::try_serialize(&ledger, &mut data).unwrap();
    account.data = data;
    let withdraw = world.escrow_withdraw(&market, &escrow, &alice, 1);
    world.set_account(market.ledger, account);
    let result = world.send_unchecked(&[withdraw], &[&alice.key]);
    assert_eq!(
        refusal(&result.unwrap_err()),
        format!("Custom({})", u32::from(PinaivuError::VaultUncovered))
    );
}
