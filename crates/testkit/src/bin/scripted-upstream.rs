//! An OpenAI-compatible server that answers at once with bytes made before, for benchmarks: what is
//! measured through it is everything in front of it. It looks like llama.cpp to a node's probing.
//!
//! `scripted-upstream [--port N] [--model NAME] [--chunks N] [--every-ms N] [--threads N]`
//!
//! Prints `listening on http://127.0.0.1:PORT` when it is ready and runs until it is killed. A stream
//! has `--chunks` events beside `[DONE]` (66 unless told otherwise), the usage chunk included when the
//! request asks for it, `--every-ms` milliseconds apart; a request whose `user` is `every-ms=N` has its own
//! pace. A request that ends in a part of its answer (`continue_final_message`) gets the rest.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pinaivu_openai::ChatRequest;
use pinaivu_testkit::{Answer, Flavour, stream_events, unary_body};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Interval;

fn main() -> anyhow::Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    let mut runtime = match options.threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if options.threads > 1 {
        runtime.worker_threads(options.threads);
    }
    runtime.enable_all().build()?.block_on(run(options))
}

struct Options {
    port: u16,
    model: String,
    chunks: usize,
    every: Duration,
    threads: usize,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut options = Self {
            port: 0,
            model: "scripted-model".to_owned(),
            chunks: 66,
            every: Duration::ZERO,
            threads: 1,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--port" => options.port = value.parse()?,
                "--model" => options.model = value,
                "--chunks" => options.chunks = value.parse()?,
                "--every-ms" => options.every = Duration::from_millis(value.parse()?),
                "--threads" => options.threads = value.parse()?,
                _ => bail!("unknown option {name}"),
            }
        }
        Ok(options)
    }
}

/// Everything it ever says.
struct Replies {
    unary: Bytes,
    stream: Arc<[Bytes]>,
    stream_with_usage: Arc<[Bytes]>,
    models: Bytes,
    props: Bytes,
    /// The text of a stream after each of its events.
    texts: Vec<String>,
    every: Duration,
}

impl Replies {
    fn new(options: &Options) -> anyhow::Result<Self> {
        let stream = |include_usage: bool| -> anyhow::Result<Arc<[Bytes]>> {
            // The first chunk has the role, the last the finish reason; the usage chunk comes on top.
            let around = 2 + usize::from(include_usage);
            let pieces = options.chunks.checked_sub(around).context("--chunks is too small")?;
            let answer = Answer::of_pieces(pieces);
            let events = stream_events(&answer, &options.model, include_usage, Flavour::LlamaCpp);
            Ok(events.into())
        };
        let model = serde_json::Value::from(options.model.as_str());
        let mut texts = vec![String::new()];
        for at in 0..options.chunks {
            // The pieces of `Answer::of_pieces`.
            let text = texts.last().map_or_else(String::new, |text| format!("{text} token{at}"));
            texts.push(text);
        }
        Ok(Self {
            unary: unary_body(&Answer::default(), &options.model, Flavour::LlamaCpp).into(),
            stream: stream(false)?,
            stream_with_usage: stream(true)?,
            models: format!(
                r#"{{"object":"list","data":[{{"id":{model},"object":"model","owned_by":"llamacpp","meta":{{"n_ctx":8192}}}}]}}"#
            )
            .into(),
            props: format!(
                r#"{{"default_generation_settings":{{"n_ctx":8192}},"total_slots":256,"model_alias":{model},"build_info":"b10434-scripted"}}"#
            )
            .into(),
            texts,
            every: options.every,
        })
    }
}

impl Replies {
    /// The event after the text that the request already has; the first one for most requests.
    fn next_event(&self, body: &[u8]) -> usize {
        let begun = || {
            let request: serde_json::Value = serde_json::from_slice(body).ok()?;
            let last = request["messages"].as_array()?.last()?;
            let text = last["content"].as_str().filter(|_| last["role"] == "assistant")?;
            self.texts.iter().position(|known| known == text)
        };
        match body.windows(CONTINUE.len()).any(|window| window == CONTINUE) {
            true => begun().map_or(0, |event| event + 1),
            false => 0,
        }
    }
}

/// The field of a request for the rest of an answer.
const CONTINUE: &[u8] = b"\"continue_final_message\"";

async fn run(options: Options) -> anyhow::Result<()> {
    let replies = Arc::new(Replies::new(&options)?);
    let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
    #[expect(clippy::print_stdout, reason = "whoever starts it reads the port here")]
    {
        println!("listening on http://{}", listener.local_addr()?);
    }
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        connections.spawn(serve(stream, Arc::clone(&replies)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, replies: Arc<Replies>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let service = service_fn(move |request| {
        let replies = Arc::clone(&replies);
        async move { Ok::<_, Infallible>(respond(request, &replies).await) }
    });
    // The client's going away is no error of ours.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    Ok(())
}

async fn respond(request: Request<Incoming>, replies: &Replies) -> Response<Reply> {
    let (head, body) = request.into_parts();
    match (&head.method, head.uri.path()) {
        (&Method::POST, "/v1/chat/completions") => {
            let Ok(body) = body.collect().await else {
                return json(StatusCode::BAD_REQUEST, Bytes::from_static(b"{}"));
            };
            let body = body.to_bytes();
            let every = || asked_pace(&body).unwrap_or(replies.every);
            let next = replies.next_event(&body);
            match ChatRequest::parse(&body) {
                Ok(chat) if chat.stream && chat.include_usage => {
                    events(&replies.stream_with_usage, next, every())
                }
                Ok(chat) if chat.stream => events(&replies.stream, next, every()),
                Ok(_) => json(StatusCode::OK, replies.unary.clone()),
                Err(error) => json(StatusCode::BAD_REQUEST, error.to_json().into()),
            }
        }
        (&Method::GET, "/v1/models") => json(StatusCode::OK, replies.models.clone()),
        (&Method::GET, "/props") => json(StatusCode::OK, replies.props.clone()),
        (&Method::GET, "/health") => {
            json(StatusCode::OK, Bytes::from_static(br#"{"status":"ok"}"#))
        }
        _ => json(StatusCode::NOT_FOUND, Bytes::from_static(b"{}")),
    }
}

/// A request's own pace, in a field that every gateway passes on.
fn asked_pace(body: &[u8]) -> Option<Duration> {
    let user = pinaivu_openai::get_field(body, "user").ok()??;
    let millis = user.trim_matches('"').strip_prefix("every-ms=")?;
    millis.parse().ok().map(Duration::from_millis)
}

fn json(status: StatusCode, body: Bytes) -> Response<Reply> {
    respond_with(status, "application/json", Reply::Whole(Some(body)))
}

/// From event `next` on, which is after so many pieces and the role.
fn events(events: &Arc<[Bytes]>, next: usize, every: Duration) -> Response<Reply> {
    let events = &match next.checked_sub(1) {
        Some(told) => events.iter().map(|event| with_less_usage(event, told)).collect(),
        None => Arc::clone(events),
    };
    let pace = (!every.is_zero()).then(|| Box::pin(tokio::time::interval(every)));
    let reply = Reply::Events { events: Arc::clone(events), next, pace };
    respond_with(StatusCode::OK, "text/event-stream", reply)
}

/// An event of which the usage, if it tells one, is that of an answer `told` tokens shorter.
fn with_less_usage(event: &Bytes, told: usize) -> Bytes {
    let shorter = || {
        let text = std::str::from_utf8(event).ok()?;
        let mut object: serde_json::Value =
            serde_json::from_str(text.strip_prefix("data: ")?.trim_end()).ok()?;
        let usage = object.get_mut("usage")?.as_object_mut()?;
        for name in ["completion_tokens", "total_tokens"] {
            let count = usage.get(name)?.as_u64()?.saturating_sub(u64::try_from(told).ok()?);
            usage.insert(name.to_owned(), count.into());
        }
        Some(Bytes::from(format!("data: {object}\n\n")))
    };
    shorter().unwrap_or_else(|| event.clone())
}

fn respond_with(status: StatusCode, content_type: &'static str, reply: Reply) -> Response<Reply> {
    let mut response = Response::new(reply);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

/// A response body that allocates nothing.
enum Reply {
    Whole(Option<Bytes>),
    Events { events: Arc<[Bytes]>, next: usize, pace: Option<Pin<Box<Interval>>> },
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut *self {
            Self::Whole(body) => body.take(),
            Self::Events { events, next, pace } => {
                if let Some(pace) = pace
                    && *next < events.len()
                {
                    ready!(pace.poll_tick(context));
                }
                let event = events.get(*next).cloned();
                *next += 1;
                event
            }
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => {
                let length = body.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Self::Events { .. } => SizeHint::default(),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_none(),
            Self::Events { events, next, .. } => *next >= events.len(),
        }
    }
}
