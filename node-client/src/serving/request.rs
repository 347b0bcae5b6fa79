//! From the client's body to the backend's: the ticket's limits made binding, and usage always asked
//! for. Nothing else is touched.

use bytes::Bytes;
use pinaivu_openai::{ApiError, ChatRequest, Endpoint, NotAnObject, get_field, set_fields};
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::tunnel::TicketRefusal;

use super::Rejection;
use crate::config::BackendKind;

/// A request as the backend gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prepared {
    pub(super) body: Bytes,
    pub(super) stream: bool,
}

/// llama.cpp's own name for the limit, which it takes before OpenAI's.
const LLAMA_LIMIT: &str = "n_predict";

/// How the vectors of embeddings are written.
const FORMAT: &str = "encoding_format";

/// What the client tells the gateway of its wishes: no business of the server.
const PREFERENCES: &str = "provider";

pub(super) fn prepare(
    endpoint: Endpoint,
    body: &Bytes,
    ticket: &Ticket,
    backend_name: &str,
    kind: BackendKind,
) -> Result<Prepared, Rejection> {
    let request = ChatRequest::parse_for(endpoint, body)?;
    if request.model != ticket.model {
        return Err(TicketRefusal::WrongBody.into());
    }
    let mut fields: Vec<(&str, &str)> = Vec::new();
    if request.preferences.is_some() {
        fields.push((PREFERENCES, "null"));
    }
    let name = serde_json::Value::from(backend_name).to_string();
    if backend_name != ticket.model {
        fields.push(("model", &name));
    }
    if endpoint == Endpoint::Embeddings {
        // "As usual" for clients, an internal error for llama.cpp.
        if get_field(body, FORMAT).map_err(invalid)? == Some("null") {
            fields.push((FORMAT, "\"float\""));
        }
        return Ok(Prepared { body: with(body, &fields)?, stream: false });
    }
    // Rounded down, so that all choices together stay within the ticket.
    let each = ticket.max_output.0.checked_div(request.choices).unwrap_or_default();
    if each == 0 {
        return Err(ApiError::invalid_value("n", "no more choices than tokens").into());
    }
    let limit = request.output_limit.map_or(each, |limit| limit.tokens.min(each)).to_string();
    match request.output_limit {
        Some(asked) if asked.tokens <= each => {}
        Some(asked) => fields.push((asked.field, &limit)),
        None => fields.push(("max_tokens", &limit)),
    }
    if kind == BackendKind::LlamaCpp {
        if request.output_limit.is_some_and(|asked| asked.field != "max_tokens") {
            fields.push(("max_tokens", &limit));
        }
        if get_field(body, LLAMA_LIMIT).map_err(invalid)?.is_some() {
            fields.push((LLAMA_LIMIT, &limit));
        }
    }
    let options;
    if request.stream && !request.include_usage {
        let asked = get_field(body, "stream_options").map_err(invalid)?;
        let asked = asked.filter(|options| *options != "null").unwrap_or("{}");
        let with_usage =
            set_fields(asked.as_bytes(), &[("include_usage", "true")]).map_err(invalid)?;
        options = String::from_utf8(with_usage).map_err(|_| invalid(NotAnObject))?;
        fields.push(("stream_options", &options));
    }
    Ok(Prepared { body: with(body, &fields)?, stream: request.stream })
}

fn with(body: &Bytes, fields: &[(&str, &str)]) -> Result<Bytes, Rejection> {
    match fields {
        [] => Ok(body.clone()),
        fields => set_fields(body, fields).map(Bytes::from).map_err(invalid),
    }
}

/// Not reached for a body that [`ChatRequest`] has read.
fn invalid(_: NotAnObject) -> Rejection {
    ApiError::invalid_json("it is not a JSON object.").into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use bytes::Bytes;
    use pinaivu_openai::{Endpoint, ErrorCode};
    use pinaivu_protocol::tunnel::TicketRefusal;

    use super::{Rejection, prepare};
    use crate::config::BackendKind;
    use crate::fixtures::ticket;

    fn prepared(extra: &str, kind: BackendKind, backend_name: &str) -> Result<String, Rejection> {
        let body =
            format!(r#"{{"model":"tiny","messages":[{{"role":"user","content":"Hi"}}]{extra}}}"#);
        let prepared = prepare(Endpoint::Chat, &Bytes::from(body), &ticket(1), backend_name, kind)?;
        let text = std::str::from_utf8(&prepared.body).unwrap();
        let added = text.split_once(']').unwrap().1;
        Ok(added.to_owned())
    }

    #[test]
    fn output_limit_is_added_or_lowered_to_the_tickets() {
        for (extra, expected) in [
            ("", r#","max_tokens":64}"#),
            (r#","max_tokens":null"#, r#","max_tokens":64}"#),
            (r#","max_tokens":12"#, r#","max_tokens":12}"#),
            (r#","max_tokens":65"#, r#","max_tokens":64}"#),
            (r#","max_completion_tokens":900"#, r#","max_completion_tokens":64}"#),
            (r#","n":3"#, r#","n":3,"max_tokens":21}"#),
        ] {
            assert_eq!(prepared(extra, BackendKind::Openai, "tiny").unwrap(), expected);
        }
    }

    #[test]
    fn embeddings_without_a_format_are_numbers() {
        for (format, expected) in [
            ("", ""),
            (r#","encoding_format":null"#, r#","encoding_format":"float""#),
            (r#","encoding_format":"base64""#, r#","encoding_format":"base64""#),
        ] {
            let body = |format| format!(r#"{{"model":"tiny","input":"Hi"{format}}}"#);
            let asked = Bytes::from(body(format));
            let kind = BackendKind::LlamaCpp;
            let prepared = prepare(Endpoint::Embeddings, &asked, &ticket(1), "tiny", kind).unwrap();
            assert_eq!(prepared.body, body(expected));
        }
    }

    #[test]
    fn llama_cpp_gets_the_limit_under_every_name_it_reads() {
        for (extra, expected) in [
            (r#","n_predict":-1"#, r#","n_predict":64,"max_tokens":64}"#),
            (r#","max_completion_tokens":9"#, r#","max_completion_tokens":9,"max_tokens":9}"#),
        ] {
            assert_eq!(prepared(extra, BackendKind::LlamaCpp, "tiny").unwrap(), expected);
        }
    }

    #[test]
    fn stream_always_asks_for_usage_and_keeps_other_options() {
        for (extra, expected) in [
            (
                r#","max_tokens":1,"stream":true"#,
                r#","max_tokens":1,"stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                r#","max_tokens":1,"stream":true,"stream_options":{"include_usage":true}"#,
                r#","max_tokens":1,"stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                r#","max_tokens":1,"stream":true,"stream_options":{"x":1,"include_usage":false}"#,
                r#","max_tokens":1,"stream":true,"stream_options":{"x":1,"include_usage":true}}"#,
            ),
        ] {
            assert_eq!(prepared(extra, BackendKind::Vllm, "tiny").unwrap(), expected);
        }
    }

    #[test]
    fn model_is_renamed_for_a_backend_that_names_it_otherwise() {
        let body = r#"{"model":"tiny","messages":[{"role":"user","content":"Hi"}],"max_tokens":1}"#;
        let prepared = prepare(
            Endpoint::Chat,
            &Bytes::from(body),
            &ticket(1),
            "/m/tiny.gguf",
            BackendKind::Openai,
        )
        .unwrap();
        assert!(prepared.body.starts_with(br#"{"model":"/m/tiny.gguf","messages""#));
    }

    #[test]
    fn model_other_than_the_tickets_is_the_wrong_body() {
        let body = Bytes::from(r#"{"model":"other","messages":[{"role":"user","content":"Hi"}]}"#);
        let rejection =
            prepare(Endpoint::Chat, &body, &ticket(1), "tiny", BackendKind::Openai).unwrap_err();
        assert_eq!(rejection, Rejection::Ticket(TicketRefusal::WrongBody));
    }

    #[test]
    fn completion_is_limited_as_a_chat_is_and_embeddings_have_nothing_to_limit() {
        for (endpoint, content, expected) in [
            (Endpoint::Completions, r#""prompt":["a","b"]"#, r#","max_tokens":32}"#),
            (Endpoint::Embeddings, r#""input":"a""#, "}"),
        ] {
            let body = format!(r#"{{"model":"tiny",{content}}}"#);
            let prepared =
                prepare(endpoint, &Bytes::from(body), &ticket(1), "tiny", BackendKind::Vllm)
                    .unwrap();
            assert!(!prepared.stream);
            let text = std::str::from_utf8(&prepared.body).unwrap();
            assert_eq!(text, format!(r#"{{"model":"tiny",{content}{expected}"#));
        }
    }

    #[test]
    fn preferences_are_not_shown_to_the_server() {
        let added =
            prepared(r#","max_tokens":1,"provider":{"max_price":7}"#, BackendKind::Vllm, "tiny");
        assert_eq!(added.unwrap(), r#","max_tokens":1,"provider":null}"#);
    }

    #[test]
    fn more_choices_than_tokens_are_refused() {
        let rejection = prepared(r#","n":65"#, BackendKind::Openai, "tiny").unwrap_err();
        assert!(
            matches!(rejection, Rejection::Error(error) if error.code == ErrorCode::InvalidValue)
        );
    }
}
