//! From measurements to the factor that multiplies a node's cost in the ranking.
//!
//! The formula is public and its inputs stand in the book, so that everybody computes the factor and nobody
//! has to believe it. The inputs are the coordinator's own measurements: that a node served, and when, its
//! receipts show; how fast it was remains the coordinator's word (see `docs/trust.md`). Quality moves the
//! ranking within bounds and never what a token costs: a node is paid its clearing price.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};

/// A cost multiplier in basis points: 10,000 is neutral, **lower is better**.
///
/// Always within [`Self::BEST`]..=[`Self::WORST`], also after decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct QualityFactor(u16);

impl QualityFactor {
    /// Halves the cost: the best a node can be taken for.
    pub const BEST: Self = Self(5_000);
    /// Leaves the cost as it is: a node nothing is known about.
    pub const NEUTRAL: Self = Self(10_000);
    /// Doubles the cost: the worst a node that may still serve can be taken for.
    pub const WORST: Self = Self(20_000);

    /// The factor nearest to `bps` within the bounds.
    #[must_use]
    pub const fn clamped(bps: u16) -> Self {
        if bps < Self::BEST.0 {
            Self::BEST
        } else if bps > Self::WORST.0 {
            Self::WORST
        } else {
            Self(bps)
        }
    }

    /// In basis points.
    #[must_use]
    pub const fn bps(self) -> u16 {
        self.0
    }
}

impl BorshDeserialize for QualityFactor {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let bps = u16::deserialize_reader(reader)?;
        let factor = Self::clamped(bps);
        if factor.0 == bps {
            Ok(factor)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "quality factor out of bounds"))
        }
    }
}

/// What a model is expected to do, the same for every node that offers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Reference {
    /// Expected time from dispatch to the first byte of the answer, in milliseconds; 0 counts as 1.
    pub first_byte_millis: u32,
    /// Expected speed in thousandths of a token a second; 0 counts as 1.
    pub millitokens_per_second: u32,
}

/// What was measured of one node for one model over a recent window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Measurements {
    /// Requests that reached an end the node is answerable for, `failed` included. Requests pinned to
    /// the node do not count.
    pub requests: u32,
    /// Those that failed by the node's fault.
    pub failed: u32,
    /// Median time from dispatch to first byte of those that succeeded, in milliseconds; 0 when it
    /// was not measured, which counts as the reference.
    pub first_byte_millis: u32,
    /// Median speed after the first byte, in thousandths of a token a second; 0 when it was not
    /// measured, which counts as the reference.
    pub millitokens_per_second: u32,
    /// Average number of requests in flight.
    pub in_flight: u32,
    /// How many requests it can work on at once; 0 when unknown.
    pub capacity: u32,
}

/// How many neutral requests are mixed into the measured ones, so that a few lucky or unlucky
/// requests do not move a node far.
const PRIOR_REQUESTS: u128 = 20;
/// Bounds of each of the latency and speed terms, in basis points.
const TERM_BOUNDS: (u128, u128) = (7_000, 15_000);
/// How many basis points of cost each basis point of failures adds, and at most how many together.
const FAILURE_WEIGHT: u128 = 4;
const FAILURE_MOST: u128 = 10_000;
/// What a fully loaded node adds, in basis points.
const LOAD_MOST: u128 = 3_000;
/// The result is a multiple of this, so that noise does not change the book all the time.
const STEP: u128 = 100;
const WHOLE: u128 = 10_000;

/// The published formula. All terms are in basis points of a whole, divisions round **up** (against
/// the node), and the result is rounded **up** to a multiple of 100 and bounded:
///
/// ```text
/// mix(m, ref) = (m × succeeded + ref × 20) / (succeeded + 20)
/// latency     = clamp(mix(first byte, ref) / ref,  70 %, 150 %)
/// speed       = clamp(ref / mix(speed, ref),       70 %, 150 %)
/// failures    = 100 % + min(100 %, 4 × failed / (requests + 20))
/// load        = 100 % + 30 % × min(1, in flight / capacity)        (100 % when capacity is unknown)
/// factor      = clamp(latency × speed × failures × load,  50 %, 200 %)
/// ```
#[must_use]
pub fn quality_factor(measured: &Measurements, reference: &Reference) -> QualityFactor {
    let failed = u128::from(measured.failed.min(measured.requests));
    let requests = u128::from(measured.requests);
    let succeeded = requests.saturating_sub(failed);

    let first_byte = u128::from(reference.first_byte_millis.max(1));
    let speed = u128::from(reference.millitokens_per_second.max(1));
    let latency_term =
        bounded(ratio_up(mixed(measured.first_byte_millis, first_byte, succeeded), first_byte));
    let speed_term =
        bounded(ratio_up(speed, mixed(measured.millitokens_per_second, speed, succeeded)));

    let failure_share = ratio_up(failed, requests.saturating_add(PRIOR_REQUESTS));
    let failure_term =
        WHOLE.saturating_add(failure_share.saturating_mul(FAILURE_WEIGHT).min(FAILURE_MOST));

    let load_share = match measured.capacity {
        0 => 0,
        capacity => ratio_up(u128::from(measured.in_flight.min(capacity)), u128::from(capacity)),
    };
    let load_term = WHOLE.saturating_add(scaled_up(LOAD_MOST, load_share));

    let product =
        scaled_up(scaled_up(scaled_up(latency_term, speed_term), failure_term), load_term);
    let stepped = product.div_ceil(STEP).saturating_mul(STEP);
    QualityFactor::clamped(u16::try_from(stepped).unwrap_or(u16::MAX))
}

/// The measured value with [`PRIOR_REQUESTS`] requests at the reference mixed in, at least 1; rounds
/// **up**, which can favour a node's speed by less than a thousandth of a token a second.
fn mixed(measured: u32, reference: u128, samples: u128) -> u128 {
    let measured = if measured == 0 { reference } else { u128::from(measured) };
    let sum =
        measured.saturating_mul(samples).saturating_add(reference.saturating_mul(PRIOR_REQUESTS));
    sum.div_ceil(samples.saturating_add(PRIOR_REQUESTS)).max(1)
}

/// `part / whole` in basis points, rounded **up**; a zero `whole` counts as 1.
fn ratio_up(part: u128, whole: u128) -> u128 {
    part.saturating_mul(WHOLE).div_ceil(whole.max(1))
}

/// `value × bps`, rounded **up**.
fn scaled_up(value: u128, bps: u128) -> u128 {
    value.saturating_mul(bps).div_ceil(WHOLE)
}

fn bounded(term: u128) -> u128 {
    term.clamp(TERM_BOUNDS.0, TERM_BOUNDS.1)
}
