//! One request, from admission to the draft of its receipt.
//!
//! Admit (key, limits, hold), clear, dispatch with failover before the first byte, stream and meter.
//! Invariants: a hold is given back exactly once, whatever becomes of the request; a node is paid for at
//! most what was delivered and never above the ticket's limits; nothing of an answer is buffered beyond
//! what flow control asks for. This module speaks neither OpenAI's error shape nor SQL.
