//! Lists and figures, as everybody and as the payer sees them.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use pinaivu_protocol::commitment::value_commitment;
use pinaivu_protocol::units::FineAmount;
use pinaivu_testkit::{PATIENCE, wait_until};
use rand::RngCore as _;
use serde_json::{Value, json};

use crate::support::chain::{COORDINATOR, MemoryChain};
use crate::support::script::pieces;
use crate::support::world::{PRICE, owner, request_id};
use crate::support::{Client, MODEL, Script, World};

const OWNER_SEED: [u8; 32] = [102; 32];

async fn get(client: &Client, path: &str) -> (u16, Value) {
    let mut request = client.http.get(client.url(path));
    if let Some(key) = &client.key {
        request = request.bearer_auth(key);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn view(world: &World, path: &str) -> Value {
    let client = Client { key: None, ..world.client.clone() };
    let (status, body) = get(&client, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

fn now() -> u128 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()
}

/// A text as the owner's wallet signs it.
pub(crate) fn signed(first: &str, sentence: &str, rest: &str) -> Value {
    let mut nonce = [0; 16];
    rand::rng().fill_bytes(&mut nonce);
    let text = format!(
        "{first}\n{sentence}\ndeployment: {}\ncoordinator: {COORDINATOR}\nowner: {}\nissued: {}\n\
         nonce: {}{rest}",
        MemoryChain::deployment().id(),
        owner().public(),
        now(),
        hex::encode(nonce),
    );
    sign(&OWNER_SEED, text)
}

pub(crate) fn sign(seed: &[u8; 32], text: String) -> Value {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).unwrap();
    let signature: [u8; 64] = pair.sign(text.as_bytes()).as_ref().try_into().unwrap();
    let mut public = [0; 32];
    public.copy_from_slice(pair.public_key().as_ref());
    json!({
        "text": text,
        "signature": solana_signature::Signature::from(signature).to_string(),
        "owner": pinaivu_protocol::ids::PublicKey(public),
    })
}

pub(crate) async fn post(world: &World, path: &str, body: &Value) -> (u16, Value) {
    let response = world.client.post(path, body.to_string()).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn key_command(world: &World, sentence: &str, rest: &str) -> (u16, Value) {
    let command = signed("pinaivu/key-command-text/v1", sentence, rest);
    post(world, "/keys", &command).await
}

async fn limited_key(world: &World, limits: &str) -> (Client, String) {
    let rest = format!("\nallowance: {}\nlabel: \"limited\"\n{limits}", world.allowance);
    let (status, made) = key_command(world, "Create an API key.", &rest).await;
    assert_eq!(status, 200, "{made}");
    let key = made["key"].as_str().unwrap().to_owned();
    (Client { key: Some(key), ..world.client.clone() }, made["id"].as_str().unwrap().to_owned())
}

async fn session(world: &World) -> Client {
    let (status, made) = post(world, "/sessions", &sign(&OWNER_SEED, sign_in_text(world))).await;
    assert_eq!(status, 200, "{made}");
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("ses-pnv-"));
    Client { key: Some(token.into()), ..world.client.clone() }
}

/// The text of a sign-in, as a page of this coordinator asks for it.
fn sign_in_text(world: &World) -> String {
    let mut nonce = [0; 16];
    rand::rng().fill_bytes(&mut nonce);
    let base_url = &world.client.base_url;
    let origin = base_url.strip_suffix("/v1").unwrap();
    let iso = |time: u128| {
        let time = i64::try_from(time).unwrap();
        let time = chrono::DateTime::from_timestamp_millis(time).unwrap();
        time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    };
    format!(
        "{domain} wants you to sign in with your Solana account:\n{owner}\n\n\
         Sign in to see your usage. This moves no money.\n\n\
         URI: {origin}\nVersion: 1\nNonce: {nonce}\nIssued At: {issued}\nExpiration Time: {expires}\n\
         Resources:\n- pinaivu:deployment:{deployment}\n- pinaivu:coordinator:{COORDINATOR}",
        domain = origin.strip_prefix("http://").unwrap(),
        owner = owner().public(),
        nonce = hex::encode(nonce),
        issued = iso(now()),
        expires = iso(now() + 120_000),
        deployment = MemoryChain::deployment().id(),
    )
}

/// Asks and waits for the receipt; its request id.
async fn served(world: &World, client: &Client) -> String {
    let response = client.chat(&Client::request(false)).await;
    assert_eq!(response.status(), 200);
    let id = request_id(&response);
    world.receipt(&id).await;
    id
}

#[tokio::test]
async fn network_says_what_browsers_need() {
    let world = World::start_with(|config| {
        config.web.rpc_url = Some("http://127.0.0.1:8899".into());
        config.web.local = true;
    })
    .await;
    let network = view(&world, "/network").await;
    assert_eq!(network["rpc"], json!({ "url": "http://127.0.0.1:8899", "ws_url": null }));
    assert_eq!((&network["local"], &network["faucet"]), (&json!(true), &Value::Null));
    let unattested = json!({ "state": "unattested", "kind": null });
    assert_eq!((&network["decimals"], &network["attestation"]), (&json!(6), &unattested));
    let mint = pinaivu_protocol::ids::PublicKey([16; 32]).to_string();
    assert_eq!(network["mint"], mint);
    assert!(network["software"].as_str().unwrap().starts_with("pinaivu-coordinator "));
}

#[tokio::test]
async fn receipts_are_listed_in_pages_without_who_paid() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(served(&world, &world.client).await);
    }
    let page = view(&world, "/receipts?limit=2").await;
    assert_eq!((&page["head"], &page["next"]), (&json!("0.2"), &json!("0.1")));
    let newest = &page["data"][0];
    assert_eq!(newest["request_id"], ids[2]);
    assert_eq!(newest["node"], node.shared.id.to_string());
    assert_eq!((&newest["model"], &newest["outcome"]), (&json!(MODEL), &json!("completed")));
    assert_eq!((&newest["input_tokens"], &newest["output_tokens"]), (&json!(7), &json!(5)));
    assert_eq!((&newest["amount"], &newest["fee"]), (&json!("27000"), &json!("270")));
    assert_eq!((&newest["price"], &newest["candidates"]), (&json!(1000), &json!(1)));
    assert_eq!(newest["anchored"], false);
    for hidden in ["salts", "key", "allowance", "allowance_cumulative"] {
        assert!(newest.get(hidden).is_none(), "{hidden}");
    }
    let rest = view(&world, "/receipts?limit=2&before=0.1").await;
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    assert_eq!(rest["data"][0]["request_id"], ids[0]);
    let new = view(&world, "/receipts?after=0.1").await;
    assert_eq!(new["data"].as_array().unwrap().len(), 1);
    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("before=1", "before"),
        ("outcome=good", "outcome"),
        ("node=x", "node"),
        ("modell=x", "modell"),
    ] {
        let (status, body) = get(&world.client, &format!("/receipts?{query}")).await;
        assert_eq!((status, &body["error"]["code"]), (400, &json!("invalid_value")), "{query}");
        assert_eq!(body["error"]["param"], param);
    }
}

#[tokio::test]
async fn figures_and_nodes_add_up_to_the_receipts() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    for _ in 0..2 {
        served(&world, &world.client).await;
    }
    node.enqueue(Script::ResetAfter(pieces("half an answer")));
    let response = world.client.chat(&Client::request(true)).await;
    let id = request_id(&response);
    let _ = response.text().await;
    let failed = world.receipt(&id).await;
    let charged = failed.body.amount.0 + 54_000;

    let figures = view(&world, "/figures").await;
    let totals = &figures["totals"];
    assert_eq!((&totals["requests"], &totals["charged"]), (&json!(3), &json!(charged.to_string())));
    assert_eq!(
        (&totals["nodes_connected"], &totals["first_token_ms"]["samples"]),
        (&json!(1), &json!(2))
    );
    let buckets = figures["buckets"].as_array().unwrap();
    assert!((24..=26).contains(&buckets.len()));
    let sum = |name: &str| buckets.iter().map(|bucket| bucket[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("requests"), sum("failed")), (3, 1));
    let full = buckets.iter().rev().find(|bucket| bucket["requests"] != 0).unwrap();
    assert_eq!(full["models"][0]["model"], MODEL);
    assert_eq!(full["models"][0]["price"], 1000);
    // Of everything, and of each model.
    for (name, expected) in [("input_tokens", 14), ("output_tokens", 13), ("charged", charged)] {
        let sum = |of: &dyn Fn(&Value) -> Vec<Value>| -> u128 {
            let values = buckets.iter().flat_map(of);
            values.map(|value| value[name].as_str().unwrap().parse::<u128>().unwrap()).sum()
        };
        assert_eq!(sum(&|bucket| vec![bucket.clone()]), expected, "{name}");
        assert_eq!(sum(&|bucket| bucket["models"].as_array().unwrap().clone()), expected, "{name}");
    }
    let minutes = view(&world, &format!("/figures?step=60&from={}", now() - 600_000)).await;
    let by_minute = minutes["buckets"].as_array().unwrap();
    assert_eq!(by_minute.iter().map(|b| b["requests"].as_u64().unwrap()).sum::<u64>(), 3);
    for query in ["step=61", "step=60&from=1", "step=3600&from=1", "from=5&to=4"] {
        let (status, _) = get(&world.client, &format!("/figures?{query}")).await;
        assert_eq!(status, 400, "{query}");
    }

    let listed = view(&world, "/nodes").await;
    let shown = &listed["data"][0];
    assert_eq!((&shown["connected"], &shown["software"]), (&json!(true), &json!("scripted")));
    assert_eq!(shown["totals"]["requests"], 3);
    assert_eq!(
        (&shown["measured"]["samples"], &shown["measured"]["failed"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(shown["unpaid"], shown["totals"]["earned"]);
    let ask = &shown["asks"][0];
    assert_eq!(
        (&ask["model"], &ask["price"], &ask["context_length"]),
        (&json!(MODEL), &json!(1000), &json!(8192))
    );
    let bytes = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        ask["bytes"].as_str().unwrap(),
    )
    .unwrap();
    let signed =
        pinaivu_protocol::signed::Signed::<pinaivu_protocol::ask::Ask>::decode(&bytes).unwrap();
    assert!(signed.verify(&crate::support::node::signing_key(1).public()).is_ok());
    let id = node.shared.id;
    let one = view(&world, &format!("/nodes/{id}")).await;
    assert_eq!(one["series"]["buckets"].as_array().unwrap().len(), 168);
    drop(node);
    wait_until("the node is gone", PATIENCE, async || {
        let one = view(&world, &format!("/nodes/{id}")).await;
        (one["connected"] == false && one["asks"] == json!([])).then_some(())
    })
    .await;
    let (status, body) = get(&world.client, &format!("/nodes/{COORDINATOR}")).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn owner_checks_every_debit_from_its_own_receipts() {
    let world = World::start().await;
    let _node = world.node(1, PRICE).await;
    let (other, other_id) = limited_key(&world, "budget: none\nexpires: none").await;
    served(&world, &world.client).await;
    let through_other = served(&world, &other).await;
    served(&world, &world.client).await;

    let session = session(&world).await;
    let (status, own) = get(&session, "/account/receipts").await;
    assert_eq!(status, 200, "{own}");
    let data = own["data"].as_array().unwrap();
    assert_eq!(data.len(), 3);
    let mut sum = FineAmount::ZERO;
    for shown in data.iter().rev() {
        sum.0 += shown["amount"].as_str().unwrap().parse::<u128>().unwrap();
        assert_eq!(shown["allowance_cumulative"], sum.to_string());
        // The salts open the commitments of the public receipt.
        let id = shown["request_id"].as_str().unwrap();
        let receipt = world.receipt(id).await;
        let salt = |name: &str| shown["salts"][name].as_str().unwrap().parse().unwrap();
        let owner = receipt.body.owner;
        assert_eq!(
            owner.allowance,
            value_commitment("pinaivu/owner-allowance/v1", &salt("allowance"), &world.allowance.0)
        );
        assert_eq!(
            owner.cumulative,
            value_commitment(
                "pinaivu/owner-cumulative/v1",
                &salt("cumulative"),
                &sum.0.to_le_bytes()
            )
        );
    }
    // A key sees what was charged through it.
    let (_, own) = get(&other, "/account/receipts").await;
    assert_eq!(own["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&own["data"][0]["request_id"], &own["data"][0]["key"]),
        (&json!(through_other), &json!(other_id))
    );
    let (_, account) = get(&session, "/account").await;
    assert_eq!((&account["charged"], &account["key"]), (&json!(sum.to_string()), &Value::Null));
    assert_eq!(
        (&account["reserved"], &account["allowances"][0]),
        (&json!("10000000"), &json!(world.allowance))
    );
    let (_, account) = get(&other, "/account").await;
    assert_eq!(
        (&account["key"]["id"], &account["key"]["spent"]),
        (&json!(other_id), &json!("27000"))
    );
    let (_, figures) = get(&session, "/account/figures").await;
    let full = figures["buckets"].as_array().unwrap().iter().find(|b| b["requests"] != 0).unwrap();
    let keys = full["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    let of_other = keys.iter().find(|key| key["id"] == other_id.as_str()).unwrap();
    assert_eq!(
        *of_other,
        json!({
            "id": other_id, "requests": 1, "charged": "27000",
            "input_tokens": "7", "output_tokens": "5",
        })
    );

    // By key, and by when the request came.
    let listed = async |client: &Client, query: &str| -> Vec<String> {
        let (status, page) = get(client, &format!("/account/receipts?{query}")).await;
        assert_eq!(status, 200, "{page}");
        let data = page["data"].as_array().unwrap().iter();
        data.map(|shown| shown["request_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed(&session, &format!("key={other_id}")).await, [through_other.as_str()]);
    assert_eq!(listed(&other, &format!("key={other_id}")).await, [through_other.as_str()]);
    let came = through_other.parse::<pinaivu_protocol::ids::RequestId>().unwrap().arrived().0;
    let all: Vec<String> = listed(&session, "").await;
    let arrived = |id: &String| id.parse::<pinaivu_protocol::ids::RequestId>().unwrap().arrived().0;
    let since: Vec<String> = all.iter().filter(|id| arrived(id) >= came).cloned().collect();
    let before: Vec<String> = all.iter().filter(|id| arrived(id) < came).cloned().collect();
    assert_eq!(listed(&session, &format!("from={came}")).await, since);
    assert_eq!(listed(&session, &format!("to={came}")).await, before);
    assert_eq!(since.len() + before.len(), 3);
    for (query, param) in [("key=x", "key"), ("from=x", "from"), ("to=-1", "to")] {
        let (status, body) = get(&session, &format!("/account/receipts?{query}")).await;
        assert_eq!((status, &body["error"]["param"]), (400, &json!(param)), "{query}");
    }
    let foreign = format!("/account/receipts?key=key_{}", "0".repeat(32));
    assert_eq!(get(&other, &foreign).await.0, 400);

    let (status, listed) = get(&session, "/keys").await;
    assert_eq!((status, listed["data"].as_array().unwrap().len()), (200, 2));
    for (client, path) in [
        (&other, "/keys"),
        (&Client { key: Some("ses-pnv-x".into()), ..world.client.clone() }, "/account"),
    ] {
        let (status, body) = get(client, path).await;
        assert_eq!((status, &body["error"]["code"]), (401, &json!("invalid_session")), "{path}");
    }
    assert_eq!(session.chat(&Client::request(false)).await.status(), 401);
}

#[tokio::test]
async fn key_spends_no_more_than_its_budget_until_it_is_raised() {
    let world = World::start().await;
    let _node = world.node(1, PRICE).await;
    // Held is about 1,000 × (400 bytes + 4 × 50 tokens); a millionth of a USDC is 1,000,000 fine units.
    let (client, id) = limited_key(&world, "budget: 1\nexpires: none").await;
    served(&world, &client).await;
    let mut large = Client::request(false);
    large["max_tokens"] = json!(400);
    let response = client.chat(&large).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-should-retry"]),
        (429, &"false".parse().unwrap())
    );
    let body: Value = response.json().await.unwrap();
    assert_eq!(
        (&body["error"]["code"], &body["error"]["type"]),
        (&json!("key_budget_exceeded"), &json!("insufficient_quota"))
    );
    // The allowance itself has room, and other keys are not concerned.
    assert_eq!(world.client.chat(&large).await.status(), 200);
    let id = id.strip_prefix("key_").unwrap();
    let rest = format!("\nkey: {id}\nlabel: \"raised\"\nbudget: 3\nexpires: none");
    let (status, changed) = key_command(&world, "Change an API key.", &rest).await;
    assert_eq!(
        (status, &changed["label"], &changed["budget"]),
        (200, &json!("raised"), &json!("3"))
    );
    assert_eq!(client.chat(&large).await.status(), 200);
    // Money that is held counts.
    let state = world.coordinator.accounts().balance(&world.allowance).unwrap();
    assert!(state.available() > FineAmount::ZERO);
}

#[tokio::test]
async fn key_is_held_to_its_models_its_rates_and_its_time() {
    let world = World::start().await;
    let _node = world.node(1, PRICE).await;
    let none = "budget: none\nexpires: none";
    let refused = async |client: &Client| {
        let response = client.chat(&Client::request(false)).await;
        let retry = response.headers().get("retry-after").cloned();
        let body: Value = response.json().await.unwrap();
        (body["error"]["code"].as_str().unwrap_or("").to_owned(), retry.is_some())
    };
    let (other_model, _) = limited_key(&world, &format!("{none}\nmodels: [\"other\"]")).await;
    assert_eq!(refused(&other_model).await, ("model_not_allowed".into(), false));
    let (this_model, _) = limited_key(&world, &format!("{none}\nmodels: [\"{MODEL}\"]")).await;
    served(&world, &this_model).await;
    let (slow, _) = limited_key(&world, &format!("{none}\nrequests-per-minute: 1")).await;
    let response = slow.chat(&Client::request(false)).await;
    assert_eq!(response.headers()["x-ratelimit-limit-requests"], "1");
    assert_eq!(response.headers()["x-ratelimit-remaining-requests"], "0");
    assert!(response.headers()["x-ratelimit-reset-requests"].to_str().unwrap().ends_with("ms"));
    assert_eq!(response.status(), 200);
    assert_eq!(refused(&slow).await, ("rate_limited".into(), true));
    let (small, _) = limited_key(&world, &format!("{none}\ntokens-per-minute: 40")).await;
    assert_eq!(refused(&small).await, ("hold_exceeded".into(), false));
    // Only what was used counts once it is known: 12 tokens of 70.
    let (enough, _) = limited_key(&world, &format!("{none}\ntokens-per-minute: 90")).await;
    served(&world, &enough).await;
    world.settled().await;
    served(&world, &enough).await;
    let (expired, _) = limited_key(&world, "budget: none\nexpires: 1000").await;
    assert_eq!(refused(&expired).await, ("expired_api_key".into(), false));
}

#[tokio::test]
async fn text_command_is_checked_like_any_other() {
    let world = World::start().await;
    let list = "List my API keys.";
    let command = signed("pinaivu/key-command-text/v1", list, "");
    assert_eq!(post(&world, "/keys", &command).await.0, 200);
    let refused = async |command: &Value, words: &str| {
        let (status, body) = post(&world, "/keys", command).await;
        assert_eq!((status, &body["error"]["code"]), (400, &json!("invalid_value")), "{body}");
        assert!(body["error"]["message"].as_str().unwrap().contains(words), "{body}");
    };
    refused(&command, "before").await;
    let mut forged = signed("pinaivu/key-command-text/v1", list, "");
    forged["text"] = json!(forged["text"].as_str().unwrap().replace("issued: 1", "issued:  1"));
    refused(&forged, "line 6").await;
    let fresh = signed("pinaivu/key-command-text/v1", list, "");
    let text = fresh["text"].as_str().unwrap().to_owned();
    refused(&sign(&[7; 32], text.clone()), "signature").await;
    let mut other = fresh.clone();
    other["owner"] = json!(COORDINATOR);
    refused(&other, "signature").await;
    let elsewhere = text.replace(&COORDINATOR.to_string(), &world.allowance.to_string());
    refused(&sign(&OWNER_SEED, elsewhere), "another coordinator").await;
}

#[tokio::test]
async fn sign_in_is_taken_once_here_and_in_time() {
    let world = World::start().await;
    let text = sign_in_text(&world);
    let signed = sign(&OWNER_SEED, text.clone());
    assert_eq!(post(&world, "/sessions", &signed).await.0, 200);
    let refused = async |command: &Value, words: &str| {
        let (status, body) = post(&world, "/sessions", command).await;
        assert_eq!((status, &body["error"]["code"]), (400, &json!("invalid_value")), "{body}");
        assert!(body["error"]["message"].as_str().unwrap().contains(words), "{body}");
    };
    let fresh = |from: &str, to: &str| {
        let text = sign_in_text(&world);
        assert!(text.contains(from), "{from}");
        sign(&OWNER_SEED, text.replace(from, to))
    };
    refused(&signed, "before").await;
    // Another page's, however well signed, and one that another key signed.
    let base_url = &world.client.base_url;
    let domain = base_url.strip_prefix("http://").unwrap().strip_suffix("/v1").unwrap();
    refused(&fresh(domain, "evil.example"), "evil.example").await;
    refused(&fresh(&COORDINATOR.to_string(), &world.allowance.to_string()), "another coordinator")
        .await;
    refused(&sign(&[7; 32], sign_in_text(&world)), "signature").await;
    refused(&fresh("Version: 1", "Version: 2"), "line 7").await;
    // Over, about to last an hour, and issued long ago.
    let year = text.split("Expiration Time: ").nth(1).unwrap()[..4].to_owned();
    let expires = format!("Expiration Time: {year}");
    refused(&fresh(&expires, "Expiration Time: 2020"), "is over").await;
    refused(&fresh(&expires, "Expiration Time: 2999"), "is over").await;
    let issued = format!("Issued At: {year}");
    refused(&fresh(&issued, "Issued At: 2020"), "is over").await;
    // On a loopback address, localhost is the same place.
    let local = domain.replace("127.0.0.1", "localhost");
    assert_eq!(post(&world, "/sessions", &fresh(domain, &local)).await.0, 200);
}
