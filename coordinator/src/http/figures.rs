//! Figures over time, for charts. Views: what is settled is read elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use pinaivu_openai::ApiError;
use pinaivu_protocol::units::{FineAmount, TokenPrice, UnixMillis};
use serde_json::{Map, Value, json};

use super::App;
use super::account::Viewer;
use super::error::of_store;
use super::query::{Extracted, Parameters};
use super::routes::Failure;
use crate::store::{
    FIGURE_MINUTES_KEPT, FigureQuery, FigureRow, FigureStep, FiguresOf, StoreError,
};
use crate::tunnel::Histogram;

const MAX_BUCKETS: u64 = 1_000;
const DAY: u64 = 24 * 60 * 60 * 1000;
const DEFAULT_STEP: u64 = 3_600;

/// A stretch of time in equal buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: u64,
    to: u64,
    /// Milliseconds.
    width: u64,
}

impl Span {
    fn read(query: &Parameters, now: UnixMillis) -> Result<Self, ApiError> {
        let time = "milliseconds since 1970";
        let step = query.value("step", "60, 3600 or 86400")?.unwrap_or(DEFAULT_STEP);
        if ![60, 3_600, 86_400].contains(&step) {
            return Err(ApiError::invalid_value("step", "60, 3600 or 86400"));
        }
        let width = step * 1_000;
        let to = query.value("to", time)?.unwrap_or(now.0).min(now.0.saturating_add(DAY));
        let from = query.value("from", time)?.unwrap_or(to.saturating_sub(DAY));
        if from >= to {
            return Err(ApiError::invalid_value("from", "a time before 'to'"));
        }
        let (from, to) = (from - from % width, to.div_ceil(width) * width);
        if (to - from) / width > MAX_BUCKETS {
            return Err(ApiError::invalid_value(
                "step",
                "so large that there are at most 1000 buckets",
            ));
        }
        if step == 60 && from < now.0.saturating_sub(FIGURE_MINUTES_KEPT) {
            return Err(ApiError::invalid_value("from", "within the last 7 days for a step of 60"));
        }
        Ok(Self { from, to, width })
    }

    const fn query(self, of: FiguresOf) -> FigureQuery {
        let step = if self.width < 3_600_000 { FigureStep::Minute } else { FigureStep::Hour };
        FigureQuery {
            of,
            step,
            from: UnixMillis(self.from),
            to: UnixMillis(self.to),
            width: self.width,
        }
    }

    fn buckets(self) -> impl Iterator<Item = (UnixMillis, UnixMillis)> {
        let count = (self.to - self.from) / self.width;
        (0..count).map(move |at| {
            let start = self.from + at * self.width;
            (UnixMillis(start), UnixMillis(start + self.width))
        })
    }
}

/// `GET /v1/figures`.
pub(super) async fn all(
    State(app): State<Arc<App>>,
    query: Extracted,
) -> Result<Json<Value>, Failure> {
    let query = Parameters::read(query, &["from", "to", "step"])?;
    let span = Span::read(&query, app.clock.now())?;
    let (rows, totals) = app
        .store
        .read(move |look| Ok((look.figures(&span.query(FiguresOf::All))?, look.totals()?)))
        .await
        .map_err(|error: StoreError| of_store(&error))?;
    let first = app.nodes.first_bytes(UnixMillis(span.from), UnixMillis(span.to));
    Ok(Json(json!({
        "from": span.from,
        "to": span.to,
        "step": span.width / 1_000,
        "totals": {
            "requests": totals.requests,
            "input_tokens": totals.input_tokens.to_string(),
            "output_tokens": totals.output_tokens.to_string(),
            "charged": totals.charged.to_string(),
            "fees": totals.fees.to_string(),
            "nodes_connected": app.nodes.connected(),
            "first_token_ms": percentiles(&first),
        },
        "buckets": buckets(span, &rows, Some(&app)),
    })))
}

/// `GET /v1/account/figures`.
pub(super) async fn own(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: Extracted,
) -> Result<Json<Value>, Failure> {
    let query = Parameters::read(query, &["from", "to", "step", "allowance"])?;
    let span = Span::read(&query, app.clock.now())?;
    let viewer = Viewer::of(&app, &headers, query.text("allowance")).await?;
    let of = FiguresOf::Allowance(viewer.account.allowance);
    let rows = app.store.read(move |look| look.figures(&span.query(of))).await;
    let mut rows = rows.map_err(|error: StoreError| of_store(&error))?;
    if let Some(key) = viewer.key {
        rows.retain(|row| row.api_key == Some(key));
    }
    let mut shown = buckets(span, &rows, None);
    for (bucket, (at, _)) in shown.iter_mut().zip(span.buckets()) {
        bucket.insert("keys".into(), by_key(rows.iter().filter(|row| row.at == at)));
    }
    Ok(Json(json!({
        "from": span.from,
        "to": span.to,
        "step": span.width / 1_000,
        "buckets": shown,
    })))
}

/// Milliseconds to the first token; null without samples.
pub(super) fn percentiles(histogram: &Histogram) -> Value {
    match (histogram.percentile(50), histogram.percentile(95)) {
        (Some(p50), Some(p95)) => {
            json!({ "p50": p50, "p95": p95, "samples": histogram.samples() })
        }
        _ => Value::Null,
    }
}

/// Sums of the rows of each bucket, also of empty ones.
fn buckets(span: Span, rows: &[FigureRow], app: Option<&App>) -> Vec<Map<String, Value>> {
    let mut by_time: BTreeMap<UnixMillis, Vec<&FigureRow>> = BTreeMap::new();
    for row in rows {
        by_time.entry(row.at).or_default().push(row);
    }
    let show = |(at, end): (UnixMillis, UnixMillis)| {
        let rows = by_time.get(&at).map(Vec::as_slice).unwrap_or_default();
        let sum = |of: fn(&FigureRow) -> u64| rows.iter().map(|row| of(row)).sum::<u64>();
        let mut bucket = Map::new();
        bucket.insert("at".into(), json!(at));
        bucket.insert("requests".into(), sum(|row| row.requests).into());
        bucket.insert("input_tokens".into(), sum(|row| row.input_tokens).to_string().into());
        bucket.insert("output_tokens".into(), sum(|row| row.output_tokens).to_string().into());
        bucket.insert("charged".into(), total(rows, |row| row.charged).into());
        bucket.insert("failed".into(), sum(|row| row.failed).into());
        let first = app.and_then(|app| app.nodes.first_bytes(at, end).percentile(50));
        bucket.insert("first_token_ms_p50".into(), json!(first));
        bucket.insert("models".into(), by_model(rows));
        bucket
    };
    span.buckets().map(show).collect()
}

pub(super) fn total(rows: &[&FigureRow], of: fn(&FigureRow) -> FineAmount) -> String {
    let sum = rows.iter().fold(0_u128, |sum, row| sum.saturating_add(of(row).0));
    FineAmount(sum).to_string()
}

/// What some rows come to.
#[derive(Default)]
struct Sums {
    requests: u64,
    input_tokens: u64,
    output_tokens: u64,
    charged: FineAmount,
}

impl Sums {
    fn add(&mut self, row: &FigureRow) {
        self.requests = self.requests.saturating_add(row.requests);
        self.input_tokens = self.input_tokens.saturating_add(row.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(row.output_tokens);
        self.charged = FineAmount(self.charged.0.saturating_add(row.charged.0));
    }

    /// With what they are of.
    fn show(&self, name: &str, of: Value) -> Value {
        json!({
            name: of,
            "requests": self.requests,
            "input_tokens": self.input_tokens.to_string(),
            "output_tokens": self.output_tokens.to_string(),
            "charged": self.charged.to_string(),
        })
    }
}

fn by_model(rows: &[&FigureRow]) -> Value {
    let mut models: BTreeMap<&str, (Sums, BTreeMap<TokenPrice, u64>)> = BTreeMap::new();
    for row in rows {
        let (sums, prices) = models.entry(&row.model).or_default();
        sums.add(row);
        *prices.entry(row.price).or_default() += row.requests;
    }
    let show = |(model, (sums, prices)): (&str, (Sums, BTreeMap<TokenPrice, u64>))| {
        let mut shown = sums.show("model", model.into());
        shown["price"] = json!(median(&prices, sums.requests));
        shown
    };
    models.into_iter().map(show).collect()
}

/// The upper median over requests.
fn median(prices: &BTreeMap<TokenPrice, u64>, requests: u64) -> Option<TokenPrice> {
    let mut seen = 0;
    prices.iter().find_map(|(price, count)| {
        seen += count;
        (seen > requests / 2).then_some(*price)
    })
}

fn by_key<'a>(rows: impl Iterator<Item = &'a FigureRow>) -> Value {
    let mut keys: BTreeMap<Option<String>, Sums> = BTreeMap::new();
    for row in rows {
        keys.entry(row.api_key.map(|key| key.to_string())).or_default().add(row);
    }
    keys.into_iter().map(|(id, sums)| sums.show("id", json!(id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_price_is_that_of_the_middle_request() {
        let prices = |list: &[(u64, u64)]| -> BTreeMap<TokenPrice, u64> {
            list.iter().map(|(price, count)| (TokenPrice(*price), *count)).collect()
        };
        let of =
            |list: &[(u64, u64)]| median(&prices(list), list.iter().map(|(_, count)| count).sum());
        assert_eq!(of(&[(5, 1)]), Some(TokenPrice(5)));
        assert_eq!(of(&[(5, 1), (9, 2)]), Some(TokenPrice(9)));
        assert_eq!(of(&[(5, 2), (9, 1)]), Some(TokenPrice(5)));
        assert_eq!(of(&[]), None);
    }
}
