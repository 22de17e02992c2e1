//! What a run tells of itself over HTTP: its numbers, and whether it does what it is for. It runs beside the engine, where no job code does.

mod go_stats;
mod metrics;

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::config::AdminSettings;
use crate::listener::{ListenOptions, Listener, Refusal, Served};

use super::health::{not_consuming, not_ready};
use super::numbers::{Asker, Numbers};
use go_stats::Pace;

/// Takes the port.
pub(super) async fn bind(settings: AdminSettings) -> anyhow::Result<Listener> {
    let listener = Listener::bind(ListenOptions::new(settings.listen, settings.token)).await?;
    let address = listener.address()?;
    tracing::info!(target: "goworker::manager", provider = "admin", %address, "tells of itself at http://{address}: /metrics, /manager/stats, /livez, /readyz, /healthz/consuming");
    Ok(listener)
}

/// Answers from now on.
pub(super) fn serve(listener: Listener, asker: Asker) -> Served {
    const PATHS: &str = "there is nothing here; there are /manager/stats, /metrics, /livez, /readyz and /healthz/consuming";
    let router = Router::new()
        .route("/manager/stats", get(stats))
        .route("/metrics", get(metrics))
        .route("/livez", get(live))
        .route("/readyz", get(|State(admin): State<Arc<Admin>>| async move { admin.judge(not_ready).await }))
        .route("/healthz/consuming", get(|State(admin): State<Arc<Admin>>| async move { admin.judge(not_consuming).await }))
        .method_not_allowed_fallback(|| async { Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "here is only to look") })
        .fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, PATHS) })
        .with_state(Arc::new(Admin { asker, pace: Mutex::default() }));
    listener.serve(router, CancellationToken::new())
}

struct Admin {
    asker: Asker,
    pace: Mutex<Pace>,
}

impl Admin {
    async fn numbers(&self) -> Result<Numbers, Refusal> {
        let stuck = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the loop that takes jobs does not answer");
        self.asker.ask().await.ok_or_else(stuck)
    }

    async fn judge(&self, reasons: fn(&Numbers) -> Vec<String>) -> Result<Response, Refusal> {
        Ok(health(&reasons(&self.numbers().await?)))
    }
}

fn health(reasons: &[String]) -> Response {
    let (status, word) = if reasons.is_empty() { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "failing") };
    (status, Json(json!({ "status": word, "reasons": reasons }))).into_response()
}

async fn live(State(admin): State<Arc<Admin>>) -> Result<Response, Refusal> {
    admin.judge(|_| Vec::new()).await
}

async fn stats(State(admin): State<Arc<Admin>>) -> Result<Response, Refusal> {
    let numbers = admin.numbers().await?;
    let mut pace = admin.pace.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Json(go_stats::report(&numbers, &mut pace)).into_response())
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Result<Response, Refusal> {
    let text = metrics::text(&admin.numbers().await?);
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
