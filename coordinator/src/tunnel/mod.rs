//! The nodes' door: TLS connections that nodes dial, over which the coordinator is the HTTP/2 client.
//!
//! Invariants: a node gets requests only after its account on chain names the TLS key as signer and its
//! stake is enough; nothing but HTTP/2 flow control stands between a slow client and a node, and it
//! holds back that one stream only. The protocol is `pinaivu_protocol::tunnel`.
