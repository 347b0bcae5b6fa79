//! The scripted server does what it is told, as a client sees it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pinaivu_openai::{AnswerFacts, Event, EventSplitter, ModelList};
use pinaivu_testkit::{Answer, Behaviour, Ending, Flavour, Outcome, ReportedUsage, ScriptedServer};
use serde_json::{Value, json};

type HttpClient = Client<HttpConnector, Full<Bytes>>;

fn client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

fn chat(server: &ScriptedServer, body: &Value) -> Request<Full<Bytes>> {
    Request::post(format!("{}/chat/completions", server.base_url()))
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()))
        .unwrap()
}

fn question(stream: bool) -> Value {
    json!({
        "model": "scripted-model",
        "messages": [{ "role": "user", "content": "What is the capital of France?" }],
        "stream": stream,
        "stream_options": { "include_usage": stream },
    })
}

async fn get_json(server: &ScriptedServer, path: &str) -> (StatusCode, Value) {
    let request = Request::get(format!("{}{path}", server.url())).body(Full::default()).unwrap();
    let response = client().request(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// The whole events that arrived, and whether the stream ended as HTTP says it should.
async fn events(server: &ScriptedServer, body: &Value) -> (Vec<Event>, bool) {
    let response = client().request(chat(server, body)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut splitter = EventSplitter::default();
    let mut events = Vec::new();
    let mut body = response.into_body();
    loop {
        match body.frame().await {
            None => return (events, true),
            Some(Err(_)) => return (events, false),
            Some(Ok(frame)) => splitter.push(frame.into_data().unwrap()),
        }
        while let Some(event) = splitter.next_event().unwrap() {
            events.push(event);
        }
    }
}

fn text(events: &[Event]) -> String {
    let chunks =
        events.iter().filter_map(|event| serde_json::from_slice::<Value>(&event.data).ok());
    chunks
        .filter_map(|chunk| Some(chunk.pointer("/choices/0/delta/content")?.as_str()?.to_owned()))
        .collect()
}

#[tokio::test]
async fn unary_chat_is_answered_and_recorded() {
    let server = ScriptedServer::start().await.unwrap();
    let response = client().request(chat(&server, &question(false))).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], "The capital of France is Paris.");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(answer["usage"]["prompt_tokens"], 12);
    assert_eq!(answer["usage"]["completion_tokens"], 7);
    let seen = server.wait_for_chats(1).await;
    assert_eq!(seen[0].json(), question(false));
    assert_eq!(seen[0].outcome, Outcome::Finished);
}

#[tokio::test]
async fn stream_of_each_flavour_ends_as_its_server_does() {
    for (flavour, finish_comes_with_text) in [(Flavour::LlamaCpp, false), (Flavour::Vllm, true)] {
        let server = ScriptedServer::builder().flavour(flavour).start().await.unwrap();
        let (events, ended) = events(&server, &question(true)).await;
        assert!(ended);
        assert_eq!(text(&events), "The capital of France is Paris.");
        let (done, chunks) = events.split_last().unwrap();
        assert!(done.is_done());
        let facts: Vec<AnswerFacts> =
            chunks.iter().map(|event| AnswerFacts::parse(&event.data).unwrap()).collect();
        let last = facts.last().unwrap();
        assert!(last.is_bare);
        assert_eq!(last.usage.unwrap().completion_tokens, 7);
        let finishing: Vec<_> = facts.iter().filter(|facts| facts.has_finished).collect();
        assert_eq!(finishing.len(), 1);
        assert_eq!(finishing[0].has_output, finish_comes_with_text);
    }
}

#[tokio::test]
async fn max_tokens_cuts_the_answer_with_reason_length() {
    let server = ScriptedServer::start().await.unwrap();
    let mut body = question(true);
    body["max_tokens"] = json!(2);
    let (events, _) = events(&server, &body).await;
    assert_eq!(text(&events), "The capital");
    assert!(events.iter().any(|event| event.data.windows(8).any(|bytes| bytes == b"\"length\"")));
}

#[tokio::test]
async fn continuation_goes_on_where_the_last_message_ends() {
    let server = ScriptedServer::start().await.unwrap();
    let mut body = question(true);
    body["messages"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "role": "assistant", "content": "The capital of" }));
    body["continue_final_message"] = json!(true);
    let (events, _) = events(&server, &body).await;
    assert_eq!(text(&events), " France is Paris.");
}

#[tokio::test]
async fn interrupted_stream_delivers_what_came_before() {
    for ending in [Ending::CloseAfter(3), Ending::ResetAfter(3)] {
        let server = ScriptedServer::start().await.unwrap();
        server.enqueue(Answer::default().ending(ending));
        let (events, ended) = events(&server, &question(true)).await;
        assert!(!ended, "{ending:?}");
        assert_eq!(text(&events), "The capital of", "{ending:?}");
        assert_eq!(server.wait_for_chats(1).await[0].outcome, Outcome::Finished);
    }
}

#[tokio::test]
async fn malformed_stream_has_an_event_that_is_no_json_and_no_done() {
    let server = ScriptedServer::start().await.unwrap();
    server.enqueue(Answer::default().ending(Ending::MalformedAfter(1)));
    let (events, ended) = events(&server, &question(true)).await;
    assert!(ended);
    let last = events.last().unwrap();
    assert!(serde_json::from_slice::<Value>(&last.data).is_err());
    assert!(!events.iter().any(Event::is_done));
}

#[tokio::test]
async fn failing_stream_ends_with_an_error_event() {
    let server = ScriptedServer::start().await.unwrap();
    server.enqueue(Answer::default().ending(Ending::ErrorAfter(2)));
    let (events, ended) = events(&server, &question(true)).await;
    assert!(ended);
    assert!(AnswerFacts::parse(&events.last().unwrap().data).unwrap().is_error);
}

#[tokio::test]
async fn refusals_before_the_first_byte_are_as_scripted() {
    let server = ScriptedServer::start().await.unwrap();
    server.enqueue(Behaviour::Refuse { status: 503, body: r#"{"error":"busy"}"#.to_owned() });
    server.enqueue(Behaviour::Close);
    server.enqueue(Behaviour::Reset);
    server.enqueue(Behaviour::Garbage(b"<html>".to_vec()));
    let http = client();
    let refused = http.request(chat(&server, &question(false))).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.into_body().collect().await.unwrap().to_bytes(), r#"{"error":"busy"}"#);
    assert!(client().request(chat(&server, &question(false))).await.is_err());
    assert!(client().request(chat(&server, &question(false))).await.is_err());
    let garbage = client().request(chat(&server, &question(false))).await.unwrap();
    assert_eq!(garbage.into_body().collect().await.unwrap().to_bytes(), "<html>");
    assert_eq!(server.chats().len(), 4);
}

#[tokio::test]
async fn client_that_leaves_a_hanging_request_is_noticed() {
    for behaviour in [
        Behaviour::Hang,
        Answer::default().ending(Ending::HangAfter(2)).into(),
        Answer::of_pieces(10).every(Duration::from_secs(3600)).into(),
        Answer::default().after(Duration::from_secs(3600)).into(),
    ] {
        let server = ScriptedServer::start().await.unwrap();
        server.enqueue(behaviour);
        let request = chat(&server, &question(true));
        let mut pending = tokio::task::JoinSet::new();
        pending.spawn(async move { client().request(request).await.unwrap().collect().await });
        assert_eq!(server.wait_for_chats(1).await[0].outcome, Outcome::Running);
        pending.shutdown().await;
        server.wait_for_disconnect(0).await;
    }
}

#[tokio::test]
async fn reported_usage_is_what_the_script_says() {
    let server = ScriptedServer::start().await.unwrap();
    let wrong = ReportedUsage::Wrong { prompt: 1, completion: 9_999 };
    server.enqueue(Answer::default().reporting(wrong));
    server.enqueue(Answer::default().reporting(ReportedUsage::Missing));
    let mut usages = Vec::new();
    for _ in 0..2 {
        let response = client().request(chat(&server, &question(false))).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        usages.push(AnswerFacts::parse(&body).unwrap().usage);
    }
    assert_eq!(usages[0].unwrap().completion_tokens, 9_999);
    assert_eq!(usages[1], None);
}

#[tokio::test]
async fn probes_tell_llama_cpp_from_vllm() {
    let llama = ScriptedServer::builder().context_length(4_096).slots(2).start().await.unwrap();
    assert_eq!(get_json(&llama, "/props").await.1["total_slots"], 2);
    assert_eq!(get_json(&llama, "/health").await.1["status"], "ok");
    assert_eq!(get_json(&llama, "/version").await.0, StatusCode::NOT_FOUND);
    let vllm = ScriptedServer::builder().flavour(Flavour::Vllm).context_length(2_048);
    let vllm = vllm.start().await.unwrap();
    assert_eq!(get_json(&vllm, "/version").await.1["version"], "0.32.0");
    assert_eq!(get_json(&vllm, "/props").await.0, StatusCode::NOT_FOUND);
    for (server, context) in [(&llama, 4_096), (&vllm, 2_048)] {
        let (_, models) = get_json(server, "/v1/models").await;
        let list = ModelList::parse(models.to_string().as_bytes()).unwrap();
        assert_eq!(list.data[0].id, "scripted-model");
        assert_eq!(list.data[0].context_length(), Some(context));
    }
}

#[tokio::test]
async fn stopped_server_refuses_connections() {
    let server = ScriptedServer::start().await.unwrap();
    let request = chat(&server, &question(false));
    server.stop().await;
    assert!(client().request(request).await.is_err());
}

#[tokio::test]
async fn scripted_upstream_streams_the_chunks_it_was_told() {
    use tokio::io::AsyncBufReadExt;
    let mut process = tokio::process::Command::new(env!("CARGO_BIN_EXE_scripted-upstream"))
        .args(["--chunks", "10"])
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = tokio::io::BufReader::new(process.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let url = line.strip_prefix("listening on ").unwrap();
    for include_usage in [false, true] {
        let mut body = question(true);
        body["stream_options"]["include_usage"] = json!(include_usage);
        let request = Request::post(format!("{url}/v1/chat/completions"))
            .body(Full::from(body.to_string()))
            .unwrap();
        let response = client().request(request).await.unwrap();
        let mut splitter = EventSplitter::default();
        splitter.push(response.into_body().collect().await.unwrap().to_bytes());
        let mut count = 0;
        while let Some(event) = splitter.next_event().unwrap() {
            count += usize::from(!event.is_done());
        }
        assert_eq!(count, 10);
    }
    process.kill().await.unwrap();
}
