//! The log as a stranger's tools fetch it over HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use parking_lot::Mutex;
use pinaivu_coordinator::config::WitnessSubmission;
use pinaivu_log::audit::{
    self, Anchor, ChainReader, Contradiction, Evidence, Opening, OwnerRecord, Settled,
};
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::cosignature::{cosign, verify, witness_key};
use pinaivu_log::note::{Note, NoteKey, SignatureType};
use pinaivu_log::proof::LogProof;
use pinaivu_log::source::{self, LogSource, SourceError};
use pinaivu_log::witness::{AddCheckpoint, Observed, Refusal, SIZE_TYPE, judge, opened};
use pinaivu_protocol::ids::{NodeId, PublicKey};
use pinaivu_protocol::merkle::verify_inclusion;
use pinaivu_protocol::signed::SigningKey;
use pinaivu_protocol::units::{Amount, Bps};
use pinaivu_testkit::{PATIENCE, wait_until};
use tokio::task::JoinSet;

use crate::support::chain::{COORDINATOR, MemoryChain};
use crate::support::node::signing_key;
use crate::support::world::{PRICE, request_id};
use crate::support::{Client, Script, World};

/// A log over HTTP.
struct Served<'a>(&'a Client);

impl LogSource for Served<'_> {
    async fn fetch(&self, epoch: u32, path: &str) -> Result<Vec<u8>, SourceError> {
        let url = self.0.url(&format!("/log/{epoch}/{path}"));
        let response = self.0.http.get(url).send().await.unwrap();
        match response.status().as_u16() {
            200 => Ok(response.bytes().await.unwrap().to_vec()),
            _ => Err(SourceError::Missing(path.to_owned())),
        }
    }
}

/// The chain holds the newest head and has settled everything.
struct Chain {
    opening: Opening,
    settled: Settled,
}

impl ChainReader for Chain {
    async fn opening(&self) -> Result<Opening, SourceError> {
        Ok(self.opening.clone())
    }

    async fn node_key(&self, node: NodeId) -> Result<Option<PublicKey>, SourceError> {
        Ok(self.opening.node_keys.get(&node).and_then(|keys| keys.last().copied()))
    }

    async fn former_key(&self, _: NodeId, _: PublicKey) -> Result<bool, SourceError> {
        Ok(false)
    }

    async fn settled(
        &self,
        due: &std::collections::BTreeMap<NodeId, Amount>,
    ) -> Result<Settled, SourceError> {
        let credited = due.values().fold(Amount::ZERO, |sum, due| sum.saturating_add(*due));
        Ok(Settled { credits: due.clone(), credited, ..self.settled.clone() })
    }
}

async fn world_with_answers(
    count: usize,
) -> (World, crate::support::node::ScriptedNode, Vec<String>) {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    let mut requests = Vec::new();
    for _ in 0..count {
        node.enqueue(Script::words("one two three"));
        let response = world.client.chat(&Client::request(false)).await;
        let id = request_id(&response);
        response.bytes().await.unwrap();
        world.receipt(&id).await;
        requests.push(id);
    }
    (world, node, requests)
}

#[tokio::test]
async fn stranger_audits_the_served_log_and_finds_a_proof_for_every_receipt() {
    let (world, _node, requests) = world_with_answers(5).await;
    let served = Served(&world.client);
    let (note, head) = source::checkpoint(&served, COORDINATOR, 0, world.signer()).await.unwrap();
    assert_eq!(head.size, 5);
    for request in &requests {
        let receipt = world.receipt(request).await;
        let index = receipt.head.record.index;
        let path = source::inclusion(&served, 0, index, &head).await.unwrap();
        verify_inclusion(&receipt.leaf(), index, head.size, &path, &head.root).unwrap();
        for query in ["", "?size=5"] {
            let file = served.fetch(0, &format!("proof/{index}{query}")).await.unwrap();
            let proof = LogProof::parse(&String::from_utf8(file).unwrap()).unwrap();
            assert_eq!(proof.path, path);
            let origin = pinaivu_log::origin(COORDINATOR, 0);
            proof.verify(&receipt.leaf(), &origin, world.signer()).unwrap();
        }
    }
    // An older head proves what it covers, and the newer one extends it.
    let file = served.fetch(0, "proof/1?size=3").await.unwrap();
    let proof = LogProof::parse(&String::from_utf8(file).unwrap()).unwrap();
    let older = Checkpoint::from_text(proof.checkpoint.text()).unwrap();
    assert_eq!(older.size, 3);
    source::consistency(&served, 0, (older.size, older.root), &head).await.unwrap();

    let (charged, fees) = world
        .coordinator
        .store()
        .read(|look| look.totals().map(|totals| (totals.charged, totals.fees)))
        .await
        .unwrap();
    let anchor = Anchor { epoch: 0, size: head.size, root: head.root };
    let debited = charged.to_amount_ceil().unwrap();
    let chain = Chain {
        opening: Opening {
            deployment: MemoryChain::deployment().id(),
            coordinator: COORDINATOR,
            signer: world.signer(),
            fee_rate: Bps(100),
            node_keys: [(NodeId([1; 32]), vec![signing_key(1).public()])].into(),
            open: anchor,
            closed: Vec::new(),
            gone: Default::default(),
        },
        settled: Settled {
            open: anchor,
            debited,
            credited: Amount::ZERO,
            fees: fees.to_amount_floor().unwrap(),
            credits: Default::default(),
            debits: [(world.allowance, debited)].into(),
        },
    };
    let report = audit::run(&served, &chain, Evidence::default(), |_| {}).await.unwrap();
    assert_eq!(report.contradictions, []);
    assert_eq!(report.totals.charged, charged.to_string());
    assert_eq!(report.totals.receipts, 5);

    // The payer's own records, as the API gives them, open every commitment and add up to the debit.
    let mut own = world.client.http.get(world.client.url("/account/receipts?limit=100"));
    own = own.bearer_auth(world.client.key.as_ref().unwrap());
    let mut own: serde_json::Value = own.send().await.unwrap().json().await.unwrap();
    let records: Vec<OwnerRecord> = serde_json::from_value(own["data"].take()).unwrap();
    assert_eq!(records.len(), 5);
    assert!(records.iter().all(|record| record.allowance == world.allowance));
    let evidence = Evidence { owner: records.clone(), ..Evidence::default() };
    let report = audit::run(&served, &chain, evidence, |_| {}).await.unwrap();
    assert_eq!(report.contradictions, []);
    let mut short = chain;
    short.settled.debits.insert(world.allowance, debited.saturating_add(Amount(1)));
    let evidence = Evidence { owner: records, ..Evidence::default() };
    let report = audit::run(&served, &short, evidence, |_| {}).await.unwrap();
    assert!(report.contradictions.iter().any(|found| found.kind == Contradiction::OwnerDebit));
    assert_eq!(Note::parse(&note.to_string()).unwrap(), note);
}

#[tokio::test]
async fn cosignatures_of_listed_witnesses_are_taken_and_served_and_no_others() {
    let (name, key) = ("witness.example/w1", signing_key(77));
    let witness = witness_key(name, key.public()).unwrap();
    let listed = witness.clone();
    let world = World::start_with(|config| config.receipts.witnesses = vec![listed]).await;
    let node = world.node(1, PRICE).await;
    let answer = async || {
        node.enqueue(Script::words("one two"));
        let response = world.client.chat(&Client::request(false)).await;
        let id = request_id(&response);
        response.bytes().await.unwrap();
        world.receipt(&id).await;
    };
    answer().await;
    let served = Served(&world.client);
    assert!(served.fetch(0, "witnessed").await.is_err());
    let (note, head) = source::checkpoint(&served, COORDINATOR, 0, world.signer()).await.unwrap();
    let post = async |note: &Note| {
        let url = world.client.url("/log/0/cosignatures");
        let response = world.client.http.post(url).body(note.to_string()).send().await.unwrap();
        response.status().as_u16()
    };
    let signed = |head: &Checkpoint, key: &SigningKey| {
        let line = cosign(head, name, key, 1_800_000_000).unwrap();
        let mut note = note.clone();
        note.signatures.push(line);
        note
    };
    assert_eq!(post(&note).await, 400, "no witness signed it");
    assert_eq!(post(&signed(&head, &signing_key(78))).await, 400, "a stranger did");
    let forged = Checkpoint { size: 9, ..head.clone() };
    let mut other = forged.sign(&signing_key(77)).unwrap();
    other.signatures.push(cosign(&forged, name, &key, 1_800_000_000).unwrap());
    assert_eq!(post(&other).await, 400, "the log never had that head");

    assert_eq!(post(&signed(&head, &key)).await, 200);
    let (note, _) = source::checkpoint(&served, COORDINATOR, 0, world.signer()).await.unwrap();
    assert_eq!(verify(&note, &head, &witness), Ok(1_800_000_000));
    // A newer head is not cosigned; the cosigned one can still be had, in proofs too.
    answer().await;
    let (newer, _) = source::checkpoint(&served, COORDINATOR, 0, world.signer()).await.unwrap();
    assert!(verify(&newer, &head, &witness).is_err());
    let witnessed = String::from_utf8(served.fetch(0, "witnessed").await.unwrap()).unwrap();
    let witnessed = Note::parse(&witnessed).unwrap();
    assert_eq!(Checkpoint::open(&witnessed, &head.origin, world.signer()).unwrap(), head);
    assert_eq!(verify(&witnessed, &head, &witness), Ok(1_800_000_000));
    let file = String::from_utf8(served.fetch(0, "proof/0?size=1").await.unwrap()).unwrap();
    let proof = LogProof::parse(&file).unwrap();
    assert_eq!(verify(&proof.checkpoint, &head, &witness), Ok(1_800_000_000));
}

/// A witness's desk over HTTP: answers a request as the specification says, from `seen` on.
async fn desk(
    name: &'static str,
    seed: u8,
    log: Vec<NoteKey>,
    seen: Observed,
) -> (String, JoinSet<()>) {
    let seen = Arc::new(Mutex::new(seen));
    let answer = move |body: String| {
        let (seen, log) = (Arc::clone(&seen), log.clone());
        async move {
            let request = AddCheckpoint::parse(&body).unwrap();
            let head = opened(&request, &log).unwrap();
            let mut seen = seen.lock();
            match judge(&request, &head, *seen) {
                Ok(next) => {
                    *seen = next;
                    let line = cosign(&head, name, &signing_key(seed), 1_800_000_000).unwrap();
                    (StatusCode::OK, [("content-type", "text/plain")], format!("{line}\n"))
                }
                Err(refusal) => {
                    let Refusal::Behind(size) = refusal else { panic!("{refusal}") };
                    (StatusCode::CONFLICT, [("content-type", SIZE_TYPE)], format!("{size}\n"))
                }
            }
        }
    };
    let router = axum::Router::new().route("/w/add-checkpoint", axum::routing::post(answer));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/w/", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, serving)
}

#[tokio::test]
async fn heads_are_brought_to_witnesses_also_to_one_that_has_seen_more_than_is_known_here() {
    let (name, key) = ("witness.example/w2", signing_key(79));
    let witness = witness_key(name, key.public()).unwrap();
    // The log's key and name are known beforehand, as they are to every witness.
    let origin = pinaivu_log::origin(COORDINATOR, 0);
    let signer = signing_key(101).public();
    let log = vec![NoteKey::new(origin, signer, SignatureType::Ed25519).unwrap()];
    let (url, _serving) = desk(name, 79, log, Observed::default()).await;
    let (submission, listed) = (url.clone(), witness.clone());
    let world = World::start_with(move |config| {
        config.receipts.submit = vec![WitnessSubmission { url: submission, key: listed }];
        config.receipts.submit_interval = Duration::from_millis(20);
    })
    .await;
    assert_eq!(world.signer(), signer);
    let node = world.node(1, PRICE).await;
    let served = Served(&world.client);
    let cosigned = async |size: u64| {
        let text = served.fetch(0, "witnessed").await.ok()?;
        let note = Note::parse(std::str::from_utf8(&text).unwrap()).unwrap();
        let head = Checkpoint::from_text(note.text()).unwrap();
        assert_eq!(verify(&note, &head, &witness), Ok(1_800_000_000));
        (head.size == size).then_some(())
    };
    for size in 1..=3 {
        node.enqueue(Script::words("one two"));
        let response = world.client.chat(&Client::request(false)).await;
        let id = request_id(&response);
        response.bytes().await.unwrap();
        world.receipt(&id).await;
        wait_until("the witness cosigned", PATIENCE, async || cosigned(size).await).await;
    }
    // A restarted coordinator knows nothing of what the witness has, and is told.
    let world = world.restart_with(move |config| {
        config.receipts.submit =
            vec![WitnessSubmission { url, key: witness_key(name, key.public()).unwrap() }];
        config.receipts.submit_interval = Duration::from_millis(20);
    });
    let world = world.await;
    let served = Served(&world.client);
    wait_until("the witness cosigned again", PATIENCE, async || {
        served.fetch(0, "witnessed").await.ok().map(|_| ())
    })
    .await;
}

#[tokio::test]
async fn files_of_the_log_carry_headers_that_caches_and_pages_need() {
    let (world, _node, _) = world_with_answers(2).await;
    let get = async |path: &str| {
        let url = world.client.url(&format!("/log{path}"));
        world.client.http.get(url).send().await.unwrap()
    };
    for (path, kind, cache) in [
        ("/0/checkpoint", "text/plain; charset=utf-8", "public, max-age=1"),
        ("/0/proof/0", "text/plain; charset=utf-8", "public, max-age=1"),
        ("/0/tile/0/000.p/2", "application/octet-stream", "public, max-age=31536000, immutable"),
        (
            "/0/tile/entries/000.p/1",
            "application/octet-stream",
            "public, max-age=31536000, immutable",
        ),
    ] {
        let response = get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], kind, "{path}");
        assert_eq!(response.headers()["cache-control"], cache, "{path}");
        assert_eq!(response.headers()["access-control-allow-origin"], "*", "{path}");
    }
    let logs: serde_json::Value = get("").await.json().await.unwrap();
    let key = NoteKey::parse(logs["data"][0]["key"].as_str().unwrap()).unwrap();
    assert_eq!(
        (key.key(), key.name()),
        (world.signer(), logs["data"][0]["origin"].as_str().unwrap())
    );
    assert_eq!(logs["data"][0]["size"], 2);
}

#[tokio::test]
async fn file_that_the_log_does_not_have_is_not_found() {
    let (world, _node, _) = world_with_answers(2).await;
    for path in [
        "/1/checkpoint",
        "/00/checkpoint",
        "/x/checkpoint",
        "/0/checkpoint/",
        "/0/proof/2",
        "/0/proof/x",
        "/0/tile/0/000",
        "/0/tile/0/000.p/3",
        "/0/tile/0/000.p/02",
        "/0/tile/0/001.p/1",
        "/0/tile/1/000.p/1",
        "/0/tile/63/000.p/1",
        "/0/tile/entries/000",
        "/0/tile/entries/000.p/3",
        "/4294967296/checkpoint",
    ] {
        let url = world.client.url(&format!("/log{path}"));
        let response = world.client.http.get(url).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        let body: serde_json::Value = response.json().await.unwrap();
        assert_eq!(body["error"]["code"], "not_found", "{path}");
    }
}
