//! The list of coordinator measurements.

use pinaivu::error::PinaivuError;
use pinaivu::instructions::{CoordinatorRegisterArgs, CoordinatorUpdateArgs};
use pinaivu::state::{Change, Coordinator as CoordinatorAccount, Measurement};
use solana_instruction::{AccountMeta, Instruction};
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Case, Stage, UNLISTED};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let proposal = &stage.flows.allowing;
    Case::of(stage.world.measurement_allow(&stage.market, proposal, &UNLISTED)).anyone("payer")
        // The same wallet pays both rents, so it is writable anyway.
        .also("rent_payer", &["read-only"])
        .also("two places", &["payer given as rent_payer", "rent_payer given as payer"])
}

const MEASURED: [u8; 32] = [9; 32];

fn listed(world: &mut World, number: u64, measurement: [u8; 32]) {
    let market = world.market;
    let change = Change::MeasurementAllowed(measurement);
    let (proposal, open) = world.proposal_open(&market, number, change);
    let governance = world.governance.insecure_clone();
    world.ok(&open, &[&governance]);
    let allow = world.measurement_allow(&market, &proposal, &measurement);
    world.fails(&allow, &[], PinaivuError::NotMatured);
    world.pass(GOVERNANCE_SLOTS, GOVERNANCE_SECONDS);
    // Another kind of instruction does not carry it out.
    let apply = world.proposal_apply(&market, &proposal, None);
    world.fails(&apply, &[], PinaivuError::WrongProposal);
    world.ok(&allow, &[]);
}

#[test]
fn coordinator_names_only_measurements_that_are_on_the_list() {
    let mut world = World::new();
    let (market, authority, signer) = (world.market, world.actor(0), world.key());
    let args = |world: &World, measurement| CoordinatorRegisterArgs {
        opening_slot: world.slot(),
        endpoint: "x".to_owned(),
        fee_bps: 0,
        measurement,
    };
    let register = |world: &World, measurement| {
        let args = args(world, measurement);
        world.coordinator_register_as(&market, &authority.address(), &signer.pubkey(), args)
    };
    let (_, unlisted) = register(&world, MEASURED);
    let refused = anchor_lang::error::ErrorCode::AccountNotInitialized;
    world.fails(&unlisted, &[&authority.key, &signer], refused);
    let mut without = unlisted.clone();
    let entry = without.accounts.len() - 2;
    without.accounts[entry].pubkey = pinaivu::ID;
    let refused = PinaivuError::MeasurementNotAllowed;
    world.fails(&without, &[&authority.key, &signer], refused);

    listed(&mut world, 0, MEASURED);
    let (address, good) = register(&world, MEASURED);
    let (_, mut another) = register(&world, [8; 32]);
    another.accounts[entry].pubkey = good.accounts[entry].pubkey;
    world.fails(&another, &[&authority.key, &signer], PinaivuError::MeasurementNotAllowed);
    world.ok(&good, &[&authority.key, &signer]);
    assert_eq!(world.read::<CoordinatorAccount>(&address).measurement, MEASURED);
    let entry: Measurement = world.read(&good.accounts[entry].pubkey);
    assert_eq!((entry.market, entry.measurement), (market.address, MEASURED));
}

#[test]
fn measurement_revoked_can_no_longer_be_named() {
    let mut world = World::new();
    let market = world.market;
    let coordinator = world.coordinator();
    listed(&mut world, 0, MEASURED);
    let args =
        CoordinatorUpdateArgs { endpoint: None, measurement: Some(MEASURED), evidence_hash: None };
    let update = world.coordinator_update(&coordinator, args);
    world.ok(&update, &[&coordinator.authority.key]);
    let (proposal, open) = world.proposal_open(&market, 1, Change::MeasurementRevoked(MEASURED));
    let governance = world.governance.insecure_clone();
    world.ok(&open, &[&governance]);
    let revoke = world.measurement_revoke(&market, &proposal, &MEASURED);
    world.fails(&revoke, &[], PinaivuError::NotMatured);
    world.pass(GOVERNANCE_SLOTS, GOVERNANCE_SECONDS);
    world.ok(&revoke, &[]);
    let refused = anchor_lang::error::ErrorCode::AccountNotInitialized;
    world.fails(&update, &[&coordinator.authority.key], refused);
    // It can be listed again.
    listed(&mut world, 2, MEASURED);
    world.ok(&update, &[&coordinator.authority.key]);
}

#[test]
fn measurement_on_another_markets_list_is_not_on_this_one() {
    let mut world = World::new();
    let (market, governance) = (world.market, world.governance.insecure_clone());
    let other = world.open_market(CLASSIC);
    let (proposal, open) =
        world.proposal_open(&other, 0, Change::MeasurementAllowed(MEASURED));
    world.ok(&open, &[&governance]);
    world.pass(GOVERNANCE_SLOTS, GOVERNANCE_SECONDS);
    world.ok(&world.measurement_allow(&other, &proposal, &MEASURED), &[]);

    let [ours, theirs] = [&market, &other].map(|market| measurement_entry(market, &MEASURED));
    let place = |instruction: &Instruction| {
        let is_ours = |account: &AccountMeta| Some(account.pubkey) == ours;
        instruction.accounts.iter().position(is_ours).unwrap()
    };
    let coordinator = world.coordinator();
    let args =
        CoordinatorUpdateArgs { endpoint: None, measurement: Some(MEASURED), evidence_hash: None };
    let mut update = world.coordinator_update(&coordinator, args);
    let entry = place(&update);
    update.accounts[entry].pubkey = theirs.unwrap();
    world.fails(&update, &[&coordinator.authority.key], PinaivuError::WrongMarket);

    let (authority, signer) = (world.actor(0), world.key());
    let args = CoordinatorRegisterArgs {
        opening_slot: world.slot(),
        endpoint: "x".to_owned(),
        fee_bps: 0,
        measurement: MEASURED,
    };
    let (address, mut register) =
        world.coordinator_register_as(&market, &authority.address(), &signer.pubkey(), args);
    let entry = place(&register);
    register.accounts[entry].pubkey = theirs.unwrap();
    world.fails(&register, &[&authority.key, &signer], PinaivuError::WrongMarket);
    assert!(!world.exists(&address));
}

#[test]
fn no_measurement_at_all_cannot_be_listed() {
    let mut world = World::new();
    let market = world.market;
    let governance = world.governance.insecure_clone();
    for change in [Change::MeasurementAllowed([0; 32]), Change::MeasurementRevoked([0; 32])] {
        let (_, open) = world.proposal_open(&market, 0, change);
        world.fails(&open, &[&governance], PinaivuError::MeasurementNotAllowed);
    }
}

/// One governance may have several markets; what it proposed for one says nothing of the others.
#[test]
fn proposal_of_another_market_of_the_same_governance_is_refused_everywhere() {
    let mut world = World::new();
    let (market, governance) = (world.market, world.governance.insecure_clone());
    let other = world.open_market(CLASSIC);
    let measurement = [5; 32];
    let propose = |world: &mut World, market: &Market, number, change| {
        let (proposal, open) = world.proposal_open(market, number, change);
        world.ok(&open, &[&governance]);
        proposal
    };
    let own = propose(&mut world, &market, 0, Change::MeasurementAllowed(measurement));
    let allowing = propose(&mut world, &other, 0, Change::MeasurementAllowed([6; 32]));
    let revoking = propose(&mut world, &other, 1, Change::MeasurementRevoked(measurement));
    let ruling = propose(&mut world, &other, 2, Change::Rules(market_rules()));
    world.pass(GOVERNANCE_SLOTS, GOVERNANCE_SECONDS);
    world.ok(&world.measurement_allow(&market, &own, &measurement), &[]);
    let wrong = PinaivuError::WrongMarket;
    world.fails(&world.measurement_allow(&market, &allowing, &[6; 32]), &[], wrong);
    world.fails(&world.measurement_revoke(&market, &revoking, &measurement), &[], wrong);
    world.fails(&world.proposal_apply(&market, &ruling, None), &[], wrong);
    world.fails(&world.proposal_cancel(&market, &ruling), &[&governance], wrong);
}

#[test]
fn proposal_of_a_measurement_is_not_opened_in_a_market_of_another_version() {
    let mut world = World::new();
    let (market, governance) = (world.market, world.governance.insecure_clone());
    let mut account = world.svm.get_account(&market.address).unwrap();
    account.data[8] += 1;
    world.set_account(market.address, account);
    let (_, open) = world.proposal_open(&market, 0, Change::MeasurementAllowed(MEASURED));
    let failure = world.send_unchecked(&[open], &[&governance]).unwrap_err();
    assert_eq!(Refusal(refusal(&failure)), Refusal::from(PinaivuError::InvariantBroken));
}
