//! What vouches for a coordinator: fresh evidence, what receipts name, and the word *unattested*.

use pinaivu_attestation::{
    AttesterChoice, Evidence, Expected, Kind, Nonce, Policy, Roots, VerifyError,
    configuration_hash, verify,
};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::RequestId;
use pinaivu_protocol::units::UnixMillis;
use pinaivu_testkit::enclave::{Authority, TestEnclave, accepted};
use serde_json::{Value, json};

use crate::support::chain::{COORDINATOR, MemoryChain};
use crate::support::world::{Client, PRICE, World, request_id};

fn now() -> UnixMillis {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    UnixMillis(u64::try_from(now).unwrap())
}

async fn ask(world: &World, path: &str) -> (u16, Value) {
    let response = world.client.http.get(world.client.url(path)).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn expected(world: &World, nonce: Option<Nonce>) -> Expected {
    Expected {
        deployment: MemoryChain::deployment().id(),
        coordinator: COORDINATOR,
        signer: world.signer(),
        tls_key: None,
        configuration: None,
        nonce,
    }
}

#[tokio::test]
async fn coordinator_without_hardware_says_unattested_everywhere() {
    let world = World::start().await;
    let _node = world.node(1, PRICE).await;
    let nonce = Nonce::random();
    let (status, shown) = ask(&world, &format!("/attestation?nonce={nonce}")).await;
    assert_eq!(status, 200);
    assert_eq!((&shown["state"], &shown["kind"]), (&json!("unattested"), &Value::Null));
    assert_eq!(shown["evidence"], Value::Null);
    let id = request_id(&world.client.chat(&Client::request(false)).await);
    assert_eq!(world.receipt(&id).await.body.attestation, None);
    let (_, receipt) = ask(&world, &format!("/receipts/{id}")).await;
    let body = &receipt["receipts"][0]["body"];
    assert_eq!(
        (&body["attestation"], &body["attestation_state"]),
        (&Value::Null, &json!("unattested"))
    );
}

#[tokio::test]
async fn development_evidence_is_shown_as_unattested_and_named_by_no_receipt() {
    let world = World::start_with(|config| {
        config.web.local = true;
        config.attestation.attester = AttesterChoice::Development;
    })
    .await;
    let _node = world.node(1, PRICE).await;
    let nonce = Nonce::random();
    let (_, shown) = ask(&world, &format!("/attestation?nonce={nonce}")).await;
    assert_eq!((&shown["state"], &shown["kind"]), (&json!("unattested"), &json!("development")));
    let evidence = Evidence::decode(shown["evidence"].to_string().as_bytes()).unwrap();
    assert_eq!(evidence.kind, Kind::Development);
    evidence.check_claims(&expected(&world, Some(nonce))).unwrap();
    let measurements = [accepted()];
    let policy = Policy::strict(now(), &measurements);
    let refused = verify(&evidence, &expected(&world, Some(nonce)), &policy);
    assert_eq!(refused, Err(VerifyError::Development));
    let network = ask(&world, "/network").await.1;
    assert_eq!(network["attestation"], json!({ "state": "unattested", "kind": "development" }));
    let id = request_id(&world.client.chat(&Client::request(false)).await);
    assert_eq!(world.receipt(&id).await.body.attestation, None);
}

#[tokio::test]
async fn evidence_is_fresh_binds_the_configuration_and_receipts_name_it() {
    let authority = Authority::new(now());
    let root = authority.root.clone();
    let world = World::start_attested(Box::new(TestEnclave(authority))).await;
    let _node = world.node(1, PRICE).await;
    let measurements = [accepted()];
    let policy = || Policy {
        roots: Roots { nitro: &root, intel: None },
        ..Policy::strict(now(), &measurements)
    };
    let mut seen = Vec::new();
    for _ in 0..2 {
        let nonce = Nonce::random();
        let (_, shown) = ask(&world, &format!("/attestation?nonce={nonce}")).await;
        assert_eq!((&shown["state"], &shown["kind"]), (&json!("evidence"), &json!("nitro")));
        let evidence = Evidence::decode(shown["evidence"].to_string().as_bytes()).unwrap();
        let configuration = configuration_hash(&shown["configuration"]).unwrap();
        let expected =
            Expected { configuration: Some(configuration), ..expected(&world, Some(nonce)) };
        verify(&evidence, &expected, &policy()).unwrap();
        seen.push(evidence.document);
    }
    assert_ne!(seen[0], seen[1]);

    let id = request_id(&world.client.chat(&Client::request(false)).await);
    let hash = world.receipt(&id).await.body.attestation.unwrap();
    let url = world.client.url(&format!("/attestation/{hash}"));
    let bytes = world.client.http.get(url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(Evidence::hash(&bytes), hash);
    let evidence = Evidence::decode(&bytes).unwrap();
    verify(&evidence, &expected(&world, None), &policy()).unwrap();
    let (_, receipt) = ask(&world, &format!("/receipts/{id}")).await;
    assert_eq!(receipt["receipts"][0]["body"]["attestation_state"], "evidence");
    assert!(id.parse::<RequestId>().is_ok());
}

#[tokio::test]
async fn nonce_of_another_length_and_unknown_evidence_are_refused() {
    let world = World::start().await;
    for query in ["", "?nonce=", "?nonce=00", "?nonce=zz", "?nonce=00&more=1"] {
        let (status, _) = ask(&world, &format!("/attestation{query}")).await;
        assert_eq!(status, 400, "{query}");
    }
    for name in [Hash32::ZERO.to_string(), "00".to_owned(), "..".to_owned()] {
        let (status, _) = ask(&world, &format!("/attestation/{name}")).await;
        assert!([404, 400].contains(&status), "{name}: {status}");
    }
}

#[tokio::test]
async fn configuration_that_is_bound_shows_no_file_and_no_server() {
    let world = World::start().await;
    let (_, shown) = ask(&world, &format!("/attestation?nonce={}", Nonce::random())).await;
    let configuration = &shown["configuration"];
    assert_eq!(configuration["limits"]["queue"], 0);
    for hidden in ["data_dir", "signer_key_file", "threads"] {
        assert!(configuration.get(hidden).is_none(), "{hidden}");
    }
    assert!(configuration["chain"].get("rpc_url").is_none());
}
