//! Money that moves without the coordinator: deposit addresses, vouchers, exits by the chain alone, and
//! guarantees that pay a node whose coordinator does not.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use nix::sys::signal::Signal;
use pinaivu_chain::{Chain, Commitment, Coordinator};
use pinaivu_protocol::units::Amount;
use pinaivu_system_tests::{Network, Wallet, check_conservation, eventually};
use pinaivu_testkit::ScriptedServer;
use serde_json::{Value, json};

/// Nobody listens there.
const NOBODY: [&str; 2] = ["--url", "http://127.0.0.1:1"];

/// One USDC for a million weighted tokens is one unit a token.
const ONE_NODE: [&str; 4] = ["--nodes", "1", "--node", "pricing.usdc_per_million_tokens=\"1\""];

/// Runs a command that has to fail; gives its error document.
fn fails(wallet: &Wallet<'_>, arguments: &[&str]) -> Value {
    let output = wallet.cli(&[&["--json"], arguments].concat()).unwrap();
    assert!(!output.status.success(), "{arguments:?} did not fail");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["error"]["exit_code"], output.status.code().unwrap(), "{document:#}");
    assert!(document["error"]["hint"].is_string(), "no way out: {document:#}");
    document["error"].clone()
}

#[tokio::test]
async fn plain_transfer_to_the_deposit_address_funds_the_escrow_and_leaves_without_the_coordinator()
{
    let backend = ScriptedServer::start().await.unwrap();
    let options = ["--backend", &backend.url(), "--exit-delay", "1"];
    let network = Network::start(&options).await.unwrap();
    let payer = Wallet::funded(&network, "payer", "5").await.unwrap();

    let shown = payer.cli_json(&["escrow", "address"]).unwrap();
    assert_eq!(shown["waiting"], 0);
    let address = shown["deposit_address"].as_str().unwrap().parse().unwrap();
    assert_eq!(fails(&payer, &["escrow", "sweep"])["exit_code"], 1);
    payer.transfer(address, Amount(3_000_001)).await.unwrap();
    let again = payer.cli_json(&["escrow", "address"]).unwrap();
    assert_eq!((&again["escrow"], &again["waiting"]), (&shown["escrow"], &json!(3_000_001)));
    let status = payer.cli_json(&["escrow", "sweep"]).unwrap();
    assert_eq!(status["escrows"][0]["free"], 3_000_001);
    fails(&payer, &["escrow", "sweep"]);
    payer.cli_json(&["escrow", "allow", "2"]).unwrap();

    // From here on nobody asks the coordinator anything, for it does not answer.
    let alone = |arguments: &[&str]| payer.cli_json(&[&NOBODY, arguments].concat()).unwrap();
    let status = alone(&["escrow", "withdraw", "1"]);
    assert_eq!(
        (&status["escrows"][0]["free"], &status["wallet_usdc"]),
        (&json!(1), &json!(2_999_999))
    );
    alone(&["escrow", "withdraw", "--reserved", "--wait"]);
    let status = alone(&["escrow", "withdraw"]);
    assert_eq!(status["wallet_usdc"], 5_000_000, "{status:#}");
    check_conservation(&network.chain().unwrap(), network.market().unwrap()).await.unwrap();
}

#[tokio::test]
async fn coordinator_admits_and_debits_only_what_vouchers_allow() {
    let backend = ScriptedServer::start().await.unwrap();
    let url = backend.url();
    let network =
        Network::start(&[&["--backend", &url], ONE_NODE.as_slice()].concat()).await.unwrap();
    let payer = Wallet::funded(&network, "payer", "5").await.unwrap();
    payer.cli_json(&["escrow", "deposit", "5"]).unwrap();
    fails(&payer, &["escrow", "voucher", "1"]);
    let signer = payer.public().to_string();
    payer.cli_json(&["escrow", "allow", "4", "--voucher-signer", &signer]).unwrap();
    assert!(payer.cli_json(&["key", "create"]).is_err(), "nothing may be spent yet");
    let more = fails(&payer, &["escrow", "voucher", "4.000001"]);
    assert!(more["message"].as_str().unwrap().contains("4 USDC are reserved"), "{more:#}");
    let status = payer.cli_json(&["escrow", "voucher", "0.001"]).unwrap();
    assert_eq!(status["allowances"][0]["vouchers"]["limit"], 1_000, "{status:#}");

    let key = payer.api_key().await.unwrap();
    let body = serde_json::to_vec(&network.request("hello").unwrap()).unwrap();
    let ask = async || network.post("/chat/completions", Some(&key), body.clone()).await.unwrap();
    // A thousand units and at most a thousand units: the reservation of four USDC does not count.
    let mut served = 0;
    let refused = loop {
        let reply = ask().await;
        if reply.status != 200 {
            break reply;
        }
        served += 1;
        assert!(served < 1_000, "the voucher limits nothing");
    };
    assert!(served > 0);
    let code = refused.error_code();
    assert!(["insufficient_quota", "hold_exceeded"].contains(&code.as_str()), "{code}");
    payer.cli_json(&["escrow", "voucher", "1"]).unwrap();
    eventually("the larger voucher to count", Duration::from_secs(45), async || {
        Ok((ask().await.status == 200).then_some(()))
    })
    .await
    .unwrap();
    eventually("settlement", Duration::from_secs(60), async || {
        let status = payer.cli_json(&["escrow", "status"])?;
        let debited = status["allowances"][0]["debited"].as_u64().unwrap_or_default();
        assert!(debited <= 1_001_000, "{debited}");
        Ok((debited > 0).then_some(()))
    })
    .await
    .unwrap();
    check_conservation(&network.chain().unwrap(), network.market().unwrap()).await.unwrap();
}

async fn coordinator(network: &Network) -> Coordinator {
    let id = network.coordinator().unwrap();
    let found = network.chain().unwrap().coordinator(id, Commitment::Confirmed).await.unwrap();
    found.unwrap()
}

#[tokio::test]
async fn node_that_is_not_credited_takes_its_guarantee_and_later_credit_refills_the_bond() {
    let backend = ScriptedServer::start().await.unwrap();
    let url = backend.url();
    // The coordinator settles in an hour; the node demands after a second.
    let options = [
        &["--backend", url.as_str(), "--demand-delay", "2"],
        ONE_NODE.as_slice(),
        &["--coordinator", "settlement.interval=3600s", "--node", "demands.after_seconds=1"],
        &["--node", "claims.threshold_usdc=\"0.000001\""],
    ]
    .concat();
    let network = Network::start(&options).await.unwrap();
    let (chain, market) = (network.chain().unwrap(), network.market().unwrap());
    let (node, debtor) = (network.nodes().unwrap()[0], network.coordinator().unwrap());
    let before = coordinator(&network).await;
    assert!(before.guaranteed > Amount::ZERO, "`up` guarantees its nodes");

    let reply = network.chat(&network.request("hello").unwrap()).await.unwrap();
    assert_eq!(reply.status, 200);
    let document = network.receipt(reply.request_id.as_deref().unwrap()).await.unwrap();
    let file = network.scratch().join("receipt.json");
    std::fs::write(&file, document.to_string()).unwrap();

    // By itself: demanded, waited, paid out of the bond.
    let paid = eventually("the guarantee to pay", Duration::from_secs(60), async || {
        let payout = chain.payout(debtor, node, Commitment::Confirmed).await?;
        Ok(payout.filter(|payout| payout.paid > Amount::ZERO))
    })
    .await
    .unwrap();
    assert_eq!((paid.credited, paid.advanced), (Amount::ZERO, paid.paid));
    let during = coordinator(&network).await;
    assert_eq!(before.guarantee_bond.saturating_sub(during.guarantee_bond), paid.paid);
    check_conservation(&chain, market).await.unwrap();

    // By hand there is nothing left to ask for, with or without the coordinator.
    let operator = network.data_dir().join("keys/node-1-operator.json");
    let by_hand = |more: &[&str]| {
        let wallet = ["--wallet", operator.to_str().unwrap(), "--json"];
        network.cli(&[&wallet, more].concat()).unwrap()
    };
    let file = file.to_str().unwrap();
    let refused = by_hand(&[&NOBODY[..], &["node", "demand", file]].concat());
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stdout));

    // A coordinator that starts again settles at once; credit comes, and nothing is paid twice.
    network.signal("coordinator", Signal::SIGKILL).unwrap();
    let credited = eventually("credit", Duration::from_secs(90), async || {
        let payout = chain.payout(debtor, node, Commitment::Confirmed).await?;
        Ok(payout.filter(|payout| payout.credited > Amount::ZERO))
    })
    .await
    .unwrap();
    assert_eq!(credited.paid, paid.paid, "nothing is paid twice");
    check_conservation(&chain, market).await.unwrap();
}

#[tokio::test]
async fn cold_authority_and_operator_take_out_what_is_theirs_without_the_coordinator() {
    let backend = ScriptedServer::start().await.unwrap();
    let options = ["--backend", &backend.url(), "--unbond-delay", "1"];
    let network = Network::start(&options).await.unwrap();
    let chain = network.chain().unwrap();
    let market = network.market().unwrap().to_string();
    let boss = Wallet::funded(&network, "boss", "50").await.unwrap();
    let key = network.scratch().join("second-coordinator.json");
    let made = boss
        .cli_json(&[
            "coordinator",
            "register",
            "--market",
            &market,
            "--key",
            key.to_str().unwrap(),
            "--endpoint",
            "127.0.0.1:9",
            "--fee-bps",
            "100",
        ])
        .unwrap();
    let status =
        boss.cli_json(&["coordinator", "bond", "--guarantee", "20", "--penalty", "10"]).unwrap();
    assert_eq!(status["id"], made["coordinator"]);
    assert_eq!(status["guarantee_bond"], 20_000_000);
    let node = network.nodes().unwrap()[0].to_string();
    let status = boss.cli_json(&["coordinator", "guarantee", &node, "5"]).unwrap();
    assert_eq!(
        (&status["guaranteed"], &status["payouts"][0]["guarantee"]),
        (&json!(5_000_000), &json!(5_000_000))
    );
    let too_much = fails_plainly(&boss, &["coordinator", "guarantee", &node, "20.000001"]);
    assert!(too_much.contains("GuaranteeExceedsBond") || too_much.contains("bond"), "{too_much}");
    let other = network.scratch().join("third-coordinator.json");
    let status =
        boss.cli_json(&["coordinator", "rotate-key", "--key", other.to_str().unwrap()]).unwrap();
    assert_ne!(status["signer"], made["signer"]);
    let status = boss.cli_json(&["coordinator", "unbond", "--penalty", "10", "--wait"]).unwrap();
    assert_eq!(status["penalty_bond"], 0, "{status:#}");

    let operator = Wallet::funded(&network, "operator", "20").await.unwrap();
    let hot = network.scratch().join("hot.json");
    let made = operator.cli_json(&["node", "register", "--key", hot.to_str().unwrap()]).unwrap();
    operator.cli_json(&["node", "stake", "15"]).unwrap();
    let newer = network.scratch().join("newer.json");
    let rotated =
        operator.cli_json(&["node", "rotate-key", "--key", newer.to_str().unwrap()]).unwrap();
    assert_ne!(rotated["signer"], made["signer"]);
    let left = operator.cli_json(&[&NOBODY[..], &["node", "unstake", "--wait"]].concat()).unwrap();
    assert_eq!((&left[0]["stake"], &left[0]["unbonding"]), (&json!(0), &Value::Null), "{left:#}");
    let refused = fails(&operator, &["node", "unstake"]);
    assert_eq!(refused["exit_code"], 1);
    check_conservation(&chain, network.market().unwrap()).await.unwrap();
}

/// Runs a command that the program refuses; gives the message.
fn fails_plainly(wallet: &Wallet<'_>, arguments: &[&str]) -> String {
    let output = wallet.cli(&[&["--json"], arguments].concat()).unwrap();
    assert!(!output.status.success(), "{arguments:?} did not fail");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    document["error"]["message"].as_str().unwrap().to_owned()
}
