//! Bodies arrive whole, and nobody waits for a stream that is not their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use pinaivu_tunnel::{CollectError, Error, Frame, Piece, Reply, RequestBodyError, ResetCode};
use proptest::prelude::*;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::support::{Pair, Script, ok, raw_server, settle, soon};

const WINDOW: usize = pinaivu_tunnel::INITIAL_WINDOW as usize;

fn pattern(seed: usize, length: usize) -> Bytes {
    (0..length).map(|at| (at.wrapping_mul(31) ^ (at >> 8) ^ seed) as u8).collect()
}

/// Asks all at once; every request has a body and gets an answer in pieces.
async fn exchange(pipe: usize, sizes: Vec<(usize, usize, usize)>) {
    let pair = Pair::new(pipe, |request| async move {
        let (path, attachment) = (request.path.clone(), request.attachment.clone());
        let numbers: Vec<usize> = path.split('/').map(|number| number.parse().unwrap()).collect();
        let [seed, asked, answered, piece] = numbers[..] else { panic!("{path}") };
        let body = request.body.collect(1 << 20).await.unwrap();
        assert_eq!(body, pattern(seed, asked));
        let whole = pattern(seed + 1, answered);
        let pieces = whole.chunks(piece).map(|piece| Piece::Data(Bytes::copy_from_slice(piece)));
        let pieces = pieces.chain([Piece::End(attachment)]).collect();
        Reply { status: 200, note: path.into(), answer: Script::Pieces(pieces) }
    });
    let mut asking = JoinSet::new();
    for (seed, (asked, answered, piece)) in sizes.into_iter().enumerate() {
        let client = pair.client.clone();
        asking.spawn(async move {
            let path = format!("{seed}/{asked}/{answered}/{piece}");
            let ticket = pattern(seed, 400);
            let response = client.request(&path, &ticket, pattern(seed, asked)).await.unwrap();
            assert_eq!((response.status, &*response.note), (200, path.as_bytes()));
            let (body, attachment) = response.body.collect(1 << 20).await.unwrap();
            assert_eq!((body, attachment), (pattern(seed + 1, answered), ticket));
        });
    }
    while let Some(asked) = soon(asking.join_next()).await {
        asked.unwrap();
    }
    assert_eq!(pair.ended().await, (Ok(()), Ok(())));
}

fn run(exchange: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(exchange);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_arrives_whole_whatever_the_sizes_and_the_pipe(
        pipe in prop_oneof![1_usize..40, 1_000_usize..100_000],
        sizes in prop::collection::vec(
            (
                prop_oneof![0_usize..40, 0_usize..40_000, 30_000_usize..300_000],
                prop_oneof![0_usize..40, 0_usize..40_000, 30_000_usize..300_000],
                prop_oneof![500_usize..2_000, 10_000_usize..200_000],
            ),
            1..12,
        ),
    ) {
        // A pipe of a few bytes takes its time over a long body.
        let sizes = match pipe < 40 {
            true => sizes.into_iter().map(|(a, b, piece)| (a % 5_000, b % 5_000, piece)).collect(),
            false => sizes,
        };
        run(exchange(pipe, sizes));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_arrives_whole_across_threads() {
    let sizes = (0..300).map(|at| (at * 300, at * 700, 5_000)).collect();
    exchange(64 * 1024, sizes).await;
}

#[tokio::test]
async fn stream_that_nobody_reads_is_held_back_at_its_window_and_holds_back_no_other() {
    const PIECE: usize = 1_000;
    let sent: Vec<_> = (0..32).map(|_| Arc::new(AtomicUsize::new(0))).collect();
    let counts = sent.clone();
    let pair = Pair::new(64 * 1024, move |request| {
        let answer = match request.path.parse::<usize>() {
            Ok(number) => Script::Endless(PIECE, Arc::clone(&counts[number])),
            Err(_) => Script::whole("whole", "proof"),
        };
        async { ok(answer) }
    });
    let mut unread = Vec::new();
    for number in 0..sent.len() {
        let path = number.to_string();
        unread.push(soon(pair.client.request(&path, b"", Bytes::new())).await.unwrap());
    }
    for _ in 0..100 {
        let other = soon(pair.client.request("other", b"", Bytes::new())).await.unwrap();
        assert_eq!(soon(other.body.collect(100)).await.unwrap().0, "whole");
    }
    settle().await;
    for sent in &sent {
        // The piece that waits for credit was taken as well.
        assert_eq!(sent.load(Ordering::Relaxed), WINDOW.next_multiple_of(PIECE));
    }
    // Read on, it goes on where it was.
    let mut first = unread.remove(0).body;
    let mut read = 0;
    while read < 4 * WINDOW {
        read += soon(first.data()).await.unwrap().unwrap().len();
    }
    settle().await;
    let sent_first = sent[0].load(Ordering::Relaxed);
    assert!(sent_first >= read && sent_first <= read + WINDOW + PIECE, "{sent_first} of {read}");
    assert_eq!(sent[1].load(Ordering::Relaxed), WINDOW.next_multiple_of(PIECE));
}

#[tokio::test]
async fn small_pieces_that_wait_are_kept_together() {
    let pair = Pair::new(64 * 1024, |_| async {
        let pieces = (0..20_000_u32).map(|at| Piece::Data(vec![at as u8].into()));
        ok(Script::Pieces(pieces.chain([Piece::End(Bytes::new())]).collect()))
    });
    let mut body = soon(pair.client.request("", b"", Bytes::new())).await.unwrap().body;
    settle().await;
    let first = soon(body.data()).await.unwrap().unwrap();
    let rest = soon(body.data()).await.unwrap().unwrap();
    assert_eq!((first.len(), rest.len()), (1, 19_999));
    assert!(first.iter().chain(&*rest).enumerate().all(|(at, byte)| at as u8 == *byte));
    assert!(soon(body.data()).await.is_none());
}

#[tokio::test]
async fn body_that_is_too_long_is_refused_before_it_is_sent() {
    let pair = Pair::new(64 * 1024, |request| async {
        let refused = request.body.collect(1_000_000).await.unwrap_err();
        assert_eq!(refused, RequestBodyError::TooLong);
        Reply { status: 413, note: Bytes::new(), answer: Script::whole("", "") }
    });
    let long = Bytes::from(vec![0; 1_000_001]);
    let response = soon(pair.client.request("", b"", long)).await.unwrap();
    assert_eq!(response.status, 413);
    assert_eq!(response.body.collect(0).await.unwrap(), (Bytes::new(), Bytes::new()));
    assert_eq!(pair.ended().await, (Ok(()), Ok(())));
}

#[tokio::test]
async fn answer_beyond_the_readers_limit_is_left() {
    let pair = Pair::new(64 * 1024, |_| async { ok(Script::whole("four", "")) });
    let response = soon(pair.client.request("", b"", Bytes::new())).await.unwrap();
    assert_eq!(response.body.collect(3).await, Err(CollectError::TooLong(3)));
}

#[tokio::test]
async fn long_bodies_take_turns_and_stop_at_their_windows() {
    let (client, _driver, mut server) = raw_server();
    let mut asking = JoinSet::new();
    for path in ["long", "longer", "short"] {
        let client = client.clone();
        let length = match path {
            "short" => 10,
            _ => 200_000,
        };
        asking.spawn(async move { client.request(path, b"", pattern(1, length)).await });
    }
    let mut order = Vec::new();
    let mut lengths = [0; 4];
    while lengths != [0, WINDOW, WINDOW, 10] {
        let (stream, frame) = server.next().await.unwrap();
        lengths[stream as usize] += match frame {
            Frame::Request(head) => head.first.len(),
            Frame::RequestData(bytes) => bytes.len(),
            other => panic!("{other:?}"),
        };
        order.push(stream);
    }
    assert_eq!(order, [1, 2, 3, 1, 2, 1, 2, 1, 2], "the short one does not wait");
    // No more than there is credit for: a ping's answer is the next thing that comes.
    server.send(0, Frame::Ping).await;
    assert_eq!(server.next().await, Some((0, Frame::Pong)));
    // With credit both go on, one after the other.
    for stream in [1, 2] {
        server.send(stream, Frame::Credit(100_000)).await;
    }
    let mut turns = Vec::new();
    while lengths[1] < WINDOW + 100_000 || lengths[2] < WINDOW + 100_000 {
        let (stream, Frame::RequestData(bytes)) = server.next().await.unwrap() else { panic!() };
        lengths[stream as usize] += bytes.len();
        turns.push(stream);
    }
    assert_eq!(turns[..6], [1, 2, 1, 2, 1, 2]);
    assert_eq!(lengths, [0, WINDOW + 100_000, WINDOW + 100_000, 10]);
}

#[tokio::test]
async fn credit_is_given_for_what_was_read_and_for_nothing_else() {
    let (client, _driver, mut server) = raw_server();
    let asking = tokio::task::JoinSet::from_iter([{
        let client = client.clone();
        async move { client.request("", b"", Bytes::new()).await }
    }]);
    let (stream, _) = server.next().await.unwrap();
    server.send(stream, Frame::Response { status: 200, note: Bytes::new() }).await;
    let mut body = asking.join_all().await.remove(0).unwrap().body;
    server.send(stream, Frame::Data(pattern(1, WINDOW))).await;
    settle().await;
    // Nothing was read yet: a ping's answer is the first thing that comes.
    server.send(0, Frame::Ping).await;
    assert_eq!(server.next().await, Some((0, Frame::Pong)));
    assert_eq!(soon(body.data()).await.unwrap().unwrap(), pattern(1, WINDOW));
    assert_eq!(server.next().await, Some((stream, Frame::Credit(65_536))));
    drop(body);
    assert_eq!(server.next().await, Some((stream, Frame::Reset(ResetCode::CANCELLED))));
}

#[tokio::test]
async fn answer_that_breaks_off_is_read_up_to_there() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = parking_lot::Mutex::new(Some(receiver));
    let pair = Pair::new(1_000, move |_| {
        let receiver = receiver.lock().take().unwrap();
        async { ok(Script::Channel(receiver)) }
    });
    let mut body = soon(pair.client.request("", b"", Bytes::new())).await.unwrap().body;
    sender.send(Piece::Data(pattern(1, 5_000))).unwrap();
    sender.send(Piece::Broken).unwrap();
    let mut read = Vec::new();
    let end = loop {
        match soon(body.data()).await.unwrap() {
            Ok(piece) => read.extend_from_slice(&piece),
            Err(error) => break error,
        }
    };
    assert_eq!((Bytes::from(read), end), (pattern(1, 5_000), Error::Reset(ResetCode::BROKEN)));
    assert!(soon(body.data()).await.is_none());
}
