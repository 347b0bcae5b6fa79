//! The body of a scripted answer, step by step.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self as streams, BoxStream};
use hyper::body::Frame;
use pinaivu_openai::encode_event;
use serde_json::json;

use crate::answer::{Wanted, cut, stream, unary};
use crate::record::Observed;
use crate::script::{Answer, Ending, Flavour};

/// One step of an answer's body.
pub(crate) enum Step {
    Wait(Duration),
    Send(Bytes),
    /// Lets hyper write what it holds: a connection that is cut loses what was not written.
    Flush,
    Hang,
    Close,
    Reset,
}

pub(crate) fn streamed_steps(answer: &Answer, wanted: &Wanted, flavour: Flavour) -> VecDeque<Step> {
    let events = stream(answer, wanted, flavour);
    let sent = match answer.ending {
        Ending::Complete | Ending::WithoutDone => usize::MAX,
        Ending::CloseAfter(count)
        | Ending::ResetAfter(count)
        | Ending::HangAfter(count)
        | Ending::MalformedAfter(count)
        | Ending::ErrorAfter(count) => count,
    };
    let mut steps: VecDeque<Step> = events.opening.into_iter().map(Step::Send).collect();
    for piece in events.pieces.into_iter().take(sent) {
        if !answer.piece_delay.is_zero() {
            steps.push_back(Step::Wait(answer.piece_delay));
        }
        steps.push_back(Step::Send(piece));
    }
    match answer.ending {
        Ending::Complete => {
            steps.extend(events.closing.into_iter().chain([events.done]).map(Step::Send));
        }
        Ending::WithoutDone => steps.extend(events.closing.into_iter().map(Step::Send)),
        Ending::CloseAfter(_) => steps.extend([Step::Flush, Step::Close]),
        Ending::ResetAfter(_) => steps.extend([Step::Flush, Step::Reset]),
        Ending::HangAfter(_) => steps.push_back(Step::Hang),
        Ending::MalformedAfter(_) => {
            steps.push_back(Step::Send(Bytes::from_static(b"data: {\"choices\": [oops\n\n")));
        }
        Ending::ErrorAfter(_) => {
            let error = json!({ "error": {
                "message": "scripted failure", "type": "server_error", "code": 500,
            }});
            steps.push_back(Step::Send(encode_event(error.to_string().as_bytes())));
        }
    }
    steps
}

/// Also gives the length the response's head declares: the whole body's, also when the connection is
/// cut before.
pub(crate) fn unary_steps(
    answer: &Answer,
    wanted: &Wanted,
    flavour: Flavour,
) -> (VecDeque<Step>, usize) {
    let mut steps = VecDeque::new();
    // A server that does not stream is silent while it generates.
    let pieces = u32::try_from(cut(answer, wanted).pieces.len()).unwrap_or(u32::MAX);
    let thinking = answer.piece_delay.saturating_mul(pieces);
    if !thinking.is_zero() {
        steps.push_back(Step::Wait(thinking));
    }
    let mut rest = Bytes::from(unary(answer, wanted, flavour));
    let mut length = rest.len();
    let part = rest.split_to(length / 2);
    if matches!(answer.ending, Ending::MalformedAfter(_) | Ending::ErrorAfter(_)) {
        length = part.len();
    }
    steps.push_back(Step::Send(part));
    match answer.ending {
        Ending::Complete | Ending::WithoutDone => steps.push_back(Step::Send(rest)),
        Ending::CloseAfter(_) => steps.extend([Step::Flush, Step::Close]),
        Ending::ResetAfter(_) => steps.extend([Step::Flush, Step::Reset]),
        Ending::HangAfter(_) => steps.push_back(Step::Hang),
        Ending::MalformedAfter(_) | Ending::ErrorAfter(_) => {}
    }
    (steps, length)
}

/// Follows the steps; the record says that the client went away when this is dropped before its end.
pub(crate) fn play(
    steps: VecDeque<Step>,
    reset: Arc<AtomicBool>,
    observed: Observed,
) -> BoxStream<'static, io::Result<Frame<Bytes>>> {
    streams::unfold((steps, observed), move |(mut steps, mut observed)| {
        let reset = Arc::clone(&reset);
        async move {
            loop {
                match steps.pop_front() {
                    None => {
                        observed.finish();
                        return None;
                    }
                    Some(Step::Wait(delay)) => tokio::time::sleep(delay).await,
                    Some(Step::Send(bytes)) => {
                        // hyper stops asking once the declared length is sent.
                        if steps.is_empty() {
                            observed.finish();
                        }
                        return Some((Ok(Frame::data(bytes)), (steps, observed)));
                    }
                    Some(Step::Flush) => tokio::task::yield_now().await,
                    Some(Step::Hang) => std::future::pending().await,
                    Some(Step::Close) => {
                        observed.finish();
                        let cut = io::Error::other("closed by script");
                        return Some((Err(cut), (VecDeque::new(), observed)));
                    }
                    Some(Step::Reset) => {
                        observed.finish();
                        reset.store(true, Ordering::Relaxed);
                        let cut = io::Error::other("reset by script");
                        return Some((Err(cut), (VecDeque::new(), observed)));
                    }
                }
            }
        }
    })
    .boxed()
}
