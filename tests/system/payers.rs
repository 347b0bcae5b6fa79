//! Who may spend, and how much: allowances that are too small, used up, over, or gone, and money that
//! somebody tries to promise twice. Each is a precise error, and nothing is charged.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_chain::transaction::opening_slot;
use pinaivu_chain::{
    Chain, ChainError, Commitment, CoordinatorProfile, Keypair, Signer, UnixSeconds, public_key,
};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::receipt::Receipt;
use pinaivu_protocol::units::{Amount, Bps};
use pinaivu_system_tests::{Network, Reply, Wallet, check_conservation, eventually, instructions};
use pinaivu_testkit::{Answer, ReportedUsage, ScriptedServer};
use serde_json::{Value, json};

/// One USDC for a million weighted tokens is one unit a token, so that every price is whole.
const UNIT_A_TOKEN: [&str; 4] = ["--nodes", "1", "--node", "pricing.usdc_per_million_tokens=\"1\""];

fn is_error(reply: &Reply, status: u16, code: &str) {
    let text = String::from_utf8_lossy(&reply.body);
    assert_eq!((reply.status, reply.error_code().as_str()), (status, code), "{text}");
    assert!(reply.json()["error"]["message"].as_str().is_some_and(|message| message.len() > 10));
}

async fn ask(network: &Network, key: &str, body: &Value) -> Reply {
    let body = serde_json::to_vec(body).unwrap();
    network.post("/chat/completions", Some(key), body).await.unwrap()
}

/// What a request was charged, in whole units.
async fn charged(network: &Network, reply: &Reply) -> u64 {
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let document = network.receipt(reply.request_id.as_deref().unwrap()).await.unwrap();
    let bytes = STANDARD.decode(document["receipts"][0]["bytes"].as_str().unwrap()).unwrap();
    let amount = Receipt::decode(&bytes).unwrap().body.amount;
    let whole = amount.to_amount_ceil().unwrap();
    assert_eq!(whole.to_fine(), amount, "the price of a token is a whole unit here");
    whole.get()
}

/// Waits until the coordinator counts what was just reserved: until the request is no longer refused
/// as `code`.
async fn counted(network: &Network, key: &str, body: &Value, code: &str) -> Reply {
    eventually("the reservation to count", Duration::from_secs(45), async || {
        let reply = ask(network, key, body).await;
        Ok((reply.status == 200 || reply.error_code() != code).then_some(reply))
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn allowance_too_small_and_used_up_are_told_apart_and_nothing_more_is_charged() {
    let backend = ScriptedServer::start().await.unwrap();
    let url = backend.url();
    let options = [&["--backend", url.as_str()], UNIT_A_TOKEN.as_slice()].concat();
    let network = Network::start(&options).await.unwrap();
    let body = network.request("hello").unwrap();

    // A node that claims more tokens than can be is paid the worst case: that tells how much it is.
    let greedy = || {
        let most = ReportedUsage::Wrong { prompt: 1_000_000, completion: 1_000_000 };
        Answer::of_pieces(16).reporting(most)
    };
    backend.enqueue(greedy());
    let reply = ask(&network, &network.field("api_key").unwrap(), &body).await;
    let worst = charged(&network, &reply).await;
    assert!(worst > 100, "{worst}");

    let payer = Wallet::funded(&network, "payer", "5").await.unwrap();
    payer.cli_json(&["escrow", "deposit", "5"]).unwrap();
    let reserve = |units: u64| Amount(units).to_usdc_string();
    payer.cli_json(&["escrow", "allow", &reserve(worst - 1)]).unwrap();
    let key = payer.api_key().await.unwrap();
    let chats = backend.chats().len();
    is_error(&ask(&network, &key, &body).await, 400, "hold_exceeded");
    assert_eq!(backend.chats().len(), chats, "no node saw it");

    // The error's own advice works: a smaller limit fits.
    let mut less = body.clone();
    less["max_tokens"] = json!(1);
    let spent = charged(&network, &ask(&network, &key, &less).await).await;

    // With one worst case left to the unit, one answer that costs it passes and the next does not.
    payer.cli_json(&["escrow", "allow", &reserve(spent + 1)]).unwrap();
    backend.enqueue(greedy());
    let last = counted(&network, &key, &body, "hold_exceeded").await;
    assert_eq!(charged(&network, &last).await, worst);
    is_error(&ask(&network, &key, &body).await, 429, "insufficient_quota");
    is_error(&ask(&network, &key, &less).await, 429, "insufficient_quota");

    // On chain: exactly what was reserved, and the free part of the escrow is untouched.
    let chain = network.chain().unwrap();
    eventually("settlement", Duration::from_secs(60), async || {
        let status = payer.cli_json(&["escrow", "status"])?;
        Ok((status["allowances"][0]["debited"] == worst + spent).then_some(()))
    })
    .await
    .unwrap();
    let status = payer.cli_json(&["escrow", "status"]).unwrap();
    assert_eq!(status["allowances"][0]["remaining"], 0, "{status:#}");
    assert_eq!(status["escrows"][0]["free"], 5_000_000 - worst - spent, "{status:#}");
    check_conservation(&chain, network.market().unwrap()).await.unwrap();
}

#[tokio::test]
async fn allowance_that_expires_admits_nothing_more_and_an_emptied_escrow_neither() {
    let backend = ScriptedServer::start().await.unwrap();
    let network =
        Network::start(&["--backend", &backend.url(), "--exit-delay", "3"]).await.unwrap();
    let body = network.request("hello").unwrap();
    let chain = network.chain().unwrap();
    let build = instructions(&network, &chain).await.unwrap();

    // Without an allowance there is no key, and the CLI says how to get one.
    let payer = Wallet::funded(&network, "payer", "5").await.unwrap();
    let refused = payer.cli(&["key", "create"]).unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("escrow allow"), "{refused:?}");

    payer.cli_json(&["escrow", "deposit", "5"]).unwrap();
    let escrow = payer.cli_json(&["escrow", "status"]).unwrap();
    let escrow = escrow["escrows"][0]["id"].as_str().unwrap().parse().unwrap();
    let now = chain.position(Commitment::Confirmed).await.unwrap().time;
    let (_, open) = build.allowance_open(
        &escrow,
        &payer.public(),
        &network.coordinator().unwrap(),
        opening_slot(now.slot),
        Amount(1_000_000),
        UnixSeconds(now.unix.0 + 12),
    );
    payer.send(&[open], &[]).await.unwrap();
    let key = payer.api_key().await.unwrap();
    assert_eq!(ask(&network, &key, &body).await.status, 200);
    let expired = eventually("the allowance to expire", Duration::from_secs(30), async || {
        let reply = ask(&network, &key, &body).await;
        Ok((reply.status != 200).then_some(reply))
    })
    .await
    .unwrap();
    is_error(&expired, 403, "allowance_expired");

    // Everything leaves; the key of an empty escrow buys nothing.
    payer.cli_json(&["escrow", "withdraw", "--reserved", "--wait"]).unwrap();
    payer.cli_json(&["escrow", "withdraw"]).unwrap();
    let status = payer.cli_json(&["escrow", "status"]).unwrap();
    assert_eq!(status["escrows"][0]["free"], 0, "{status:#}");
    let reply = ask(&network, &key, &body).await;
    assert_eq!(reply.status, 403, "{}", String::from_utf8_lossy(&reply.body));
    let spent = status["allowances"][0]["debited"].as_u64().unwrap();
    assert_eq!(status["wallet_usdc"], 5_000_000 - spent, "{status:#}");
    check_conservation(&chain, network.market().unwrap()).await.unwrap();
}

#[tokio::test]
async fn money_reserved_for_one_coordinator_cannot_be_reserved_for_another() {
    let backend = ScriptedServer::start().await.unwrap();
    let network = Network::start(&["--backend", &backend.url()]).await.unwrap();
    let chain = network.chain().unwrap();
    let build = instructions(&network, &chain).await.unwrap();

    // A second coordinator, registered like any other.
    let rival = Wallet::funded(&network, "rival", "20").await.unwrap();
    let hot = Keypair::new();
    let slot = chain.position(Commitment::Confirmed).await.unwrap().time.slot;
    let profile = CoordinatorProfile {
        endpoint: "127.0.0.1".to_owned(),
        fee: Bps(100),
        measurement: Hash32::ZERO,
    };
    let (second, register) = build.coordinator_register(
        &rival.public(),
        &public_key(&hot.pubkey()),
        opening_slot(slot),
        &profile,
    );
    let bond = build.coordinator_bond(&second, &rival.public(), Amount::ZERO, Amount(10_000_000));
    rival.send(&[register, bond], &[&hot]).await.unwrap();

    let payer = Wallet::funded(&network, "payer", "5").await.unwrap();
    payer.cli_json(&["escrow", "deposit", "5"]).unwrap();
    payer.cli_json(&["escrow", "allow", "4"]).unwrap();
    let key = payer.api_key().await.unwrap();
    let status = payer.cli_json(&["escrow", "status"]).unwrap();
    let escrow = status["escrows"][0]["id"].as_str().unwrap().parse().unwrap();

    let reserve = async |units: u64| {
        let time = chain.position(Commitment::Confirmed).await.unwrap().time;
        let expiry = UnixSeconds(time.unix.0 + 3600);
        let slot = opening_slot(time.slot);
        let (_, open) =
            build.allowance_open(&escrow, &payer.public(), &second, slot, Amount(units), expiry);
        payer.send(&[open], &[]).await
    };
    let refused = reserve(1_000_001).await.unwrap_err();
    let refused = refused.downcast::<ChainError>().unwrap();
    assert_eq!(
        refused.program_error().map(|error| error.name),
        Some("InsufficientFree"),
        "{refused}"
    );
    // What is free can be, and the first coordinator's part is still good.
    reserve(1_000_000).await.unwrap();
    assert_eq!(ask(&network, &key, &network.request("hello").unwrap()).await.status, 200);
    let status = payer.cli_json(&["escrow", "status"]).unwrap();
    assert_eq!(status["escrows"][0]["free"], 0, "{status:#}");
    check_conservation(&chain, network.market().unwrap()).await.unwrap();
}
