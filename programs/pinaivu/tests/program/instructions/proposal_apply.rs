//! Changes of the rules and of governance.

use pinaivu::error::PinaivuError;
use pinaivu::event::{ProposalApplied, ProposalOpened};
use pinaivu::state::{Change, Market as MarketAccount, MarketRules};
use solana_keypair::Keypair;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let apply = stage.world.proposal_apply(&stage.market, &stage.flows.rules, None);
    Case::of(apply).anyone("new_governance")
}

/// Proposes, as number 0, and gives the address.
fn propose(world: &mut World, change: Change) -> solana_pubkey::Pubkey {
    let market = world.market;
    let number = world.read::<MarketAccount>(&market.address).proposals;
    let (proposal, open) = world.proposal_open(&market, number, change);
    let governance = world.governance.insecure_clone();
    let opened: ProposalOpened = event(&world.ok(&open, &[&governance]));
    assert_eq!((opened.proposal, opened.number, opened.change), (proposal, number, change));
    proposal
}

#[test]
fn rules_change_once_the_delay_has_passed_in_slots_and_time() {
    let mut world = World::new();
    let market = world.market;
    let rules = MarketRules { min_bond: 77, fee_cap_bps: 5, ..market_rules() };
    let proposal = propose(&mut world, Change::Rules(rules));
    let apply = world.proposal_apply(&market, &proposal, None);
    world.pass(GOVERNANCE_SLOTS, GOVERNANCE_SECONDS - 1);
    world.fails(&apply, &[], PinaivuError::NotMatured);
    world.set_clock(world.slot() - 1, world.time() + 1);
    world.fails(&apply, &[], PinaivuError::NotMatured);
    world.pass(1, 0);
    let applied: ProposalApplied = event(&world.ok(&apply, &[]));
    assert_eq!((applied.market, applied.change), (market.address, Change::Rules(rules)));
    assert_eq!(world.read::<MarketAccount>(&market.address).rules(), rules);
    assert!(!world.exists(&proposal));
    // Its number is never given again.
    let (_, open) = world.proposal_open(&market, 0, Change::Rules(rules));
    let governance = world.governance.insecure_clone();
    world.fails(&open, &[&governance], anchor_lang::error::ErrorCode::ConstraintSeeds);
}

#[test]
fn rules_beyond_the_caps_are_refused_when_they_are_proposed() {
    let mut world = World::new();
    let market = world.market;
    let governance = world.governance.insecure_clone();
    for (rules, error) in [
        (MarketRules { fee_cap_bps: 5_001, ..market_rules() }, PinaivuError::FeeTooHigh),
        (MarketRules { exit_delay_slots: 0, ..market_rules() }, PinaivuError::DelayOutOfRange),
        (MarketRules { liveness_slots: 50, ..market_rules() }, PinaivuError::DelayOrder),
        (MarketRules { exit_delay_slots: 301, ..market_rules() }, PinaivuError::DelayOrder),
        (MarketRules { min_stake: u64::MAX, ..market_rules() }, PinaivuError::MinimumTooHigh),
    ] {
        let (_, open) = world.proposal_open(&market, 0, Change::Rules(rules));
        world.fails(&open, &[&governance], error);
    }
    let (_, open) = world.proposal_open(&market, 0, Change::Governance(governance.pubkey()));
    world.fails(&open, &[&governance], PinaivuError::NothingToChange);
}

#[test]
fn governance_passes_only_to_a_key_that_signs_and_ends_the_old_ones_proposals() {
    let mut world = World::new();
    let (market, heir, stranger) = (world.market, world.key(), world.key());
    let pending = propose(&mut world, Change::Rules(market_rules()));
    let proposal = propose(&mut world, Change::Governance(heir.pubkey()));
    world.pass(GOVERNANCE_SLOTS, GOVERNANCE_SECONDS);
    let unsigned = world.proposal_apply(&market, &proposal, None);
    world.fails(&unsigned, &[], PinaivuError::NewGovernanceMissing);
    let other = world.proposal_apply(&market, &proposal, Some(stranger.pubkey()));
    world.fails(&other, &[&stranger], PinaivuError::NewGovernanceMissing);
    let apply = world.proposal_apply(&market, &proposal, Some(heir.pubkey()));
    world.ok(&apply, &[&heir]);
    assert_eq!(world.read::<MarketAccount>(&market.address).governance, heir.pubkey());
    let old = std::mem::replace(&mut world.governance, heir.insecure_clone());
    let late = world.proposal_apply(&market, &pending, None);
    world.fails(&late, &[], PinaivuError::ProposalSuperseded);
    let (_, open) = world.proposal_open(&market, 2, Change::Rules(market_rules()));
    let mut by_old = open.clone();
    by_old.accounts[1].pubkey = old.pubkey();
    world.fails(&by_old, &[&old], PinaivuError::NotGovernance);
    world.ok(&open, &[&heir]);
    // The new one clears away what the old one left.
    world.ok(&world.proposal_cancel(&market, &pending), &[&heir]);
    assert!(!world.exists(&pending));
}

#[test]
fn proposal_taken_back_or_of_another_market_does_not_apply() {
    let mut world = World::new();
    let market = world.market;
    let governance = world.governance.insecure_clone();
    let proposal = propose(&mut world, Change::Rules(market_rules()));
    let other = world.open_market(CLASSIC);
    world.pass(GOVERNANCE_SLOTS, GOVERNANCE_SECONDS);
    let elsewhere = world.proposal_apply(&other, &proposal, None);
    world.fails(&elsewhere, &[], PinaivuError::WrongMarket);
    let cancel = world.proposal_cancel(&market, &proposal);
    let stranger = world.key();
    let mut theft = cancel.clone();
    theft.accounts[0].pubkey = stranger.pubkey();
    world.fails(&theft, &[&stranger], PinaivuError::NotGovernance);
    let apply = world.proposal_apply(&market, &proposal, None);
    world.ok(&cancel, &[&governance]);
    world.fails(&apply, &[], anchor_lang::error::ErrorCode::AccountNotInitialized);
}

#[test]
fn nothing_governance_can_do_moves_anybodys_money() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(100));
    let escrow = world.escrow(&alice, 100);
    let coordinator = world.coordinator();
    let allowance = world.allowance(&alice, &escrow, &coordinator, 60);
    let governance: Keypair = world.governance.insecure_clone();
    let harshest = MarketRules {
        fee_cap_bps: 0,
        exit_delay_slots: GOVERNANCE_SLOTS,
        exit_delay_seconds: GOVERNANCE_SECONDS,
        min_stake: pinaivu::state::MAX_MINIMUM,
        min_bond: pinaivu::state::MAX_MINIMUM,
        ..market_rules()
    };
    let proposal = propose(&mut world, Change::Rules(harshest));
    world.ok(&world.market_pause(&market, true), &[&governance]);
    // Whoever does not like what is coming leaves under the old rules.
    let release = world.allowance_release(&allowance, &alice.address(), 60, None);
    world.ok(&release, &[&alice.key]);
    world.pass(EXIT_SLOTS, EXIT_SECONDS);
    world.ok(&world.allowance_exit(&market, &allowance, None), &[]);
    world.pass(GOVERNANCE_SLOTS, GOVERNANCE_SECONDS);
    world.ok(&world.proposal_apply(&market, &proposal, None), &[]);
    world.ok(&world.escrow_withdraw(&market, &escrow, &alice, 100), &[&alice.key]);
    assert_eq!(world.tokens(&alice.tokens), 100);
}
