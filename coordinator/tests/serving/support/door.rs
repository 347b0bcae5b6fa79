//! A scripted node's public address: clients that were redirected ask here with the ticket in the URL, get
//! what the node says to what they ask, and the node reports it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::BodyExt as _;
use pinaivu_protocol::answer::{Answer, AnswerAssembler};
use pinaivu_protocol::commitment::{Salt, request_commitment_raw};
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::tunnel::NodeMessage;
use pinaivu_testkit::{PATIENCE, wait_until};
use serde_json::Value;

use super::as_asked::as_asked;
use super::node::{ScriptedNode, Shared};
use super::script::Script;

impl ScriptedNode {
    /// Opens a public address and tells the coordinator of it, in time for the next request.
    pub(crate) async fn open_door(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(fetched).with_state(Arc::clone(&self.shared));
        let stop = self.stopped();
        tokio::spawn(async move {
            tokio::select! {
                ended = axum::serve(listener, router) => ended.unwrap(),
                () = stop.cancelled() => {}
            }
        });
        wait_until("the events stream is open", PATIENCE, async || {
            self.shared.is_heard().then_some(())
        })
        .await;
        self.shared.say(&NodeMessage::Door(address.clone()));
        // Messages are taken in order: what is answered after the door comes after it.
        let ask = self.shared.ask("a-model-for-order", pinaivu_protocol::units::TokenPrice(1));
        self.send_ask(self.shared.signed(ask)).await;
        address
    }
}

/// The ticket in a URL.
pub(crate) fn ticket(url: &str) -> Ticket {
    signed(url.split_once('?').unwrap().1).record
}

fn signed(query: &str) -> Signed<Ticket> {
    let bytes = URL_SAFE_NO_PAD.decode(query.strip_prefix("ticket=").unwrap()).unwrap();
    Signed::<Ticket>::decode(&bytes).unwrap()
}

/// A request of a client: nothing of the gateway's may be in it but the ticket.
async fn fetched(State(node): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    node.fetched.fetch_add(1, Ordering::Relaxed);
    for secret in [header::AUTHORIZATION, header::COOKIE] {
        if head.headers.contains_key(&secret) {
            node.leaked.fetch_add(1, Ordering::Relaxed);
            return (StatusCode::BAD_REQUEST, "a secret came to the node").into_response();
        }
    }
    let signed = signed(head.uri.query().unwrap());
    signed.verify(&node.coordinator_signer).unwrap();
    let ticket = signed.record;
    let body = body.collect().await.unwrap().to_bytes();
    let commitment = request_commitment_raw(&Salt(ticket.salt), &body).unwrap();
    assert_eq!(ticket.request_commitment, commitment, "the body is the one committed to");
    node.requests.lock().push((ticket.clone(), body.clone()));
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("x-request-id", ticket.request.to_string().parse().unwrap());
    headers.insert("x-pinaivu-salt", hex::encode(ticket.salt).parse().unwrap());
    let (kind, text, answer) = match as_asked(head.uri.path(), &asked) {
        Script::Chunks(chunks) => {
            let mut assembler = AnswerAssembler::new();
            let mut text = String::new();
            for chunk in &chunks {
                assembler.push(chunk).unwrap();
                text.push_str(&format!("data: {chunk}\n\n"));
            }
            text.push_str("data: [DONE]\n\n");
            ("text/event-stream", text, assembler.finish())
        }
        Script::Whole(object) => {
            let answer = Answer::from_completion(&object).unwrap();
            ("application/json", object.to_string(), answer)
        }
        script => panic!("not for a door: {script:?}"),
    };
    node.report(&ticket, &answer, Outcome::Completed);
    headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
    (headers, Body::from(text)).into_response()
}
