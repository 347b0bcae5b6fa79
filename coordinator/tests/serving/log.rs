//! The log as a stranger's tools fetch it over HTTP.

use pinaivu_log::audit::{self, Anchor, ChainReader, Evidence, Opening, Settled};
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::cosignature::{cosign, verify, witness_key};
use pinaivu_log::note::{Note, NoteKey};
use pinaivu_log::proof::LogProof;
use pinaivu_log::source::{self, LogSource, SourceError};
use pinaivu_protocol::ids::NodeId;
use pinaivu_protocol::merkle::verify_inclusion;
use pinaivu_protocol::signed::SigningKey;
use pinaivu_protocol::units::{Amount, Bps};

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
