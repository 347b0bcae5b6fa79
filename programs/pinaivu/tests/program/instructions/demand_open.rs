//! Demanding what a signed receipt shows.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::DemandOpened;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, NodeId};
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::signed::Signable as _;
use pinaivu_protocol::units::FineAmount;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::settings::served::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let owner = stage.node.payout_owner.address();
    let open = stage.world.demand_open(&stage.market, &stage.payout, &owner);
    let payees = &["node's operator", "node's signer"];
    Case::of(open).after(&stage.flows.head).also("payee", payees).also("node", &["left out"])
}

#[test]
fn demand_states_what_the_receipt_shows_rounded_down() {
    let mut it = setting();
    it.settle(50, 40);
    let owner = it.node.payout_owner.key.insecure_clone();
    let transaction = it.demand(&it.coordinator.signer, &it.head(90));
    let opened: DemandOpened = event(&it.world.sends(&transaction, &[&owner]));
    assert_eq!((opened.payout, opened.cumulative), (it.payout, 90));
    assert_eq!((opened.credited, opened.paid, opened.capacity), (40, 0, GUARANTEE));
    let demand = it.payout().demand;
    assert_eq!((demand.cumulative, demand.opened_slot), (90, it.world.slot()));
    assert_eq!(demand.opened_time, it.world.time());
}

#[test]
fn demand_by_the_nodes_operator_or_hot_key_counts_and_by_a_stranger_does_not() {
    let mut it = setting();
    let (operator, hot) = (it.node.operator.key.insecure_clone(), it.node.signer.insecure_clone());
    let head = it.head(10);
    let verify = verify_records(&[(&it.coordinator.signer, &head)]);
    let open = |it: &Setting, payee| it.world.demand_open(&it.market, &it.payout, &payee);
    let stranger = it.alice.key.insecure_clone();
    let transaction = [verify.clone(), open(&it, stranger.pubkey())];
    it.world.refuses(&transaction, &[&stranger], PinaivuError::NotPayee);
    let transaction = [verify.clone(), open(&it, operator.pubkey())];
    it.world.sends(&transaction, &[&operator]);
    let head = it.head(11);
    let verify = verify_records(&[(&it.coordinator.signer, &head)]);
    let transaction = [verify, open(&it, hot.pubkey())];
    it.world.sends(&transaction, &[&hot]);
    assert_eq!(it.payout().demand.cumulative, 11);
}

#[test]
fn demand_for_no_more_than_is_credited_paid_or_demanded_is_refused() {
    let mut it = setting();
    it.settle(50, 40);
    let owner = it.node.payout_owner.key.insecure_clone();
    for earned in [0, 39, 40] {
        let transaction = it.demand(&it.coordinator.signer, &it.head(earned));
        it.world.refuses(&transaction, &[&owner], PinaivuError::NothingToDemand);
    }
    let transaction = it.demand(&it.coordinator.signer, &it.head(41));
    it.world.sends(&transaction, &[&owner]);
    // The same receipt again would only begin the wait anew.
    it.world.refuses(&transaction, &[&owner], PinaivuError::NothingToDemand);
}

#[test]
fn head_of_another_cluster_coordinator_or_node_or_signed_by_another_key_is_refused() {
    let mut it = setting();
    let (owner, signer) =
        (it.node.payout_owner.key.insecure_clone(), it.coordinator.signer.insecure_clone());
    let good = it.head(10);
    for (head, error) in [
        (
            ReceiptHead { deployment: DeploymentId(Hash32([1; 32])), ..good },
            PinaivuError::WrongDeployment,
        ),
        (
            ReceiptHead { coordinator: CoordinatorId([1; 32]), ..good },
            PinaivuError::WrongCoordinator,
        ),
        (ReceiptHead { node: NodeId([1; 32]), ..good }, PinaivuError::WrongNode),
        (ReceiptHead { node_cumulative: FineAmount(u128::MAX), ..good }, PinaivuError::Overflow),
    ] {
        let transaction = it.demand(&signer, &head);
        it.world.refuses(&transaction, &[&owner], error);
    }
    for key in [&it.coordinator.authority.key, &it.node.signer, &owner] {
        let transaction = it.demand(&key.insecure_clone(), &good);
        it.world.fork().refuses(&transaction, &[&owner], PinaivuError::WrongSignerKey);
    }
}

#[test]
fn signature_over_anything_but_one_head_is_refused() {
    let mut it = setting();
    let (owner, signer) =
        (it.node.payout_owner.key.insecure_clone(), it.coordinator.signer.insecure_clone());
    let (head, other) = (it.head(10), it.head(11));
    let [verify, open] = it.demand(&signer, &head);
    let bytes = head.signing_bytes();
    let malformed = PinaivuError::SignedBytesMalformed;
    for message in [
        bytes[1..].to_vec(),
        bytes[..bytes.len() - 1].to_vec(),
        [bytes.as_slice(), &[0]].concat(),
        [b"pinaivu/receipt/v2\0".as_slice(), &bytes[19..]].concat(),
        Vec::new(),
    ] {
        let transaction = [crate::harness::verify(&[(&signer, message)]), open.clone()];
        it.world.refuses(&transaction, &[&owner], malformed);
    }
    let two = verify_records(&[(&signer, &head), (&signer, &other)]);
    it.world.refuses(&[two, open.clone()], &[&owner], PinaivuError::SignatureMalformed);
    // The byte after the count, which the runtime does not look at.
    let mut padded = verify.clone();
    padded.data[1] = 1;
    it.world.refuses(&[padded, open.clone()], &[&owner], PinaivuError::SignatureMalformed);
    // No signature at all, or behind another instruction: the first is not the Ed25519 program's.
    it.world.refuses(std::slice::from_ref(&open), &[&owner], PinaivuError::SignatureMissing);
    it.world.refuses(&[open.clone(), verify.clone()], &[&owner], PinaivuError::SignatureMissing);
    // Another program's instruction with the same bytes.
    let look_alike = Instruction {
        program_id: Pubkey::from_str_const("KeccakSecp256k11111111111111111111111111111"),
        ..verify.clone()
    };
    assert!(it.world.send(&[look_alike, open.clone()], &[&owner]).is_err());
    // Another account for the sysvar, holding the same bytes.
    let mut forged = open.clone();
    forged.accounts.last_mut().unwrap().pubkey = it.alice.tokens;
    it.world.refuses(&[verify, forged], &[&owner], ErrorCode::ConstraintAddress);
}

#[test]
fn signature_that_an_instruction_verifies_in_another_ones_bytes_is_refused() {
    let mut it = setting();
    let (owner, signer) =
        (it.node.payout_owner.key.insecure_clone(), it.coordinator.signer.insecure_clone());
    let honest = it.head(10);
    let [real, open] = it.demand(&signer, &honest);
    // The first instruction carries a forged head, but has the runtime verify the second one's bytes.
    let mut forged = verify_records(&[(&signer, &it.head(u64::MAX >> 8))]);
    for place in [4, 8, 14] {
        forged.data[place..place + 2].copy_from_slice(&1_u16.to_le_bytes());
    }
    let transaction = [forged, real, open];
    it.world.refuses(&transaction, &[&owner], PinaivuError::SignatureMalformed);
}

#[test]
fn head_signed_by_a_key_that_was_retired_no_longer_counts() {
    let mut it = setting();
    let (owner, old) =
        (it.node.payout_owner.key.insecure_clone(), it.coordinator.signer.insecure_clone());
    let fresh = it.world.key();
    let rotate = it.world.coordinator_rotate_signer(&it.coordinator, &fresh.pubkey());
    it.world.ok(&rotate, &[&it.coordinator.authority.key, &fresh]);
    let transaction = it.demand(&old, &it.head(10));
    it.world.refuses(&transaction, &[&owner], PinaivuError::WrongSignerKey);
    let transaction = it.demand(&fresh, &it.head(10));
    it.world.sends(&transaction, &[&owner]);
}
