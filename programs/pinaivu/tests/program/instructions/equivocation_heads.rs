//! Two receipts that cannot both be honest.

use pinaivu::error::PinaivuError;
use pinaivu::event::CoordinatorSlashed;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, RequestId, Segment};
use pinaivu_protocol::receipt::ReceiptHead;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::settings::served::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let (coordinator, tokens) = (&stage.coordinator.address, &stage.bob.tokens);
    let slash = stage.world.equivocation_heads(&stage.market, coordinator, None, tokens);
    Case::of(slash)
        .after(&stage.flows.two_heads)
        .anyone("retired_signer")
        .anyone("destination")
        .gifts()
}

fn report(it: &Setting, key: &Keypair, heads: [&ReceiptHead; 2]) -> [Instruction; 2] {
    report_with(it, key, heads, None)
}

fn report_with(
    it: &Setting,
    key: &Keypair,
    [one, other]: [&ReceiptHead; 2],
    retired: Option<Pubkey>,
) -> [Instruction; 2] {
    let verify = verify_records(&[(key, one), (key, other)]);
    let coordinator = it.coordinator.address;
    let tokens = it.alice.tokens;
    [verify, it.world.equivocation_heads(&it.market, &coordinator, retired, &tokens)]
}

#[test]
fn contradiction_costs_the_whole_penalty_bond_and_pays_the_reporter_a_quarter() {
    let mut it = setting();
    let signer = it.coordinator.signer.insecure_clone();
    let unbond = it.world.coordinator_unbond(&it.coordinator, 0, 20);
    it.world.ok(&unbond, &[&it.coordinator.authority.key]);
    let one = it.head(10);
    let transaction = report(&it, &signer, [&one, &ReceiptHead { body: Hash32([0; 32]), ..one }]);
    let slashed: CoordinatorSlashed = event(&it.world.sends(&transaction, &[]));
    assert_eq!((slashed.reporter, slashed.burned), (MIN_BOND / 4, MIN_BOND - MIN_BOND / 4));
    assert_eq!((slashed.bond_liabilities, slashed.vault_balance), (BOND, BOND));
    assert_eq!(it.world.tokens(&it.alice.tokens), MIN_BOND / 4);
    assert_eq!(it.world.burned(&it.market.mint), u128::from(MIN_BOND - MIN_BOND / 4));
    let stored = it.coordinator();
    assert!(stored.slashed);
    assert_eq!((stored.penalty_bond, stored.penalty_unbonding.amount), (0, 0));
    assert_eq!((stored.guarantee_bond, stored.guaranteed), (BOND, GUARANTEE));

    // Once, and for good.
    it.world.refuses(&transaction, &[], PinaivuError::CoordinatorSlashed);
    let bond = it.world.coordinator_bond(&it.market, &it.coordinator, 0, 1);
    let authority = it.coordinator.authority.key.insecure_clone();
    it.world.fails(&bond, &[&authority], PinaivuError::CoordinatorSlashed);
    let (alice, expiry) = (it.alice.key.insecure_clone(), it.world.time() + 7_200);
    let raise = it.world.allowance_raise(&it.market, &it.allowance, 1, expiry);
    it.world.fails(&raise, &[&alice], PinaivuError::CoordinatorSlashed);
    // Nodes are still guaranteed, users still exit.
    it.demand_and_wait(100);
    it.world.ok(&it.settle_demand(), &[]);
    assert_eq!(it.got(), 100);
    let release = it.world.allowance_release(&it.allowance, &alice.pubkey(), 100, None);
    it.world.ok(&release, &[&alice]);
}

#[test]
fn every_contradiction_counts_and_fits_a_transaction() {
    let it = setting();
    let signer = it.coordinator.signer.insecure_clone();
    let one = it.head(10);
    for other in [
        ReceiptHead { body: Hash32([0; 32]), ..one },
        ReceiptHead { index: 9, ..one },
        ReceiptHead { request: RequestId([9; 16]), ..one },
        ReceiptHead { segment: Segment(9), ..one },
    ] {
        let mut world = it.world.fork();
        world.sends(&report(&it, &signer, [&one, &other]), &[]);
    }
}

#[test]
fn honest_work_is_not_slashable() {
    let mut it = setting();
    let signer = it.coordinator.signer.insecure_clone();
    let one = it.head(10);
    for other in [
        // The same receipt signed again after a crash.
        one,
        // After a restored backup, in a new epoch: the same request accounted for again.
        ReceiptHead { epoch: 1, body: Hash32([0; 32]), ..one },
        // A continued answer.
        ReceiptHead { segment: Segment(1), index: 1, ..one },
        // Another request.
        ReceiptHead { request: RequestId([9; 16]), index: 1, ..one },
    ] {
        let transaction = report(&it, &signer, [&one, &other]);
        it.world.refuses(&transaction, &[], PinaivuError::NotContradictory);
    }
}

#[test]
fn heads_of_another_cluster_or_coordinator_or_key_are_refused() {
    let mut it = setting();
    let signer = it.coordinator.signer.insecure_clone();
    let one = it.head(10);
    let pair = |head: ReceiptHead| [head, ReceiptHead { body: Hash32([0; 32]), ..head }];
    for ([one, other], error) in [
        (
            pair(ReceiptHead { deployment: DeploymentId(Hash32([1; 32])), ..one }),
            PinaivuError::WrongDeployment,
        ),
        (
            pair(ReceiptHead { coordinator: CoordinatorId([1; 32]), ..one }),
            PinaivuError::WrongCoordinator,
        ),
    ] {
        let transaction = report(&it, &signer, [&one, &other]);
        it.world.refuses(&transaction, &[], error);
    }
    let [one, other] = pair(one);
    let stranger = it.world.key();
    let transaction = report(&it, &stranger, [&one, &other]);
    it.world.refuses(&transaction, &[], PinaivuError::WrongSignerKey);
    // One of the two by somebody else.
    let verify = verify_records(&[(&signer, &one), (&stranger, &other)]);
    let [_, slash] = report(&it, &signer, [&one, &other]);
    it.world.refuses(&[verify, slash.clone()], &[], PinaivuError::WrongSignerKey);
    // Only one signature.
    let verify = verify_records(&[(&signer, &one)]);
    it.world.refuses(&[verify, slash], &[], PinaivuError::SignatureMalformed);
}

#[test]
fn retired_key_can_be_held_to_account_as_long_as_stake_waits() {
    let mut it = setting();
    let (old, fresh) = (it.coordinator.signer.insecure_clone(), it.world.key());
    let one = it.head(10);
    let other = ReceiptHead { body: Hash32([0; 32]), ..one };
    let rotate = it.world.coordinator_rotate_signer(&it.coordinator, &fresh.pubkey());
    it.world.ok(&rotate, &[&it.coordinator.authority.key, &fresh]);
    let record = retired_signer(&it.coordinator.address, &old.pubkey());
    let bare = report(&it, &old, [&one, &other]);
    it.world.refuses(&bare, &[], PinaivuError::WrongSignerKey);
    // The record of another account's key.
    let rival = it.world.coordinator();
    let next = it.world.key();
    let rotate = it.world.coordinator_rotate_signer(&rival, &next.pubkey());
    it.world.ok(&rotate, &[&rival.authority.key, &next]);
    let theirs = retired_signer(&rival.address, &rival.signer.pubkey());
    let wrong = report_with(&it, &old, [&one, &other], Some(theirs));
    it.world.refuses(&wrong, &[], PinaivuError::WrongSignerKey);
    let with = report_with(&it, &old, [&one, &other], Some(record));
    it.world.fork().sends(&with, &[]);
    let mut later = it.world.fork();
    later.pass(UNBOND_SLOTS, UNBOND_SECONDS - 1);
    later.fork().sends(&with, &[]);
    later.pass(0, 1);
    later.refuses(&with, &[], PinaivuError::EvidenceTooOld);
}

/// Otherwise anyone could retire a key of a coordinator of their own and sign with it for this one.
#[test]
fn key_that_another_coordinator_retired_says_nothing_for_this_one() {
    let mut it = setting();
    let one = it.head(10);
    let other = ReceiptHead { body: Hash32([0; 32]), ..one };
    let rival = it.world.coordinator();
    let next = it.world.key();
    let rotate = it.world.coordinator_rotate_signer(&rival, &next.pubkey());
    it.world.ok(&rotate, &[&rival.authority.key, &next]);
    let theirs = retired_signer(&rival.address, &rival.signer.pubkey());
    let forged = report_with(&it, &rival.signer, [&one, &other], Some(theirs));
    it.world.refuses(&forged, &[], PinaivuError::WrongSignerKey);
    // Nor does a key of nobody's beside the record of this one's own.
    let (old, fresh, stranger) =
        (it.coordinator.signer.insecure_clone(), it.world.key(), it.world.key());
    let rotate = it.world.coordinator_rotate_signer(&it.coordinator, &fresh.pubkey());
    it.world.ok(&rotate, &[&it.coordinator.authority.key, &fresh]);
    let own = retired_signer(&it.coordinator.address, &old.pubkey());
    for key in [&stranger, &rival.signer] {
        let forged = report_with(&it, key, [&one, &other], Some(own));
        it.world.refuses(&forged, &[], PinaivuError::WrongSignerKey);
    }
    assert!(!it.coordinator().slashed);
}

#[test]
fn coordinator_that_reports_itself_loses_at_least_half() {
    let mut it = setting();
    let signer = it.coordinator.signer.insecure_clone();
    let before = it.world.tokens(&it.coordinator.authority.tokens);
    let one = it.head(10);
    let mut transaction =
        report(&it, &signer, [&one, &ReceiptHead { body: Hash32([0; 32]), ..one }]);
    let place = transaction[1].accounts.iter().position(|it_| it_.pubkey == it.alice.tokens);
    transaction[1].accounts[place.unwrap()].pubkey = it.coordinator.authority.tokens;
    it.world.sends(&transaction, &[]);
    let back = it.world.tokens(&it.coordinator.authority.tokens) - before;
    assert!(back * 2 <= MIN_BOND);
}
