//! How streams and connections end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use pinaivu_tunnel::{Error, Frame, MAX_STREAMS, Piece, ResetCode, Server, connect};
use tokio::io::duplex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::support::{Dropped, End, KEEP_ALIVE, Pair, Raw, Script, ok, settle, soon};

#[tokio::test]
async fn request_nobody_waits_for_is_dropped_at_the_other_end() {
    let (dropped, gone) = Dropped::new();
    let dropped = Mutex::new(Some(dropped));
    let pair = Pair::new(1_000, move |_| {
        let dropped = dropped.lock().take();
        async move {
            let _dropped = dropped;
            std::future::pending().await
        }
    });
    let asked = tokio::time::timeout(Duration::from_millis(10), async {
        pair.client.request("", b"", Bytes::from(vec![0; 100_000])).await
    });
    asked.await.unwrap_err();
    soon(gone).await.unwrap();
    assert_eq!(pair.ended().await, (Ok(()), Ok(())));
}

#[tokio::test]
async fn answer_nobody_reads_on_is_dropped_at_the_other_end() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = Mutex::new(Some(receiver));
    let pair = Pair::new(1_000, move |_| {
        let receiver = receiver.lock().take().unwrap();
        async { ok(Script::Channel(receiver)) }
    });
    let mut body = soon(pair.client.request("", b"", Bytes::new())).await.unwrap().body;
    sender.send(Piece::Data("first".into())).unwrap();
    assert_eq!(soon(body.data()).await.unwrap().unwrap(), "first");
    drop(body);
    soon(sender.closed()).await;
    assert_eq!(pair.ended().await, (Ok(()), Ok(())));
}

#[tokio::test]
async fn panic_ends_its_own_stream_and_no_other() {
    let pair = Pair::new(1_000, |request| async move {
        match request.path.as_str() {
            "handler" => panic!("scripted"),
            "answer" => ok(Script::Panics),
            _ => ok(Script::whole("fine", "")),
        }
    });
    let refused = soon(pair.client.request("handler", b"", Bytes::new())).await.unwrap_err();
    assert_eq!(refused, Error::Reset(ResetCode::BROKEN));
    let mut body = soon(pair.client.request("answer", b"", Bytes::new())).await.unwrap().body;
    let broken = soon(body.data()).await.unwrap().unwrap_err();
    assert_eq!(broken, Error::Reset(ResetCode::BROKEN));
    let fine = soon(pair.client.request("", b"", Bytes::new())).await.unwrap();
    assert_eq!(soon(fine.body.collect(9)).await.unwrap().0, "fine");
}

#[tokio::test]
async fn shut_down_finishes_what_runs_and_takes_nothing_new() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = Mutex::new(Some(receiver));
    let mut pair = Pair::new(1_000, move |_| {
        let receiver = receiver.lock().take().unwrap();
        async { ok(Script::Channel(receiver)) }
    });
    let running = soon(pair.client.request("", b"", Bytes::new())).await.unwrap();
    pair.stop.take().unwrap().send(()).unwrap();
    settle().await;
    let refused = soon(pair.client.request("", b"", Bytes::new())).await.unwrap_err();
    assert_eq!(refused, Error::Closing);
    sender.send(Piece::Data(Bytes::from(vec![1; 5_000]))).unwrap();
    sender.send(Piece::End("proof".into())).unwrap();
    let (body, attachment) = soon(running.body.collect(5_000)).await.unwrap();
    assert_eq!((body.len(), &*attachment), (5_000, b"proof".as_slice()));
    // A client that is kept does not keep the connection.
    let kept = pair.client.clone();
    assert_eq!(pair.ended().await, (Ok(()), Ok(())));
    assert_eq!(soon(kept.request("", b"", Bytes::new())).await.unwrap_err(), Error::Closed);
}

#[tokio::test]
async fn connection_ends_with_the_last_client_and_the_last_answer() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = Mutex::new(Some(receiver));
    let mut pair = Pair::new(1_000, move |_| {
        let receiver = receiver.lock().take().unwrap();
        async { ok(Script::Channel(receiver)) }
    });
    let mut running = soon(pair.client.request("", b"", Bytes::new())).await.unwrap().body;
    drop(std::mem::replace(&mut pair.client, connect(duplex(1).0, KEEP_ALIVE).0));
    settle().await;
    sender.send(Piece::Data("still here".into())).unwrap();
    assert_eq!(soon(running.data()).await.unwrap().unwrap(), "still here");
    assert!(pair.ends.try_join_next().is_none());
    drop(running);
    assert_eq!(pair.ended().await, (Ok(()), Ok(())));
}

#[tokio::test]
async fn what_runs_ends_with_the_connection() {
    let (near, far) = duplex(1_000);
    let (client, connection) = connect(near, KEEP_ALIVE);
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let asking = JoinSet::from_iter([{
        let client = client.clone();
        async move { client.request("", b"", Bytes::from(vec![0; 100_000])).await }
    }]);
    settle().await;
    drop(far);
    assert_eq!(soon(asking.join_all()).await.remove(0).unwrap_err(), Error::Closed);
    assert_eq!(soon(driver.join_all()).await.len(), 1);
    let late = soon(client.request("", b"", Bytes::new())).await.unwrap_err();
    assert!(matches!(late, Error::Closed | Error::Io(_)), "{late}");
}

#[tokio::test]
async fn what_runs_ends_with_the_connections_task() {
    let mut pair = Pair::new(1_000, |_| std::future::pending());
    let asking = JoinSet::from_iter([{
        let client = pair.client.clone();
        async move { client.request("", b"", Bytes::new()).await }
    }]);
    settle().await;
    pair.ends.shutdown().await;
    assert_eq!(soon(asking.join_all()).await.remove(0).unwrap_err(), Error::Closed);
}

#[tokio::test]
async fn handlers_end_with_the_connection() {
    let (dropped, gone) = Dropped::new();
    let dropped = Mutex::new(Some(dropped));
    let pair = Pair::new(1_000, move |request| {
        let dropped = dropped.lock().take();
        async move {
            let _dropped = dropped;
            // The other end leaves while its body is waited for.
            let _ = request.body.collect(1_000_000).await;
            std::future::pending().await
        }
    });
    let mut asking = JoinSet::new();
    let client = pair.client.clone();
    asking.spawn(async move { client.request("", b"", Bytes::from(vec![0; 900_000])).await });
    settle().await;
    asking.shutdown().await;
    assert_eq!(pair.ended().await, (Ok(()), Ok(())));
    soon(gone).await.unwrap();
}

#[tokio::test]
async fn streams_beyond_the_limit_are_not_begun() {
    let pair = Pair::new(64 * 1024, |_| std::future::pending());
    let mut asking = JoinSet::new();
    for _ in 0..MAX_STREAMS {
        let client = pair.client.clone();
        asking.spawn(async move { client.request("", b"", Bytes::new()).await });
    }
    settle().await;
    let refused = soon(pair.client.request("", b"", Bytes::new())).await.unwrap_err();
    assert_eq!(refused, Error::Crowded);
    asking.shutdown().await;
    // Their places are free again.
    let asked = pair.client.request("", b"", Bytes::new());
    tokio::time::timeout(Duration::from_millis(10), asked).await.unwrap_err();
    assert_eq!(pair.ended().await, (Ok(()), Ok(())));
}

/// Long enough for an answer, short enough to wait for.
const SHORT: Duration = Duration::from_millis(200);

/// Answers so many pings and is silent then.
async fn answer_pings(mut raw: Raw, count: usize) -> Raw {
    let mut pings = 0;
    while pings < count {
        match raw.next().await {
            Some((0, Frame::Ping)) => {
                raw.send(0, Frame::Pong).await;
                pings += 1;
            }
            Some((1, Frame::Request(_))) => {}
            other => panic!("{other:?}"),
        }
    }
    raw
}

#[tokio::test]
async fn ends_that_hear_nothing_ask_and_then_give_up() {
    let ((near, other), (far, another)) = (duplex(1_000), duplex(1_000));
    let (client, connection) = connect(near, SHORT);
    let mut ends = JoinSet::new();
    ends.spawn(async { End::Client(connection.await) });
    ends.spawn(async {
        let handler = |_| std::future::pending::<pinaivu_tunnel::Reply<Script>>();
        End::Server(Server::new(far, SHORT, handler).await)
    });
    let asking = JoinSet::from_iter([async move { client.request("", b"", Bytes::new()).await }]);
    let mut others = JoinSet::from_iter([other, another].map(|io| answer_pings(Raw::new(io), 3)));
    // Answers keep both ends; they are there still when they say nothing any more.
    let _first = soon(others.join_next()).await.unwrap().unwrap();
    let _second = soon(others.join_next()).await.unwrap().unwrap();
    assert_eq!(soon(asking.join_all()).await.remove(0).unwrap_err(), Error::Silent);
    let ended = soon(ends.join_all()).await;
    assert!(ended.contains(&End::Client(Err(Error::Silent))), "{ended:?}");
    assert!(ended.contains(&End::Server(Err(Error::Silent))), "{ended:?}");
}

#[tokio::test]
async fn woken_from_elsewhere_answers_go_on() {
    // The answer is made by a thread that is no task.
    let pair = Pair::new(1_000, |_| async {
        let (sender, receiver) = mpsc::unbounded_channel();
        let sender = Arc::new(sender);
        std::thread::spawn(move || {
            for at in 0..1_000_u32 {
                sender.send(Piece::Data(at.to_le_bytes().to_vec().into())).unwrap();
            }
            sender.send(Piece::End(Bytes::new())).unwrap();
        });
        ok(Script::Channel(receiver))
    });
    let response = soon(pair.client.request("", b"", Bytes::new())).await.unwrap();
    assert_eq!(soon(response.body.collect(4_000)).await.unwrap().0.len(), 4_000);
}
