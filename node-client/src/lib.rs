//! The node client: tunnel to coordinators, ticketed OpenAI router, backends, proofs and claims.
