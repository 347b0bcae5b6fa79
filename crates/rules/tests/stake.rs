//! Stake that stays while other stake leaves.

use pinaivu_protocol::units::{Amount, Slot};
use pinaivu_rules::{Delay, Moment, Stake, UnixSeconds};

#[test]
fn stake_claimed_leaves_what_is_active_where_it_is() {
    let at = |slot, time| Moment { slot: Slot(slot), time: UnixSeconds(time) };
    let mut stake = Stake { active: Amount(7), unbonding: Amount(3), since: at(1, 1) };
    let delay = Delay { slots: 5, seconds: 5 };
    assert_eq!(stake.claim(at(6, 6), delay), Ok(Amount(3)));
    assert_eq!((stake.active, stake.unbonding), (Amount(7), Amount(0)));
}
