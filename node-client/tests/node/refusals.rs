//! Requests that are refused: each with its code, none reaches the backend, none leaves a proof.

use http::StatusCode;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, NodeId};
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::tunnel::{TicketRefusal, TunnelMac};
use pinaivu_protocol::units::{Tariff, TokenPrice, UnixMillis};

use crate::support::PRICE;
use crate::support::World;
use crate::support::coordinator::{CHAT, MODEL, Tunnel, Whole, body, now};

async fn refusal(tunnel: &Tunnel, change: impl FnOnce(&mut Ticket)) -> Whole {
    let request = body(true);
    let mut ticket = tunnel.ticket(&request);
    change(&mut ticket);
    Whole::read(tunnel.dispatch(&ticket, request).await).await
}

fn assert_refused(whole: &Whole, refusal: TicketRefusal) {
    assert_eq!(whole.status, StatusCode::FORBIDDEN);
    assert_eq!(whole.refusal(), Some(refusal.code()));
    assert_eq!(whole.try_proof(), None);
}

#[tokio::test]
async fn ticket_that_does_not_fit_is_refused_with_its_code() {
    let world = World::new().await;
    let node = world.start().await;
    let tunnel = world.coordinator.connect().await;

    let whole = refusal(&tunnel, |ticket| ticket.deadline = UnixMillis(now() - 1)).await;
    assert_refused(&whole, TicketRefusal::Expired);
    assert_eq!(whole.error_code(), "ticket_expired");
    let whole = refusal(&tunnel, |ticket| ticket.deadline = UnixMillis(now() + 100_000_000)).await;
    assert_refused(&whole, TicketRefusal::Malformed);

    for change in [
        |ticket: &mut Ticket| ticket.node = NodeId([9; 32]),
        |ticket: &mut Ticket| ticket.coordinator = CoordinatorId([9; 32]),
        |ticket: &mut Ticket| ticket.deployment = Default::default(),
    ] {
        assert_refused(&refusal(&tunnel, change).await, TicketRefusal::WrongParty);
    }
    let whole = refusal(&tunnel, |ticket| ticket.request_commitment = Hash32([9; 32])).await;
    assert_refused(&whole, TicketRefusal::WrongBody);
    let whole = refusal(&tunnel, |ticket| ticket.model = "other".to_owned()).await;
    assert_refused(&whole, TicketRefusal::UnknownModel);
    assert_eq!(whole.error_code(), "model_not_found");

    for tariff in [
        Tariff { price: TokenPrice(PRICE - 1), input_weight: 1, output_weight: 3 },
        // Weights below those announced with the ask pay less at the same price.
        Tariff { price: TokenPrice(PRICE), input_weight: 1, output_weight: 2 },
        Tariff { price: TokenPrice(PRICE), input_weight: 0, output_weight: 3 },
    ] {
        let whole = refusal(&tunnel, |ticket| ticket.tariff = tariff).await;
        assert_refused(&whole, TicketRefusal::Underpriced);
    }
    assert!(world.backend.chats().is_empty());
    node.shutdown().await;
}

#[tokio::test]
async fn ticket_with_a_forged_mac_is_refused() {
    let world = World::new().await;
    let node = world.start().await;
    let tunnel = world.coordinator.connect().await;
    let ticket = tunnel.ticket(&body(true));
    let elsewhere = TunnelMac::new(&[1; 32]).seal(&ticket);
    let whole = Whole::read(tunnel.dispatch_sealed(&elsewhere, body(true)).await).await;
    assert_refused(&whole, TicketRefusal::Forged);
    for (bytes, refusal) in [
        ([0; 0].as_slice(), TicketRefusal::Malformed),
        (&[0; 31], TicketRefusal::Malformed),
        (&[0; 400], TicketRefusal::Forged),
    ] {
        let whole = Whole::read(tunnel.dispatch_sealed(bytes, body(true)).await).await;
        assert_refused(&whole, refusal);
    }
    assert!(world.backend.chats().is_empty());
    node.shutdown().await;
}

#[tokio::test]
async fn ticket_is_served_once_also_when_sealed_anew_on_another_tunnel_or_after_a_restart() {
    let world = World::new().await;
    let node = world.start().await;
    let mut tunnel = world.coordinator.connect().await;
    let (ticket, whole) = tunnel.ask(body(true)).await;
    assert_eq!(whole.status, StatusCode::OK);
    // Journaled once its root is here.
    tunnel.next_root().await;
    let again = Whole::read(tunnel.dispatch(&ticket, body(true)).await).await;
    assert_refused(&again, TicketRefusal::Replayed);
    assert_eq!(again.error_code(), "ticket_replayed");

    drop(tunnel);
    let tunnel = world.coordinator.connect().await;
    let again = Whole::read(tunnel.dispatch(&ticket, body(true)).await).await;
    assert_refused(&again, TicketRefusal::Replayed);

    node.shutdown().await;
    drop(tunnel);
    let node = world.start().await;
    let tunnel = world.coordinator.connect().await;
    let again = Whole::read(tunnel.dispatch(&ticket, body(true)).await).await;
    assert_refused(&again, TicketRefusal::Replayed);
    assert_eq!(world.backend.chats().len(), 1);
    node.shutdown().await;
}

#[tokio::test]
async fn body_that_is_no_request_is_refused() {
    let world = World::new().await;
    let node = world.start_with(world.config_with("[serving]\nmax_request_bytes = 1000")).await;
    let tunnel = world.coordinator.connect().await;

    // A body that cannot be committed to is not the one the ticket commits to.
    let malformed = b"{\"model\":".to_vec();
    let ticket = tunnel.ticket(&malformed);
    let whole = Whole::read(tunnel.dispatch(&ticket, malformed).await).await;
    assert_refused(&whole, TicketRefusal::WrongBody);

    let without_messages = format!(r#"{{"model":"{MODEL}"}}"#).into_bytes();
    let (_, whole) = tunnel.ask(without_messages).await;
    assert_eq!((whole.status.as_u16(), whole.refusal()), (400, None));
    assert_eq!(whole.error_code(), "missing_required_parameter");

    let long = format!(
        r#"{{"model":"{MODEL}","messages":[{{"role":"user","content":"{}"}}]}}"#,
        "x".repeat(1000)
    );
    let (_, whole) = tunnel.ask(long.into_bytes()).await;
    assert_eq!((whole.status.as_u16(), whole.error_code().as_str()), (413, "body_too_large"));
    assert!(world.backend.chats().is_empty());
    node.shutdown().await;
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let world = World::new().await;
    let node = world.start().await;
    let tunnel = world.coordinator.connect().await;
    let whole = Whole::read(tunnel.peer.get("/v1/models").await).await;
    assert_eq!((whole.status.as_u16(), whole.error_code().as_str()), (404, "not_found"));
    node.shutdown().await;
}

#[tokio::test]
async fn request_beyond_the_places_is_refused_as_unavailable() {
    let world = World::new().await;
    let node = world.start_with(world.config_with("[serving]\nmax_concurrent = 1")).await;
    let tunnel = world.coordinator.connect().await;
    world.backend.enqueue(pinaivu_testkit::Behaviour::Hang);
    let request = body(true);
    let (first, second) = (tunnel.ticket(&request), tunnel.ticket(&request));
    let (client, sealed) = (tunnel.peer.client.clone(), tunnel.peer.mac.seal(&first));
    let first_body = request.clone().into();
    let hanging = async move { client.request(CHAT, &sealed, first_body).await };
    let hanging = tokio::task::JoinSet::from_iter([hanging]);
    world.backend.wait_for_chats(1).await;
    let whole = Whole::read(tunnel.dispatch(&second, request).await).await;
    assert_refused(&whole, TicketRefusal::Unavailable);
    drop(hanging);
    node.shutdown().await;
}
