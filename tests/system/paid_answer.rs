//! The whole promise, with the official SDK, a real model and the real runtime: an answer that two
//! nodes competed for, paid from an escrow to the unit, with a receipt that verifies and a node that
//! has its money.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pinaivu_chain::{Chain, Commitment, Keypair, Signer, public_key};
use pinaivu_protocol::receipt::Receipt;
use pinaivu_protocol::units::{Amount, FineAmount};
use pinaivu_system_tests::{Network, check_conservation, eventually};
use serde_json::Value;

const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// One request as the SDK made it: what was sent, what came, and the receipt.
struct Served {
    id: String,
    salt: String,
    request: PathBuf,
    answer: PathBuf,
    document: Value,
    receipt: Receipt,
}

async fn served(network: &Network, name: &str, call: &Value) -> Served {
    let id = call["request_id"].as_str().unwrap().to_owned();
    let file = |kind: &str, value: &Value| {
        let path = network.scratch().join(format!("{name}-{kind}.json"));
        std::fs::write(&path, serde_json::to_vec(value).unwrap()).unwrap();
        path
    };
    let document = network.receipt(&id).await.unwrap();
    let bytes = STANDARD.decode(document["receipts"][0]["bytes"].as_str().unwrap()).unwrap();
    Served {
        salt: call["salt"].as_str().unwrap().to_owned(),
        request: file("request", &call["request"]),
        answer: file("answer", &call["answer"]),
        receipt: Receipt::decode(&bytes).unwrap(),
        document,
        id,
    }
}

/// Exit code and report of `receipt verify`.
fn verify(network: &Network, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = network.cli(&[&["--json", "receipt", "verify"], arguments].concat()).unwrap();
    let report = serde_json::from_slice::<Value>(&output.stdout)
        .or_else(|_| {
            // A failed check prints the report and then the error.
            let mut documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
            documents.next().unwrap()
        })
        .unwrap_or_default();
    (output.status.code(), report)
}

fn verdict(report: &Value, name: &str) -> String {
    let checks = report["checks"].as_array().cloned().unwrap_or_default();
    let check = checks.iter().find(|check| check["name"] == name);
    check.map_or("absent", |check| check["verdict"].as_str().unwrap()).to_owned()
}

fn key(network: &Network, name: &str) -> Keypair {
    let path = network.data_dir().join(format!("keys/{name}.json"));
    let bytes: Vec<u8> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    Keypair::try_from(bytes.as_slice()).unwrap()
}

/// Waits until the chain has at least these totals. Debit and credit are two transactions, and answers
/// may fall into several rounds.
async fn wait_settled(network: &Network, debited: Amount, credited: Amount) {
    let chain = network.chain().unwrap();
    let id = network.coordinator().unwrap();
    eventually("settlement on chain", SETTLE_LIMIT, async || {
        let coordinator = chain.coordinator(id, Commitment::Confirmed).await?.unwrap();
        let settled = coordinator.debited >= debited && coordinator.credited >= credited;
        Ok(settled.then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn official_sdk_gets_a_paid_and_proven_answer() {
    let network = Network::start(&["--node", "claims.enabled=false"]).await.unwrap();
    let calls = network.python("chat.py").unwrap();
    assert_eq!(calls["models"], serde_json::json!([network.field("model").unwrap()]));

    let mut all = Vec::new();
    for name in ["unary", "streamed", "plain"] {
        all.push(served(&network, name, &calls[name]).await);
    }
    assert_eq!(calls["unary"]["header"], calls["unary"]["request_id"]);
    assert!(calls["unary"]["answer"]["usage"]["completion_tokens"].as_u64().unwrap() > 0);
    // Usage comes to those who asked for it, and only to them.
    let has_usage = |name: &str| {
        let chunks = calls[name]["answer"].as_array().unwrap();
        chunks.iter().any(|chunk| chunk["usage"].is_object())
    };
    assert!(has_usage("streamed"));
    assert!(!has_usage("plain"));
    // The same seed gives the same text, streamed or not.
    let text = |name: &str| -> String {
        let chunks = calls[name]["answer"].as_array().unwrap();
        chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect()
    };
    assert_eq!(text("streamed"), text("plain"));
    assert!(!text("plain").is_empty());

    let nodes = network.nodes().unwrap();
    for call in &all {
        let (head, body) = (&call.receipt.head.record, &call.receipt.body);
        assert_eq!(head.request.to_string(), call.id);
        // The dearer node loses; the winner is paid at most a tenth above its ask.
        assert_eq!(head.node, nodes[0]);
        assert_eq!(body.auction.candidates, 2);
        assert_eq!(body.auction.winner_ask.get(), 200_000);
        assert_eq!(body.auction.best_losing_ask.map(|ask| ask.get()), Some(250_000));
        assert!((200_000..=220_000).contains(&body.tariff.price.get()), "{:?}", body.tariff);
        assert!(body.statement.is_some(), "the node proved its work");
        assert!(body.input_tokens.get() > 0 && body.output_tokens.get() > 0);
    }

    settles_to_the_unit(&network, &all).await;
    verifies_and_nothing_else_does(&network, &all);
    verifies_as_up_says(&network, &all[0]);
    claims_pay_exactly_once(&network, &all).await;
    verifies_while_the_log_is_ahead_of_the_chain(&network, &all[0]).await;
}

/// The command that `up` prints works as it stands there, in a shell that knows nothing of the network.
fn verifies_as_up_says(network: &Network, call: &Served) {
    let said = std::fs::read_to_string(network.scratch().join("up.log")).unwrap();
    let line = said.lines().find(|line| line.contains("receipt verify REQUEST_ID")).unwrap();
    let output = std::process::Command::new("sh")
        .args(["-c", &line.replace("REQUEST_ID", &call.id)])
        .env_clear()
        .env("HOME", network.scratch())
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}\n{output:?}");
}

/// A receipt on chain verifies also at a moment when newer ones are not there yet.
async fn verifies_while_the_log_is_ahead_of_the_chain(network: &Network, call: &Served) {
    let reply = network.chat(&network.request("One more.").unwrap()).await.unwrap();
    network.receipt(&reply.request_id.unwrap()).await.unwrap();
    let (code, report) = verify(network, &[&call.id]);
    assert_eq!(
        (code, verdict(&report, "log on chain").as_str()),
        (Some(0), "passed"),
        "{report:#}"
    );
}

/// On-chain debit is the ceiling of the receipts' sum, credit the floor of the node's share.
async fn settles_to_the_unit(network: &Network, all: &[Served]) {
    let sum = |pick: fn(&Receipt) -> u128| all.iter().map(|call| pick(&call.receipt)).sum::<u128>();
    let owed = FineAmount(sum(|receipt| receipt.body.amount.get())).to_amount_ceil().unwrap();
    let fees = sum(|receipt| receipt.body.fee.get());
    let share = sum(|receipt| receipt.body.amount.get()) - fees;
    let earned = FineAmount(share).to_amount_floor().unwrap();
    wait_settled(network, owed, earned).await;

    let chain = network.chain().unwrap();
    let coordinator =
        chain.coordinator(network.coordinator().unwrap(), Commitment::Confirmed).await.unwrap();
    let coordinator = coordinator.unwrap();
    assert_eq!(coordinator.debited, owed);
    assert_eq!(coordinator.credited, earned);
    assert_eq!(coordinator.fees, FineAmount(fees).to_amount_floor().unwrap());
    assert_eq!(coordinator.log.size, 3);
    // The newest receipt says the same of the node.
    let newest = all.iter().map(|call| call.receipt.head.record.node_cumulative).max().unwrap();
    assert_eq!(newest, FineAmount(share));
    check_conservation(&chain, network.market().unwrap()).await.unwrap();
}

fn verifies_and_nothing_else_does(network: &Network, all: &[Served]) {
    let signer = public_key(&key(network, "coordinator").pubkey());
    for call in all {
        let request = call.request.to_str().unwrap();
        let answer = call.answer.to_str().unwrap();
        let full = ["--request", request, "--answer", answer, "--salt", &call.salt];
        let (code, report) = verify(network, &[&[call.id.as_str()], &full[..]].concat());
        assert_eq!(code, Some(0), "{report:#}");
        for name in [
            "request id",
            "cluster and program",
            "coordinator signature",
            "contents",
            "price",
            "fee rate",
            "node proof",
            "node key",
            "your request",
            "your answer",
            "signed log head",
            "head on chain",
            "log on chain",
        ] {
            assert_eq!(verdict(&report, name), "passed", "{name}: {report:#}");
        }
        assert_eq!(verdict(&report, "attestation"), "not_checked");

        // Any changed byte of the receipt.
        let bytes = call.receipt.encode();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let holds = Receipt::decode(&changed).is_ok_and(|other| {
                other.verify(&signer).is_ok() && other.leaf() == call.receipt.leaf()
            });
            assert!(!holds, "byte {at} of {} can be changed", bytes.len());
        }
    }
    let call = &all[0];
    tampered_files_fail(network, call);
}

/// The command line finds changes in the receipt's file, in the request and in the answer.
fn tampered_files_fail(network: &Network, call: &Served) {
    let path = network.scratch().join("changed.json");
    let bytes = call.receipt.encode();
    for at in (0..bytes.len()).step_by(bytes.len() / 12) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x80;
        let mut document = call.document.clone();
        document["receipts"][0]["bytes"] = Value::String(STANDARD.encode(&changed));
        std::fs::write(&path, serde_json::to_vec(&document).unwrap()).unwrap();
        let (code, _) = verify(network, &[path.to_str().unwrap()]);
        assert_ne!(code, Some(0), "byte {at}");
    }
    let request = std::fs::read_to_string(&call.request).unwrap();
    let changed = request.replace("three", "four");
    assert_ne!(request, changed);
    std::fs::write(&path, changed).unwrap();
    let file = path.to_str().unwrap();
    let (code, report) = verify(network, &[&call.id, "--request", file, "--salt", &call.salt]);
    assert_eq!((code, verdict(&report, "your request").as_str()), (Some(3), "failed"));

    let mut answer: Value = serde_json::from_slice(&std::fs::read(&call.answer).unwrap()).unwrap();
    for pointer in ["/choices/0/message/content", "/choices/0/finish_reason"] {
        let original = answer.pointer(pointer).cloned().expect("the answer has it");
        *answer.pointer_mut(pointer).unwrap() = Value::String("x".to_owned());
        std::fs::write(&path, serde_json::to_vec(&answer).unwrap()).unwrap();
        let (code, report) = verify(network, &[&call.id, "--answer", file, "--salt", &call.salt]);
        assert_eq!((code, verdict(&report, "your answer").as_str()), (Some(3), "failed"));
        *answer.pointer_mut(pointer).unwrap() = original;
    }
}

async fn claims_pay_exactly_once(network: &Network, all: &[Served]) {
    let chain = network.chain().unwrap();
    let operator = key(network, "node-1-operator");
    let market = chain.market(network.market().unwrap(), Commitment::Confirmed).await.unwrap();
    let program = network.field("program_id").unwrap().parse().unwrap();
    let instructions = pinaivu_chain::Instructions::new(program, &market.unwrap());
    let account = instructions.token_account(&public_key(&operator.pubkey()));
    let held = async || chain.token_balance(account, Commitment::Confirmed).await.unwrap();

    let before = held().await;
    let node = all[0].receipt.head.record.node;
    let coordinator = network.coordinator().unwrap();
    let payout =
        async || chain.payout(coordinator, node, Commitment::Confirmed).await.unwrap().unwrap();
    let credited = payout().await.credited;
    assert!(credited.get() > 0);

    let wallet = network.data_dir().join("keys/node-1-operator.json");
    let claim = ["--wallet", wallet.to_str().unwrap(), "node", "claim"];
    assert_eq!(network.cli_json(&claim).unwrap()["claimed"], credited.get());
    assert_eq!(held().await.get() - before.get(), credited.get());
    assert_eq!(payout().await.paid, credited);
    check_conservation(&chain, network.market().unwrap()).await.unwrap();

    assert_eq!(network.cli_json(&claim).unwrap()["claimed"], 0, "a second claim pays nothing");
    assert_eq!(held().await.get() - before.get(), credited.get());
    check_conservation(&chain, network.market().unwrap()).await.unwrap();
}

#[tokio::test]
async fn node_claims_its_credit_by_itself_and_a_restart_keeps_everything() {
    let mut network = Network::start(&[]).await.unwrap();
    let reply = network.chat(&network.request("Count to five.").unwrap()).await.unwrap();
    assert_eq!(reply.status, 200);
    let id = reply.json()["request_id"].as_str().unwrap().to_owned();
    assert_eq!(reply.request_id.as_deref(), Some(id.as_str()));
    network.receipt(&id).await.unwrap();

    let chain = network.chain().unwrap();
    let (coordinator, node) = (network.coordinator().unwrap(), network.nodes().unwrap()[0]);
    eventually("the node's own claim", SETTLE_LIMIT, async || {
        let payout = chain.payout(coordinator, node, Commitment::Confirmed).await?;
        Ok(payout.filter(|payout| payout.paid.get() > 0 && payout.paid == payout.credited))
    })
    .await
    .unwrap();
    let totals = check_conservation(&chain, network.market().unwrap()).await.unwrap();

    let (key, wallet) = (network.field("api_key").unwrap(), network.field("wallet").unwrap());
    let running = network.stop().await.unwrap();
    for pid in running {
        let alive = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok();
        assert!(!alive, "process {pid} is still running");
    }

    network.start_again(&[]).await.unwrap();
    assert_eq!(network.field("api_key").unwrap(), key);
    assert_eq!(network.field("wallet").unwrap(), wallet);
    let chain = network.chain().unwrap();
    let after = check_conservation(&chain, network.market().unwrap()).await.unwrap();
    assert_eq!(after, totals);
    network.receipt(&id).await.unwrap();
    let reply = network.chat(&network.request("And on to ten.").unwrap()).await.unwrap();
    assert_eq!(reply.status, 200);
}
