//! What breaks, broken on purpose: nodes, the coordinator and the chain, killed or stopped with
//! signals. The inference server is a scripted one where timing must be exact.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use pinaivu_chain::{Chain, Commitment};
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::receipt::Receipt;
use pinaivu_protocol::units::FineAmount;
use pinaivu_system_tests::{Network, check_conservation, eventually};
use pinaivu_testkit::{Answer, Behaviour, ScriptedServer};
use serde_json::{Value, json};

const SETTLE_LIMIT: Duration = Duration::from_secs(90);

fn receipts(document: &Value) -> Vec<Receipt> {
    let receipts = document["receipts"].as_array().unwrap();
    receipts
        .iter()
        .map(|entry| {
            Receipt::decode(&STANDARD.decode(entry["bytes"].as_str().unwrap()).unwrap()).unwrap()
        })
        .collect()
}

/// Waits until the chain has exactly what these receipts add up to, and checks the oracle.
async fn settles_exactly(network: &Network, all: &[Receipt]) {
    let sum: u128 = all.iter().map(|receipt| receipt.body.amount.get()).sum();
    let owed = FineAmount(sum).to_amount_ceil().unwrap();
    let chain = network.chain().unwrap();
    let id = network.coordinator().unwrap();
    let settled = eventually("exact settlement", SETTLE_LIMIT, async || {
        // The chain may be unreachable for a while in these tests.
        let Ok(Some(coordinator)) = chain.coordinator(id, Commitment::Confirmed).await else {
            return Ok(None);
        };
        let all_logged = coordinator.log.size >= all.len() as u64;
        Ok((coordinator.debited >= owed && all_logged && coordinator.credited.get() > 0)
            .then_some(coordinator))
    })
    .await
    .unwrap();
    assert_eq!(settled.debited, owed);
    assert_eq!(settled.log.size, all.len() as u64, "one log entry a receipt");
    check_conservation(&chain, network.market().unwrap()).await.unwrap();
}

async fn with_scripted(options: &[&str]) -> (ScriptedServer, Network) {
    let backend = ScriptedServer::start().await.unwrap();
    let url = backend.url();
    let network = Network::start(&[&["--backend", url.as_str()], options].concat()).await.unwrap();
    (backend, network)
}

#[tokio::test]
async fn node_killed_before_its_first_byte_is_not_noticed_by_the_client() {
    let (backend, network) = with_scripted(&[]).await;
    backend.enqueue(Behaviour::Hang);
    let body = network.request("hello").unwrap();
    let (reply, ()) = tokio::join!(network.chat(&body), async {
        backend.wait_for_chats(1).await;
        network.signal("node-1", Signal::SIGKILL).unwrap();
    });
    let reply = reply.unwrap();
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let document = network.receipt(&reply.request_id.unwrap()).await.unwrap();
    let all = receipts(&document);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].head.record.node, network.nodes().unwrap()[1], "the dearer node took over");
    assert_eq!(all[0].body.outcome, Outcome::Completed);
    settles_exactly(&network, &all).await;
}

/// Streams from the first node, which is killed after a second of it; gives the events and the request.
async fn killed_mid_answer(backend: &ScriptedServer, network: &Network) -> (Vec<Value>, String) {
    backend.enqueue(Answer::of_pieces(60).every(Duration::from_millis(50)));
    backend.enqueue(Answer::of_pieces(60));
    let mut body = network.request("tell me a long story").unwrap();
    body["stream"] = json!(true);
    body["max_tokens"] = json!(400);
    let (reply, ()) = tokio::join!(network.chat(&body), async {
        backend.wait_for_chats(1).await;
        // Let some of the answer out first.
        tokio::time::sleep(Duration::from_secs(1)).await;
        network.signal("node-1", Signal::SIGKILL).unwrap();
    });
    let reply = reply.unwrap();
    let text = String::from_utf8(reply.body).unwrap();
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect();
    (events, reply.request_id.unwrap())
}

fn text_of(events: &[Value]) -> String {
    events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect()
}

#[tokio::test]
async fn node_killed_mid_answer_is_taken_over_by_another_and_each_is_paid_its_part() {
    let (backend, network) = with_scripted(&[]).await;
    let (events, request) = killed_mid_answer(&backend, &network).await;
    let whole: String = (0..60).map(|at| format!(" token{at}")).collect();
    assert_eq!(text_of(&events), whole);
    assert!(events.iter().all(|event| event["error"].is_null()));
    // The broken segment's receipt waits a while for the proof that its node cannot send.
    let all = eventually("a receipt of each segment", Duration::from_secs(60), async || {
        let all = receipts(&network.receipt(&request).await?);
        Ok((all.len() > 1).then_some(all))
    })
    .await
    .unwrap();
    let nodes = network.nodes().unwrap();
    let served: Vec<_> =
        all.iter().map(|receipt| (receipt.head.record.node, receipt.body.outcome)).collect();
    assert_eq!(served, [(nodes[0], Outcome::Failed), (nodes[1], Outcome::Completed)]);
    let tokens: u32 = all.iter().map(|receipt| receipt.body.output_tokens.get()).sum();
    // And the end, which servers count.
    assert_eq!(tokens, 61);
    settles_exactly(&network, &all).await;
}

#[tokio::test]
async fn node_killed_mid_answer_without_another_ends_in_a_clean_error_metered_to_what_was_delivered()
 {
    let (backend, network) = with_scripted(&["--nodes", "1"]).await;
    let (events, request) = killed_mid_answer(&backend, &network).await;
    let delivered =
        events.iter().filter(|event| event["choices"][0]["delta"]["content"].is_string()).count();
    assert!(delivered > 0, "{events:?}");
    let error = &events.last().unwrap()["error"];
    assert_eq!(error["code"], "answer_interrupted", "{events:?}");
    assert!(error["message"].is_string() && error["type"].is_string());

    let all = receipts(&network.receipt(&request).await.unwrap());
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].body.outcome, Outcome::Failed);
    let charged = usize::try_from(all[0].body.output_tokens.get()).unwrap();
    assert!(charged > 0 && charged <= delivered, "{charged} charged, {delivered} delivered");
    settles_exactly(&network, &all).await;
}

#[tokio::test]
async fn coordinator_killed_before_the_receipt_is_durable_leaves_exactly_one_receipt() {
    // Receipts wait ten seconds for company, so the kill comes long before the durable write.
    let (_backend, network) =
        with_scripted(&["--coordinator", "receipts.group_interval=10s"]).await;
    let reply = network.chat(&network.request("hello").unwrap()).await.unwrap();
    assert_eq!(reply.status, 200);
    let id = reply.request_id.unwrap();
    let before = network.pid("coordinator").unwrap();
    network.signal("coordinator", Signal::SIGKILL).unwrap();
    eventually("the coordinator's restart", Duration::from_secs(30), async || {
        Ok((network.pid("coordinator")? != before).then_some(()))
    })
    .await
    .unwrap();
    // The node presents its journaled proof again.
    let all = receipts(&network.receipt(&id).await.unwrap());
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].body.outcome, Outcome::Completed);
    assert!(all[0].body.statement.is_some());
    settles_exactly(&network, &all).await;
}

/// Streams for three seconds from the first node and tells a process to end after one of them.
async fn told_to_end_mid_answer(
    backend: &ScriptedServer,
    network: &Network,
    process: &str,
) -> (String, String) {
    backend.enqueue(Answer::of_pieces(60).every(Duration::from_millis(50)));
    let mut body = network.request("tell me a long story").unwrap();
    body["stream"] = json!(true);
    body["max_tokens"] = json!(400);
    let before = network.pid(process).unwrap();
    let (reply, ()) = tokio::join!(network.chat(&body), async {
        backend.wait_for_chats(1).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        network.signal(process, Signal::SIGTERM).unwrap();
    });
    let reply = reply.unwrap();
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    eventually("it has ended and is started again", Duration::from_secs(60), async || {
        Ok((network.pid(process)? != before).then_some(()))
    })
    .await
    .unwrap();
    (text, reply.request_id.unwrap())
}

#[tokio::test]
async fn coordinator_told_to_end_finishes_running_streams_first() {
    let (backend, network) = with_scripted(&[]).await;
    let (text, request) = told_to_end_mid_answer(&backend, &network, "coordinator").await;
    assert!(text.contains("token59") && text.ends_with("data: [DONE]\n\n"), "{text}");
    let all = receipts(&network.receipt(&request).await.unwrap());
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].body.outcome, Outcome::Completed);
    assert_eq!(backend.chats().len(), 1, "nobody else was asked");
    settles_exactly(&network, &all).await;
}

#[tokio::test]
async fn coordinator_told_to_end_cuts_streams_when_the_drain_is_over_and_charges_what_came() {
    let (backend, network) = with_scripted(&["--coordinator", "http.drain=500ms"]).await;
    let (text, request) = told_to_end_mid_answer(&backend, &network, "coordinator").await;
    let came = text.matches(" token").count();
    assert!(came > 0 && !text.contains("token59"), "{text}");
    assert!(text.contains("answer_interrupted") && text.contains("being stopped"), "{text}");
    let all = receipts(&network.receipt(&request).await.unwrap());
    assert_eq!(all.len(), 1);
    let charged = usize::try_from(all[0].body.output_tokens.get()).unwrap();
    assert!(charged > 0 && charged <= came, "{charged} charged, {came} came");
    settles_exactly(&network, &all).await;
}

#[tokio::test]
async fn chain_away_for_a_minute_stops_nothing_and_settles_once() {
    let (_backend, network) = with_scripted(&[]).await;
    let mut all = Vec::new();
    let ask = async |prompt: &str| {
        let reply = network.chat(&network.request(prompt).unwrap()).await.unwrap();
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        receipts(&network.receipt(&reply.request_id.unwrap()).await.unwrap()).remove(0)
    };
    all.push(ask("before").await);
    network.signal("localnet", Signal::SIGSTOP).unwrap();
    for round in 0..6 {
        all.push(ask(&format!("while away {round}")).await);
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    network.signal("localnet", Signal::SIGCONT).unwrap();
    all.push(ask("after").await);
    settles_exactly(&network, &all).await;
}

#[tokio::test]
async fn coordinator_killed_again_and_again_while_settling_settles_exactly_once() {
    let (_backend, network) = with_scripted(&["--coordinator", "settlement.interval=200ms"]).await;
    let mut all = Vec::new();
    for round in 0..6_u32 {
        let reply = eventually("an answer", Duration::from_secs(30), async || {
            let reply = network.chat(&network.request(&format!("round {round}"))?).await;
            Ok(reply.ok().filter(|reply| reply.status == 200))
        })
        .await
        .unwrap();
        let id = reply.request_id.unwrap();
        all.extend(receipts(&network.receipt(&id).await.unwrap()));
        // At another moment of the settlement each time.
        tokio::time::sleep(Duration::from_millis(u64::from(round) * 130)).await;
        let before = network.pid("coordinator").unwrap();
        network.signal("coordinator", Signal::SIGKILL).unwrap();
        eventually("the coordinator's restart", Duration::from_secs(30), async || {
            Ok((network.pid("coordinator")? != before).then_some(()))
        })
        .await
        .unwrap();
    }
    settles_exactly(&network, &all).await;
}
