//! Recording a receipt's facts, and closing the record.

use pinaivu::error::PinaivuError;
use pinaivu::event::ReceiptRecorded;
use pinaivu::state::{MAX_MODEL_LEN, ReceiptRecord};
use pinaivu_protocol::evidence::LoggedReceipt;
use pinaivu_protocol::hash::Hash32;

use crate::harness::*;
use crate::settings::served::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let (coordinator, evidence) = (&stage.coordinator.address, &stage.flows.logged);
    let record =
        stage.world.receipt_record(&stage.market, coordinator, (0, 0), None, evidence);
    Case::of(record.1).anyone("payer").anyone("epoch_head")
}

#[test]
fn receipt_under_every_peak_of_the_log_is_recorded() {
    // Seven leaves: peaks of four, two and one.
    let mut it = setting();
    let receipts: Vec<_> = (0..7).map(|index| it.receipt(index, 10 * (index + 1))).collect();
    it.log(&receipts, 0);
    for receipt in &receipts {
        let address = it.record(receipt);
        let record: ReceiptRecord = it.world.read(&address);
        assert_eq!((record.epoch, record.index), (0, receipt.head.index));
        assert_eq!(record.leaf, receipt.leaf().unwrap().0);
        assert_eq!(record.node_cumulative, receipt.head.node_cumulative.0);
    }
}

#[test]
fn record_says_what_the_receipt_says() {
    let mut it = setting();
    let receipt = it.receipt(0, 25);
    it.log(std::slice::from_ref(&receipt), 3);
    let evidence = it.logged(&receipt);
    let coordinator = it.coordinator.address;
    let (address, record) =
        it.world.receipt_record(&it.market, &coordinator, (0, 0), None, &evidence);
    let recorded: ReceiptRecorded = event(&it.world.ok(&record, &[]));
    assert_eq!((recorded.record, recorded.node), (address, it.node.address));
    let (stored, body): (ReceiptRecord, _) = (it.world.read(&address), &receipt.body);
    assert_eq!((stored.coordinator, stored.node), (coordinator, it.node.address));
    assert_eq!((stored.request, stored.segment), (receipt.head.request.0, 0));
    assert_eq!(stored.body, receipt.head.body.0);
    assert_eq!((stored.ticket, stored.model.as_str()), ([1; 32], "test/model-1b"));
    assert_eq!(
        (stored.request_commitment, stored.response_commitment),
        (body.request_commitment.0, body.response_commitment.0)
    );
    assert_eq!((stored.input_tokens, stored.output_tokens, stored.price), (10, 20, 100));
    assert_eq!((stored.input_weight, stored.output_weight, stored.outcome), (1, 3, 1));
    assert_eq!((stored.amount, stored.fee, stored.attestation), (7_000, 700, [0; 32]));
    assert_eq!((stored.created, stored.recorded_slot), (1_700_000_000_123, it.world.slot()));
}

#[test]
fn model_name_fills_the_record_and_no_more() {
    for (len, fits) in [(MAX_MODEL_LEN, true), (MAX_MODEL_LEN + 1, false)] {
        let mut it = setting();
        let mut receipt = it.receipt(0, 25);
        receipt.body.model = "m".repeat(len);
        receipt.head.body = receipt.body.hash();
        it.log(std::slice::from_ref(&receipt), 0);
        if fits {
            let address = it.record(&receipt);
            let record: ReceiptRecord = it.world.read(&address);
            assert_eq!(record.model, receipt.body.model);
            continue;
        }
        let evidence = it.logged(&receipt);
        let (market, coordinator) = (it.market, it.coordinator.address);
        let (address, record) =
            it.world.receipt_record(&market, &coordinator, (0, 0), None, &evidence);
        it.world.fails(&record, &[], PinaivuError::ModelTooLong);
        assert!(!it.world.exists(&address));
    }
}

#[test]
fn record_can_be_closed_by_its_payer_and_made_again_the_same() {
    let mut it = setting();
    let receipt = it.receipt(0, 25);
    it.log(std::slice::from_ref(&receipt), 0);
    let address = it.record(&receipt);
    let first: ReceiptRecord = it.world.read(&address);
    let close = it.world.receipt_close(&address);
    let mut theft = close.clone();
    theft.accounts[0].pubkey = it.alice.address();
    let alice = it.alice.key.insecure_clone();
    it.world.fails(&theft, &[&alice], PinaivuError::WrongRentReceiver);
    it.world.ok(&close, &[]);
    assert!(!it.world.exists(&address));
    assert_eq!(it.record(&receipt), address);
    assert_eq!(it.world.read::<ReceiptRecord>(&address), first);
}

#[test]
fn receipt_of_a_closed_epoch_is_recorded_under_the_kept_root() {
    let mut it = setting();
    let receipt = it.receipt(2, 25);
    let others = super::super::settings::log::leaves(2);
    it.append(&others);
    it.append(&[receipt.leaf().unwrap().0]);
    it.append(&others);
    let path = it.root_path(2);
    let (head, open) = it.world.log_epoch_open(&it.coordinator, 0);
    it.world.ok(&open, &[&it.coordinator.authority.key]);
    let evidence = it.evidence(&LoggedReceipt { receipt, path });
    let (market, coordinator) = (it.market, it.coordinator.address);
    let (_, record) = it.world.receipt_record(&market, &coordinator, (0, 2), None, &evidence);
    it.world.fails(&record, &[], PinaivuError::EpochMismatch);
    let (address, record) =
        it.world.receipt_record(&market, &coordinator, (0, 2), Some(head), &evidence);
    it.world.ok(&record, &[]);
    assert_eq!(it.world.read::<ReceiptRecord>(&address).index, 2);
}

#[test]
fn receipt_that_is_not_in_the_log_at_its_place_is_refused() {
    let mut it = setting();
    let receipts: Vec<_> = (0..4).map(|index| it.receipt(index, 10 * (index + 1))).collect();
    it.log(&receipts, 0);
    let (market, coordinator) = (it.market, it.coordinator.address);
    let good = LoggedReceipt { receipt: receipts[1].clone(), path: it.peak_path(1) };
    let mut absent = good.clone();
    absent.receipt.head.node_cumulative.0 += 1;
    let mut short = good.clone();
    short.path.pop();
    let mut long = good.clone();
    long.path.push(Hash32([0; 32]));
    let mut other = good.clone();
    other.path[0] = Hash32([0; 32]);
    for (bad, error) in [
        (&absent, PinaivuError::NotIncluded),
        (&short, PinaivuError::NotIncluded),
        (&long, PinaivuError::NotIncluded),
        (&other, PinaivuError::NotIncluded),
    ] {
        let evidence = it.evidence(bad);
        let (_, record) = it.world.receipt_record(&market, &coordinator, (0, 1), None, &evidence);
        it.world.fails(&record, &[], error);
    }
    // The right receipt said to be elsewhere, and a place the log does not have.
    let evidence = it.evidence(&good);
    for place in [(0, 0), (0, 4), (1, 1)] {
        let (_, record) = it.world.receipt_record(&market, &coordinator, place, None, &evidence);
        it.world.fails(&record, &[], PinaivuError::EvidenceMalformed);
    }
    let mut beyond = good.clone();
    beyond.receipt.head.index = 4;
    let evidence = it.evidence(&beyond);
    let (_, record) = it.world.receipt_record(&market, &coordinator, (0, 4), None, &evidence);
    it.world.fails(&record, &[], PinaivuError::NotIncluded);
}

#[test]
fn evidence_that_is_not_this_coordinators_receipt_is_refused() {
    let mut it = setting();
    let receipt = it.receipt(0, 25);
    it.log(std::slice::from_ref(&receipt), 0);
    let (market, coordinator) = (it.market, it.coordinator.address);
    let good = LoggedReceipt { receipt, path: Vec::new() };
    let mut elsewhere = good.clone();
    elsewhere.receipt.head.deployment.0.0[0] ^= 1;
    let mut another = good.clone();
    another.receipt.head.coordinator.0[0] ^= 1;
    let mut body = good.clone();
    body.receipt.body.fee.0 += 1;
    for (bad, error) in [
        (&elsewhere, PinaivuError::WrongDeployment),
        (&another, PinaivuError::WrongCoordinator),
        (&body, PinaivuError::EvidenceMalformed),
    ] {
        let evidence = it.evidence(bad);
        let (_, record) = it.world.receipt_record(&market, &coordinator, (0, 0), None, &evidence);
        it.world.fails(&record, &[], error);
    }
    let evidence = it.evidence_bytes(&[0; 100]);
    let (_, record) = it.world.receipt_record(&market, &coordinator, (0, 0), None, &evidence);
    it.world.fails(&record, &[], PinaivuError::EvidenceMalformed);
    // Of the same log, but named for another coordinator.
    let rival = it.world.coordinator();
    let evidence = it.evidence(&good);
    let (_, record) = it.world.receipt_record(&market, &rival.address, (0, 0), None, &evidence);
    it.world.fails(&record, &[], PinaivuError::WrongCoordinator);
}
