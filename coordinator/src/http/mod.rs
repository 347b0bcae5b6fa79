//! The public HTTP surface: OpenAI's routes, receipts, keys, health and network.
//!
//! `POST /v1/chat/completions` goes straight through hyper; everything else through an axum router on
//! the same listener. Handlers parse, call and map: decisions are the engine's.
