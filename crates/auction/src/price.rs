//! What a winner is paid: its critical value, hardened.
//!
//! The critical value is the highest ask with which the winner would still have beaten the runner-up.
//! Paying it takes away the reason to ask for more than one's cost, but invites a friend's high ask as
//! runner-up; so it is bounded. `docs/adr/0003-second-price.md` weighs this against first price.

use pinaivu_protocol::units::{Bps, TokenPrice};

/// The most a winner is paid, as a share of its own ask.
pub const CLEARING_CAP: Bps = Bps(11_000);

const WHOLE: u128 = 10_000;

/// The highest ask with which a candidate of cost factor `factor` still beats a runner-up of `score`:
/// the largest `p` with `p × factor < score`, or `≤ score` when the candidate `wins_ties`. Rounds
/// **down** to a whole price. Nothing when no price does, or when the factor is zero.
#[must_use]
pub fn critical_price(score: u128, factor: u64, wins_ties: bool) -> Option<TokenPrice> {
    let reachable = if wins_ties { score } else { score.checked_sub(1)? };
    let price = reachable.checked_div(u128::from(factor))?;
    Some(TokenPrice(u64::try_from(price).unwrap_or(u64::MAX)))
}

/// The price of a winner that asked `ask`: its `critical` value if there is one, never more than
/// [`CLEARING_CAP`] of its ask (rounded **down**) nor than the client's `limit`, never less than its
/// ask. Without a runner-up, its ask.
#[must_use]
pub fn clearing_price(
    ask: TokenPrice,
    critical: Option<TokenPrice>,
    limit: Option<TokenPrice>,
) -> TokenPrice {
    let Some(critical) = critical else { return ask };
    let cap = u128::from(ask.0)
        .saturating_mul(u128::from(CLEARING_CAP.0))
        .checked_div(WHOLE)
        .and_then(|cap| u64::try_from(cap).ok())
        .map_or(TokenPrice::MAX, TokenPrice);
    let bounded = critical.min(cap).min(limit.unwrap_or(TokenPrice::MAX));
    // A winner within the limit that beat the runner-up has all three bounds at or above its ask.
    bounded.max(ask)
}
