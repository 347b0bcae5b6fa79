//! What an end does about another that breaks the rules.

use bytes::{Bytes, BytesMut};
use pinaivu_tunnel::{
    Error, Frame, INITIAL_WINDOW, Kind, MAX_STREAMS, MAX_WINDOW, RequestHead, ResetCode, Violation,
    decode, encode,
};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

use crate::support::{Script, ok, raw_client, raw_server, settle, soon};

fn data(length: usize) -> Bytes {
    Bytes::from(vec![1; length])
}

fn request(length: u32, first: usize) -> Frame {
    let (path, attachment) = ("/".to_owned(), Bytes::new());
    Frame::Request(RequestHead { path, attachment, length, first: data(first) })
}

fn response() -> Frame {
    Frame::Response { status: 200, note: Bytes::new() }
}

async fn ended(driver: JoinSet<Result<(), Error>>) -> Violation {
    match soon(driver.join_all()).await.remove(0) {
        Err(Error::Violation(violation)) => violation,
        end => panic!("{end:?}"),
    }
}

/// How a server ends that gets these frames.
async fn server(frames: Vec<(u64, Frame)>) -> Violation {
    let (driver, mut client) = raw_client(|request| async {
        // What is asked with a body waits for it, and the rest hangs.
        let _ = request.body.collect(1 << 30).await;
        std::future::pending().await
    });
    for (stream, frame) in frames {
        client.send(stream, frame).await;
    }
    ended(driver).await
}

#[tokio::test]
async fn server_ends_a_connection_whose_client_breaks_the_rules() {
    let window = INITIAL_WINDOW as usize;
    let half = || Frame::RequestData(data(window / 2));
    for (frames, expected) in [
        (vec![(2, request(0, 0)), (2, request(0, 0))], Violation::Reused(2)),
        (vec![(2, request(0, 0)), (1, request(0, 0))], Violation::Reused(1)),
        (vec![(1, Frame::RequestData(data(1)))], Violation::NoStream(1)),
        (vec![(1, Frame::Credit(1))], Violation::NoStream(1)),
        (vec![(1, Frame::Reset(ResetCode::CANCELLED))], Violation::NoStream(1)),
        // More than announced, at once and later.
        (vec![(1, request(5, 5)), (1, Frame::RequestData(data(1)))], Violation::Overrun(1)),
        (vec![(1, request(9, 5)), (1, Frame::RequestData(data(5)))], Violation::Overrun(1)),
        (vec![(1, Frame::Close)], Violation::Stream { kind: Kind::Close, stream: 1 }),
        (vec![(0, Frame::Close)], Violation::Direction(Kind::Close)),
        (vec![(1, request(0, 0)), (1, response())], Violation::Direction(Kind::Response)),
        (vec![(1, request(0, 0)), (1, Frame::Data(data(1)))], Violation::Direction(Kind::Data)),
        (vec![(1, request(0, 0)), (1, Frame::End(data(1)))], Violation::Direction(Kind::End)),
        (vec![(1, request(0, 0)), (1, Frame::Credit(MAX_WINDOW))], Violation::Credit(1)),
        (vec![(1, request(0, 0)), (1, Frame::Credit(u32::MAX))], Violation::Credit(1)),
    ] {
        assert_eq!(server(frames.clone()).await, expected, "{frames:?}");
    }
    // Beyond the window: of a body that nobody asked for yet.
    let (driver, mut client) = raw_client(|_| std::future::pending());
    client.send(1, request(1 << 20, 10)).await;
    client.send(1, half()).await;
    client.send(1, Frame::RequestData(data(window / 2 - 10))).await;
    settle().await;
    assert!(driver.len() == 1, "that much may come");
    client.send(1, Frame::RequestData(data(1))).await;
    assert_eq!(ended(driver).await, Violation::Overrun(1));
}

#[tokio::test]
async fn server_ends_a_connection_with_too_many_streams() {
    let most = MAX_STREAMS as u64;
    let frames = (1..=most + 1).map(|stream| (stream, request(0, 0))).collect();
    assert_eq!(server(frames).await, Violation::Crowded);
}

#[tokio::test]
async fn server_ignores_what_was_on_its_way_when_a_stream_ended() {
    let (driver, mut client) = raw_client(|_| async { ok(Script::whole("done", "")) });
    client.send(1, request(1 << 20, 10)).await;
    assert_eq!(client.next().await, Some((1, response())));
    assert_eq!(client.next().await, Some((1, Frame::Data("done".into()))));
    assert_eq!(client.next().await, Some((1, Frame::End(Bytes::new()))));
    for frame in [
        Frame::RequestData(data(1_000)),
        Frame::Credit(u32::MAX),
        Frame::Reset(ResetCode::CANCELLED),
    ] {
        client.send(1, frame).await;
    }
    client.send(2, request(0, 0)).await;
    assert_eq!(client.next().await, Some((2, response())));
    drop(client);
    assert_eq!(soon(driver.join_all()).await, [Ok(())]);
}

#[tokio::test]
async fn server_answers_a_flood_of_pings_once_for_each_write() {
    let (driver, mut client) = raw_client(|_| std::future::pending());
    let mut pings = Vec::new();
    for _ in 0..1_000 {
        encode(&mut pings, 0, &Frame::Ping);
    }
    client.io.write_all(&pings).await.unwrap();
    settle().await;
    client.send(1, request(1, 2 - 1)).await;
    client.send(0, Frame::Close).await;
    let mut pongs = 0;
    while let Some((_, frame)) = client.next().await {
        assert_eq!(frame, Frame::Pong);
        pongs += 1;
    }
    assert_eq!(pongs, 1);
    assert_eq!(ended(driver).await, Violation::Direction(Kind::Close));
}

/// How a client ends that has asked once and gets these frames.
async fn client(frames: Vec<(u64, Frame)>) -> Violation {
    let (client, driver, mut server) = raw_server();
    let mut asking = JoinSet::new();
    asking.spawn(async move {
        let response = client.request("", b"", Bytes::new()).await;
        // The answer is not read.
        settle().await;
        drop(response);
        std::future::pending::<()>().await;
    });
    assert!(matches!(server.next().await, Some((1, Frame::Request(_)))));
    let mut bytes = Vec::new();
    for (stream, frame) in frames {
        encode(&mut bytes, stream, &frame);
    }
    server.io.write_all(&bytes).await.unwrap();
    ended(driver).await
}

#[tokio::test]
async fn client_ends_a_connection_whose_server_breaks_the_rules() {
    let order = |kind| Violation::Order { kind, stream: 1 };
    let window = INITIAL_WINDOW as usize;
    for (frames, expected) in [
        (vec![(2, response())], Violation::NoStream(2)),
        (vec![(2, Frame::Credit(1))], Violation::NoStream(2)),
        (vec![(1, request(0, 0))], Violation::Direction(Kind::Request)),
        (vec![(1, Frame::RequestData(data(1)))], Violation::Direction(Kind::RequestData)),
        (vec![(1, Frame::Data(data(1)))], order(Kind::Data)),
        (vec![(1, Frame::End(data(1)))], order(Kind::End)),
        (vec![(1, response()), (1, response())], order(Kind::Response)),
        (
            vec![(1, response()), (1, Frame::End(data(1))), (1, Frame::Data(data(1)))],
            order(Kind::Data),
        ),
        (vec![(1, Frame::Reset(ResetCode::BROKEN)), (1, response())], order(Kind::Response)),
        (
            vec![(1, response()), (1, Frame::Data(data(window))), (1, Frame::Data(data(1)))],
            Violation::Overrun(1),
        ),
        (vec![(1, Frame::Credit(MAX_WINDOW))], Violation::Credit(1)),
    ] {
        assert_eq!(client(frames.clone()).await, expected, "{frames:?}");
    }
}

#[tokio::test]
async fn client_ignores_what_was_on_its_way_when_a_stream_ended() {
    let (client, _driver, mut server) = raw_server();
    let mut asking = JoinSet::new();
    let asked = client.clone();
    asking.spawn(async move { asked.request("", b"", Bytes::new()).await });
    assert!(matches!(server.next().await, Some((1, Frame::Request(_)))));
    asking.shutdown().await;
    assert_eq!(server.next().await, Some((1, Frame::Reset(ResetCode::CANCELLED))));
    for frame in [response(), Frame::Data(data(70_000 - 5_000)), Frame::End(data(1))] {
        server.send(1, frame).await;
    }
    asking.spawn(async move { client.request("", b"", Bytes::new()).await });
    assert!(matches!(server.next().await, Some((2, Frame::Request(_)))));
    server.send(2, response()).await;
    assert_eq!(soon(asking.join_all()).await.remove(0).unwrap().status, 200);
}

fn any_frame() -> impl Strategy<Value = (u64, Frame)> {
    let frame = prop_oneof![
        4 => (0..100_000_u32, 0..100_usize).prop_map(|(length, first)| {
            request(length.max(first as u32), first)
        }),
        4 => (1..70_000_usize).prop_map(|length| Frame::RequestData(data(length.min(65_536)))),
        4 => Just(response()),
        4 => (1..70_000_usize).prop_map(|length| Frame::Data(data(length.min(65_536)))),
        2 => (0..100_usize).prop_map(|length| Frame::End(data(length))),
        1 => any::<u8>().prop_map(|code| Frame::Reset(ResetCode(code))),
        2 => prop_oneof![1..100_000_u32, Just(u32::MAX)].prop_map(Frame::Credit),
        1 => prop_oneof![Just(Frame::Ping), Just(Frame::Pong), Just(Frame::Close)],
    ];
    (1..6_u64, frame).prop_map(|(stream, frame)| match frame {
        Frame::Ping | Frame::Pong | Frame::Close => (0, frame),
        frame => (stream, frame),
    })
}

/// Gives these bytes to both ends, each with streams that run, in pieces. They may end with a violation
/// or go on, and whatever ends, ends whole.
async fn feed(bytes: Vec<u8>, piece: usize) {
    let (client, mut client_driver, mut to_client) = raw_server();
    let mut asking = JoinSet::new();
    for length in [0, 10, 100_000] {
        let client = client.clone();
        asking.spawn(async move {
            if let Ok(response) = client.request("", b"", data(length)).await {
                let _ = response.body.collect(1 << 20).await;
            }
        });
    }
    drop(client);
    let (mut server_driver, mut to_server) = raw_client(|request| async {
        let _ = request.body.collect(50_000).await;
        ok(Script::whole(data(100_000), "proof"))
    });
    settle().await;
    for part in bytes.chunks(piece) {
        // An end that has given up takes no more.
        let _ = to_client.io.write_all(part).await;
        let _ = to_server.io.write_all(part).await;
        settle().await;
    }
    drop((to_client, to_server));
    for driver in [&mut client_driver, &mut server_driver] {
        let end = soon(driver.join_next()).await.unwrap().expect("no panic");
        assert!(matches!(end, Ok(()) | Err(Error::Violation(_) | Error::Io(_))), "{end:?}");
    }
    while let Some(asked) = soon(asking.join_next()).await {
        asked.expect("every request has an end");
    }
}

fn run(feeding: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(feeding);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_frames_in_any_order_end_in_nothing_worse_than_a_violation(
        frames in prop::collection::vec(any_frame(), 1..40),
        piece in prop_oneof![Just(7_000_usize), Just(1 << 20)],
    ) {
        let mut bytes = Vec::new();
        for (stream, frame) in &frames {
            encode(&mut bytes, *stream, frame);
        }
        run(feed(bytes, piece));
    }

    #[test]
    fn any_bytes_end_in_nothing_worse_than_a_violation(
        bytes in prop::collection::vec(prop_oneof![3 => 0..10_u8, 1 => any::<u8>()], 0..400),
        piece in 1..50_usize,
    ) {
        run(feed(bytes, piece));
    }

    #[test]
    fn what_is_decoded_is_encoded_as_it_was(
        bytes in prop::collection::vec(prop_oneof![4 => 0..4_u8, 1 => any::<u8>()], 0..100),
    ) {
        let mut buffer = BytesMut::from(bytes.as_slice());
        let mut again = Vec::new();
        while let Ok(Some((stream, frame))) = decode(&mut buffer) {
            encode(&mut again, stream, &frame);
        }
        prop_assert!(bytes.starts_with(&again));
    }
}
