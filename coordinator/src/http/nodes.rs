//! Nodes: those connected now, and those that ever served.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_openai::ApiError;
use pinaivu_protocol::ask::Ask;
use pinaivu_protocol::ids::NodeId;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::units::{FineAmount, UnixMillis};
use serde_json::{Value, json};

use super::App;
use super::error::of_store;
use super::figures::total;
use super::query::PathParts;
use super::routes::Failure;
use crate::store::{FigureQuery, FigureRow, FigureStep, FiguresOf, NodeFigures, StoreError};
use crate::tunnel::{Histogram, NodeHour, Presence};

const HOUR: u64 = 60 * 60 * 1000;
/// Hours in a node's series: a week.
const SERIES: u64 = 7 * 24;

/// `GET /v1/nodes`.
pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, Failure> {
    let nodes = everybody(&app).await?;
    let data: Vec<Value> = nodes.into_iter().map(|(id, known)| show(&app, id, &known)).collect();
    Ok(Json(json!({ "object": "list", "data": data })))
}

/// `GET /v1/nodes/{node}`.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    PathParts(name): PathParts<String>,
) -> Result<Json<Value>, Failure> {
    let unknown = || ApiError::not_found("GET", &format!("/v1/nodes/{name}"));
    let node: NodeId = name.parse().map_err(|_| unknown())?;
    let known = everybody(&app).await?.remove(&node).ok_or_else(unknown)?;
    let mut shown = show(&app, node, &known);
    let series = series(&app, node).await?;
    if let Some(members) = shown.as_object_mut() {
        members.insert("series".into(), json!({ "step": HOUR / 1_000, "buckets": series }));
    }
    Ok(Json(shown))
}

/// What is known of a node.
#[derive(Default)]
struct Known {
    presence: Option<Presence>,
    figures: Option<NodeFigures>,
}

async fn everybody(app: &App) -> Result<BTreeMap<NodeId, Known>, ApiError> {
    let served = app.store.read(|look| look.nodes()).await;
    let mut nodes: BTreeMap<NodeId, Known> = BTreeMap::new();
    for figures in served.map_err(|error: StoreError| of_store(&error))? {
        nodes.entry(figures.total.node).or_default().figures = Some(figures);
    }
    for presence in app.nodes.present() {
        let known = nodes.entry(presence.node).or_default();
        known.presence = Some(presence);
    }
    Ok(nodes)
}

fn show(app: &App, node: NodeId, known: &Known) -> Value {
    let Known { presence, figures } = known;
    let asks: Vec<Value> =
        presence.iter().flat_map(|presence| &presence.asks).map(show_ask).collect();
    let earned = figures.as_ref().map_or(FineAmount::ZERO, |figures| figures.total.earned);
    let credited = figures.as_ref().map_or(FineAmount::ZERO, |f| f.total.credited.to_fine());
    json!({
        "node": node,
        "connected": presence.is_some(),
        "since": presence.as_ref().map(|presence| presence.since),
        "software": presence.as_ref().map(|presence| &presence.software),
        "asks": asks,
        "quality": quality(app, node),
        "measured": measured(&app.nodes.hours(&node)),
        "totals": {
            "requests": figures.as_ref().map_or(0, |figures| figures.requests),
            "failed": figures.as_ref().map_or(0, |figures| figures.failed),
            "input_tokens": figures.as_ref().map_or(0, |f| f.input_tokens).to_string(),
            "output_tokens": figures.as_ref().map_or(0, |f| f.output_tokens).to_string(),
            "earned": earned.to_string(),
        },
        "unpaid": earned.saturating_sub(credited).to_string(),
        "last_served": figures.as_ref().and_then(|figures| figures.last_served),
    })
}

fn show_ask(ask: &Signed<Ask>) -> Value {
    let record = &ask.record;
    json!({
        "model": record.model,
        "price": record.price,
        "context_length": record.context_length,
        "features": record.features,
        "expires": record.expires,
        "sequence": record.sequence,
        "bytes": STANDARD.encode(ask.encode()),
    })
}

/// Its standing in each model's ranking.
fn quality(app: &App, node: NodeId) -> Vec<Value> {
    let book = app.nodes.book();
    let models: Vec<String> =
        book.models(app.clock.now()).map(|summary| summary.model.to_owned()).collect();
    let standing = |model: &String| {
        let offer = book.model(model)?.offers().find(|offer| offer.node == node)?;
        Some(json!({
            "model": model,
            "quality": offer.standing.quality.bps(),
            "recent_service": offer.standing.recent_service,
        }))
    };
    models.iter().filter_map(standing).collect()
}

/// Over the hours that are remembered; null without samples.
fn measured(hours: &[(UnixMillis, NodeHour)]) -> Value {
    let mut first = Histogram::default();
    let mut speed = Histogram::default();
    let mut failed = 0_u64;
    for (_, hour) in hours {
        first.merge(&hour.first);
        speed.merge(&hour.speed);
        failed += u64::from(hour.failed);
    }
    if first.samples() == 0 && failed == 0 {
        return Value::Null;
    }
    json!({
        "first_token_ms_p50": first.percentile(50),
        "tokens_per_second_p50": tokens_per_second(&speed),
        "samples": first.samples(),
        "failed": failed,
    })
}

fn tokens_per_second(speed: &Histogram) -> Option<f64> {
    speed.percentile(50).map(|thousandths| f64::from(thousandths) / 1_000.0)
}

async fn series(app: &App, node: NodeId) -> Result<Vec<Value>, ApiError> {
    let now = app.clock.now().0;
    let to = now.div_ceil(HOUR) * HOUR;
    let from = to.saturating_sub(SERIES * HOUR);
    let query = FigureQuery {
        of: FiguresOf::Node(node),
        step: FigureStep::Hour,
        from: UnixMillis(from),
        to: UnixMillis(to),
        width: HOUR,
    };
    let rows = app.store.read(move |look| look.figures(&query)).await;
    let rows = rows.map_err(|error: StoreError| of_store(&error))?;
    let hours: BTreeMap<UnixMillis, NodeHour> = app.nodes.hours(&node).into_iter().collect();
    let show = |at: u64| {
        let at = UnixMillis(at);
        let rows: Vec<&FigureRow> = rows.iter().filter(|row| row.at == at).collect();
        let hour = hours.get(&at);
        json!({
            "at": at,
            "requests": rows.iter().map(|row| row.requests).sum::<u64>(),
            "failed": rows.iter().map(|row| row.failed).sum::<u64>(),
            "earned": total(&rows, |row| row.charged.saturating_sub(row.fees)),
            "first_token_ms_p50": hour.and_then(|hour| hour.first.percentile(50)),
            "tokens_per_second_p50": hour.and_then(|hour| tokens_per_second(&hour.speed)),
        })
    };
    Ok((from..to).step_by(usize::try_from(HOUR).unwrap_or(usize::MAX)).map(show).collect())
}
