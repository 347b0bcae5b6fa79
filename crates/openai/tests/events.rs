//! Events come out the same however the bytes arrive.
#![expect(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use pinaivu_openai::{DONE_EVENT, Event, EventSplitter, EventTooLong, encode_event};
use proptest::prelude::*;

/// The events of bytes that arrive in these pieces.
fn split(pieces: impl IntoIterator<Item = Vec<u8>>) -> (Vec<Event>, bool) {
    let mut splitter = EventSplitter::default();
    let mut events = Vec::new();
    for piece in pieces {
        splitter.push(piece.into());
        while let Some(event) = splitter.next_event().unwrap() {
            events.push(event);
        }
    }
    (events, splitter.is_mid_event())
}

fn data(bytes: &[u8]) -> Vec<String> {
    let (events, _) = split([bytes.to_vec()]);
    events.iter().map(|event| String::from_utf8(event.data.to_vec()).unwrap()).collect()
}

#[test]
fn events_end_with_a_blank_line_of_any_line_ending() {
    assert_eq!(data(b"data: a\n\ndata: b\n\n"), ["a", "b"]);
    assert_eq!(data(b"data: a\r\n\r\ndata: b\r\n\r\n"), ["a", "b"]);
    assert_eq!(data(b"data: a\r\rdata: b\r\r"), ["a", "b"]);
    assert_eq!(data(b"data: a\n\r\ndata: b\r\n\n"), ["a", "b"]);
}

#[test]
fn data_lines_are_joined_and_one_space_is_dropped() {
    assert_eq!(data(b"data: a\ndata:b\ndata:  c\ndata\ndata:\n\n"), ["a\nb\n c\n\n"]);
}

#[test]
fn comments_other_fields_and_events_without_data_are_dropped() {
    assert_eq!(data(b": ping\n\n:\nretry: 5\nevent: x\n\nfoo: bar\ndata: a\n\n"), ["a"]);
}

#[test]
fn empty_data_is_an_event() {
    assert_eq!(data(b"data\n\ndata:\n\n"), ["", ""]);
}

#[test]
fn kind_and_id_belong_to_their_event_only() {
    let (events, _) = split([b"event: e\nid: 7\ndata: a\n\ndata: b\n\n".to_vec()]);
    assert_eq!(
        (events[0].kind.as_deref(), events[0].id.as_deref()),
        (Some(&b"e"[..]), Some(&b"7"[..]))
    );
    assert_eq!((&events[1].kind, &events[1].id), (&None, &None));
}

#[test]
fn byte_order_mark_is_skipped_at_the_start_only() {
    assert_eq!(data(b"\xef\xbb\xbfdata: a\n\ndata: \xef\xbb\xbfb\n\n"), ["a", "\u{feff}b"]);
    assert_eq!(data(b"data: a\n\n\xef\xbb\xbfdata: b\n\n"), ["a"]);
}

#[test]
fn unfinished_event_is_noticed_and_not_given() {
    for (bytes, unfinished) in [
        (&b"data: a\n\n"[..], false),
        (b"data: a\n\ndata: b", true),
        (b"data: a\n\ndata: b\n", true),
        (b"data: a\n\n: ping\n", false),
        (b"", false),
    ] {
        let (events, mid_event) = split([bytes.to_vec()]);
        assert_eq!(mid_event, unfinished, "{bytes:?}");
        assert!(events.len() <= 1);
    }
}

#[test]
fn done_is_recognised_also_with_spaces_around() {
    let (events, _) = split([[DONE_EVENT, b"data:[DONE] \n\n", b"data: {}\n\n"].concat()]);
    let done: Vec<bool> = events.iter().map(Event::is_done).collect();
    assert_eq!(done, [true, true, false]);
}

#[test]
fn event_in_one_piece_is_not_copied() {
    let piece = Bytes::from_static(b"data: abc\n\n");
    let mut splitter = EventSplitter::default();
    splitter.push(piece.clone());
    let event = splitter.next_event().unwrap().unwrap();
    assert_eq!(event.data.as_ptr(), piece.slice(6..).as_ptr());
}

#[test]
fn events_longer_than_the_limit_are_refused_before_they_are_collected() {
    let too_long = EventTooLong { limit: 100 };
    let feed = |pieces: &[&[u8]]| {
        let mut splitter = EventSplitter::with_limit(100);
        for piece in pieces {
            splitter.push(Bytes::copy_from_slice(piece));
            while splitter.next_event()?.is_some() {}
        }
        Ok(())
    };
    assert_eq!(feed(&[&[b'x'; 101]]), Err(too_long), "a line without end");
    assert_eq!(feed(&[&[b'x'; 60], &[b'x'; 41]]), Err(too_long), "in two pieces");
    let line = [&b"data: "[..], &[b'x'; 60], b"\n"].concat();
    assert_eq!(feed(&[&line, &line]), Err(too_long), "many short lines");
    let whole = [&line[..], b"\n"].concat();
    assert_eq!(feed(&[&whole, &whole, &whole]), Ok(()), "many short events");
}

#[test]
fn pushing_before_reading_loses_nothing() {
    let mut splitter = EventSplitter::default();
    splitter.push("data: a\n\nda".into());
    splitter.push("ta: b\n\n".into());
    assert_eq!(splitter.next_event().unwrap().unwrap().data, "a");
    assert_eq!(splitter.next_event().unwrap().unwrap().data, "b");
    assert_eq!(splitter.next_event(), Ok(None));
}

#[test]
fn encoded_event_is_one_data_line_for_each_line() {
    assert_eq!(encode_event(b"{}"), "data: {}\n\n");
    assert_eq!(encode_event(b"a\nb\r\nc\rd"), "data: a\ndata: b\ndata: c\ndata: d\n\n");
    assert_eq!(encode_event(b""), "data: \n\n");
}

/// Streams with everything that matters in them.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    const TOKENS: [&[u8]; 15] = [
        b"data: ",
        b"data:",
        b"data",
        b"event: e",
        b"id: 1",
        b": comment",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"{\"a\":\"\xc3\xa9\"}",
        b"[DONE]",
        b" ",
        b":",
        b"\xef\xbb\xbf",
    ];
    prop::collection::vec(prop::sample::select(&TOKENS[..]), 0..40)
        .prop_map(|tokens| tokens.concat())
}

/// What the standard says, on whole text: another way to the same events.
fn by_the_book(bytes: &[u8]) -> Vec<Vec<u8>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut text: Vec<u8> = Vec::new();
    let mut rest = bytes.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte == b'\r' && rest.peek() == Some(&b'\n') {
            rest.next();
        }
        text.push(if byte == b'\r' { b'\n' } else { byte });
    }
    let mut lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    lines.pop();
    let mut events = Vec::new();
    let mut data: Option<Vec<u8>> = None;
    for line in lines {
        if line.is_empty() {
            events.extend(data.take());
            continue;
        }
        let (name, value) = match line.iter().position(|&byte| byte == b':') {
            None => (line, &b""[..]),
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
        };
        if name == b"data" {
            match &mut data {
                None => data = Some(value.to_vec()),
                Some(lines) => {
                    lines.push(b'\n');
                    lines.extend_from_slice(value);
                }
            }
        }
    }
    events
}

proptest! {
    #[test]
    fn splitting_at_any_byte_gives_the_same_events(bytes in stream()) {
        let whole = split([bytes.clone()]);
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            prop_assert_eq!(&split([first.to_vec(), second.to_vec()]), &whole);
        }
        prop_assert_eq!(&split(bytes.iter().map(|&byte| vec![byte])), &whole);
    }

    #[test]
    fn events_are_those_of_the_standard(bytes in stream()) {
        let (events, _) = split([bytes.clone()]);
        let found: Vec<Vec<u8>> = events.iter().map(|event| event.data.to_vec()).collect();
        prop_assert_eq!(found, by_the_book(&bytes));
    }

    #[test]
    fn encoded_data_comes_back(lines in prop::collection::vec("[^\r\n\u{feff}]{0,20}", 1..5)) {
        let data = lines.join("\n");
        let (events, unfinished) = split([encode_event(data.as_bytes()).to_vec()]);
        prop_assert!(!unfinished);
        prop_assert_eq!(events.len(), 1);
        prop_assert_eq!(&events[0].data, data.as_bytes());
    }

    #[test]
    fn arbitrary_bytes_never_break_the_splitter(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..10),
    ) {
        let whole = split([pieces.concat()]);
        prop_assert_eq!(split(pieces), whole);
    }
}
