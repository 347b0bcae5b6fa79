//! The embedded local chain: surfpool in process, program deployed, test USDC, faucet.
