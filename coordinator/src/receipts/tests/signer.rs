//! Keys and what follows from them.

use pinaivu_protocol::units::TokenCount;

use crate::receipts::fixtures::{account, signer, ticket};
use crate::receipts::{Billing, KeyFileError, Signer};

fn key_file(text: &str) -> Result<Signer, KeyFileError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json");
    std::fs::write(&path, text).unwrap();
    Signer::from_file(&path)
}

fn keypair_json(seed: [u8; 32], public: [u8; 32]) -> String {
    serde_json::to_string(&[seed, public].concat()).unwrap()
}

#[test]
fn key_file_of_solana_gives_its_key() {
    let public = signer().public();
    assert_eq!(key_file(&keypair_json([3; 32], public.0)).unwrap().public(), public);
}

#[test]
fn key_files_that_are_none_are_refused_without_showing_their_content() {
    let public = signer().public().0;
    let mut other = public;
    other[0] ^= 1;
    let mismatch = key_file(&keypair_json([3; 32], other)).unwrap_err();
    assert!(matches!(mismatch, KeyFileError::Mismatch { .. }));
    let bytes = [[3; 32], public].concat();
    for text in [
        "".to_owned(),
        "not json".to_owned(),
        serde_json::to_string(&bytes[..63]).unwrap(),
        serde_json::to_string(&[bytes.as_slice(), &[0]].concat()).unwrap(),
        "[256]".to_owned(),
    ] {
        let error = key_file(&text).unwrap_err();
        assert!(matches!(error, KeyFileError::Format { .. }), "{text}");
    }
    let missing = Signer::from_file(std::path::Path::new("/nonexistent/key.json")).unwrap_err();
    assert!(matches!(missing, KeyFileError::Read { .. }));
    assert_eq!(format!("{:?}", signer()), format!("Signer({})", signer().public()));
}

#[test]
fn sealed_ticket_is_recognised_and_its_billing_read_back() {
    let ticket = ticket(1, 0, 2);
    assert!(signer().issued(&ticket));
    let billing = Billing { account: account(2).handle, max_input: TokenCount(500) };
    assert_eq!(signer().billing(&ticket), billing);
    // Another coordinator's key recognises nothing.
    assert!(!Signer::from_seed(&[4; 32]).unwrap().issued(&ticket));
}

#[test]
fn ticket_changed_in_any_field_is_not_recognised() {
    let sealed = ticket(1, 0, 0);
    let changes: [fn(&mut pinaivu_protocol::ticket::Ticket); 15] = [
        |ticket| ticket.deployment.0.0[0] ^= 1,
        |ticket| ticket.coordinator.0[0] ^= 1,
        |ticket| ticket.node.0[0] ^= 1,
        |ticket| ticket.request.0[0] ^= 1,
        |ticket| ticket.segment.0 ^= 1,
        |ticket| ticket.model.push('x'),
        |ticket| ticket.max_output.0 ^= 1,
        |ticket| ticket.tariff.price.0 ^= 1,
        |ticket| ticket.issued.0 ^= 1,
        |ticket| ticket.deadline.0 ^= 1,
        |ticket| ticket.salt[0] ^= 1,
        |ticket| ticket.request_commitment.0[0] ^= 1,
        |ticket| ticket.book_head.0[0] ^= 1,
        |ticket| ticket.billing[0] ^= 1,
        |ticket| ticket.issuer_mac[0] ^= 1,
    ];
    for (place, change) in changes.iter().enumerate() {
        let mut ticket = sealed.clone();
        change(&mut ticket);
        assert!(!signer().issued(&ticket), "field {place}");
    }
}

#[test]
fn billing_of_two_requests_of_one_account_has_nothing_in_common() {
    let (one, two) = (ticket(1, 0, 0), ticket(2, 0, 0));
    let same = one.billing.iter().zip(&two.billing).filter(|(a, b)| a == b).count();
    assert!(same < 8, "{same} of 16 bytes are the same");
}

#[test]
fn key_file_is_made_once_private_and_kept() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signer.json");
    let made = Signer::load_or_create(&path).unwrap().public();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Signer::load_or_create(&path).unwrap().public(), made);
    std::fs::write(&path, "[]").unwrap();
    assert!(matches!(Signer::load_or_create(&path), Err(KeyFileError::Format { .. })));
}
