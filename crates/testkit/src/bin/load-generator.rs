//! Sends chat completions over loopback as fast as answers come, for benchmarks, and prints one JSON
//! line: requests, failures, requests a second, and the median and 99th percentile in microseconds.
//!
//! `load-generator --url http://127.0.0.1:PORT/v1/chat/completions [--key K] [--model M]
//! [--connections N | --rate N] [--seconds S | --requests N] [--stream] [--user TEXT]`
//!
//! With `--connections`, each sends its next request when it has its answer. With `--rate`, so many
//! requests begin in each second whether the last ones are answered or not, on as many connections as that
//! takes.
//!
//! Every answer is read to its end; anything but 200, and a stream without `[DONE]`, is a failure: a
//! fast failure must not look like speed. It stops by itself.
#![expect(clippy::print_stdout, reason = "the figures are this program's result")]

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

fn main() -> anyhow::Result<()> {
    let options = Arc::new(Options::read(std::env::args().skip(1))?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(options))
}

struct Options {
    host: String,
    path: String,
    key: Option<String>,
    body: Bytes,
    stream: bool,
    connections: usize,
    rate: Option<u32>,
    limit: Duration,
    requests: u64,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let (mut url, mut key, mut model) = (String::new(), None, "scripted-model".to_owned());
        let (mut connections, mut seconds, mut requests, mut stream) = (1, 5, u64::MAX, false);
        let (mut rate, mut user) = (None, None);
        while let Some(name) = arguments.next() {
            if name == "--stream" {
                stream = true;
                continue;
            }
            let value = arguments.next().with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--url" => url = value,
                "--key" => key = Some(value),
                "--model" => model = value,
                "--connections" => connections = value.parse()?,
                "--rate" => rate = Some(value.parse()?),
                "--user" => user = Some(value),
                "--seconds" => seconds = value.parse()?,
                "--requests" => (requests, seconds) = (value.parse()?, 3_600),
                _ => bail!("unknown option {name}"),
            }
        }
        let rest = url.strip_prefix("http://").context("--url must start with http://")?;
        let (host, path) = rest.split_once('/').context("--url must have a path")?;
        ensure!(
            host.starts_with("127.0.0.1:") || host.starts_with("localhost:"),
            "load goes to this machine only"
        );
        let mut body = serde_json::json!({
            "model": model,
            "messages": [{"role": "user", "content": "What is the capital of France?"}],
            "max_tokens": 128,
        });
        if stream {
            body["stream"] = true.into();
        }
        if let Some(user) = user {
            body["user"] = user.into();
        }
        Ok(Self {
            host: host.to_owned(),
            path: format!("/{path}"),
            key,
            body: serde_json::to_vec(&body)?.into(),
            stream,
            connections,
            rate,
            limit: Duration::from_secs(seconds),
            requests,
        })
    }
}

async fn run(options: Arc<Options>) -> anyhow::Result<()> {
    let local = tokio::task::LocalSet::new();
    let issued = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let results = local
        .run_until(async {
            let mut tasks = tokio::task::JoinSet::new();
            if let Some(rate) = options.rate {
                return vec![at_rate(&options, rate, started).await];
            }
            for _ in 0..options.connections {
                let worker = worker(Arc::clone(&options), Arc::clone(&issued), started);
                tasks.spawn_local(worker);
            }
            tasks.join_all().await
        })
        .await;
    let seconds = started.elapsed().as_secs_f64();
    let (mut latencies, mut failures, mut first) = (Vec::new(), 0_u64, None);
    for result in results {
        let (taken, failed, error) = result?;
        latencies.extend(taken);
        failures += failed;
        first = first.or(error);
    }
    latencies.sort_unstable();
    let at = |share: usize| latencies.get(latencies.len().saturating_sub(1) * share / 100).copied();
    let line = serde_json::json!({
        "requests": latencies.len(),
        "failures": failures,
        "first_failure": first,
        "requests_per_second": (latencies.len() as f64 / seconds).round(),
        "p50_us": at(50),
        "p99_us": at(99),
    });
    println!("{line}");
    Ok(())
}

type Worked = (Vec<u64>, u64, Option<String>);

async fn worker(
    options: Arc<Options>,
    issued: Arc<AtomicU64>,
    started: Instant,
) -> anyhow::Result<Worked> {
    let mut connection = connect(&options.host).await?;
    let (mut latencies, mut failures, mut first) = (Vec::new(), 0, None);
    while started.elapsed() < options.limit
        && issued.fetch_add(1, Ordering::Relaxed) < options.requests
    {
        let begun = Instant::now();
        match once(&options, &mut connection).await {
            Ok(()) => latencies.push(u64::try_from(begun.elapsed().as_micros())?),
            Err(error) => {
                failures += 1;
                first.get_or_insert_with(|| format!("{error:#}"));
                connection = connect(&options.host).await?;
            }
        }
    }
    Ok((latencies, failures, first))
}

/// Begins requests at a steady rate. Timers tick in milliseconds, so those of one tick begin together.
async fn at_rate(options: &Arc<Options>, rate: u32, started: Instant) -> anyhow::Result<Worked> {
    let idle = Rc::new(RefCell::new(Vec::new()));
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    let (mut begun, mut running) = (0_u64, tokio::task::JoinSet::new());
    let (mut latencies, mut failures, mut first) = (Vec::new(), 0, None);
    let mut count = |outcome: anyhow::Result<u64>| match outcome {
        Ok(latency) => latencies.push(latency),
        Err(error) => {
            failures += 1;
            first.get_or_insert_with(|| format!("{error:#}"));
        }
    };
    while started.elapsed() < options.limit && begun < options.requests {
        ticks.tick().await;
        let due = u64::try_from(started.elapsed().as_micros())? * u64::from(rate) / 1_000_000;
        while begun < due {
            begun += 1;
            let (options, idle) = (Arc::clone(options), Rc::clone(&idle));
            running.spawn_local(async move {
                let begun = Instant::now();
                let connection = idle.borrow_mut().pop();
                let mut connection = match connection {
                    Some(connection) => connection,
                    None => connect(&options.host).await?,
                };
                once(&options, &mut connection).await?;
                let latency = u64::try_from(begun.elapsed().as_micros())?;
                idle.borrow_mut().push(connection);
                Ok(latency)
            });
        }
        while let Some(ended) = running.try_join_next() {
            count(ended?);
        }
    }
    while let Some(ended) = running.join_next().await {
        count(ended?);
    }
    Ok((latencies, failures, first))
}

async fn connect(host: &str) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(async move {
        // The request that suffers from a broken connection reports it.
        connection.await.ok();
    });
    Ok(sender)
}

async fn once(options: &Options, connection: &mut SendRequest<Full<Bytes>>) -> anyhow::Result<()> {
    let mut request = Request::post(&options.path)
        .header("host", &options.host)
        .header("content-type", "application/json");
    if let Some(key) = &options.key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    connection.ready().await?;
    let response = connection.send_request(request.body(Full::new(options.body.clone()))?).await?;
    let status = response.status();
    let mut body = response.into_body();
    // The end of the body, whatever pieces it came in.
    let mut last = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            last.extend_from_slice(&data);
            last.drain(..last.len().saturating_sub(512));
        }
    }
    ensure!(status == StatusCode::OK, "{status}: {}", String::from_utf8_lossy(&last));
    ensure!(
        !options.stream || last.trim_ascii_end().ends_with(b"[DONE]"),
        "the stream ended without [DONE]"
    );
    Ok(())
}
