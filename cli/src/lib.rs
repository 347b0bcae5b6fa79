//! The pinaivu command: keys, escrow, nodes and receipts.
