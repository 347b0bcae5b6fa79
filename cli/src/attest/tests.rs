//! What each lie of a coordinator about its code looks like, with an enclave under a root of our own.
#![expect(clippy::unwrap_used, reason = "tests")]

use pinaivu_attestation::{Attester, Binding, Development, Roots};
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, PublicKey};
use pinaivu_testkit::enclave::{Authority, TestEnclave, accepted};
use serde_json::{Value, json};

use super::*;

const NOW: UnixMillis = UnixMillis(1_760_000_000_000);
const NONCE: Nonce = Nonce([3; 32]);

fn configuration() -> Value {
    json!({ "limits": { "attempts": 3 } })
}

fn binding() -> Binding {
    Binding {
        deployment: DeploymentId(Hash32([1; 32])),
        coordinator: CoordinatorId([2; 32]),
        signer: PublicKey([4; 32]),
        tls_key: Hash32([5; 32]),
        configuration: configuration_hash(&configuration()).unwrap(),
    }
}

/// What the chain and the tunnel say.
struct Seen {
    root: Vec<u8>,
    named: Hash32,
    listed: Vec<Hash32>,
    shown: Value,
    now: UnixMillis,
}

impl Seen {
    fn honest(enclave: &TestEnclave) -> Self {
        Self {
            root: enclave.0.root.clone(),
            named: accepted(),
            listed: vec![Hash32([8; 32]), accepted()],
            shown: configuration(),
            now: NOW,
        }
    }

    /// The names of the checks that fail.
    fn failing(&self, attester: &dyn Attester, bound: &Binding, nonce: &Nonce) -> Vec<String> {
        let evidence = attester.attest(bound, nonce).unwrap().encode();
        self.failing_on(&serde_json::from_slice(&evidence).unwrap())
    }

    fn failing_on(&self, evidence: &Value) -> Vec<String> {
        let expected = Expected {
            deployment: binding().deployment,
            coordinator: binding().coordinator,
            signer: binding().signer,
            tls_key: Some(binding().tls_key),
            configuration: None,
            nonce: Some(NONCE),
        };
        let roots = Roots { nitro: &self.root, ..Roots::default() };
        let policy = Policy { roots, ..Policy::strict(self.now, &self.listed) };
        let mut checks = Checks::default();
        check(&mut checks, evidence, &self.shown, &expected, self.named, &policy);
        let all = serde_json::to_value(checks.into_list()).unwrap();
        let failed = all.as_array().unwrap().iter().filter(|one| one["verdict"] == "failed");
        failed.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    }
}

fn enclave() -> TestEnclave {
    TestEnclave(Authority::new(NOW))
}

const NOTHING: [&str; 0] = [];

#[test]
fn code_that_the_account_names_and_the_market_lists_is_attested() {
    let enclave = enclave();
    let seen = Seen::honest(&enclave);
    assert_eq!(seen.failing(&enclave, &binding(), &NONCE), NOTHING);
}

#[test]
fn other_code_than_the_chain_names_or_lists_is_found() {
    let enclave = enclave();
    let other = Seen { named: Hash32([8; 32]), ..Seen::honest(&enclave) };
    assert_eq!(other.failing(&enclave, &binding(), &NONCE), ["code on chain"]);
    let unlisted = Seen { listed: vec![Hash32([8; 32])], ..Seen::honest(&enclave) };
    assert_eq!(unlisted.failing(&enclave, &binding(), &NONCE), ["code on the list"]);
    let neither = Seen { named: Hash32::ZERO, listed: Vec::new(), ..Seen::honest(&enclave) };
    let found = neither.failing(&enclave, &binding(), &NONCE);
    assert_eq!(found, ["code on chain", "code on the list"]);
}

#[test]
fn evidence_for_another_question_key_certificate_or_configuration_is_found() {
    let enclave = enclave();
    let seen = Seen::honest(&enclave);
    let old = Nonce([9; 32]);
    assert_eq!(seen.failing(&enclave, &binding(), &old), ["evidence", "attestation"]);
    for bound in [
        Binding { signer: PublicKey([9; 32]), ..binding() },
        Binding { tls_key: Hash32([9; 32]), ..binding() },
        Binding { coordinator: CoordinatorId([9; 32]), ..binding() },
        Binding { deployment: DeploymentId(Hash32([9; 32])), ..binding() },
    ] {
        assert_eq!(seen.failing(&enclave, &bound, &NONCE), ["evidence", "attestation"]);
    }
    let shown = Seen { shown: json!({ "limits": { "attempts": 9 } }), ..Seen::honest(&enclave) };
    assert_eq!(shown.failing(&enclave, &binding(), &NONCE), ["configuration"]);
}

#[test]
fn evidence_that_no_vendor_vouches_for_now_is_found() {
    let enclave = enclave();
    let other_root = Seen { root: self::enclave().0.root, ..Seen::honest(&enclave) };
    assert_eq!(other_root.failing(&enclave, &binding(), &NONCE), ["attestation"]);
    let aws = Seen { root: nitro::ROOT_G1.to_vec(), ..Seen::honest(&enclave) };
    assert_eq!(aws.failing(&enclave, &binding(), &NONCE), ["attestation"]);
    let later = UnixMillis(NOW.0 + 24 * 60 * 60 * 1_000);
    let expired = Seen { now: later, ..Seen::honest(&enclave) };
    assert_eq!(expired.failing(&enclave, &binding(), &NONCE), ["attestation"]);
    let seen = Seen::honest(&enclave);
    assert_eq!(seen.failing(&Development, &binding(), &NONCE), ["attestation"]);
    assert_eq!(seen.failing_on(&json!({ "format": "none" })), ["evidence"]);
}
