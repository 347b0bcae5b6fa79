//! What settlement must survive.

use std::sync::Arc;

use pinaivu_protocol::units::Amount;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::chain::{Faults, Mishap};
use super::world::World;
use crate::receipts::fixtures::{self, allowance, identity, node, request};
use crate::settlement::settle::{Progress, Settler, StepError};
use crate::settlement::{Problem, SettlementError, Standing};
use crate::store::{SettlementState, Store, StoreConfig};

const PLENTY: u64 = 1_000_000_000;

/// Steps until the caller gets stuck in a call, as a process that is killed there.
async fn step_until_stuck(world: &World, settler: &mut Settler) {
    for _ in 0..100 {
        tokio::select! {
            biased;
            () = world.chain.hung.notified() => return,
            _ = settler.step() => world.chain.advance(),
        }
    }
    panic!("no call got stuck");
}

#[tokio::test]
async fn receipts_settled_without_faults_reach_exact_totals_in_few_transactions() {
    let mut world = World::new(1, &[PLENTY, PLENTY, PLENTY], 2).await;
    world.charge(&[(0, 0, 321, 123), (1, 1, 5, 7), (0, 1, 1, 1), (2, 0, 400, 0)]).await;
    let mut settler = world.settler().await;
    world.settle(&mut settler).await;
    world.assert_settled_exactly().await;
    // One extension, one debit, two accounts opened, one credit.
    assert_eq!(world.states().await, [SettlementState::Finalized; 5]);
    assert_eq!(world.chain.submitted().len(), 5);
    world.assert_everything_sent_is_stored().await;
}

#[tokio::test]
async fn settler_with_nothing_to_do_sends_nothing() {
    let world = World::new(1, &[PLENTY], 1).await;
    let mut settler = world.settler().await;
    assert_eq!(settler.step().await.unwrap(), Progress::Idle);
    assert!(world.chain.submitted().is_empty());
}

#[tokio::test]
async fn receipts_that_come_during_a_round_are_settled_by_the_next() {
    let mut world = World::new(1, &[PLENTY], 1).await;
    world.charge(&[(0, 0, 10, 10)]).await;
    let mut settler = world.settler().await;
    assert_eq!(settler.step().await.unwrap(), Progress::UnderWay);
    world.charge(&[(0, 0, 10, 10)]).await;
    world.settle(&mut settler).await;
    world.assert_settled_exactly().await;
}

#[tokio::test]
async fn debits_wait_until_the_log_covers_their_receipts() {
    let mut world = World::new(1, &[PLENTY], 1).await;
    world.charge(&[(0, 0, 10, 10)]).await;
    let mut settler = world.settler().await;
    world.chain.set_faults(Faults { dropped: 100, ..Faults::NONE });
    for _ in 0..5 {
        assert_eq!(settler.step().await.unwrap(), Progress::UnderWay);
        world.chain.advance();
    }
    assert_eq!(world.chain.tip().coordinator.debited, Amount(0));
    assert_eq!(world.states().await, [SettlementState::Prepared]);
}

#[tokio::test]
async fn process_killed_between_storing_and_sending_sends_the_same_bytes_later() {
    let mut world = World::new(1, &[PLENTY], 1).await;
    world.charge(&[(0, 0, 10, 10)]).await;
    let mut settler = world.settler().await;
    world.chain.set_mishap(Mishap::StuckBefore);
    step_until_stuck(&world, &mut settler).await;
    drop(settler);
    assert!(world.chain.submitted().is_empty());
    let stored = world.records().await[0].signature;

    let mut settler = world.settler().await;
    settler.step().await.unwrap();
    assert_eq!(world.chain.submitted(), [stored.into()]);
    world.settle(&mut settler).await;
    world.assert_settled_exactly().await;
    assert_eq!(world.states().await, [SettlementState::Finalized; 4]);
}

#[tokio::test]
async fn process_killed_between_sending_and_confirming_settles_once() {
    for phase in 0..4 {
        let mut world = World::new(1, &[PLENTY], 1).await;
        world.charge(&[(0, 0, 10, 10)]).await;
        let mut settler = world.settler().await;
        // The extension, the debit, the opening, the credit.
        while world.chain.submitted().len() < phase {
            settler.step().await.unwrap();
            world.chain.advance();
        }
        world.chain.set_mishap(Mishap::StuckAfter);
        step_until_stuck(&world, &mut settler).await;
        drop(settler);
        world.chain.advance();
        let mut settler = world.settler().await;
        world.settle(&mut settler).await;
        world.assert_settled_exactly().await;
        assert_eq!(world.states().await, [SettlementState::Finalized; 4]);
    }
}

#[tokio::test]
async fn transaction_whose_answer_was_lost_is_not_made_again() {
    for mishap in [Mishap::Lost, Mishap::Unheard] {
        let mut world = World::new(1, &[PLENTY], 1).await;
        world.charge(&[(0, 0, 10, 10)]).await;
        let mut settler = world.settler().await;
        world.chain.set_mishap(mishap);
        assert!(matches!(settler.step().await, Err(StepError::Failed(SettlementError::Chain(_)))));
        world.settle(&mut settler).await;
        world.assert_settled_exactly().await;
        assert_eq!(world.states().await, [SettlementState::Finalized; 4], "{mishap:?}");
    }
}

#[tokio::test]
async fn transaction_that_expired_is_made_anew_and_lands_once() {
    let mut world = World::new(1, &[PLENTY], 1).await;
    world.charge(&[(0, 0, 10, 10)]).await;
    let mut settler = world.settler().await;
    world.chain.set_faults(Faults { dropped: 100, ..Faults::NONE });
    for _ in 0..20 {
        settler.step().await.unwrap();
        world.chain.advance();
    }
    world.chain.set_faults(Faults::NONE);
    world.settle(&mut settler).await;
    world.assert_settled_exactly().await;
    let states = world.states().await;
    assert!(states.contains(&SettlementState::Expired));
    let landed = states.iter().filter(|state| **state == SettlementState::Finalized).count();
    assert_eq!(landed, 4);
}

#[tokio::test]
async fn transaction_sent_many_times_counts_once() {
    let mut world = World::new(1, &[PLENTY], 1).await;
    world.charge(&[(0, 0, 10, 10)]).await;
    let mut settler = world.settler().await;
    world.chain.set_faults(Faults { delayed: 100, ..Faults::NONE });
    for _ in 0..6 {
        settler.step().await.unwrap();
        world.chain.advance();
    }
    let submitted = world.chain.submitted();
    assert_eq!(submitted.len(), 6);
    assert!(submitted.iter().all(|signature| *signature == submitted[0]));
    world.chain.set_faults(Faults::NONE);
    world.settle(&mut settler).await;
    world.assert_settled_exactly().await;
    assert_eq!(world.states().await, [SettlementState::Finalized; 4]);
}

#[tokio::test]
async fn chain_that_was_away_for_long_is_caught_up_with() {
    let mut world = World::new(1, &[PLENTY, PLENTY], 2).await;
    let mut settler = world.settler().await;
    world.chain.set_faults(Faults { request_lost: 100, ..Faults::NONE });
    for _ in 0..50 {
        world.charge(&[(0, 0, 10, 10), (1, 1, 3, 5)]).await;
        assert!(matches!(settler.step().await, Err(StepError::Failed(_))));
    }
    assert!(world.chain.submitted().is_empty());
    world.chain.set_faults(Faults::NONE);
    world.settle(&mut settler).await;
    world.assert_settled_exactly().await;
    assert_eq!(world.states().await.len(), 5);
}

#[tokio::test]
async fn server_that_forgot_a_transaction_is_settled_by_the_accounts() {
    let mut world = World::new(1, &[PLENTY], 1).await;
    world.charge(&[(0, 0, 10, 10)]).await;
    let mut settler = world.settler().await;
    world.chain.set_faults(Faults { forgotten: 100, ..Faults::NONE });
    world.settle(&mut settler).await;
    world.assert_settled_exactly().await;
    assert_eq!(world.states().await, [SettlementState::Finalized; 4]);
}

#[tokio::test]
async fn two_settlers_on_one_database_settle_once() {
    let mut world = World::new(7, &[PLENTY, PLENTY], 2).await;
    let (mut one, mut two) = (world.settler().await, world.settler().await);
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..60 {
        world.charge(&[(random.random_range(0..2), random.random_range(0..2), 9, 8)]).await;
        let settler = if random.random_bool(0.5) { &mut one } else { &mut two };
        let _ = settler.step().await;
        world.chain.advance();
    }
    world.settle(&mut one).await;
    world.settle(&mut two).await;
    world.assert_settled_exactly().await;
}

#[tokio::test]
async fn accounts_that_are_ahead_are_left_alone() {
    let mut world = World::new(1, &[PLENTY], 1).await;
    world.charge(&[(0, 0, 10, 10)]).await;
    let mut settler = world.settler().await;
    // Another copy settled more than this one knows of.
    world.chain.change(|state| {
        state.coordinator.debited = Amount(1_000);
        state.allowances.get_mut(&allowance(0)).unwrap().debited = Amount(1_000);
    });
    world.chain.advance();
    world.settle(&mut settler).await;
    let state = world.chain.tip();
    assert_eq!(state.allowances[&allowance(0)].debited, Amount(1_000));
    let floor = world.earned(0).await.0 / 1_000_000;
    assert_eq!(u128::from(state.payouts[&node(0)].credited.0), floor);
    world.assert_consistent().await;
}

#[tokio::test]
async fn allowance_that_does_not_cover_its_receipts_is_debited_what_is_there_and_nodes_share_it() {
    let mut world = World::new(1, &[10, PLENTY], 2).await;
    // 6,000,040 fine units from account 0, which reserved 10 whole ones.
    world.charge(&[(0, 0, 40, 0), (0, 1, 100, 0)]).await;
    let mut settler = world.settler().await;
    world.settle(&mut settler).await;
    let state = world.chain.tip();
    assert_eq!(state.allowances[&allowance(0)].debited, Amount(10));
    assert_eq!(state.coordinator.credited, Amount(10));
    assert_eq!(state.coordinator.fees, Amount(0));
    // ⌊5.85⌋ and ⌊14.62⌋ were earned: 10 × 5 / 19 and 10 × 14 / 19, and one left over.
    assert_eq!(state.payouts[&node(0)].credited, Amount(3));
    assert_eq!(state.payouts[&node(1)].credited, Amount(7));
    world.assert_consistent().await;

    // The owner reserves more: what is owed is debited, and everyone gets the rest.
    world.chain.change(|state| {
        state.allowances.get_mut(&allowance(0)).unwrap().reserved = Amount(PLENTY);
    });
    world.chain.advance();
    world.settle(&mut settler).await;
    world.assert_settled_exactly().await;
}

#[tokio::test]
async fn allowance_that_its_owner_closed_does_not_keep_others_from_being_settled() {
    let mut world = World::new(1, &[PLENTY, PLENTY], 1).await;
    world.charge(&[(0, 0, 10, 10), (1, 0, 10, 10)]).await;
    world.chain.change(|state| {
        state.allowances.remove(&allowance(0));
    });
    for _ in 0..3 {
        world.chain.advance();
    }
    let mut settler = world.settler().await;
    world.settle(&mut settler).await;
    let state = world.chain.tip();
    // 10 + 3 × 10 weighted tokens at 150,001: 6,000,040 fine units.
    assert_eq!(state.allowances[&allowance(1)].debited, Amount(7));
    assert_eq!(state.payouts[&node(0)].credited, Amount(7));
    assert_eq!(state.coordinator.debited, Amount(7));
}

#[tokio::test]
async fn node_that_closed_its_account_waits_and_the_others_are_paid() {
    let mut world = World::new(1, &[PLENTY], 2).await;
    world.charge(&[(0, 0, 100, 0), (0, 1, 100, 0)]).await;
    world.chain.change(|state| state.nodes.retain(|known| *known != node(0)));
    world.chain.advance();
    let mut settler = world.settler().await;
    world.settle(&mut settler).await;
    let state = world.chain.tip();
    assert!(!state.payouts.contains_key(&node(0)));
    assert_eq!(state.payouts[&node(1)].credited, Amount(14));
    world.assert_consistent().await;
}

#[tokio::test]
async fn database_restored_from_a_backup_is_refused_until_a_new_epoch_is_open() {
    let mut world = World::new(1, &[PLENTY, PLENTY], 2).await;
    world.charge(&[(0, 0, 10, 10), (1, 1, 20, 20)]).await;
    let backup = tempfile::tempdir().unwrap();
    let copy = backup.path().join("coordinator.db");
    let live = rusqlite::Connection::open(world.directory.path().join("coordinator.db")).unwrap();
    live.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    drop(live);
    world.charge(&[(0, 0, 100, 100), (0, 1, 7, 7)]).await;
    let mut settler = world.settler().await;
    world.settle(&mut settler).await;
    world.assert_settled_exactly().await;
    let settled = world.chain.tip();

    world.store = Store::open(&StoreConfig::at(&copy), identity()).unwrap();
    let refused = world.open().await.unwrap_err();
    let behind = Standing::Behind { epoch: 0, chain: 4, database: 2 };
    assert!(matches!(refused, SettlementError::Log(standing) if standing == behind));

    world.chain.change(|state| {
        state.coordinator.log = pinaivu_chain::LogHead { epoch: 1, ..Default::default() };
    });
    world.chain.advance();
    let mut settler = world.settler().await;
    // What was settled before is where this database goes on from.
    for account in world.accounts().await {
        let debited = settled.allowances[&account.allowance].debited;
        assert_eq!(account.receipted, debited.to_fine());
    }
    world.settle(&mut settler).await;
    assert_eq!(world.chain.tip().coordinator.debited, settled.coordinator.debited);
    world.charge(&[(0, 0, 10, 10), (1, 1, 3, 3)]).await;
    world.settle(&mut settler).await;
    world.assert_settled_exactly().await;
    assert!(world.chain.tip().coordinator.debited > settled.coordinator.debited);
}

#[tokio::test]
async fn log_on_chain_that_gets_ahead_halts_everything() {
    let mut world = World::new(1, &[PLENTY], 1).await;
    world.charge(&[(0, 0, 10, 10)]).await;
    let settlement = Arc::new(world.open().await.unwrap());
    let status = settlement.status();
    let receipts = world.receipts();
    let mut settler = Settler::new(settlement, receipts.clone());
    drop(receipts.begin(request(99)).unwrap());
    world.chain.change(|state| state.coordinator.log.size = 5);
    world.chain.advance();
    let halted = settler.step().await.unwrap_err();
    let behind = Standing::Behind { epoch: 0, chain: 5, database: 1 };
    assert!(matches!(halted, StepError::Halt(standing) if standing == behind));
    assert!(receipts.begin(request(99)).is_err());
    assert!(matches!(status.borrow().problem, Some(Problem::Halted(_))));
    assert!(world.chain.submitted().is_empty());
}

#[tokio::test]
async fn log_on_chain_with_another_root_is_refused() {
    let mut world = World::new(1, &[PLENTY], 1).await;
    world.charge(&[(0, 0, 10, 10), (0, 0, 10, 10)]).await;
    world.chain.change(|state| {
        state.coordinator.log.size = 1;
        state.coordinator.log.root = fixtures::metered(0, 0).response_commitment;
    });
    world.chain.advance();
    let refused = world.open().await.unwrap_err();
    let diverged = Standing::Diverged { epoch: 0, size: 1 };
    assert!(matches!(refused, SettlementError::Log(standing) if standing == diverged));
}

#[tokio::test]
async fn rotated_signer_is_refused_and_nothing_is_sent() {
    let mut world = World::new(1, &[PLENTY], 1).await;
    world.charge(&[(0, 0, 10, 10)]).await;
    let mut settler = world.settler().await;
    world.chain.change(|state| state.coordinator.signer = state.coordinator.authority);
    world.chain.advance();
    assert!(matches!(
        settler.step().await,
        Err(StepError::Failed(SettlementError::OtherSigner { .. }))
    ));
    assert!(matches!(world.open().await, Err(SettlementError::OtherSigner { .. })));
    assert!(world.chain.submitted().is_empty());
}

async fn live_through(seed: u64, accounts: u8, nodes: u8, events: usize) {
    let reserved = vec![PLENTY; usize::from(accounts)];
    let mut world = World::new(seed, &reserved, nodes).await;
    let mut random = StdRng::seed_from_u64(!seed);
    let mut settler = world.settler().await;
    for _ in 0..events {
        match random.random_range(0..20) {
            0..4 => {
                let charges: Vec<_> = (0..random.random_range(1..6))
                    .map(|_| {
                        let (account, node) =
                            (random.random_range(0..accounts), random.random_range(0..nodes));
                        (account, node, random.random_range(0..300), random.random_range(0..300))
                    })
                    .collect();
                world.charge(&charges).await;
            }
            4..11 => world.chain.advance(),
            11 => {
                world.chain.set_faults(Faults::NONE);
                settler = world.settler().await;
            }
            12 => world.chain.set_faults(Faults { request_lost: 100, ..Faults::NONE }),
            13 => world.chain.set_faults(Faults::ALL),
            _ => {
                let stuck = tokio::select! {
                    biased;
                    () = world.chain.hung.notified() => true,
                    result = settler.step() => {
                        if let Err(StepError::Halt(standing)) = result {
                            panic!("halted: {standing}");
                        }
                        false
                    }
                };
                if stuck {
                    // The process is killed in the middle of a call, and starts again.
                    world.chain.set_faults(Faults::NONE);
                    settler = world.settler().await;
                    world.chain.set_faults(Faults::ALL);
                }
            }
        }
    }
    world.chain.set_faults(Faults::NONE);
    world.settle(&mut settler).await;
    world.assert_settled_exactly().await;
    world.assert_everything_sent_is_stored().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_life_with_faults_ends_in_exact_totals(
        seed: u64,
        accounts in 1_u8..6,
        nodes in 1_u8..5,
        events in 20_usize..160,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(live_through(seed, accounts, nodes, events));
    }
}
