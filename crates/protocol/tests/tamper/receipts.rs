//! Proofs, their evidence, and receipts.

use borsh::BorshDeserialize;
use pinaivu_protocol::merkle::MerkleError;
use pinaivu_protocol::proof::{EvidenceError, NodeEvidence};
use pinaivu_protocol::receipt::{Receipt, ReceiptBody, ReceiptError, ReceiptHead};
use pinaivu_protocol::signed::{Signature, SignatureError};
use pinaivu_protocol::units::{FineAmount, TokenCount, TokenPrice};

use crate::fields::{bodies, evidences, flip, heads, proofs};
use crate::fixtures::{self, COORDINATOR_SEED, key};

#[test]
fn proof_changed_in_any_field_is_not_under_the_signed_root() {
    let evidence = fixtures::evidence();
    assert_eq!(evidence.verify(&fixtures::proof()), Ok(()));
    for (field, proof) in proofs() {
        assert_ne!(proof.leaf(), fixtures::proof().leaf(), "{field}");
        let expected = match field {
            "deployment" | "coordinator" | "node" => EvidenceError::Party,
            _ => EvidenceError::Inclusion(MerkleError::RootMismatch),
        };
        assert_eq!(evidence.verify(&proof), Err(expected), "{field}");
    }
}

#[test]
fn evidence_changed_anywhere_is_refused() {
    let original = fixtures::evidence();
    let proof = fixtures::proof();
    for (field, evidence) in evidences() {
        assert!(evidence.verify(&proof).is_err(), "{field}");
    }
    let bytes = borsh::to_vec(&original).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        if let Ok(evidence) = NodeEvidence::try_from_slice(&other) {
            assert!(evidence.verify(&proof).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn receipt_changed_in_any_field_is_refused() {
    let signer = key(&COORDINATOR_SEED).public();
    let original = fixtures::receipt(true);
    assert_eq!(original.verify(&signer), Ok(()));
    let refused = Err(ReceiptError::Signature(SignatureError::Signature(signer)));
    for (field, record) in heads() {
        let mut receipt = original.clone();
        receipt.head.record = record;
        assert_ne!(receipt.leaf(), original.leaf(), "{field}");
        assert_eq!(receipt.verify(&signer), refused, "{field}");
    }
    for (field, body) in bodies() {
        let receipt = Receipt { body, ..original.clone() };
        assert_ne!(receipt.leaf(), original.leaf(), "{field}");
        assert_eq!(receipt.verify(&signer), Err(ReceiptError::Body), "{field}");
    }
    let mut receipt = original;
    receipt.head.signature = Signature([0; 64]);
    assert_eq!(receipt.verify(&signer), refused);
}

#[test]
fn receipt_with_any_bit_changed_is_refused() {
    let signer = key(&COORDINATOR_SEED).public();
    for original in [fixtures::receipt(true), fixtures::receipt(false)] {
        let bytes = original.encode();
        assert_eq!(Receipt::decode(&bytes), Ok(original.clone()));
        assert_eq!(original.verify(&signer), Ok(()));
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            match Receipt::decode(&other) {
                Ok(receipt) => assert!(receipt.verify(&signer).is_err(), "bit {bit}"),
                Err(error) => assert_eq!(error, ReceiptError::Encoding),
            }
        }
        for length in 0..bytes.len() {
            assert_eq!(Receipt::decode(&bytes[..length]), Err(ReceiptError::Encoding));
        }
    }
}

/// A coordinator that signs anew cannot put other words in the node's mouth, nor other sums.
#[test]
fn receipt_that_its_own_coordinator_changed_contradicts_the_nodes_statement() {
    let pair = key(&COORDINATOR_SEED);
    let reseal = |mut head: ReceiptHead, body: ReceiptBody| {
        head.body = body.hash();
        Receipt { head: pair.sign(head), body }.verify(&pair.public())
    };
    let original = fixtures::receipt(true);
    assert_eq!(reseal(original.head.record, original.body.clone()), Ok(()));
    for (field, head) in heads() {
        let expected = match field {
            "deployment" | "coordinator" | "node" | "request" | "segment" => {
                Err(ReceiptError::Statement(field))
            }
            // What the node did not say: the log's position and the running total are the
            // coordinator's word, bound by its signature; `body` is set anew.
            _ => Ok(()),
        };
        assert_eq!(reseal(head, original.body.clone()), expected, "{field}");
    }
    let changes: [(fn(&mut ReceiptBody), _); 9] = [
        (|body| flip(&mut body.ticket), ReceiptError::Statement("ticket")),
        (
            |body| flip(&mut body.response_commitment),
            ReceiptError::Statement("response commitment"),
        ),
        (|body| body.input_tokens = TokenCount(40), ReceiptError::Arithmetic),
        (|body| body.output_tokens = TokenCount(13), ReceiptError::Arithmetic),
        (|body| body.tariff.price = TokenPrice(1), ReceiptError::Arithmetic),
        (|body| flip(&mut body.amount), ReceiptError::Arithmetic),
        (|body| flip(&mut body.fee), ReceiptError::Arithmetic),
        (|body| flip(&mut body.fee_rate), ReceiptError::Arithmetic),
        (|body| body.fee = FineAmount(body.fee.0 + 1), ReceiptError::Arithmetic),
    ];
    for (change, expected) in changes {
        let mut body = original.body.clone();
        change(&mut body);
        assert_eq!(reseal(original.head.record, body), Err(expected));
    }
    for (field, evidence) in evidences() {
        let mut body = original.body.clone();
        body.statement.as_mut().unwrap().evidence = evidence;
        let refused = reseal(original.head.record, body).unwrap_err();
        assert!(matches!(refused, ReceiptError::Evidence(_)), "{field}: {refused}");
    }
}
