//! The Pinaivu program: escrow, stake, log head and payouts on Solana.
