//! Typed reads and writes on Solana behind one trait, with an RPC implementation.
