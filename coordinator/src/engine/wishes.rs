//! A client's preferences, as clearing and dispatch need them.
//!
//! They choose among offers and never change a price: whoever is tried is paid what the auction gives it
//! at its rank.

use std::time::Duration;

use pinaivu_auction::{Candidate, Clearing, Order, Snapshot, Wish};
use pinaivu_openai::{ApiError, Preferences, Sort};
use pinaivu_protocol::ids::NodeId;
use pinaivu_protocol::units::TokenPrice;

use super::error::RequestError;
use crate::tunnel::Speed;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) max_price: Option<TokenPrice>,
    sort: Sort,
    only: Vec<NodeId>,
    ignore: Vec<NodeId>,
    no_fallbacks: bool,
    /// How long the first node may take alone.
    pub(super) hedge: Option<Duration>,
    /// Whether the client takes a redirect to the node.
    pub(super) direct: bool,
}

impl Wishes {
    /// Those given beside the body go before the body's, one by one.
    pub(super) fn of(
        beside: Option<Preferences>,
        body: Option<&Preferences>,
    ) -> Result<Self, RequestError> {
        if beside.is_none() && body.is_none() {
            return Ok(Self::default());
        }
        let none = Preferences::default();
        let beside = beside.unwrap_or_default();
        let body = body.unwrap_or(&none);
        let first = |a: &[String], b: &[String], param| match a {
            [] => addresses(b, param),
            given => addresses(given, param),
        };
        Ok(Self {
            max_price: beside.max_price.or(body.max_price).map(TokenPrice),
            sort: if beside.sort == Sort::Auction { body.sort } else { beside.sort },
            only: first(&beside.only, &body.only, "provider.only")?,
            ignore: first(&beside.ignore, &body.ignore, "provider.ignore")?,
            no_fallbacks: beside.no_fallbacks || body.no_fallbacks,
            hedge: beside
                .hedge
                .or(body.hedge)
                .map(|millis| Duration::from_millis(u64::from(millis))),
            direct: beside.direct || body.direct,
        })
    }

    /// Whether the client says who serves: then it is no evidence of who serves well.
    pub(super) fn is_pinned(&self) -> bool {
        !self.only.is_empty()
    }

    /// Every node that is not to be taken.
    pub(super) fn excluded(&self, book: &Snapshot, model: &str) -> Vec<NodeId> {
        let mut excluded = self.ignore.clone();
        if !self.only.is_empty() {
            let offers = book.model(model).into_iter().flat_map(|model| model.offers());
            excluded
                .extend(offers.map(|offer| offer.node).filter(|node| !self.only.contains(node)));
        }
        excluded
    }

    /// What is published of them with the clearing, so that it can be run again; limits and exclusions are
    /// in its terms already.
    pub(super) const fn published(&self) -> Wish {
        let order = match self.sort {
            Sort::Auction => Order::Auction,
            Sort::Price => Order::Price,
            Sort::Latency => Order::Latency,
            Sort::Throughput => Order::Throughput,
        };
        Wish { order, first_only: self.no_fallbacks }
    }

    /// Whom to try in which order; nothing for the auction's own.
    pub(super) fn order(
        &self,
        clearing: &Clearing,
        speed: impl Fn(&NodeId) -> Speed,
    ) -> Option<Vec<Candidate>> {
        if self.sort == Sort::Auction && !self.no_fallbacks {
            return None;
        }
        let mut order = clearing.ranked().to_vec();
        // Sorting is stable: equals stay as the auction ranks them. What was not measured comes last.
        match self.sort {
            Sort::Auction => {}
            Sort::Price => order.sort_by_key(|candidate| candidate.tariff.price),
            Sort::Latency => order.sort_by_key(|candidate| {
                speed(&candidate.node).first_byte_millis.unwrap_or(u32::MAX)
            }),
            Sort::Throughput => order.sort_by_key(|candidate| {
                std::cmp::Reverse(speed(&candidate.node).millitokens_per_second.unwrap_or(0))
            }),
        }
        if self.no_fallbacks {
            order.truncate(1);
        }
        Some(order)
    }
}

fn addresses(names: &[String], param: &'static str) -> Result<Vec<NodeId>, RequestError> {
    names
        .iter()
        .map(|name| {
            name.parse().map_err(|_| {
                RequestError::Invalid(ApiError::invalid_value(param, "addresses of nodes"))
            })
        })
        .collect()
}
