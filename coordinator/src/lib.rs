//! The coordinator: OpenAI gateway, auction, tunnel to nodes, receipts and settlement.
