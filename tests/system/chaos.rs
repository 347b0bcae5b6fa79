//! Nodes killed under load, for as long as one likes: what clients lose, what is charged, what memory does.
//!
//! Run by `cargo xtask chaos`, which says for how long and where the report goes.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pinaivu_chain::{Chain, Commitment};
use pinaivu_protocol::units::FineAmount;
use pinaivu_system_tests::{Network, binaries, check_conservation, eventually};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// One of them is killed each time: a tenth.
const NODES: usize = 10;
const KILL_EVERY: Duration = Duration::from_secs(3);
const CLIENTS: usize = 48;
/// Events of a scripted stream beside `[DONE]`, and the time between them: a role, pieces, a finish reason
/// and usage, which the coordinator asks for.
const CHUNKS: usize = 66;
const PACE_MILLIS: &str = "15";

/// Of requests, those that may be lost before their first token: one in ten thousand.
const LOST_AT_MOST: f64 = 0.000_1;

/// What memory may grow by from the second quarter of the time to the last, medians, in kilobytes.
const GROWTH_AT_MOST: u64 = 16 * 1024;

/// A paced stream of tokens behind every node; ends with this value.
struct Upstream(Child, String);

impl Upstream {
    fn start() -> Self {
        let mut child = Command::new(binaries().join("scripted-upstream"))
            .args(["--every-ms", PACE_MILLIS, "--chunks", &CHUNKS.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().rsplit(' ').next().unwrap().to_owned();
        Self(child, url)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// How one request went for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Course {
    Whole,
    /// Whole, over more than one node.
    TakenOver,
    /// Ended in an error after a part of it, which was told.
    CutOff,
    /// Nothing of an answer came.
    Lost,
    /// Something else than the answer came.
    Wrong,
}

struct Seen {
    course: Course,
    request: Option<String>,
    /// Pieces of text that came, each a token where the upstream is scripted.
    pieces: u64,
    /// What the client was told, where it got no whole answer.
    why: String,
}

/// The whole text of a scripted answer; nothing with a real model, whose words nobody knows.
type Expected = Option<Arc<str>>;

async fn ask(
    http: &reqwest::Client,
    url: &str,
    key: &str,
    model: &str,
    expected: &Expected,
) -> Seen {
    let body = json!({
        "model": model, "stream": true, "max_tokens": CHUNKS,
        "messages": [{ "role": "user", "content": "Tell me a story." }],
    });
    let lost = |request, why: String| Seen { course: Course::Lost, request, pieces: 0, why };
    let sent = http.post(url).bearer_auth(key).json(&body).send().await;
    let mut response = match sent {
        Ok(response) => response,
        Err(error) => return lost(None, error.to_string()),
    };
    let request = response.headers().get("x-request-id").map(|id| id.to_str().unwrap().to_owned());
    let status = response.status();
    let mut bytes = Vec::new();
    let broken = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    let body = String::from_utf8_lossy(&bytes);
    if status != 200 {
        return lost(request, format!("{status} {body}"));
    }
    let events: Vec<Value> = body
        .split("\n\n")
        .filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok())
        .collect();
    let told: Vec<&str> = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
        .filter(|piece| !piece.is_empty())
        .collect();
    let (text, pieces) = (told.concat(), told.len() as u64);
    let error = events.last().and_then(|event| event["error"]["code"].as_str());
    let why = broken.or(error.map(str::to_owned)).unwrap_or_default();
    let over = events.iter().any(|event| event["pinaivu"]["segment"].is_number());
    let done = body.ends_with("data: [DONE]\n\n");
    let fits = |text: &str| expected.as_ref().is_none_or(|all| all.starts_with(text));
    let course = match () {
        () if text.is_empty() => Course::Lost,
        () if !fits(&text) => Course::Wrong,
        () if !done => Course::CutOff,
        () if expected.as_ref().is_some_and(|all| **all != *text) => Course::Wrong,
        () if over => Course::TakenOver,
        () => Course::Whole,
    };
    let why = if course == Course::Wrong { text } else { why };
    Seen { course, request, pieces, why }
}

fn resident_kilobytes(network: &Network, process: &str) -> u64 {
    let pid = network.pid(process).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What a receipt says of one segment of an answer.
struct Receipted {
    request: String,
    segment: u64,
    output: u64,
    amount: u128,
}

/// Every receipt there is.
async fn all_receipts(network: &Network) -> Vec<Receipted> {
    let mut all = Vec::new();
    let mut before = String::new();
    loop {
        let page = network.get(&format!("/receipts?limit=100{before}")).await.unwrap().json();
        for entry in page["data"].as_array().unwrap() {
            all.push(Receipted {
                request: entry["request_id"].as_str().unwrap().to_owned(),
                segment: entry["segment"].as_u64().unwrap(),
                output: entry["output_tokens"].as_u64().unwrap(),
                amount: entry["amount"].as_str().unwrap().parse().unwrap(),
            });
        }
        let Some(next) = page["next"].as_str() else { return all };
        before = format!("&before={next}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs for minutes; see `cargo xtask chaos`"]
async fn nodes_killed_under_load_lose_no_request_and_no_money() {
    let minutes: f64 = std::env::var("PINAIVU_CHAOS_MINUTES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1.0);
    let real = std::env::var_os("PINAIVU_CHAOS_REAL").is_some();
    let nodes = NODES.to_string();
    let upstream = (!real).then(Upstream::start);
    let mut options = vec![
        "--nodes",
        &nodes,
        "--node",
        "serving.max_unpaid_usdc=\"1000000\"",
        // Cheap, so that the demo allowance lasts.
        "--node",
        "pricing.usdc_per_million_tokens=\"0.01\"",
    ];
    if let Some(Upstream(_, url)) = &upstream {
        options.extend(["--backend", url.as_str()]);
    }
    let network = Arc::new(Network::start(&options).await.unwrap());
    let expected: Expected = upstream
        .as_ref()
        .map(|_| (0..CHUNKS - 3).map(|at| format!(" token{at}")).collect::<String>().into());
    let http = reqwest::Client::builder().timeout(Duration::from_secs(120)).build().unwrap();
    let url = format!("{}/chat/completions", network.field("base_url").unwrap());
    let (key, model) = (network.field("api_key").unwrap(), network.field("model").unwrap());

    let stop = Arc::new(AtomicBool::new(false));
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let clients = if real { 4 } else { CLIENTS };
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let (http, url, key, model) = (http.clone(), url.clone(), key.clone(), model.clone());
        let (stop, seen, expected) = (Arc::clone(&stop), Arc::clone(&seen), expected.clone());
        asking.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let one = ask(&http, &url, &key, &model, &expected).await;
                seen.lock().await.push(one);
            }
        });
    }

    let length = Duration::from_secs_f64(minutes * 60.0);
    let (started, mut kills, mut memory) = (Instant::now(), 0_usize, Vec::new());
    while started.elapsed() < length {
        tokio::time::sleep(KILL_EVERY).await;
        memory.push(resident_kilobytes(&network, "coordinator"));
        // Each in turn; one that is not back yet is let be.
        let name = format!("node-{}", kills % NODES + 1);
        if network.signal(&name, Signal::SIGKILL).is_ok() {
            kills += 1;
        }
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = asking.join_next().await {
        ended.unwrap();
    }

    let seen = std::mem::take(&mut *seen.lock().await);
    let count = |course| seen.iter().filter(|one| one.course == course).count();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for one in seen.iter().filter(|one| !one.why.is_empty()) {
        *reasons.entry(format!("{:?}: {}", one.course, one.why)).or_default() += 1;
    }

    // Money: one receipt for each segment, for every request that was answered, and the chain owes exactly
    // their sum.
    let answered: BTreeSet<&str> = seen
        .iter()
        .filter(|one| one.course != Course::Lost)
        .filter_map(|one| one.request.as_deref())
        .collect();
    let all = eventually("a receipt for every answer", Duration::from_secs(120), async || {
        let all = all_receipts(&network).await;
        let receipted: BTreeSet<&str> = all.iter().map(|one| &*one.request).collect();
        Ok(answered.iter().all(|id| receipted.contains(id)).then_some(all))
    })
    .await
    .unwrap();
    let names: BTreeSet<_> = all.iter().map(|one| (&one.request, one.segment)).collect();
    assert_eq!(names.len(), all.len(), "a segment has one receipt");
    let chain = network.chain().unwrap();
    let id = network.coordinator().unwrap();
    let settled = eventually("exact settlement", Duration::from_secs(120), async || {
        let all = all_receipts(&network).await;
        let owed = FineAmount(all.iter().map(|one| one.amount).sum()).to_amount_ceil().unwrap();
        let coordinator = chain.coordinator(id, Commitment::Confirmed).await?.unwrap();
        let exact = coordinator.debited == owed && coordinator.log.size == all.len() as u64;
        Ok(exact.then_some((coordinator.debited, all)))
    })
    .await
    .unwrap();
    let (debited, all) = settled;
    let tokens = Tokens::compare(&seen, &all);
    check_conservation(&chain, network.market().unwrap()).await.unwrap();

    let (early, late) = (memory.len() / 4..memory.len() / 2, memory.len() * 3 / 4..memory.len());
    let (early, late) = (median(&memory[early]), median(&memory[late]));
    let report = json!({
        "minutes": minutes, "backend": if real { "llama.cpp" } else { "scripted, paced" },
        "nodes": NODES, "kills": kills, "requests": seen.len(),
        "whole": count(Course::Whole), "taken_over": count(Course::TakenOver),
        "cut_off": count(Course::CutOff), "lost_before_first_token": count(Course::Lost),
        "wrong": count(Course::Wrong), "why": reasons,
        "receipts": all.len(), "debited_usdc": debited.to_usdc_string(),
        "tokens": {
            "delivered": tokens.delivered, "charged": tokens.charged,
            "requests_charged_more": tokens.more, "requests_charged_less": tokens.less,
        },
        "coordinator_kilobytes": {
            "second_quarter": early, "last_quarter": late, "most": memory.iter().max(),
            "samples": memory,
        },
    });
    println!("{report:#}");
    if let Some(file) = std::env::var_os("PINAIVU_CHAOS_REPORT") {
        std::fs::write(file, format!("{report:#}\n")).unwrap();
    }
    assert_eq!(count(Course::Wrong), 0, "an answer is the answer: {reasons:?}");
    let lost = count(Course::Lost) as f64 / seen.len().max(1) as f64;
    assert!(lost < LOST_AT_MOST, "lost before the first token: {lost}: {reasons:?}");
    assert_eq!(tokens.unknown, 0, "a receipt for a request that nobody made");
    if !real {
        assert_eq!(tokens.more, 0, "charged for tokens that the client never got: {report:#}");
    }
    assert!(late <= early + GROWTH_AT_MOST, "memory grows: {report:#}");
}

/// Tokens that clients got beside those they were charged for.
#[derive(Default)]
struct Tokens {
    delivered: u64,
    charged: u64,
    /// Requests of which more was charged than delivered.
    more: u64,
    /// And less.
    less: u64,
    /// Receipts of requests that no client made.
    unknown: u64,
}

impl Tokens {
    fn compare(seen: &[Seen], receipts: &[Receipted]) -> Self {
        let mut tokens = Self::default();
        let mut charged: BTreeMap<&str, u64> = BTreeMap::new();
        for one in receipts {
            *charged.entry(&one.request).or_default() += one.output;
        }
        for one in seen {
            let Some(request) = one.request.as_deref() else { continue };
            let charged = charged.remove(request).unwrap_or(0);
            tokens.delivered += one.pieces;
            tokens.charged += charged;
            // The end of an answer is a token too.
            tokens.more += u64::from(charged > one.pieces + 1);
            tokens.less += u64::from(charged < one.pieces);
        }
        tokens.unknown = charged.len() as u64;
        tokens
    }
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}
