//! The paths of the side thread: `/metrics`, `/live`, `/ready`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::admin::scrape::{Scrape, all_alive};
use crate::admin::tables;
use crate::broker::context::BrokerContext;
use crate::broker::lifecycle::Phase;

/// The form of [`tables::text`].
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

struct Admin {
    broker: BrokerContext,
    started: Instant,
    /// One scrape at a time, so that many clients do not keep the shards busy.
    turn: Mutex<()>,
}

pub(crate) fn router(broker: BrokerContext) -> Router {
    let admin = Arc::new(Admin { broker, started: Instant::now(), turn: Mutex::new(()) });
    Router::new()
        .route("/metrics", get(metrics))
        .route("/live", get(live))
        .route("/ready", get(ready))
        .with_state(admin)
}

async fn metrics(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    let _turn = admin.turn.lock().await;
    let scrape = Scrape::take(&admin.broker, admin.started.elapsed()).await;
    ([(CONTENT_TYPE, METRICS_TYPE)], tables::text(&scrape))
}

/// Returns 200 while every serving shard takes its turns.
/// A process that does not respond should be restarted.
async fn live(State(admin): State<Arc<Admin>>) -> (StatusCode, &'static str) {
    match all_alive(&admin.broker).await {
        true => (StatusCode::OK, "live\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "a shard does not answer\n"),
    }
}

/// Returns 200 while clients are served.
async fn ready(State(admin): State<Arc<Admin>>) -> (StatusCode, &'static str) {
    match admin.broker.phase() {
        Phase::Serving => (StatusCode::OK, "ready\n"),
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}
