//! Holds and what they are taken from.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::integer_division,
    clippy::panic,
    reason = "tests"
)]

use std::sync::Arc;

use parking_lot::Mutex;
use pinaivu_chain::{Allowance, ChainTime, PendingRelease, UnixSeconds, VoucherLimit};
use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, EscrowId, PublicKey};
use pinaivu_protocol::units::{Amount, FINE_PER_AMOUNT, FineAmount, Slot, UnixMillis};
use proptest::prelude::*;

use super::{Accounts, Hold, HoldError};
use crate::clock::Clock;
use crate::store::{Account, AccountHandle};

const ID: AllowanceId = AllowanceId([1; 32]);
const EXPIRY_SECONDS: i64 = 2_000;

#[derive(Debug)]
struct TestClock(Mutex<UnixMillis>);

impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        *self.0.lock()
    }
}

fn account(receipted: u128) -> Account {
    Account {
        handle: AccountHandle([2; 12]),
        allowance: ID,
        escrow: EscrowId([3; 32]),
        owner: PublicKey([4; 32]),
        created: UnixMillis(0),
        receipted: FineAmount(receipted),
        debited: Amount::ZERO,
    }
}

fn on_chain(reserved: u64) -> Allowance {
    Allowance {
        id: ID,
        escrow: EscrowId([3; 32]),
        owner: PublicKey([4; 32]),
        coordinator: CoordinatorId([5; 32]),
        opening_slot: Slot(1),
        reserved: Amount(reserved),
        released: Amount::ZERO,
        debited: Amount::ZERO,
        expiry: UnixSeconds(EXPIRY_SECONDS),
        expiry_observed: None,
        pending_release: None,
        sequence: 0,
        vouchers: None,
        rent_payer: PublicKey([0; 32]),
    }
}

fn pending(amount: u64) -> Option<PendingRelease> {
    Some(PendingRelease {
        amount: Amount(amount),
        requested: ChainTime::default(),
        destination: None,
    })
}

fn opened(receipted: u128) -> (Accounts, Arc<TestClock>) {
    let clock = Arc::new(TestClock(Mutex::new(UnixMillis(1_000_000))));
    let accounts = Accounts::new(Arc::clone(&clock) as _);
    accounts.open(&account(receipted));
    (accounts, clock)
}

fn with(allowance: &Allowance) -> Accounts {
    let (accounts, _) = opened(0);
    accounts.apply_chain(&ID, Some(allowance), Some(allowance));
    accounts
}

fn whole(amount: u64) -> FineAmount {
    Amount(amount).to_fine()
}

fn hold(accounts: &Accounts, amount: FineAmount) -> Result<Hold, HoldError> {
    accounts.hold(&ID, amount)
}

#[test]
fn parts_of_a_request_are_charged_at_most_what_is_held_and_the_prompt_once() {
    let accounts = with(&on_chain(10));
    let held = hold(&accounts, whole(6)).unwrap();
    assert_eq!(held.charge(whole(4)), whole(4));
    assert_eq!(held.charge(whole(4)), whole(2));
    assert_eq!(held.charge(FineAmount(1)), FineAmount::ZERO);
    assert!(held.charge_prompt());
    assert!(!held.charge_prompt());
}

#[test]
fn hold_takes_up_to_everything_and_gives_it_back() {
    let accounts = with(&on_chain(10));
    let first = hold(&accounts, whole(6)).unwrap();
    assert_eq!(
        hold(&accounts, whole(5)).unwrap_err(),
        HoldError::Exceeded { needed: whole(5), available: whole(4) }
    );
    let second = hold(&accounts, whole(4)).unwrap();
    assert_eq!(accounts.balance(&ID).unwrap().held, whole(10));
    drop(first);
    drop(second);
    assert_eq!(accounts.balance(&ID).unwrap().held, FineAmount::ZERO);
    drop(hold(&accounts, whole(10)).unwrap());
}

#[test]
fn vouchers_limit_what_is_admitted_and_a_larger_one_counts_once_it_is_final() {
    let up_to = |limit| {
        let signer = PublicKey([9; 32]);
        let vouchers = Some(VoucherLimit { signer, limit: Amount(limit) });
        Allowance { vouchers, ..on_chain(10) }
    };
    let accounts = with(&up_to(0));
    assert_eq!(hold(&accounts, FineAmount(1)).unwrap_err(), HoldError::Empty);
    accounts.apply_chain(&ID, Some(&up_to(0)), Some(&up_to(4)));
    assert_eq!(hold(&accounts, FineAmount(1)).unwrap_err(), HoldError::Empty);
    accounts.apply_chain(&ID, Some(&up_to(4)), Some(&up_to(4)));
    let held = hold(&accounts, whole(3)).unwrap();
    assert_eq!(
        hold(&accounts, whole(2)).unwrap_err(),
        HoldError::Exceeded { needed: whole(2), available: whole(1) }
    );
    drop(held);
    // The limit is on everything ever debited, and the reservation still stands above it.
    accounts.receipted(&ID, whole(4));
    assert_eq!(hold(&accounts, FineAmount(1)).unwrap_err(), HoldError::Empty);
    accounts.apply_chain(&ID, Some(&up_to(40)), Some(&up_to(40)));
    drop(hold(&accounts, whole(6)).unwrap());
    assert!(hold(&accounts, whole(7)).is_err());
}

#[test]
fn hold_is_given_back_when_its_holder_panics() {
    let accounts = with(&on_chain(10));
    let held = hold(&accounts, whole(6)).unwrap();
    let thrown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _held = held;
        panic!("on purpose");
    }));
    assert!(thrown.is_err());
    assert_eq!(accounts.balance(&ID).unwrap().held, FineAmount::ZERO);
}

#[test]
fn allowance_nobody_opened_or_the_chain_does_not_know_is_unknown() {
    let (accounts, _) = opened(0);
    assert_eq!(hold(&accounts, whole(1)).unwrap_err(), HoldError::Unknown(ID));
    let other = AllowanceId([9; 32]);
    assert_eq!(accounts.hold(&other, whole(1)).unwrap_err(), HoldError::Unknown(other));
    for (finalized, processed) in [(None, Some(on_chain(10))), (Some(on_chain(10)), None)] {
        accounts.apply_chain(&ID, finalized.as_ref(), processed.as_ref());
        assert_eq!(hold(&accounts, whole(1)).unwrap_err(), HoldError::Unknown(ID));
    }
}

#[test]
fn nothing_is_held_from_expiry_on() {
    let (accounts, clock) = opened(0);
    accounts.apply_chain(&ID, Some(&on_chain(10)), Some(&on_chain(10)));
    let expires = UnixMillis(2_000_000);
    *clock.0.lock() = UnixMillis(expires.0 - 1);
    drop(hold(&accounts, whole(1)).unwrap());
    *clock.0.lock() = expires;
    assert_eq!(hold(&accounts, whole(1)).unwrap_err(), HoldError::Expired(expires));
}

#[test]
fn released_empty_and_used_up_allowances_are_told_apart() {
    let released = with(&Allowance { pending_release: pending(10), ..on_chain(10) });
    assert_eq!(hold(&released, whole(1)).unwrap_err(), HoldError::Released);
    assert_eq!(hold(&with(&on_chain(0)), whole(1)).unwrap_err(), HoldError::Empty);
    let used_up = with(&Allowance { debited: Amount(10), ..on_chain(10) });
    assert_eq!(hold(&used_up, whole(1)).unwrap_err(), HoldError::Empty);
}

#[test]
fn part_that_is_pending_release_is_not_admitted() {
    let accounts = with(&Allowance { pending_release: pending(7), ..on_chain(10) });
    assert_eq!(
        hold(&accounts, whole(4)).unwrap_err(),
        HoldError::Exceeded { needed: whole(4), available: whole(3) }
    );
}

#[test]
fn more_cautious_commitment_counts_in_every_field() {
    let (accounts, _) = opened(0);
    let finalized = on_chain(10);
    let processed = Allowance {
        reserved: Amount(50),
        released: Amount(2),
        debited: Amount(3),
        pending_release: pending(1),
        expiry: UnixSeconds(EXPIRY_SECONDS - 500),
        ..on_chain(10)
    };
    for (finalized, processed) in [(&finalized, &processed), (&processed, &finalized)] {
        accounts.apply_chain(&ID, Some(finalized), Some(processed));
        let balance = accounts.balance(&ID).unwrap();
        assert_eq!((balance.limit, balance.spent), (Amount(7), whole(3)));
        assert_eq!(balance.expires, Some(UnixMillis(1_500_000)));
    }
}

#[test]
fn receipted_and_debited_are_the_same_money() {
    let (accounts, _) = opened(2_500_000);
    accounts.apply_chain(&ID, Some(&on_chain(10)), Some(&on_chain(10)));
    assert_eq!(accounts.balance(&ID).unwrap().available(), FineAmount(7_500_000));
    // The debit that settles it is rounded up.
    let settled = Allowance { debited: Amount(3), ..on_chain(10) };
    accounts.apply_chain(&ID, Some(&settled), Some(&settled));
    assert_eq!(accounts.balance(&ID).unwrap().available(), whole(7));
}

#[test]
fn receipts_heard_of_in_any_order_count_once() {
    let accounts = with(&on_chain(10));
    for cumulative in [2, 5, 3, 5] {
        accounts.receipted(&ID, whole(cumulative));
    }
    accounts.open(&account(whole(4).0));
    assert_eq!(accounts.balance(&ID).unwrap().spent, whole(5));
}

#[derive(Clone, Debug)]
enum Step {
    Hold(u128),
    /// Drops the hold at this place.
    Release(usize),
    /// Receipts this part, in percent, of the hold at this place, then drops it.
    Receipt(usize, u128),
    /// Settles: the chain debits the receipts rounded up.
    Settle,
    Reserve(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..20 * FINE_PER_AMOUNT).prop_map(Step::Hold),
        (0_usize..8).prop_map(Step::Release),
        (0_usize..8, 0_u128..=100).prop_map(|(at, part)| Step::Receipt(at, part)),
        Just(Step::Settle),
        (0_u64..20).prop_map(Step::Reserve),
    ]
}

proptest! {
    #[test]
    fn what_is_admitted_can_always_be_debited(steps in prop::collection::vec(step(), 0..80)) {
        let mut chain = on_chain(20);
        let accounts = with(&chain);
        let mut holds: Vec<Hold> = Vec::new();
        let mut receipted = FineAmount::ZERO;
        for step in steps {
            match step {
                Step::Hold(amount) => holds.extend(hold(&accounts, FineAmount(amount))),
                Step::Release(at) if at < holds.len() => drop(holds.remove(at)),
                Step::Receipt(at, part) if at < holds.len() => {
                    let charged = holds[at].amount().0 * part / 100;
                    receipted = FineAmount(receipted.0 + charged);
                    accounts.receipted(&ID, receipted);
                    drop(holds.remove(at));
                }
                Step::Settle => {
                    chain.debited = receipted.to_amount_ceil().unwrap();
                    accounts.apply_chain(&ID, Some(&chain), Some(&chain));
                }
                Step::Reserve(more) => {
                    chain.reserved = Amount(chain.reserved.0 + more);
                    accounts.apply_chain(&ID, Some(&chain), Some(&chain));
                }
                _ => {}
            }
            let held: u128 = holds.iter().map(|hold| hold.amount().0).sum();
            prop_assert_eq!(accounts.balance(&ID).unwrap().held, FineAmount(held));
            // Were every open hold charged in full, the rounded-up debit would still be covered.
            let worst = FineAmount(receipted.0 + held).to_amount_ceil().unwrap();
            prop_assert!(worst <= chain.reserved);
        }
    }
}
