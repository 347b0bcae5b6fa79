//! Blobs: signed by their namespace's key, vouched for by an API key, one version after the other.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use pinaivu_protocol::hash::sha256;
use pinaivu_protocol::ids::PublicKey;
use rand::RngCore as _;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::support::World;
use crate::support::chain::{COORDINATOR, MemoryChain};

struct Namespace {
    pair: Ed25519KeyPair,
    id: PublicKey,
}

impl Namespace {
    fn new(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let mut id = [0; 32];
        id.copy_from_slice(pair.public_key().as_ref());
        Self { pair, id: PublicKey(id) }
    }

    fn authorization(&self, method: &Method, path: &str, body: &[u8], time: u128) -> String {
        let mut nonce = [0; 16];
        rand::rng().fill_bytes(&mut nonce);
        let nonce = hex::encode(nonce);
        let text = format!(
            "pinaivu/blob/v1\n{method}\n{path}\n{}\n{COORDINATOR}\n{time}\n{nonce}\n{}",
            MemoryChain::deployment().id(),
            sha256(&[body]),
        );
        let signature: [u8; 64] = self.pair.sign(text.as_bytes()).as_ref().try_into().unwrap();
        let signature = solana_signature::Signature::from(signature);
        format!("Pinaivu-Blob time={time},nonce={nonce},sig={signature}")
    }

    async fn ask(
        &self,
        world: &World,
        method: Method,
        id: Option<&str>,
        body: &'static str,
        headers: &[(&str, &str)],
    ) -> Response {
        let path = self.path(id);
        let authorization = self.authorization(&method, &path, body.as_bytes(), now());
        send(world, method, &path, &authorization, body, headers).await
    }

    fn path(&self, id: Option<&str>) -> String {
        let tail = id.map(|id| format!("/{id}")).unwrap_or_default();
        format!("/v1/blobs/{}{tail}", self.id)
    }
}

fn now() -> u128 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()
}

async fn send(
    world: &World,
    method: Method,
    path: &str,
    authorization: &str,
    body: impl Into<reqwest::Body>,
    headers: &[(&str, &str)],
) -> Response {
    let base = world.client.base_url.trim_end_matches("/v1");
    let mut request = world.client.http.request(method, format!("{base}{path}")).body(body);
    request = request.header("authorization", authorization);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

async fn code(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

const ID: &str = "000102030405060708090a0b0c0d0e0f";

#[tokio::test]
async fn blob_is_written_read_changed_and_deleted_by_its_key() {
    let world = World::start().await;
    let own = Namespace::new(1);
    let key = world.client.key.clone().unwrap();
    let new = [("if-none-match", "*")];
    let refused = own.ask(&world, Method::PUT, Some(ID), "one", &new).await;
    assert_eq!(code(refused).await, (401, "blob_unauthorized".into()));
    let vouched = [("if-none-match", "*"), ("x-pinaivu-key", key.as_str())];
    let made = own.ask(&world, Method::PUT, Some(ID), "one", &vouched).await;
    assert_eq!(made.json::<Value>().await.unwrap()["version"], 1);
    let again = own.ask(&world, Method::PUT, Some(ID), "two", &new).await;
    assert_eq!(code(again).await, (412, "version_conflict".into()));
    let changed = own.ask(&world, Method::PUT, Some(ID), "two", &[("if-match", "\"1\"")]).await;
    assert_eq!(changed.json::<Value>().await.unwrap()["version"], 2);
    let blind = own.ask(&world, Method::PUT, Some(ID), "two", &[]).await;
    assert_eq!(code(blind).await, (400, "missing_required_parameter".into()));

    let read = own.ask(&world, Method::GET, Some(ID), "", &[]).await;
    assert_eq!(read.headers()["etag"], "\"2\"");
    assert_eq!(read.headers()["content-type"], "application/octet-stream");
    assert_eq!(read.text().await.unwrap(), "two");
    let listed: Value = own.ask(&world, Method::GET, None, "", &[]).await.json().await.unwrap();
    assert_eq!((&listed["used"], &listed["limit"]), (&3.into(), &16_777_216.into()));
    assert_eq!((&listed["data"][0]["id"], &listed["data"][0]["version"]), (&ID.into(), &2.into()));
    let gone = own.ask(&world, Method::DELETE, Some(ID), "", &[]).await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    let read = own.ask(&world, Method::GET, Some(ID), "", &[]).await;
    assert_eq!(code(read).await, (404, "not_found".into()));
}

#[tokio::test]
async fn request_that_another_signed_or_that_was_sent_before_is_refused() {
    let world = World::start().await;
    let (own, other) = (Namespace::new(1), Namespace::new(2));
    let key = world.client.key.clone().unwrap();
    let vouched = [("if-none-match", "*"), ("x-pinaivu-key", key.as_str())];
    assert_eq!(own.ask(&world, Method::PUT, Some(ID), "one", &vouched).await.status(), 200);
    let path = own.path(Some(ID));
    let unauthorized = (401, "blob_unauthorized".to_owned());
    let elsewhere = own.path(Some("ffffffffffffffffffffffffffffffff"));
    let late = now() - 400_000;
    for header in [
        other.authorization(&Method::GET, &path, b"", now()),
        own.authorization(&Method::PUT, &path, b"", now()),
        own.authorization(&Method::GET, &elsewhere, b"", now()),
        own.authorization(&Method::GET, &path, b"other body", now()),
        own.authorization(&Method::GET, &path, b"", late),
        "Pinaivu-Blob time=1".into(),
        format!("Bearer {key}"),
    ] {
        let answer = send(&world, Method::GET, &path, &header, "", &[]).await;
        assert_eq!(code(answer).await, unauthorized, "{header}");
    }
    let header = own.authorization(&Method::GET, &path, b"", now());
    assert_eq!(send(&world, Method::GET, &path, &header, "", &[]).await.status(), 200);
    let replayed = send(&world, Method::GET, &path, &header, "", &[]).await;
    assert_eq!(code(replayed).await, unauthorized);
    let long = vec![0; 1_048_577];
    let header = own.authorization(&Method::PUT, &path, &long, now());
    let answer = send(&world, Method::PUT, &path, &header, long, &[("if-match", "1")]).await;
    assert_eq!(code(answer).await, (413, "body_too_large".into()));
}
