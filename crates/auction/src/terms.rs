//! What a clearing was asked, as it is stored and published: with the book at its head, everything that
//! the result depends on.

use borsh::{BorshDeserialize, BorshSerialize};
use pinaivu_protocol::ask::Features;
use pinaivu_protocol::ids::{NodeId, RequestId};
use pinaivu_protocol::units::{TokenCount, TokenPrice, UnixMillis};

use crate::clearing::{Clearing, Exclusion, NoWinner, Request, Verdict, clear, explain};
use crate::occupancy::BusyNodes;
use crate::snapshot::{NodeSlot, Snapshot};

/// Room for the terms of most clearings, so that writing them does not grow their buffer step by step.
const USUAL_BYTES: usize = 256;

/// The terms of one clearing.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Terms {
    /// Which request.
    pub request: RequestId,
    /// The model as the client named it.
    pub model: String,
    /// How long the prompt was estimated to be at most.
    pub input_tokens: TokenCount,
    /// Most tokens to generate.
    pub max_output: TokenCount,
    /// What the node must be able to do, as bits.
    pub features: u32,
    /// The client's limit.
    pub max_price: Option<TokenPrice>,
    /// Nodes that were not to be taken.
    pub excluded: Vec<NodeId>,
    /// The only node to take.
    pub pinned: Option<NodeId>,
    /// When it was cleared.
    pub now: UnixMillis,
    /// Numbers in the book of nodes that could have competed and had no room.
    pub busy: Vec<u32>,
    /// Whom the client wanted to be tried first.
    pub wish: Wish,
}

/// In which order the client wanted those who won to be tried. It changes who serves and never a price:
/// each is paid what the auction gives it at its rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Wish {
    /// By what.
    pub order: Order,
    /// Nobody but the first.
    pub first_only: bool,
}

/// An order of candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Order {
    /// The auction's.
    #[default]
    Auction,
    /// The lowest price first; what is equal stays in the auction's order.
    Price,
    /// The shortest measured time to the first byte, the coordinator's word.
    Latency,
    /// The highest measured speed, the coordinator's word.
    Throughput,
}

/// [`Terms`] as they were stored before wishes were part of them.
#[derive(BorshDeserialize)]
struct TermsWithoutWish {
    request: RequestId,
    model: String,
    input_tokens: TokenCount,
    max_output: TokenCount,
    features: u32,
    max_price: Option<TokenPrice>,
    excluded: Vec<NodeId>,
    pinned: Option<NodeId>,
    now: UnixMillis,
    busy: Vec<u32>,
}

impl Terms {
    /// Of a request and what became of it. Warm discounts are not part of it: nothing gives any yet.
    #[must_use]
    pub fn of(request: &Request<'_>, clearing: &Clearing, wish: Wish) -> Self {
        Self {
            request: request.id,
            model: request.model.to_owned(),
            input_tokens: request.input_tokens,
            max_output: request.max_output,
            features: request.features.0,
            max_price: request.max_price,
            excluded: request.excluded.to_vec(),
            pinned: request.pinned,
            now: request.now,
            busy: clearing.busy.iter().map(|slot| slot.0).collect(),
            wish,
        }
    }

    /// Runs the clearing again, from the book as it was.
    ///
    /// # Errors
    /// [`NoWinner`] when nobody could have served it.
    pub fn clear(&self, snapshot: &Snapshot) -> Result<Clearing, NoWinner> {
        clear(snapshot, &self.asked(), &BusyNodes(&self.full()))
    }

    /// Why a node's offer did not compete; nothing when it did, or there was none.
    #[must_use]
    pub fn exclusion(&self, snapshot: &Snapshot, node: &NodeId) -> Option<Exclusion> {
        let verdicts = explain(snapshot, &self.asked(), &BusyNodes(&self.full()));
        verdicts.into_iter().find_map(|(of, verdict)| match verdict {
            Verdict::Excluded(exclusion) if of == *node => Some(exclusion),
            _ => None,
        })
    }

    fn asked(&self) -> Request<'_> {
        Request {
            id: self.request,
            model: &self.model,
            input_tokens: self.input_tokens,
            max_output: self.max_output,
            features: Features(self.features),
            max_price: self.max_price,
            excluded: &self.excluded,
            pinned: self.pinned,
            warm: &[],
            now: self.now,
        }
    }

    fn full(&self) -> Vec<NodeSlot> {
        self.busy.iter().map(|slot| NodeSlot(*slot)).collect()
    }

    /// The bytes that are stored and published: borsh.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        // Writing to a Vec fails only for values whose own Serialize fails; ours cannot.
        let written = self.serialize(&mut bytes);
        debug_assert!(written.is_ok());
        bytes
    }

    /// Reads exactly one; what was stored before wishes were part of it had none.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if let Ok(terms) = Self::try_from_slice(bytes) {
            return Some(terms);
        }
        let terms = TermsWithoutWish::try_from_slice(bytes).ok()?;
        Some(Self {
            request: terms.request,
            model: terms.model,
            input_tokens: terms.input_tokens,
            max_output: terms.max_output,
            features: terms.features,
            max_price: terms.max_price,
            excluded: terms.excluded,
            pinned: terms.pinned,
            now: terms.now,
            busy: terms.busy,
            wish: Wish::default(),
        })
    }

    /// The winners in the order that the client wanted, as far as the book says it: places in
    /// [`Clearing::ranked`]. Nothing where the order is by what only the coordinator has measured.
    #[must_use]
    pub fn tried(&self, clearing: &Clearing) -> Option<Vec<usize>> {
        let ranked = clearing.ranked();
        let mut order: Vec<usize> = (0..ranked.len()).collect();
        match self.wish.order {
            Order::Auction => {}
            Order::Price => {
                order.sort_by_key(|place| ranked.get(*place).map(|found| found.tariff.price));
            }
            Order::Latency | Order::Throughput => return None,
        }
        if self.wish.first_only {
            order.truncate(1);
        }
        Some(order)
    }
}
