//! Nothing signed can be changed: every field, one by one, and every bit of every encoding.
//!
//! The lists of fields are exhaustive by construction: a new field does not compile until it is here.
#![cfg(feature = "std")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../examples/vectors/fixtures.rs"]
mod fixtures;

use std::fmt::Debug;

use borsh::{BorshDeserialize, BorshSerialize};
use fixtures::{COORDINATOR_SEED, EXPORTER, NODE_SEED, WALLET_SEED, key};
use pinaivu_protocol::ask::Ask;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::key_command::{KeyAction, KeyCommand};
use pinaivu_protocol::merkle::MerkleError;
use pinaivu_protocol::proof::{EvidenceError, NodeEvidence, ProofOfInference, ProofRoot};
use pinaivu_protocol::receipt::{
    AuctionDigest, OwnerCommitments, Receipt, ReceiptBody, ReceiptError, ReceiptHead,
};
use pinaivu_protocol::signed::{Signable, Signature, SignatureError, Signed};
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::tunnel::{Hello, TicketHeaderError, TunnelMac};
use pinaivu_protocol::units::{FineAmount, Tariff, TokenCount, TokenPrice};

/// Another value of the same length.
fn flip<T: BorshSerialize + BorshDeserialize>(value: &mut T) {
    let mut bytes = borsh::to_vec(value).unwrap();
    bytes[0] ^= 1;
    *value = borsh::from_slice(&bytes).unwrap();
}

/// Another text.
fn grow(text: &mut String) {
    text.push('x');
}

/// The record once for each field, with only that field changed.
macro_rules! each_field {
    ($record:expr, $kind:ident { $($field:ident: $change:expr),* $(,)? }) => {{
        let record = $record;
        let $kind { $($field: _),* } = record.clone();
        vec![$({
            let mut changed = record.clone();
            $change(&mut changed.$field);
            (stringify!($field), changed)
        }),*]
    }};
}

fn tariffs(tariff: Tariff) -> Vec<(&'static str, Tariff)> {
    each_field!(tariff, Tariff { price: flip, input_weight: flip, output_weight: flip })
}

fn asks() -> Vec<(&'static str, Ask)> {
    each_field!(fixtures::ask(), Ask {
        deployment: flip,
        coordinator: flip,
        node: flip,
        model: grow,
        price: flip,
        context_length: flip,
        features: flip,
        sequence: flip,
        expires: flip,
    })
}

fn tickets() -> Vec<(&'static str, Ticket)> {
    let mut all = each_field!(fixtures::ticket(), Ticket {
        deployment: flip,
        coordinator: flip,
        node: flip,
        request: flip,
        segment: flip,
        model: grow,
        max_output: flip,
        tariff: flip,
        issued: flip,
        deadline: flip,
        salt: flip,
        request_commitment: flip,
        book_head: flip,
        billing: flip,
        issuer_mac: flip,
    });
    for (field, tariff) in tariffs(fixtures::ticket().tariff) {
        all.push((field, Ticket { tariff, ..fixtures::ticket() }));
    }
    all
}

fn proofs() -> Vec<(&'static str, ProofOfInference)> {
    each_field!(fixtures::proof(), ProofOfInference {
        deployment: flip,
        coordinator: flip,
        node: flip,
        request: flip,
        segment: flip,
        ticket: flip,
        model: grow,
        backend: grow,
        response_commitment: flip,
        input_tokens: flip,
        output_tokens: flip,
        outcome: flip,
        finished: flip,
    })
}

fn roots() -> Vec<(&'static str, ProofRoot)> {
    each_field!(fixtures::proof_root(), ProofRoot {
        deployment: flip,
        coordinator: flip,
        node: flip,
        size: flip,
        root: flip,
    })
}

fn heads() -> Vec<(&'static str, ReceiptHead)> {
    each_field!(fixtures::receipt(true).head.record, ReceiptHead {
        deployment: flip,
        coordinator: flip,
        epoch: flip,
        index: flip,
        request: flip,
        segment: flip,
        node: flip,
        node_cumulative: flip,
        body: flip,
    })
}

fn bodies() -> Vec<(&'static str, ReceiptBody)> {
    let original = fixtures::body(true);
    let mut all = each_field!(original.clone(), ReceiptBody {
        model: grow,
        ticket: flip,
        request_commitment: flip,
        response_commitment: flip,
        input_tokens: flip,
        output_tokens: flip,
        tariff: flip,
        amount: flip,
        fee: flip,
        fee_rate: flip,
        outcome: flip,
        auction: flip,
        owner: flip,
        statement: |statement: &mut Option<_>| *statement = None,
        attestation: |attestation: &mut Option<_>| *attestation = None,
        created: flip,
    });
    let mut other = original.clone();
    flip(other.attestation.as_mut().unwrap());
    all.push(("attestation", other));
    for (field, tariff) in tariffs(original.tariff) {
        all.push((field, ReceiptBody { tariff, ..original.clone() }));
    }
    let auctions = each_field!(original.auction, AuctionDigest {
        book_head: flip,
        candidates: flip,
        winner_ask: flip,
        best_losing_ask: |ask: &mut Option<TokenPrice>| flip(ask.as_mut().unwrap()),
    });
    for (field, auction) in auctions {
        all.push((field, ReceiptBody { auction, ..original.clone() }));
    }
    let owners = each_field!(original.owner, OwnerCommitments {
        escrow: flip,
        allowance: flip,
        cumulative: flip,
    });
    for (field, owner) in owners {
        all.push((field, ReceiptBody { owner, ..original.clone() }));
    }
    for (field, proof) in proofs() {
        let mut body = original.clone();
        body.statement.as_mut().unwrap().proof = proof;
        all.push((field, body));
    }
    for (field, evidence) in evidences() {
        let mut body = original.clone();
        body.statement.as_mut().unwrap().evidence = evidence;
        all.push((field, body));
    }
    all
}

fn evidences() -> Vec<(&'static str, NodeEvidence)> {
    let original = fixtures::evidence();
    let mut all = each_field!(original.clone(), NodeEvidence {
        signer: flip,
        root: |root: &mut Signed<ProofRoot>| flip(&mut root.signature),
        index: flip,
        path: |path: &mut Vec<Hash32>| flip(&mut path[0]),
    });
    for (field, record) in roots() {
        let mut evidence = original.clone();
        evidence.root.record = record;
        all.push((field, evidence));
    }
    let changes: [fn(&mut Vec<Hash32>); 4] = [
        |path| flip(&mut path[1]),
        |path| path.swap(0, 1),
        |path| path.truncate(1),
        |path| path.push(Hash32::ZERO),
    ];
    for change in changes {
        let mut evidence = original.clone();
        change(&mut evidence.path);
        all.push(("path", evidence));
    }
    all
}

fn hellos() -> Vec<(&'static str, Hello)> {
    each_field!(fixtures::hello(), Hello {
        deployment: flip,
        coordinator: flip,
        binding: flip,
        now: flip,
    })
}

fn key_commands() -> Vec<(&'static str, KeyCommand)> {
    let mut all = Vec::new();
    for command in fixtures::key_commands() {
        all.extend(each_field!(command, KeyCommand {
            deployment: flip,
            coordinator: flip,
            owner: flip,
            issued: flip,
            nonce: flip,
            action: |action: &mut KeyAction| *action = match action {
                KeyAction::List => KeyAction::Revoke { key: [0; 16] },
                KeyAction::Create { .. } | KeyAction::Revoke { .. } => KeyAction::List,
            },
        }));
    }
    let [create, _, revoke] = fixtures::key_commands();
    let actions = match (create.action.clone(), revoke.action.clone()) {
        (KeyAction::Create { allowance, label }, KeyAction::Revoke { key }) => {
            let (mut other_allowance, mut other_label, mut other_key) =
                (allowance, label.clone(), key);
            flip(&mut other_allowance);
            grow(&mut other_label);
            flip(&mut other_key);
            [
                ("allowance", KeyAction::Create { allowance: other_allowance, label }),
                ("label", KeyAction::Create { allowance, label: other_label }),
                ("key", KeyAction::Revoke { key: other_key }),
            ]
        }
        other => panic!("{other:?}"),
    };
    for (field, action) in actions {
        all.push((field, KeyCommand { action, ..create.clone() }));
    }
    all
}

/// Signed by `seed`, `record` verifies; none of `changed` does under its signature, nor does any
/// encoding that differs in one bit or in length.
fn resists<T>(seed: &[u8; 32], record: T, changed: Vec<(&'static str, T)>)
where
    T: Signable + Clone + Debug + PartialEq,
{
    let signer = key(seed).public();
    let signed = key(seed).sign(record);
    assert_eq!(signed.verify(&signer), Ok(&signed.record));
    let stranger = key(&[0x55; 32]).public();
    assert_eq!(signed.verify(&stranger), Err(SignatureError::Signature(stranger)));

    let refused = Err(SignatureError::Signature(signer));
    for (field, record) in changed {
        assert_ne!(record, signed.record, "{field} was not changed");
        let forged = Signed { record, signature: signed.signature };
        assert_eq!(forged.verify(&signer).map(|_| ()), refused, "{field}");
    }

    let bytes = signed.encode();
    assert_eq!(Signed::decode(&bytes), Ok(signed.clone()));
    for bit in 0..bytes.len() * 8 {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        match Signed::<T>::decode(&other) {
            Ok(forged) => assert_eq!(forged.verify(&signer).map(|_| ()), refused, "bit {bit}"),
            Err(error) => assert_eq!(error, SignatureError::Encoding),
        }
    }
    for length in 0..bytes.len() {
        assert_eq!(Signed::<T>::decode(&bytes[..length]), Err(SignatureError::Encoding));
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Signed::<T>::decode(&longer), Err(SignatureError::Encoding));
}

#[test]
fn ask_changed_anywhere_is_refused() {
    resists(&NODE_SEED, fixtures::ask(), asks());
}

#[test]
fn signed_ticket_changed_anywhere_is_refused() {
    resists(&COORDINATOR_SEED, fixtures::ticket(), tickets());
}

#[test]
fn proof_root_changed_anywhere_is_refused() {
    resists(&NODE_SEED, fixtures::proof_root(), roots());
}

#[test]
fn receipt_head_changed_anywhere_is_refused() {
    resists(&COORDINATOR_SEED, fixtures::receipt(true).head.record, heads());
}

#[test]
fn hello_changed_anywhere_is_refused() {
    resists(&COORDINATOR_SEED, fixtures::hello(), hellos());
}

#[test]
fn key_command_changed_anywhere_is_refused() {
    let [create, list, revoke] = fixtures::key_commands();
    for command in [create, list, revoke] {
        let others = key_commands().into_iter().filter(|(_, other)| *other != command).collect();
        resists(&WALLET_SEED, command, others);
    }
}

/// The same bytes under another type's tag are another message.
#[test]
fn signature_of_one_type_does_not_serve_another() {
    #[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
    struct Lookalike(Hello);
    impl Signable for Lookalike {
        const TAG: &'static [u8] = b"pinaivu/lookalike/v1\0";
    }
    let pair = key(&COORDINATOR_SEED);
    let hello = pair.sign(fixtures::hello());
    let other = Signed { record: Lookalike(fixtures::hello()), signature: hello.signature };
    assert_eq!(other.encode(), hello.encode());
    assert_eq!(other.verify(&pair.public()), Err(SignatureError::Signature(pair.public())));
}

#[test]
fn ticket_hash_and_issuer_bytes_cover_every_field() {
    let original = fixtures::ticket();
    for (field, ticket) in tickets() {
        assert_ne!(ticket.hash(), original.hash(), "{field}");
        let same = ticket.issuer_bytes() == original.issuer_bytes();
        assert_eq!(same, field == "issuer_mac", "{field}");
    }
}

#[test]
fn ticket_header_changed_anywhere_is_refused() {
    let mac = TunnelMac::new(&EXPORTER);
    let header = mac.seal(&fixtures::ticket());
    assert_eq!(mac.open(header.as_bytes()), Ok(fixtures::ticket()));
    let mut other_session = EXPORTER;
    other_session[31] ^= 1;
    assert_eq!(
        TunnelMac::new(&other_session).open(header.as_bytes()),
        Err(TicketHeaderError::Forged)
    );
    for place in 0..header.len() {
        let mut other = header.clone().into_bytes();
        other[place] = if other[place] == b'A' { b'B' } else { b'A' };
        assert!(mac.open(&other).is_err(), "character {place}");
        assert!(mac.open(&header.as_bytes()[..place]).is_err(), "{place} characters");
    }
    for longer in [format!("{header}A"), format!("{header}AAAA"), format!("{header}=")] {
        assert!(mac.open(longer.as_bytes()).is_err());
    }
    // A MAC can be moved to no other ticket.
    let sealed = borsh::to_vec(&fixtures::ticket()).unwrap().len();
    let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
    let bytes = base64::Engine::decode(&engine, &header).unwrap();
    for (field, ticket) in tickets() {
        let forged = [borsh::to_vec(&ticket).unwrap().as_slice(), &bytes[sealed..]].concat();
        let forged = base64::Engine::encode(&engine, forged);
        assert_eq!(mac.open(forged.as_bytes()), Err(TicketHeaderError::Forged), "{field}");
    }
}

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
