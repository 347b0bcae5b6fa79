//! Clearing one request against one snapshot of the book.
//!
//! An offer that can serve the request is scored by its expected cost times its quality factor; lower
//! wins. A model fixes how its tokens weigh, so the expected number of weighted tokens is the same for
//! every offer, and `price × factor` orders offers exactly as their costs do: the tokens decide what
//! is eligible and what it will cost, never who wins.
//!
//! Whether a result is fair can be recomputed: [`clear`] with the same snapshot, [`Request`] and busy
//! nodes ([`crate::BusyNodes`]) gives the same [`Clearing`].

use pinaivu_protocol::ask::Features;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{NodeId, RequestId};
use pinaivu_protocol::receipt::AuctionDigest;
use pinaivu_protocol::units::{
    BPS_DENOMINATOR, Bps, FineAmount, Tariff, TokenCount, TokenPrice, UnixMillis,
};

use crate::occupancy::Availability;
use crate::price::{clearing_price, critical_price};
use crate::quality::QualityFactor;
use crate::ranking::{Contender, Ranking};
use crate::snapshot::{ModelBook, NodeSlot, Party, Quote, Snapshot};

/// Most candidates a clearing ranks: the winner and those tried after it.
pub const MAX_RANKED: usize = 8;

/// Most that a warm prefix can take off a node's cost in the ranking.
const MAX_WARM_DISCOUNT: Bps = Bps(3_000);

/// A node that likely holds the request's prefix in its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarmNode {
    /// Which node.
    pub node: NodeId,
    /// What it takes off the node's cost in the ranking, at most 30 %. It does not change the price.
    pub discount: Bps,
}

/// What is to be served. Borrowed, so that making one allocates nothing.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Which request; also orders equal scores ([`crate::tie_break`]).
    pub id: RequestId,
    /// The model as the client named it.
    pub model: &'a str,
    /// How long the prompt is at most, estimated.
    pub input_tokens: TokenCount,
    /// Most tokens to generate.
    pub max_output: TokenCount,
    /// What the node must be able to do.
    pub features: Features,
    /// The most the client pays for one million weighted tokens.
    pub max_price: Option<TokenPrice>,
    /// Nodes not to take, for example those that failed this request already.
    pub excluded: &'a [NodeId],
    /// The only node to take. It then has no competitor and gets its ask.
    pub pinned: Option<NodeId>,
    /// Nodes with a warm prefix.
    pub warm: &'a [WarmNode],
    /// When; asks that have ended do not count.
    pub now: UnixMillis,
}

/// Why an offer does not compete, in the order in which they are tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// The ask has ended.
    Expired,
    /// The client pinned another node.
    NotPinned,
    /// The client or the gateway excluded the node.
    Excluded,
    /// It lacks a feature the request needs.
    Features,
    /// Prompt and answer do not fit in its context.
    Context,
    /// It asks more than the client's limit.
    AboveLimit,
    /// It has no room for another request.
    Busy,
}

/// How many offers did not compete, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is named after its Exclusion")]
pub struct ExclusionCounts {
    pub expired: u32,
    pub not_pinned: u32,
    pub excluded: u32,
    pub features: u32,
    pub context: u32,
    pub above_limit: u32,
    pub busy: u32,
}

impl ExclusionCounts {
    fn count(&mut self, exclusion: Exclusion) {
        let counter = match exclusion {
            Exclusion::Expired => &mut self.expired,
            Exclusion::NotPinned => &mut self.not_pinned,
            Exclusion::Excluded => &mut self.excluded,
            Exclusion::Features => &mut self.features,
            Exclusion::Context => &mut self.context,
            Exclusion::AboveLimit => &mut self.above_limit,
            Exclusion::Busy => &mut self.busy,
        };
        *counter = counter.saturating_add(1);
    }
}

/// One ranked candidate and what it is paid if it serves the request.
///
/// The price of the candidate at rank *r* is what clearing gives when the *r* better ones are not
/// there: its own second price among those that remain. So a node that is tried after another failed
/// is paid neither more nor less for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub node: NodeId,
    /// Its number in this book.
    pub slot: NodeSlot,
    /// Which of its asks.
    pub sequence: u64,
    /// What it asked.
    pub ask: TokenPrice,
    /// The clearing price and the model's weights: what goes into the ticket.
    pub tariff: Tariff,
    /// Quality factor times warm discount, in basis points squared (10⁸ is neutral).
    pub factor: u64,
    /// `ask × factor`; lower is better.
    pub score: u128,
    /// Whose offer bounds the price; nobody's when there was no eligible runner-up.
    pub runner_up: Option<NodeId>,
    /// The highest ask with which it would still have won, before caps; absent without runner-up.
    pub critical: Option<TokenPrice>,
    /// The lowest ask among those it beat.
    pub best_losing_ask: Option<TokenPrice>,
    /// How many competed when the better ones are left out, itself included.
    pub competitors: u32,
}

/// The outcome of a clearing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clearing {
    /// Head of the book it was made from.
    pub book_head: Hash32,
    /// The best candidates, best first, at least one and at most [`MAX_RANKED`].
    ranked: Vec<Candidate>,
    /// How many offers did not compete, and why; [`explain`] names them.
    pub exclusions: ExclusionCounts,
    /// Nodes that could have competed but had no room, in the order of slots. With snapshot and
    /// request this is everything the result depends on.
    pub busy: Vec<NodeSlot>,
}

impl Clearing {
    /// The candidates, best first; never empty.
    #[must_use]
    pub fn ranked(&self) -> &[Candidate] {
        &self.ranked
    }

    /// The best candidate.
    #[must_use]
    pub fn winner(&self) -> Option<&Candidate> {
        self.ranked.first()
    }

    /// The most the request can cost whichever candidate serves it, for its hold.
    #[must_use]
    pub fn worst_case(&self, input: TokenCount, max_output: TokenCount) -> FineAmount {
        self.ranked
            .iter()
            .map(|candidate| candidate.tariff.amount(input, max_output))
            .max()
            .unwrap_or(FineAmount::ZERO)
    }

    /// What the receipt says about the auction when `candidate` served.
    #[must_use]
    pub fn digest(&self, candidate: &Candidate) -> AuctionDigest {
        AuctionDigest {
            book_head: self.book_head,
            // A receipt shows at most this many; more than 65,535 offers is beyond a book's limit.
            candidates: u16::try_from(candidate.competitors).unwrap_or(u16::MAX),
            winner_ask: candidate.ask,
            best_losing_ask: candidate.best_losing_ask,
        }
    }
}

/// Nobody can serve the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no node can serve the request: {cause:?}")]
pub struct NoWinner {
    /// The obstacle to tell the client.
    pub cause: NoWinnerCause,
    /// Head of the book it was made from.
    pub book_head: Hash32,
    /// How many offers did not compete, and why.
    pub exclusions: ExclusionCounts,
}

/// The last obstacle that kept out the offer that got furthest: what removed it would have helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoWinnerCause {
    /// The model is not listed.
    UnknownModel,
    /// It is listed, but no offer stands, or none that was not excluded.
    NoOffer,
    /// The pinned node does not offer it.
    PinnedAbsent,
    /// No offer has the features the request needs.
    Features,
    /// Some have, but prompt and answer fit in none.
    Context,
    /// They fit, but every such offer asks more than the client's limit.
    AboveLimit,
    /// Some could serve it, and all of those are full. Trying again later helps.
    Busy,
}

/// Whether one offer competed, for [`explain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It competed with this score; lower is better.
    Competes {
        /// `ask × factor`.
        score: u128,
    },
    /// It did not.
    Excluded(Exclusion),
}

/// Ranks the offers that can serve `request` and prices the best [`MAX_RANKED`].
///
/// One pass over the model's offers; allocates only the result.
///
/// # Errors
/// [`NoWinner`] when no offer can serve it.
pub fn clear(
    snapshot: &Snapshot,
    request: &Request<'_>,
    availability: &impl Availability,
) -> Result<Clearing, NoWinner> {
    let mut exclusions = ExclusionCounts::default();
    let no_winner = |cause, exclusions| NoWinner { cause, book_head: snapshot.head(), exclusions };
    let Some(book) = snapshot.model(request.model) else {
        return Err(no_winner(NoWinnerCause::UnknownModel, exclusions));
    };
    let mut ranking = Ranking::new(request.id);
    let mut busy = Vec::new();
    let mut competitors: u32 = 0;
    for (quote, party) in book.pairs() {
        if let Some(exclusion) = obstacle(request, quote, party) {
            exclusions.count(exclusion);
        } else if !availability.has_room(quote.slot) {
            exclusions.count(Exclusion::Busy);
            busy.push(quote.slot);
        } else {
            competitors = competitors.saturating_add(1);
            let factor = factor(request, quote, party);
            ranking.add(score(quote, factor), factor, quote, party);
        }
    }
    if ranking.best().is_empty() {
        return Err(no_winner(cause(&exclusions), exclusions));
    }
    let ranked = ranking
        .best()
        .iter()
        .enumerate()
        .zip((1..=competitors).rev())
        .map(|((rank, contender), remaining)| {
            candidate(request, book, &ranking, rank, contender, remaining)
        })
        .collect();
    Ok(Clearing { book_head: snapshot.head(), ranked, exclusions, busy })
}

/// Says of every offer for the model whether it competed and why not. For auditors and the explorer,
/// not for the hot path: it allocates.
#[must_use]
pub fn explain(
    snapshot: &Snapshot,
    request: &Request<'_>,
    availability: &impl Availability,
) -> Vec<(NodeId, Verdict)> {
    let Some(book) = snapshot.model(request.model) else { return Vec::new() };
    book.pairs()
        .map(|(quote, party)| {
            let verdict = match obstacle(request, quote, party) {
                Some(exclusion) => Verdict::Excluded(exclusion),
                None if !availability.has_room(quote.slot) => Verdict::Excluded(Exclusion::Busy),
                None => Verdict::Competes { score: score(quote, factor(request, quote, party)) },
            };
            (party.node, verdict)
        })
        .collect()
}

fn obstacle(request: &Request<'_>, quote: &Quote, party: &Party) -> Option<Exclusion> {
    let needed = request.input_tokens.saturating_add(request.max_output);
    if quote.expires <= request.now {
        Some(Exclusion::Expired)
    } else if request.pinned.is_some_and(|pinned| pinned != party.node) {
        Some(Exclusion::NotPinned)
    } else if request.excluded.contains(&party.node) {
        Some(Exclusion::Excluded)
    } else if !quote.features.contains(request.features) {
        Some(Exclusion::Features)
    } else if quote.context_length < needed.0 {
        Some(Exclusion::Context)
    } else if request.max_price.is_some_and(|limit| quote.price > limit) {
        Some(Exclusion::AboveLimit)
    } else {
        None
    }
}

fn factor(request: &Request<'_>, quote: &Quote, party: &Party) -> u64 {
    let discount = request
        .warm
        .iter()
        .find(|warm| warm.node == party.node)
        .map_or(Bps::ZERO, |warm| warm.discount.min(MAX_WARM_DISCOUNT));
    let share = BPS_DENOMINATOR.saturating_sub(discount.0);
    u64::from(quote.standing.quality.bps()).saturating_mul(u64::from(share))
}

/// Cannot saturate: a price is below 2⁶⁴ and a factor below 2²⁸.
fn score(quote: &Quote, factor: u64) -> u128 {
    u128::from(quote.price.0).saturating_mul(u128::from(factor))
}

fn candidate(
    request: &Request<'_>,
    book: &ModelBook,
    ranking: &Ranking<'_>,
    rank: usize,
    contender: &Contender<'_>,
    competitors: u32,
) -> Candidate {
    let runner_up = ranking.runner_up(rank);
    let critical = runner_up.and_then(|other| {
        let wins_ties = contender.wins_ties(other, &request.id);
        critical_price(other.score, contender.factor, wins_ties)
    });
    let ask = contender.quote.price;
    let weights = book.weights();
    Candidate {
        node: contender.party.node,
        slot: contender.quote.slot,
        sequence: contender.party.sequence,
        ask,
        tariff: Tariff {
            price: clearing_price(ask, critical, request.max_price),
            input_weight: weights.input,
            output_weight: weights.output,
        },
        factor: contender.factor,
        score: contender.score,
        runner_up: runner_up.map(|other| other.party.node),
        critical,
        best_losing_ask: ranking.lowest_losing_ask(rank),
        competitors,
    }
}

fn cause(exclusions: &ExclusionCounts) -> NoWinnerCause {
    if exclusions.busy > 0 {
        NoWinnerCause::Busy
    } else if exclusions.above_limit > 0 {
        NoWinnerCause::AboveLimit
    } else if exclusions.context > 0 {
        NoWinnerCause::Context
    } else if exclusions.features > 0 {
        NoWinnerCause::Features
    } else if exclusions.not_pinned > 0 {
        NoWinnerCause::PinnedAbsent
    } else {
        NoWinnerCause::NoOffer
    }
}

const _: () = assert!(QualityFactor::BEST.bps() > 0, "a zero factor would win at any price");
