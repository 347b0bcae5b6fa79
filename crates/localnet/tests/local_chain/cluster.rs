//! The local chain as any wallet or tool sees it.

use crate::fixture::{SOL, Wallet, fast, send};
use futures::StreamExt as _;
use pinaivu_chain::{
    AccountMeta, Chain as _, Commitment, Instruction, Pubkey, Signer as _, TOKEN_PROGRAM,
    ToAddress as _,
};
use pinaivu_localnet::{Localnet, keys};
use pinaivu_protocol::units::Amount;
use serde_json::{Value, json};
use solana_pubsub_client::nonblocking::pubsub_client::PubsubClient;

/// One JSON-RPC call, as any tool makes it.
async fn call(url: &str, method: &str, params: Value) -> Value {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let response = reqwest::Client::new().post(url).json(&request).send().await.unwrap();
    let mut answer: Value = response.json().await.unwrap();
    assert_eq!(answer["error"], Value::Null, "{method}");
    answer["result"].take()
}

/// `TransferChecked`: number 12, amount, decimals; source, mint, destination, owner.
fn transfer(from: &Wallet, source: Pubkey, destination: Pubkey, amount: u64) -> Instruction {
    let mut data = vec![12];
    data.extend_from_slice(&amount.to_le_bytes());
    data.push(6);
    Instruction {
        program_id: TOKEN_PROGRAM,
        accounts: vec![
            AccountMeta::new(source, false),
            AccountMeta::new_readonly(keys::mint().pubkey(), false),
            AccountMeta::new(destination, false),
            AccountMeta::new_readonly(from.keypair.pubkey(), true),
        ],
        data,
    }
}

#[tokio::test]
async fn fresh_chain_has_the_program_under_its_authority_and_the_mint_under_the_faucet() {
    let localnet = Localnet::start(fast()).await.unwrap();
    let ready = localnet.ready().clone();
    let parsed = json!({"encoding": "jsonParsed"});

    let program =
        call(&ready.rpc_url, "getAccountInfo", json!([ready.program_id.to_string(), parsed])).await;
    assert_eq!(program["value"]["executable"], true);
    assert_eq!(program["value"]["owner"], "BPFLoaderUpgradeab1e11111111111111111111111");
    let code = program["value"]["data"]["parsed"]["info"]["programData"].clone();
    let code = call(&ready.rpc_url, "getAccountInfo", json!([code, parsed])).await;
    assert_eq!(
        code["value"]["data"]["parsed"]["info"]["authority"],
        keys::authority().pubkey().to_string()
    );

    let mint =
        call(&ready.rpc_url, "getAccountInfo", json!([ready.mint.to_string(), parsed])).await;
    let info = &mint["value"]["data"]["parsed"]["info"];
    assert_eq!(mint["value"]["owner"], TOKEN_PROGRAM.to_string());
    assert_eq!(info["decimals"], 6);
    assert_eq!(info["supply"], "0");
    assert_eq!(info["mintAuthority"], keys::faucet().pubkey().to_string());
    assert_eq!(info["freezeAuthority"], Value::Null);

    let genesis = call(&ready.rpc_url, "getGenesisHash", json!([])).await;
    assert_eq!(genesis, ready.genesis_hash.to_string());
    assert_eq!(localnet.chain().deployment().await.unwrap().cluster, ready.genesis_hash);
    localnet.stop().await;
}

#[tokio::test]
async fn two_chains_run_side_by_side_with_different_genesis_hashes() {
    let (one, two) = tokio::join!(Localnet::start(fast()), Localnet::start(fast()));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.ready().genesis_hash, two.ready().genesis_hash);
    assert_ne!(one.ready().rpc_url, two.ready().rpc_url);
    for localnet in [one, two] {
        localnet.chain().position(Commitment::Processed).await.unwrap();
        localnet.stop().await;
    }
}

#[tokio::test]
async fn transferred_usdc_moves_exactly_and_is_seen_by_subscribers() {
    let localnet = Localnet::start(fast()).await.unwrap();
    let chain = localnet.chain();
    let alice = Wallet::funded(&localnet, 5_000_000).await;
    let bob = Wallet::funded(&localnet, 1).await;
    let instructions = localnet.instructions();
    let (from, to) = (instructions.token_account(&alice.key), instructions.token_account(&bob.key));

    let pubsub = PubsubClient::new(&localnet.ready().ws_url).await.unwrap();
    let (mut changes, _) = pubsub.account_subscribe(&to, None).await.unwrap();
    let (mut slots, _) = pubsub.slot_subscribe().await.unwrap();

    send(&chain, &[transfer(&alice, from, to, 1_250_000)], &[&alice.keypair]).await.unwrap();

    let at = Commitment::Confirmed;
    assert_eq!(chain.token_balance(from, at).await.unwrap(), Amount(3_750_000));
    assert_eq!(chain.token_balance(to, at).await.unwrap(), Amount(1_250_001));
    assert_eq!(changes.next().await.unwrap().value.owner, TOKEN_PROGRAM.to_string());
    let first = slots.next().await.unwrap().slot;
    assert!(slots.next().await.unwrap().slot > first);
    drop((changes, slots));
    localnet.stop().await;
}

#[tokio::test]
async fn chain_clock_and_slots_go_on() {
    let localnet = Localnet::start(fast()).await.unwrap();
    let chain = localnet.chain();
    let before = chain.position(Commitment::Processed).await.unwrap();
    let wall = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed();
    // A loaded machine may be late, but not by an hour: the clock is the real one.
    assert!((before.time.unix.0 - wall).abs() < 3_600);
    loop {
        let now = chain.position(Commitment::Processed).await.unwrap();
        assert!(now.time.unix >= before.time.unix);
        if now.time.unix > before.time.unix && now.time.slot > before.time.slot {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    localnet.stop().await;
}

#[tokio::test]
async fn faucet_gives_what_is_asked_over_http() {
    let localnet = Localnet::start(fast()).await.unwrap();
    let chain = localnet.chain();
    let wallet = Wallet::empty();
    let body = json!({"address": wallet.key.to_string(), "sol": 1.5, "usdc": "2.000001"});
    let response =
        reqwest::Client::new().post(&localnet.ready().faucet_url).json(&body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["lamports"], 1_500_000_000);
    assert_eq!(answer["usdc"], 2_000_001);

    let at = Commitment::Confirmed;
    let account = localnet.instructions().token_account(&wallet.key);
    assert_eq!(chain.lamports(wallet.key.to_address(), at).await.unwrap(), SOL * 3 / 2);
    assert_eq!(chain.token_balance(account, at).await.unwrap(), Amount(2_000_001));
    localnet.stop().await;
}

#[tokio::test]
async fn faucet_refuses_what_it_cannot_give() {
    let localnet = Localnet::start(fast()).await.unwrap();
    let address = Wallet::empty().key.to_string();
    for body in [
        json!({"sol": 1}),
        json!({"address": "not an address", "sol": 1}),
        json!({"address": address}),
        json!({"address": address, "sol": 0}),
        json!({"address": address, "sol": -1}),
        json!({"address": address, "sol": 1e9}),
        json!({"address": address, "usdc": "0.0000001"}),
        json!({"address": address, "usdc": [1]}),
        json!({"address": address, "sol": 1, "eth": 1}),
    ] {
        let request = reqwest::Client::new().post(&localnet.ready().faucet_url).json(&body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 400, "{body}");
        let answer: Value = response.json().await.unwrap();
        assert!(answer["error"].is_string(), "{body}");
    }
    localnet.stop().await;
}

#[tokio::test]
async fn taken_port_is_named_in_the_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = pinaivu_localnet::LocalnetOptions { rpc_port: port, ..fast() };
    let refused = Localnet::start(options).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("cannot listen on 127.0.0.1:{port}"));
}

#[tokio::test]
async fn stopped_chain_no_longer_answers() {
    let localnet = Localnet::start(fast()).await.unwrap();
    let (chain, ready) = (localnet.chain(), localnet.ready().clone());
    chain.position(Commitment::Processed).await.unwrap();
    localnet.stop().await;
    // Its port may be another chain's by now.
    let found = pinaivu_chain::RpcChain::new(&ready.rpc_url, ready.program_id).deployment().await;
    assert!(found.is_err() || found.is_ok_and(|other| other.cluster != ready.genesis_hash));
}
