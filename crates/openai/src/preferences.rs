//! Where a client wants its request to go: an optional `provider` object in the body, or headers.
//!
//! Clients that know nothing of it send nothing; servers that know nothing of it ignore it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::ApiError;

/// Most nodes a request may name.
const MAX_NODES: usize = 64;

/// Longest wait before a second node is asked: about as long as a first byte may take.
const MAX_HEDGE_MILLIS: u32 = 60_000;

/// In which order to try nodes that could serve the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// As the auction ranks them: by price and quality together.
    #[default]
    Auction,
    /// The cheapest first.
    Price,
    /// The one whose answers began soonest first.
    Latency,
    /// The one that generated fastest first.
    Throughput,
}

/// A client's preferences. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// The most to pay for one million weighted tokens, in millionths of a USDC.
    pub max_price: Option<u64>,
    /// In which order to try.
    pub sort: Sort,
    /// Addresses of the only nodes to take; empty: any.
    pub only: Vec<String>,
    /// Addresses of nodes not to take.
    pub ignore: Vec<String>,
    /// Whether another node may be tried when the first fails.
    pub no_fallbacks: bool,
    /// After how many milliseconds without a first byte a second node is asked at the same time.
    pub hedge: Option<u32>,
    /// Whether the answer may come straight from the node, by a redirect.
    pub direct: bool,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Wire<'a> {
    #[serde(borrow)]
    max_price: Option<&'a RawValue>,
    #[serde(borrow)]
    sort: Option<&'a RawValue>,
    #[serde(borrow)]
    only: Option<&'a RawValue>,
    #[serde(borrow)]
    ignore: Option<&'a RawValue>,
    #[serde(borrow)]
    allow_fallbacks: Option<&'a RawValue>,
    #[serde(borrow)]
    hedge_after_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    direct: Option<&'a RawValue>,
    #[serde(borrow)]
    data_collection: Option<&'a RawValue>,
    #[serde(borrow)]
    zdr: Option<&'a RawValue>,
}

impl Preferences {
    /// Reads the value of `provider`. Members that are not ours are left to whom they belong to, but for
    /// those that ask for privacy: to pass over them in silence would be to promise it.
    pub(crate) fn parse(raw: &RawValue) -> Result<Self, ApiError> {
        let wire: Wire<'_> = serde_json::from_str(raw.get())
            .map_err(|_| ApiError::invalid_value("provider", "an object, no field twice"))?;
        let mut read = Self::default();
        if let Some(raw) = present(wire.max_price) {
            read.set_max_price(raw.get(), "provider.max_price")?;
        }
        if let Some(raw) = present(wire.sort) {
            read.set_sort(&text(raw, "provider.sort")?, "provider.sort")?;
        }
        read.only = nodes(wire.only, "provider.only")?;
        read.ignore = nodes(wire.ignore, "provider.ignore")?;
        let fallbacks = boolean(wire.allow_fallbacks, "provider.allow_fallbacks")?;
        read.no_fallbacks = fallbacks == Some(false);
        if let Some(raw) = present(wire.hedge_after_ms) {
            read.set_hedge(raw.get(), "provider.hedge_after_ms")?;
        }
        read.direct = boolean(wire.direct, "provider.direct")? == Some(true);
        if let Some(raw) = present(wire.data_collection) {
            match &*text(raw, "provider.data_collection")? {
                "allow" => {}
                "deny" => return Err(unenforceable("provider.data_collection")),
                _ => {
                    let expected = "allow or deny";
                    return Err(ApiError::invalid_value("provider.data_collection", expected));
                }
            }
        }
        if boolean(wire.zdr, "provider.zdr")? == Some(true) {
            return Err(unenforceable("provider.zdr"));
        }
        Ok(read)
    }

    /// Sets after how long a second node is asked, from its digits.
    ///
    /// # Errors
    /// `invalid_value` about `param`.
    pub fn set_hedge(&mut self, digits: &str, param: &'static str) -> Result<(), ApiError> {
        let millis = digits.trim().parse().ok().filter(|millis| *millis <= MAX_HEDGE_MILLIS);
        let expected = "milliseconds, at most 60000";
        self.hedge = Some(millis.ok_or_else(|| ApiError::invalid_value(param, expected))?);
        Ok(())
    }

    /// Sets whether the answer may come straight from the node, from its name.
    ///
    /// # Errors
    /// `invalid_value` about `param`.
    pub fn set_direct(&mut self, name: &str, param: &'static str) -> Result<(), ApiError> {
        self.direct = match name.trim() {
            "true" => true,
            "false" => false,
            _ => return Err(ApiError::invalid_value(param, "true or false")),
        };
        Ok(())
    }

    /// Sets the limit from its digits.
    ///
    /// # Errors
    /// `invalid_value` about `param`.
    pub fn set_max_price(&mut self, digits: &str, param: &'static str) -> Result<(), ApiError> {
        let expected = "an integer: millionths of a USDC for one million weighted tokens";
        let price = digits.trim().parse().map_err(|_| ApiError::invalid_value(param, expected))?;
        self.max_price = Some(price);
        Ok(())
    }

    /// Sets the order from its name.
    ///
    /// # Errors
    /// `invalid_value` about `param`.
    pub fn set_sort(&mut self, name: &str, param: &'static str) -> Result<(), ApiError> {
        self.sort = match name.trim() {
            "auction" => Sort::Auction,
            "price" => Sort::Price,
            "latency" => Sort::Latency,
            "throughput" => Sort::Throughput,
            _ => {
                let expected = "price, latency, throughput or auction";
                return Err(ApiError::invalid_value(param, expected));
            }
        };
        Ok(())
    }

    /// Reads a list of addresses as headers have it, separated by commas.
    ///
    /// # Errors
    /// `invalid_value` about `param`.
    pub fn list(value: &str, param: &'static str) -> Result<Vec<String>, ApiError> {
        let names: Vec<String> =
            value.split(',').map(|name| name.trim().to_owned()).filter(|n| !n.is_empty()).collect();
        check_length(names, param)
    }
}

fn boolean(raw: Option<&RawValue>, param: &'static str) -> Result<Option<bool>, ApiError> {
    match present(raw).map(RawValue::get) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(ApiError::invalid_value(param, "a boolean")),
    }
}

fn present(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| raw.get() != "null")
}

/// A node reads prompt and answer, and nothing makes it forget them.
fn unenforceable(param: &'static str) -> ApiError {
    let why = "What nodes keep of requests cannot be enforced yet. Leave it out and name nodes that you \
               trust in provider.only.";
    ApiError::unsupported_parameter(param, why)
}

fn text<'a>(raw: &'a RawValue, param: &'static str) -> Result<Cow<'a, str>, ApiError> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'a>>(raw.get())
        .map(|text| text.0)
        .map_err(|_| ApiError::invalid_value(param, "a string"))
}

fn nodes(raw: Option<&RawValue>, param: &'static str) -> Result<Vec<String>, ApiError> {
    let Some(raw) = present(raw) else { return Ok(Vec::new()) };
    let names: Vec<String> = serde_json::from_str(raw.get())
        .map_err(|_| ApiError::invalid_value(param, "an array of nodes' addresses"))?;
    check_length(names, param)
}

fn check_length(names: Vec<String>, param: &'static str) -> Result<Vec<String>, ApiError> {
    if names.len() > MAX_NODES {
        return Err(ApiError::invalid_value(param, "at most 64 nodes"));
    }
    Ok(names)
}
