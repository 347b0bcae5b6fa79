//! Registering a coordinator.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::CoordinatorRegistered;
use pinaivu::instructions::{CoordinatorRegisterArgs, CoordinatorUpdateArgs};
use pinaivu::state::{Coordinator as CoordinatorAccount, MAX_ENDPOINT_LEN, VERSION};
use pinaivu_protocol::merkle::empty_root;
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Case, Stage};

const NO_CHANGE: CoordinatorUpdateArgs =
    CoordinatorUpdateArgs { endpoint: None, measurement: None, evidence_hash: None };

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let (authority, signer) = (stage.newcomer.address(), stage.fresh.pubkey());
    let slot = stage.world.slot();
    let register =
        stage.world.coordinator_register(&stage.market, &authority, &signer, slot, FEE);
    Case::of(register.1).anyone("payer").anyone("signer").anyone("measurement_entry")
}

#[test]
fn coordinator_registered_has_an_empty_log_and_no_money() {
    let mut world = World::new();
    let (market, authority, signer) = (world.market, world.actor(0), world.key());
    let args = CoordinatorRegisterArgs {
        opening_slot: world.slot(),
        endpoint: "node.example:443".to_owned(),
        fee_bps: FEE_CAP,
        measurement: [0; 32],
    };
    let (address, register) = world.coordinator_register_as(
        &market,
        &authority.address(),
        &signer.pubkey(),
        args.clone(),
    );
    let meta = world.ok(&register, &[&authority.key, &signer]);
    let stored: CoordinatorAccount = world.read(&address);
    assert_eq!((stored.version, stored.market), (VERSION, market.address));
    assert_eq!((stored.authority, stored.signer), (authority.address(), signer.pubkey()));
    assert_eq!((stored.opening_slot, stored.fee_bps), (world.slot(), FEE_CAP));
    assert_eq!((stored.endpoint.as_str(), stored.measurement), ("node.example:443", [0; 32]));
    assert_eq!((stored.guarantee_bond, stored.penalty_bond), (0, 0));
    assert_eq!((stored.debited, stored.credited, stored.fees, stored.fees_paid), (0, 0, 0, 0));
    assert_eq!((stored.log.epoch, stored.log.size, stored.log.root), (0, 0, empty_root().0));
    assert_eq!((stored.evidence_hash, stored.sequence), ([0; 32], 1));
    let registered: CoordinatorRegistered = event(&meta);
    assert_eq!((registered.coordinator, registered.sequence), (address, 1));
    assert_eq!((registered.authority, registered.signer), (authority.address(), signer.pubkey()));
    assert_eq!((registered.fee_bps, registered.endpoint), (FEE_CAP, args.endpoint));
}

#[test]
fn coordinator_registered_without_either_signature_is_refused() {
    let mut world = World::new();
    let (market, authority, signer) = (world.market, world.actor(0), world.key());
    let (_, register) = world.coordinator_register(
        &market,
        &authority.address(),
        &signer.pubkey(),
        world.slot(),
        FEE,
    );
    let mut squatted = register.clone();
    squatted.accounts[2].is_signer = false;
    world.fails(&squatted, &[&authority.key], ErrorCode::AccountNotSigner);
    let mut unwanted = register.clone();
    unwanted.accounts[1].is_signer = false;
    world.fails(&unwanted, &[&signer], ErrorCode::AccountNotSigner);
    world.ok(&register, &[&authority.key, &signer]);
    world.fails(&register, &[&authority.key, &signer], custom(ALREADY_IN_USE));
}

#[test]
fn coordinator_with_a_fee_above_the_cap_is_refused() {
    let mut world = World::new();
    let (market, authority, signer) = (world.market, world.actor(0), world.key());
    for fee in [FEE_CAP + 1, u16::MAX] {
        let (_, register) = world.coordinator_register(
            &market,
            &authority.address(),
            &signer.pubkey(),
            world.slot(),
            fee,
        );
        world.fails(&register, &[&authority.key, &signer], PinaivuError::FeeTooHigh);
    }
}

#[test]
fn coordinator_registered_out_of_the_window_is_refused() {
    let mut world = World::new();
    let (market, authority, signer) = (world.market, world.actor(0), world.key());
    let now = world.slot();
    for slot in [now + 1, now - OPENING_SLOT_WINDOW - 1] {
        let (_, register) =
            world.coordinator_register(&market, &authority.address(), &signer.pubkey(), slot, FEE);
        let refused = PinaivuError::OpeningSlotOutOfWindow;
        world.fails(&register, &[&authority.key, &signer], refused);
    }
}

#[test]
fn endpoint_that_is_empty_too_long_or_not_printable_ascii_is_refused() {
    let mut world = World::new();
    let (market, authority, signer) = (world.market, world.actor(0), world.key());
    let coordinator = world.coordinator();
    let too_long = "x".repeat(MAX_ENDPOINT_LEN + 1);
    for endpoint in ["", "a b", "a\n", "höst:1", "\u{0}", too_long.as_str()] {
        let args = CoordinatorRegisterArgs {
            opening_slot: world.slot(),
            endpoint: endpoint.to_owned(),
            fee_bps: 0,
            measurement: [0; 32],
        };
        let (_, register) =
            world.coordinator_register_as(&market, &authority.address(), &signer.pubkey(), args);
        world.fails(&register, &[&authority.key, &signer], PinaivuError::EndpointInvalid);
        let args = CoordinatorUpdateArgs { endpoint: Some(endpoint.to_owned()), ..NO_CHANGE };
        let update = world.coordinator_update(&coordinator, args);
        world.fails(&update, &[&coordinator.authority.key], PinaivuError::EndpointInvalid);
    }
    for endpoint in ["x".to_owned(), "x".repeat(MAX_ENDPOINT_LEN)] {
        let args = CoordinatorUpdateArgs { endpoint: Some(endpoint.clone()), ..NO_CHANGE };
        let update = world.coordinator_update(&coordinator, args);
        world.ok(&update, &[&coordinator.authority.key]);
        assert_eq!(world.read::<CoordinatorAccount>(&coordinator.address).endpoint, endpoint);
    }
}
