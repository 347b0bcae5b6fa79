//! The public listener: TLS by configuration, limits of addresses, connections that nothing comes over.

use std::time::Duration;

use pinaivu_coordinator::Config;
use reqwest::Version;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::support::node::SHORT;
use crate::support::world::PRICE;
use crate::support::{Client, World};

/// A certificate for 127.0.0.1 in files, and itself in PEM.
fn certificate() -> (TempDir, impl FnOnce(&mut Config), String) {
    let directory = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let (chain, secret) = (directory.path().join("chain.pem"), directory.path().join("key.pem"));
    std::fs::write(&chain, certificate.pem()).unwrap();
    std::fs::write(&secret, key.serialize_pem()).unwrap();
    let change = move |config: &mut Config| {
        config.http.tls_cert_file = Some(chain);
        config.http.tls_key_file = Some(secret);
    };
    (directory, change, certificate.pem())
}

#[tokio::test]
async fn listener_with_a_certificate_speaks_tls_and_the_better_protocol_of_the_client() {
    let (_files, change, pem) = certificate();
    let world = World::start_with(change).await;
    let _node = world.node(1, PRICE).await;
    assert!(world.client.base_url.starts_with("https://127.0.0.1:"));
    for (http1_only, version) in [(false, Version::HTTP_2), (true, Version::HTTP_11)] {
        let root = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
        let builder = reqwest::Client::builder()
            .no_proxy()
            .tls_built_in_root_certs(false)
            .add_root_certificate(root);
        let builder = if http1_only { builder.http1_only() } else { builder };
        let client = Client { http: builder.build().unwrap(), ..world.client.clone() };
        for stream in [true, false] {
            let response = client.chat(&Client::request(stream)).await;
            assert_eq!((response.status().as_u16(), response.version()), (200, version));
            assert!(response.text().await.unwrap().contains("Hello"));
        }
    }
}

#[tokio::test]
async fn client_that_does_not_finish_its_handshake_is_cut_off() {
    let (_files, change, _) = certificate();
    let world = World::start_with(|config| {
        change(config);
        config.timeouts.request_head = SHORT;
    })
    .await;
    let mut stream = TcpStream::connect(world.coordinator.report().http).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.is_empty());
}

#[tokio::test]
async fn connection_that_nothing_comes_over_is_closed() {
    let world = World::start_with(|config| config.timeouts.request_head = SHORT).await;
    let mut open = Vec::new();
    for _ in 0..50 {
        open.push(TcpStream::connect(world.coordinator.report().http).await.unwrap());
    }
    for mut stream in open {
        let mut answer = Vec::new();
        // An end, or a reset; what matters is that it does not stay.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty());
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_those_within_it_served() {
    let world = World::start_with(|config| config.limits.connections = 2).await;
    let _node = world.node(1, PRICE).await;
    // The world's own client has one of them.
    let second = TcpStream::connect(world.coordinator.report().http).await.unwrap();
    let address = world.coordinator.report().http;
    pinaivu_testkit::wait_until("a third is closed", pinaivu_testkit::PATIENCE, async || {
        let mut third = TcpStream::connect(address).await.unwrap();
        let mut answer = Vec::new();
        let read = third.read_to_end(&mut answer);
        tokio::time::timeout(Duration::from_millis(100), read).await.ok().map(drop)
    })
    .await;
    assert_eq!(world.client.chat(&Client::request(false)).await.status(), 200);
    drop(second);
}

#[tokio::test]
async fn address_that_asks_too_often_is_told_when_to_come_back_and_its_paid_requests_are_served() {
    let world = World::start_with(|config| config.limits.address_requests_per_minute = 5).await;
    let _node = world.node(1, PRICE).await;
    let url = world.client.url("/models");
    let get = async || world.client.http.get(&url).send().await.unwrap();
    // Making the world's key was the first.
    for _ in 0..4 {
        assert_eq!(get().await.status(), 200);
    }
    let refused = get().await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["error"]["code"], "rate_limited");
    assert_eq!(world.client.chat(&Client::request(false)).await.status(), 200);
    // Keys cannot be tried out beyond the limit.
    let stranger = Client { key: Some("sk-pnv-wrong".into()), ..world.client.clone() };
    assert_eq!(stranger.chat(&Client::request(false)).await.status(), 429);
}
