//! An OpenAI-compatible server that follows a script, over HTTP/1.1 on a loopback port.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::answer::Wanted;
use crate::connection::Connection;
use crate::record::{Observed, Outcome, Record, RecordedRequest};
use crate::script::{Behaviour, Flavour};
use crate::step::{play, streamed_steps, unary_steps};
use crate::wait::{PATIENCE, wait_until};

type Body = StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>;

/// Options of a scripted server.
#[derive(Clone, Debug)]
pub struct ScriptedServerBuilder {
    flavour: Flavour,
    model: String,
    context_length: u32,
    slots: u32,
    behaviour: Behaviour,
}

impl ScriptedServerBuilder {
    /// Whose protocol it speaks; llama.cpp's unless told otherwise.
    #[must_use]
    pub const fn flavour(mut self, flavour: Flavour) -> Self {
        self.flavour = flavour;
        self
    }

    /// The one model it lists.
    #[must_use]
    pub fn model(mut self, model: &str) -> Self {
        model.clone_into(&mut self.model);
        self
    }

    /// The context it reports, 8,192 tokens unless told otherwise.
    #[must_use]
    pub const fn context_length(mut self, tokens: u32) -> Self {
        self.context_length = tokens;
        self
    }

    /// The parallel slots it reports, 4 unless told otherwise. They limit nothing.
    #[must_use]
    pub const fn slots(mut self, slots: u32) -> Self {
        self.slots = slots;
        self
    }

    /// What it does when nothing is queued; answers at once unless told otherwise.
    #[must_use]
    pub fn behaviour(mut self, behaviour: impl Into<Behaviour>) -> Self {
        self.behaviour = behaviour.into();
        self
    }

    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(self) -> io::Result<ScriptedServer> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            flavour: self.flavour,
            model: self.model,
            context_length: self.context_length,
            slots: self.slots,
            record: Record::default(),
            script: Mutex::new(Script { queue: VecDeque::new(), otherwise: self.behaviour }),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(ScriptedServer { address, shared, tasks })
    }
}

/// A running scripted server. Dropping it closes every connection and frees the port.
#[derive(Debug)]
pub struct ScriptedServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    flavour: Flavour,
    model: String,
    context_length: u32,
    slots: u32,
    record: Record,
    script: Mutex<Script>,
}

#[derive(Debug)]
struct Script {
    queue: VecDeque<Behaviour>,
    otherwise: Behaviour,
}

impl ScriptedServer {
    /// Options, all with a default; the model is `scripted-model`.
    #[must_use]
    pub fn builder() -> ScriptedServerBuilder {
        ScriptedServerBuilder {
            flavour: Flavour::default(),
            model: "scripted-model".to_owned(),
            context_length: 8_192,
            slots: 4,
            behaviour: Behaviour::answer(),
        }
    }

    /// A server with every default.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `http://127.0.0.1:port/v1`, as SDKs take it.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The model it lists.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.shared.model
    }

    /// What it does with the next chat completion that nothing else is queued for.
    pub fn enqueue(&self, behaviour: impl Into<Behaviour>) {
        self.shared.with_script(|script| script.queue.push_back(behaviour.into()));
    }

    /// What it does from now on when nothing is queued.
    pub fn behave(&self, behaviour: impl Into<Behaviour>) {
        self.shared.with_script(|script| script.otherwise = behaviour.into());
    }

    /// Every request so far, probes included, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.record.all()
    }

    /// The chat completions among [`Self::requests`].
    #[must_use]
    pub fn chats(&self) -> Vec<RecordedRequest> {
        let mut requests = self.requests();
        requests.retain(|request| request.path == "/v1/chat/completions");
        requests
    }

    /// Waits until `count` chat completions have arrived and gives them.
    ///
    /// # Panics
    /// When they have not within [`PATIENCE`].
    pub async fn wait_for_chats(&self, count: usize) -> Vec<RecordedRequest> {
        wait_until(&format!("{count} chat completions arrived"), PATIENCE, async || {
            Some(self.chats()).filter(|chats| chats.len() >= count)
        })
        .await
    }

    /// Waits until the client of the chat completion at `index` has gone away.
    ///
    /// # Panics
    /// When it has not within [`PATIENCE`].
    pub async fn wait_for_disconnect(&self, index: usize) {
        wait_until(&format!("the client of chat {index} went away"), PATIENCE, async || {
            let chats = self.chats();
            let outcome = chats.get(index).map(|chat| chat.outcome);
            (outcome == Some(Outcome::Disconnected)).then_some(())
        })
        .await;
    }

    /// Stops listening and closes every connection, as a killed process would, and waits until that
    /// is done.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

impl Shared {
    fn with_script<R>(&self, use_it: impl FnOnce(&mut Script) -> R) -> R {
        use_it(&mut self.script.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn next_behaviour(&self) -> Behaviour {
        self.with_script(|script| {
            script.queue.pop_front().unwrap_or_else(|| script.otherwise.clone())
        })
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Connections end with this task.
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
            // Out of file descriptors, or the peer was gone already.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (connection, reset) = Connection::new(stream);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        let reset = Arc::clone(&reset);
        async move { respond(request, &shared, reset).await }
    });
    // Errors here are the client's going away or the script's cutting the connection.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(connection), service)
        .await;
}

async fn respond(
    request: Request<Incoming>,
    shared: &Shared,
    reset: Arc<AtomicBool>,
) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mut observed = shared.record.begin(RecordedRequest {
        method: head.method.clone(),
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: body.clone(),
        outcome: Outcome::Running,
    });
    if (&head.method, head.uri.path()) == (&Method::POST, "/v1/chat/completions") {
        return chat(&body, shared, reset, observed).await;
    }
    let probed = probe(shared, &head.method, head.uri.path(), &body);
    let (status, body) = probed.unwrap_or_else(|| {
        let error = json!({ "error": {
            "message": "File Not Found", "type": "not_found_error", "code": 404,
        }});
        (StatusCode::NOT_FOUND, error.to_string())
    });
    observed.finish();
    Ok(json_response(status, body.into(), shared.flavour))
}

/// Everything beside chat completions, as far as the flavour has it.
fn probe(
    shared: &Shared,
    method: &Method,
    path: &str,
    body: &[u8],
) -> Option<(StatusCode, String)> {
    let (context, model, slots) = (shared.context_length, &shared.model, shared.slots);
    let answer = match (shared.flavour, method.as_str(), path) {
        (Flavour::LlamaCpp, "GET", "/v1/models") => json!({
            "object": "list",
            "data": [{
                "id": model, "object": "model", "created": 1_700_000_000, "owned_by": "llamacpp",
                "meta": { "n_ctx": context, "n_ctx_train": context, "n_vocab": 49_152 },
            }],
        }),
        (_, "GET", "/v1/models") => json!({
            "object": "list",
            "data": [{
                "id": model, "object": "model", "created": 1_700_000_000, "owned_by": "vllm",
                "root": model, "parent": null, "max_model_len": context,
            }],
        }),
        (Flavour::LlamaCpp, "GET", "/health") => json!({ "status": "ok" }),
        (Flavour::LlamaCpp, "GET", "/props") => json!({
            "default_generation_settings": { "n_ctx": context, "params": {} },
            "total_slots": slots,
            "model_alias": model,
            "model_path": "/models/scripted.gguf",
            "chat_template": "",
            "build_info": "b10434-scripted",
        }),
        (Flavour::LlamaCpp, "GET", "/slots") => (0..slots)
            .map(|id| json!({ "id": id, "n_ctx": context, "is_processing": false }))
            .collect(),
        (Flavour::LlamaCpp, "POST", "/tokenize") => json!({ "tokens": tokens(body, "content") }),
        (Flavour::Vllm, "GET", "/health") => return Some((StatusCode::OK, String::new())),
        (Flavour::Vllm, "GET", "/version") => json!({ "version": "0.32.0" }),
        (Flavour::Vllm, "POST", "/tokenize") => {
            let tokens = tokens(body, "prompt");
            json!({ "count": tokens.len(), "max_model_len": context, "tokens": tokens })
        }
        _ => return None,
    };
    Some((StatusCode::OK, answer.to_string()))
}

/// One token for each word, as the answers' pieces.
fn tokens(body: &[u8], field: &str) -> Vec<usize> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = body.get(field).and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().map(str::len).collect()
}

async fn chat(
    body: &[u8],
    shared: &Shared,
    reset: Arc<AtomicBool>,
    mut observed: Observed,
) -> io::Result<Response<Body>> {
    let flavour = shared.flavour;
    let answer = match shared.next_behaviour() {
        Behaviour::Answer(answer) => answer,
        Behaviour::Refuse { status, body } => {
            observed.finish();
            let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
            return Ok(json_response(status, body.into(), flavour));
        }
        Behaviour::Garbage(bytes) => {
            observed.finish();
            return Ok(json_response(StatusCode::OK, bytes.into(), flavour));
        }
        Behaviour::Close => {
            observed.finish();
            return Err(io::Error::other("closed by script"));
        }
        Behaviour::Reset => {
            observed.finish();
            reset.store(true, Ordering::Relaxed);
            return Err(io::Error::other("reset by script"));
        }
        // Until the client goes away: hyper drops this future then.
        Behaviour::Hang => std::future::pending().await,
    };
    let Ok(request) = serde_json::from_slice::<Value>(body) else {
        observed.finish();
        // llama.cpp says 500 to what is no JSON, vLLM 400.
        let status = match flavour {
            Flavour::LlamaCpp => StatusCode::INTERNAL_SERVER_ERROR,
            Flavour::Vllm | Flavour::Plain => StatusCode::BAD_REQUEST,
        };
        let error = json!({ "error": {
            "message": "parse error", "type": "invalid_request_error", "code": status.as_u16(),
        }});
        return Ok(json_response(status, error.to_string().into(), flavour));
    };
    let wanted = Wanted::read(&request);
    tokio::time::sleep(answer.head_delay).await;
    if wanted.stream {
        let steps = streamed_steps(&answer, &wanted, flavour);
        let body = play(steps, reset, observed);
        return Ok(response(StatusCode::OK, "text/event-stream", None, body, flavour));
    }
    let (steps, length) = unary_steps(&answer, &wanted, flavour);
    let body = play(steps, reset, observed);
    Ok(response(StatusCode::OK, "application/json", Some(length), body, flavour))
}

fn json_response(status: StatusCode, body: Bytes, flavour: Flavour) -> Response<Body> {
    let length = Some(body.len());
    let once = stream::once(async move { Ok(Frame::data(body)) }).boxed();
    response(status, "application/json", length, once, flavour)
}

fn response(
    status: StatusCode,
    content_type: &'static str,
    length: Option<usize>,
    body: BoxStream<'static, io::Result<Frame<Bytes>>>,
    flavour: Flavour,
) -> Response<Body> {
    let mut response = Response::new(StreamBody::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    if let Some(length) = length {
        headers.insert(http::header::CONTENT_LENGTH, http::HeaderValue::from(length));
    }
    let software = match flavour {
        Flavour::LlamaCpp => "llama.cpp",
        Flavour::Vllm => "uvicorn",
        Flavour::Plain => "scripted",
    };
    headers.insert(http::header::SERVER, http::HeaderValue::from_static(software));
    response
}
