//! What is sent instead of an answer.

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use pinaivu_openai::{ApiError, ErrorCode};
use pinaivu_protocol::tunnel::{REFUSAL_HEADER, TicketRefusal};

use super::AnswerBody;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The ticket is not taken: 403 with its code. For the coordinator.
    Ticket(TicketRefusal),
    /// The request or the backend is at fault. A 4xx is for the client, a 5xx tells the coordinator to
    /// try another node.
    Error(ApiError),
}

impl From<TicketRefusal> for Rejection {
    fn from(refusal: TicketRefusal) -> Self {
        Self::Ticket(refusal)
    }
}

impl From<ApiError> for Rejection {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

impl Rejection {
    /// Status, refusal and text, for the coordinator.
    #[must_use]
    pub fn into_parts(self) -> (u16, Option<TicketRefusal>, AnswerBody) {
        let (status, error, refusal) = self.explain();
        (status, refusal, AnswerBody::text(error.to_json()))
    }

    /// The response to a client.
    #[must_use]
    pub fn into_response(self) -> Response<AnswerBody> {
        let (status, error, refusal) = self.explain();
        let mut response = Response::new(AnswerBody::text(error.to_json()));
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in error.headers() {
            if let Ok(value) = HeaderValue::try_from(value.as_ref()) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        if let Some(refusal) = refusal {
            headers.insert(REFUSAL_HEADER, HeaderValue::from_static(refusal.code()));
        }
        response
    }

    fn explain(self) -> (u16, ApiError, Option<TicketRefusal>) {
        match self {
            Self::Ticket(refusal) => {
                let code = match refusal {
                    TicketRefusal::UnknownModel => ErrorCode::ModelNotFound,
                    TicketRefusal::Underpriced | TicketRefusal::Unavailable => {
                        ErrorCode::NoCapacity
                    }
                    ticket => ErrorCode::from_text(ticket.code()).unwrap_or(ErrorCode::Unavailable),
                };
                let message = format!("The node refuses this ticket: {}.", refusal.code());
                (403, ApiError::new(code, message), Some(refusal))
            }
            Self::Error(error) => (error.status(), error, None),
        }
    }
}
