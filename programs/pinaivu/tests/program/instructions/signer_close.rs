//! Retired keys: their return, and the end of their records.

use pinaivu::error::PinaivuError;
use pinaivu::state::RetiredSigner;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    Case::of(stage.world.signer_close(&stage.market, &stage.flows.retired))
}

#[test]
fn retired_key_is_kept_as_long_as_it_can_be_held_to_account() {
    let mut world = World::new();
    let (market, node, fresh) = (world.market, world.node(), world.key());
    let operator = node.operator.key.insecure_clone();
    let rotate = world.node_rotate_signer(&node.address, &operator.pubkey(), &fresh.pubkey());
    world.ok(&rotate, &[&operator, &fresh]);
    let record = retired_signer(&node.address, &node.signer.pubkey());
    let stored: RetiredSigner = world.read(&record);
    assert_eq!((stored.market, stored.account), (market.address, node.address));
    assert_eq!((stored.signer, stored.retired_slot), (node.signer.pubkey(), world.slot()));
    assert_eq!(stored.retired_time, world.time());

    // It does not come back, or it could never be retired again.
    let back = world.node_rotate_signer(&node.address, &operator.pubkey(), &node.signer.pubkey());
    world.fails(&back, &[&operator, &node.signer], PinaivuError::SignerRetired);
    let close = world.signer_close(&market, &record);
    world.pass(UNBOND_SLOTS - 1, UNBOND_SECONDS);
    world.fails(&close, &[], PinaivuError::SignerAccountable);
    world.pass(1, 0);
    let other = world.open_market(CLASSIC);
    let elsewhere = world.signer_close(&other, &record);
    world.fails(&elsewhere, &[], PinaivuError::WrongMarket);
    let mut astray = close.clone();
    astray.accounts[2].pubkey = operator.pubkey();
    world.fails(&astray, &[], PinaivuError::WrongRentReceiver);
    world.ok(&close, &[]);
    assert!(!world.exists(&record));
    world.ok(&back, &[&operator, &node.signer]);
}
