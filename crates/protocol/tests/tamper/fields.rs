//! Each record once for each of its fields, with only that field changed.

use borsh::{BorshDeserialize, BorshSerialize};
use pinaivu_protocol::acknowledgement::AskAcknowledgement;
use pinaivu_protocol::ask::Ask;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::key_command::{KeyAction, KeyCommand};
use pinaivu_protocol::proof::{NodeEvidence, ProofOfInference, ProofRoot};
use pinaivu_protocol::receipt::{AuctionDigest, OwnerCommitments, ReceiptBody, ReceiptHead};
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::tunnel::Hello;
use pinaivu_protocol::units::{Tariff, TokenPrice};

use crate::fixtures;

/// Another value of the same length.
pub(crate) fn flip<T: BorshSerialize + BorshDeserialize>(value: &mut T) {
    let mut bytes = borsh::to_vec(value).unwrap();
    bytes[0] ^= 1;
    *value = borsh::from_slice(&bytes).unwrap();
}

/// Another text.
pub(crate) fn grow(text: &mut String) {
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

pub(crate) fn tariffs(tariff: Tariff) -> Vec<(&'static str, Tariff)> {
    each_field!(tariff, Tariff { price: flip, input_weight: flip, output_weight: flip })
}

pub(crate) fn asks() -> Vec<(&'static str, Ask)> {
    each_field!(
        fixtures::ask(),
        Ask {
            deployment: flip,
            coordinator: flip,
            node: flip,
            model: grow,
            price: flip,
            context_length: flip,
            features: flip,
            sequence: flip,
            expires: flip,
        }
    )
}

pub(crate) fn acknowledgements() -> Vec<(&'static str, AskAcknowledgement)> {
    each_field!(
        fixtures::acknowledgement(),
        AskAcknowledgement {
            deployment: flip,
            coordinator: flip,
            node: flip,
            ask: flip,
            book: flip,
            version: flip,
            head: flip,
            at: flip,
        }
    )
}

pub(crate) fn tickets() -> Vec<(&'static str, Ticket)> {
    let mut all = each_field!(
        fixtures::ticket(),
        Ticket {
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
        }
    );
    for (field, tariff) in tariffs(fixtures::ticket().tariff) {
        all.push((field, Ticket { tariff, ..fixtures::ticket() }));
    }
    all
}

pub(crate) fn proofs() -> Vec<(&'static str, ProofOfInference)> {
    each_field!(
        fixtures::proof(),
        ProofOfInference {
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
        }
    )
}

pub(crate) fn roots() -> Vec<(&'static str, ProofRoot)> {
    each_field!(
        fixtures::proof_root(),
        ProofRoot { deployment: flip, coordinator: flip, node: flip, size: flip, root: flip }
    )
}

pub(crate) fn heads() -> Vec<(&'static str, ReceiptHead)> {
    each_field!(
        fixtures::receipt(true).head.record,
        ReceiptHead {
            deployment: flip,
            coordinator: flip,
            epoch: flip,
            index: flip,
            request: flip,
            segment: flip,
            node: flip,
            node_cumulative: flip,
            body: flip,
        }
    )
}

pub(crate) fn bodies() -> Vec<(&'static str, ReceiptBody)> {
    let original = fixtures::body(true);
    let mut all = each_field!(
        original.clone(),
        ReceiptBody {
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
        }
    );
    let mut other = original.clone();
    flip(other.attestation.as_mut().unwrap());
    all.push(("attestation", other));
    for (field, tariff) in tariffs(original.tariff) {
        all.push((field, ReceiptBody { tariff, ..original.clone() }));
    }
    let auctions = each_field!(
        original.auction,
        AuctionDigest {
            book_head: flip,
            candidates: flip,
            winner_ask: flip,
            best_losing_ask: |ask: &mut Option<TokenPrice>| flip(ask.as_mut().unwrap()),
        }
    );
    for (field, auction) in auctions {
        all.push((field, ReceiptBody { auction, ..original.clone() }));
    }
    let owners = each_field!(
        original.owner,
        OwnerCommitments { escrow: flip, allowance: flip, cumulative: flip }
    );
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

pub(crate) fn evidences() -> Vec<(&'static str, NodeEvidence)> {
    let original = fixtures::evidence();
    let mut all = each_field!(
        original.clone(),
        NodeEvidence {
            signer: flip,
            root: |root: &mut Signed<ProofRoot>| flip(&mut root.signature),
            index: flip,
            path: |path: &mut Vec<Hash32>| flip(&mut path[0]),
        }
    );
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

pub(crate) fn hellos() -> Vec<(&'static str, Hello)> {
    each_field!(
        fixtures::hello(),
        Hello { deployment: flip, coordinator: flip, binding: flip, now: flip }
    )
}

pub(crate) fn key_commands() -> Vec<(&'static str, KeyCommand)> {
    let mut all = Vec::new();
    for command in fixtures::key_commands() {
        all.extend(each_field!(
            command,
            KeyCommand {
                deployment: flip,
                coordinator: flip,
                owner: flip,
                issued: flip,
                nonce: flip,
                action: |action: &mut KeyAction| *action = match action {
                    KeyAction::List => KeyAction::Revoke { key: [0; 16] },
                    KeyAction::Create { .. } | KeyAction::Revoke { .. } => KeyAction::List,
                },
            }
        ));
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
