//! The local chain's own keys: the same on every machine and known to everybody.
//!
//! They are derived from a label, so that the test USDC has the same mint everywhere and a wallet set up
//! for one local chain fits the next. Nothing of value may ever be put under them.

use pinaivu_protocol::hash::tagged;
use solana_keypair::Keypair;

const TAG: &str = "pinaivu/localnet-key/v1";

/// The test USDC's mint address.
#[must_use]
pub fn mint() -> Keypair {
    derive("test-usdc-mint")
}

/// Gives away SOL and may mint test USDC.
#[must_use]
pub fn faucet() -> Keypair {
    derive("faucet")
}

/// The program's upgrade authority and the market's governance.
#[must_use]
pub fn authority() -> Keypair {
    derive("authority")
}

fn derive(label: &str) -> Keypair {
    Keypair::new_from_array(tagged(TAG, &[label.as_bytes()]).0)
}
