//! OpenAI's formats: what clients send, what inference servers answer.

use bytes::Bytes;
use pinaivu_openai::{
    AnswerFacts, ChatRequest, Defaults, Endpoint, EventSplitter, ModelList, UpstreamError,
    get_field, normalise_chunk, normalise_whole, set_fields,
};
use pinaivu_protocol::answer::{Answer, AnswerAssembler};
use pinaivu_protocol::jcs;

/// A body of a request, a completion or an error.
pub(crate) fn body(bytes: &[u8]) {
    for endpoint in [Endpoint::Chat, Endpoint::Completions, Endpoint::Embeddings] {
        let _ = ChatRequest::parse_for(endpoint, bytes);
    }
    let _ = ModelList::parse(bytes);
    let _ = UpstreamError::read(500, bytes);
    for endpoint in [Endpoint::Chat, Endpoint::Completions, Endpoint::Embeddings] {
        let defaults = || Defaults { id: "id", model: "model", created: 1 };
        let _ = normalise_whole(endpoint, bytes, defaults());
        let _ = normalise_chunk(endpoint, bytes, defaults());
    }
    let _ = AnswerFacts::parse(bytes);
    let _ = get_field(bytes, "model");
    if let Ok(with) = set_fields(bytes, &[("stream", "true")]) {
        let set = get_field(&with, "stream").ok().flatten();
        assert_eq!(set, Some("true"), "a field that was set is there");
    }
    let by_value = jcs::parse(bytes).and_then(|value| jcs::canonical_bytes(&value));
    assert_eq!(
        jcs::canonicalize(bytes).as_ref().ok(),
        by_value.as_ref().ok(),
        "a text has one canonical form, however it is read"
    );
    if let Ok(canonical) = by_value {
        let again = jcs::parse(&canonical).and_then(|value| jcs::canonical_bytes(&value));
        assert_eq!(
            again.ok().as_deref(),
            Some(canonical.as_slice()),
            "canonical JSON is a fixpoint"
        );
    }
    let _ = Answer::from_completion_json(bytes);
    let _ = Answer::from_server(bytes);
}

/// A stream of events in pieces of any size, assembled.
pub(crate) fn stream(bytes: &[u8]) {
    let Some((piece, stream)) = bytes.split_first() else { return };
    let whole = events(stream, stream.len().max(1));
    let pieces = events(stream, usize::from(*piece).max(1));
    assert_eq!(whole, pieces, "how a stream is cut does not change its events");
    let mut assembler = AnswerAssembler::new();
    for event in whole.iter().flatten() {
        let Ok(chunk) = serde_json::from_slice(event) else { return };
        if assembler.push(&chunk).is_err() {
            return;
        }
    }
    let _ = assembler.finish().canonical_bytes();
}

/// The data of all events; nothing when one is too long.
fn events(stream: &[u8], piece: usize) -> Option<Vec<Bytes>> {
    let mut splitter = EventSplitter::with_limit(4096);
    let mut found = Vec::new();
    for part in stream.chunks(piece) {
        splitter.push(Bytes::copy_from_slice(part));
        while let Some(event) = splitter.next_event().ok()? {
            found.push(event.data);
        }
    }
    Some(found)
}
