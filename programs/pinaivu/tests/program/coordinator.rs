//! Registering and bonding a coordinator.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::{
    CoordinatorBonded, CoordinatorRegistered, CoordinatorSignerRotated, CoordinatorUpdated,
};
use pinaivu::instructions::{CoordinatorRegisterArgs, CoordinatorUpdateArgs};
use pinaivu::state::{Coordinator as CoordinatorAccount, MAX_ENDPOINT_LEN, VERSION};
use pinaivu_protocol::merkle::empty_root;
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_signer::Signer as _;

use crate::harness::*;

const NO_CHANGE: CoordinatorUpdateArgs =
    CoordinatorUpdateArgs { endpoint: None, measurement: None, evidence_hash: None };

#[test]
fn coordinator_registered_has_an_empty_log_and_no_money() {
    let mut world = World::new();
    let (market, authority, signer) = (world.market, world.actor(0), world.key());
    let args = CoordinatorRegisterArgs {
        opening_slot: world.slot(),
        endpoint: "node.example:443".to_owned(),
        fee_bps: FEE_CAP,
        measurement: [9; 32],
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
    assert_eq!((stored.endpoint.as_str(), stored.measurement), ("node.example:443", [9; 32]));
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

#[test]
fn bonds_are_added_each_to_its_own_and_held_in_the_bond_vault() {
    let mut world = World::new();
    let (market, mut coordinator) = (world.market, world.coordinator());
    let authority = coordinator.authority.address();
    coordinator.authority.tokens = world.token_account(&market, &authority, 100);
    let bond = world.coordinator_bond(&market, &coordinator, 30, 4);
    let meta = world.ok(&bond, &[&coordinator.authority.key]);
    let stored: CoordinatorAccount = world.read(&coordinator.address);
    assert_eq!((stored.guarantee_bond, stored.penalty_bond), (30, MIN_BOND + 4));
    assert_eq!(world.tokens(&coordinator.authority.tokens), 66);
    assert_eq!(world.tokens(&market.bond_vault), MIN_BOND + 34);
    let bonded: CoordinatorBonded = event(&meta);
    assert_eq!((bonded.coordinator, bonded.sequence), (coordinator.address, 3));
    assert_eq!((bonded.guarantee_bond, bonded.penalty_bond), (30, MIN_BOND + 4));
    assert_eq!((bonded.bond_liabilities, bonded.vault_balance), (MIN_BOND + 34, MIN_BOND + 34));
}

#[test]
fn bond_of_nothing_or_more_than_fits_or_by_another_is_refused() {
    let mut world = World::new();
    let (market, coordinator, bob) = (world.market, world.coordinator(), world.actor(10));
    let bond = |world: &World, guarantee, penalty| {
        world.coordinator_bond(&market, &coordinator, guarantee, penalty)
    };
    let key = &coordinator.authority.key;
    world.fails(&bond(&world, 0, 0), &[key], PinaivuError::AmountZero);
    world.fails(&bond(&world, u64::MAX, 1), &[key], PinaivuError::Overflow);
    world.fails(&bond(&world, 1, 0), &[key], custom(INSUFFICIENT_TOKENS));
    let mut foreign = bond(&world, 1, 0);
    foreign.accounts[0].pubkey = bob.address();
    foreign.accounts[6].pubkey = bob.tokens;
    world.fails(&foreign, &[&bob.key], PinaivuError::NotAuthority);
}

#[test]
fn signer_rotated_drops_the_old_evidence_and_the_old_key() {
    let mut world = World::new();
    let (coordinator, fresh) = (world.coordinator(), world.key());
    let authority = &coordinator.authority.key;
    let evidence = CoordinatorUpdateArgs { evidence_hash: Some([5; 32]), ..NO_CHANGE };
    world.ok(&world.coordinator_update(&coordinator, evidence), &[authority]);
    let rotate = world.coordinator_rotate_signer(&coordinator, &fresh.pubkey());
    let mut squatted = rotate.clone();
    squatted.accounts[1].is_signer = false;
    world.fails(&squatted, &[authority], ErrorCode::AccountNotSigner);
    let mut hot = rotate.clone();
    hot.accounts[0].pubkey = coordinator.signer.pubkey();
    world.fails(&hot, &[&coordinator.signer, &fresh], PinaivuError::NotAuthority);
    let meta = world.ok(&rotate, &[authority, &fresh]);
    let stored: CoordinatorAccount = world.read(&coordinator.address);
    assert_eq!((stored.signer, stored.evidence_hash), (fresh.pubkey(), [0; 32]));
    let rotated: CoordinatorSignerRotated = event(&meta);
    assert_eq!(
        (rotated.old_signer, rotated.new_signer),
        (coordinator.signer.pubkey(), fresh.pubkey()),
    );
    world.fails(&rotate, &[authority, &fresh], PinaivuError::NothingToChange);
    let fees = world.credit(&world.market, &coordinator, &[], 1);
    world.fails(&fees, &[&coordinator.signer], PinaivuError::NotSigner);
}

#[test]
fn update_changes_what_is_given_and_nothing_else() {
    let mut world = World::new();
    let coordinator = world.coordinator();
    let authority = &coordinator.authority.key;
    let nothing = world.coordinator_update(&coordinator, NO_CHANGE);
    world.fails(&nothing, &[authority], PinaivuError::NothingToChange);
    let args = CoordinatorUpdateArgs { measurement: Some([3; 32]), ..NO_CHANGE };
    world.ok(&world.coordinator_update(&coordinator, args), &[authority]);
    let args = CoordinatorUpdateArgs { evidence_hash: Some([4; 32]), ..NO_CHANGE };
    let meta = world.ok(&world.coordinator_update(&coordinator, args), &[authority]);
    let updated: CoordinatorUpdated = event(&meta);
    assert_eq!((updated.coordinator, updated.sequence), (coordinator.address, 4));
    assert_eq!(updated.endpoint, "localhost:8443");
    assert_eq!((updated.measurement, updated.evidence_hash), ([3; 32], [4; 32]));
    let args = CoordinatorUpdateArgs { endpoint: Some("x".to_owned()), ..NO_CHANGE };
    let mut hot = world.coordinator_update(&coordinator, args);
    hot.accounts[0].pubkey = coordinator.signer.pubkey();
    world.fails(&hot, &[&coordinator.signer], PinaivuError::NotAuthority);
}
