//! OpenAI request, response, error and server-sent-event types as they are on the wire.
