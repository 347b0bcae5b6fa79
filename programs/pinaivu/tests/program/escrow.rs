//! Money in and out of an escrow.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::{EscrowClosed, EscrowDeposited, EscrowOpened, EscrowWithdrawn};
use pinaivu::state::{Escrow, Ledger, VERSION};
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_signer::Signer as _;

use crate::harness::*;

#[test]
fn escrow_opened_is_empty_and_belongs_to_its_owner() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(0));
    let slot = world.slot();
    let (escrow, open) = world.escrow_open(&market, &alice.address(), slot);
    let meta = world.ok(&open, &[&alice.key]);
    let stored: Escrow = world.read(&escrow);
    assert_eq!(
        (stored.version, stored.market, stored.owner),
        (VERSION, market.address, alice.address())
    );
    assert_eq!((stored.opening_slot, stored.free), (slot, 0));
    assert_eq!((stored.allowances, stored.sequence), (0, 1));
    let opened: EscrowOpened = event(&meta);
    assert_eq!((opened.escrow, opened.sequence), (escrow, 1));
    assert_eq!((opened.market, opened.owner), (market.address, alice.address()));
}

#[test]
fn escrow_opened_without_its_owners_signature_is_refused() {
    let mut world = World::new();
    let alice = world.actor(0);
    let (_, mut open) = world.escrow_open(&world.market, &alice.address(), world.slot());
    open.accounts[1].is_signer = false;
    world.fails(&open, &[], ErrorCode::AccountNotSigner);
}

#[test]
fn escrow_opened_in_the_future_or_before_the_window_is_refused() {
    let mut world = World::new();
    let (market, alice, now) = (world.market, world.actor(0), world.slot());
    for slot in [now + 1, u64::MAX, now - OPENING_SLOT_WINDOW - 1, 0] {
        let (_, open) = world.escrow_open(&market, &alice.address(), slot);
        world.fails(&open, &[&alice.key], PinaivuError::OpeningSlotOutOfWindow);
    }
    for slot in [now, now - OPENING_SLOT_WINDOW] {
        let (_, open) = world.escrow_open(&market, &alice.address(), slot);
        world.ok(&open, &[&alice.key]);
    }
}

#[test]
fn escrow_opened_twice_is_refused() {
    let mut world = World::new();
    let alice = world.actor(5);
    world.escrow(&alice, 5);
    let (_, open) = world.escrow_open(&world.market, &alice.address(), world.slot());
    world.fails(&open, &[&alice.key], custom(ALREADY_IN_USE));
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

#[test]
fn escrow_closed_returns_its_rent_and_its_address_never_opens_again() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(5));
    let slot = world.slot();
    let escrow = world.escrow(&alice, 5);
    let close = world.escrow_close(&escrow, &alice.address());
    world.pass(OPENING_SLOT_WINDOW + 1, 0);
    world.fails(&close, &[&alice.key], PinaivuError::EscrowNotEmpty);
    world.ok(&world.escrow_withdraw(&market, &escrow, &alice, 5), &[&alice.key]);

    let rent = world.svm.get_balance(&escrow).unwrap();
    let before = world.svm.get_balance(&alice.address()).unwrap();
    let meta = world.ok(&close, &[&alice.key]);
    assert!(!world.exists(&escrow));
    assert_eq!(world.svm.get_balance(&alice.address()).unwrap(), before + rent);
    assert_eq!(event::<EscrowClosed>(&meta).escrow, escrow);

    let (same, open) = world.escrow_open(&market, &alice.address(), slot);
    assert_eq!(same, escrow);
    world.fails(&open, &[&alice.key], PinaivuError::OpeningSlotOutOfWindow);
}

#[test]
fn escrow_closed_while_its_address_could_open_again_is_refused() {
    let mut world = World::new();
    let alice = world.actor(0);
    let escrow = world.escrow(&alice, 0);
    let close = world.escrow_close(&escrow, &alice.address());
    world.fails(&close, &[&alice.key], PinaivuError::TooYoungToClose);
    world.pass(OPENING_SLOT_WINDOW, 1_000_000);
    world.fails(&close, &[&alice.key], PinaivuError::TooYoungToClose);
    world.pass(1, 0);
    world.ok(&close, &[&alice.key]);
}

#[test]
fn escrow_with_an_open_allowance_does_not_close() {
    let mut world = World::new();
    let alice = world.actor(5);
    let escrow = world.escrow(&alice, 5);
    let coordinator = world.coordinator();
    let allowance = world.allowance(&alice, &escrow, &coordinator, 5);
    world.pass(OPENING_SLOT_WINDOW + 1, 0);
    let close = world.escrow_close(&escrow, &alice.address());
    world.fails(&close, &[&alice.key], PinaivuError::AllowancesOpen);
    world.ok(&world.debit(&coordinator, &[(allowance, 5)]), &[&coordinator.signer]);
    world.ok(&world.allowance_close(&allowance), &[&alice.key]);
    world.ok(&close, &[&alice.key]);
}

#[test]
fn escrow_closed_by_anyone_but_the_owner_is_refused() {
    let mut world = World::new();
    let (alice, bob) = (world.actor(0), world.actor(0));
    let escrow = world.escrow(&alice, 0);
    world.pass(OPENING_SLOT_WINDOW + 1, 0);
    world.fails(
        &world.escrow_close(&escrow, &bob.key.pubkey()),
        &[&bob.key],
        PinaivuError::NotOwner,
    );
    let mut unsigned = world.escrow_close(&escrow, &alice.address());
    unsigned.accounts[0].is_signer = false;
    world.fails(&unsigned, &[], ErrorCode::AccountNotSigner);
}
