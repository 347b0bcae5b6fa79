//! Nothing signed can be changed: every field, one by one, and every bit of every encoding.
//!
//! The lists of fields are exhaustive by construction: a new field does not compile until it is here.
#![cfg(feature = "std")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod fields;
#[path = "../../examples/vectors/fixtures.rs"]
mod fixtures;
mod receipts;

use std::fmt::Debug;

use borsh::{BorshDeserialize, BorshSerialize};
use fields::{acknowledgements, asks, heads, hellos, key_commands, roots, tickets};
use fixtures::{COORDINATOR_SEED, EXPORTER, NODE_SEED, WALLET_SEED, key};
use pinaivu_protocol::signed::{Signable, SignatureError, Signed};
use pinaivu_protocol::tunnel::{Hello, SealError, TunnelMac};

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
fn ask_acknowledgement_changed_anywhere_is_refused() {
    resists(&COORDINATOR_SEED, fixtures::acknowledgement(), acknowledgements());
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
fn sealed_ticket_changed_anywhere_is_refused() {
    let mac = TunnelMac::new(&EXPORTER);
    let sealed = mac.seal(&fixtures::ticket());
    assert_eq!(mac.open(&sealed), Ok(fixtures::ticket()));
    let mut other_session = EXPORTER;
    other_session[31] ^= 1;
    assert_eq!(TunnelMac::new(&other_session).open(&sealed), Err(SealError::Forged));
    for place in 0..sealed.len() {
        for bit in 0..8 {
            let mut other = sealed.clone();
            other[place] ^= 1 << bit;
            assert_eq!(mac.open(&other), Err(SealError::Forged), "bit {bit} of byte {place}");
        }
        assert!(mac.open(&sealed[..place]).is_err(), "{place} bytes");
    }
    for longer in [[sealed.as_slice(), &[0]].concat(), [&[0], sealed.as_slice()].concat()] {
        assert_eq!(mac.open(&longer), Err(SealError::Forged));
    }
    // A MAC can be moved to no other ticket.
    let length = borsh::to_vec(&fixtures::ticket()).unwrap().len();
    for (field, ticket) in tickets() {
        let forged = [borsh::to_vec(&ticket).unwrap().as_slice(), &sealed[length..]].concat();
        assert_eq!(mac.open(&forged), Err(SealError::Forged), "{field}");
    }
}
