//! For machines: is the server well, and its numbers.
//! It refuses to say anything about a mail; it belongs on an address that only the monitoring can reach.

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use std::fmt::Write as _;
use std::sync::Arc;

/// `GET /healthz` (200 `ok`, or 503 with one reason a line) and `GET /metrics` (the text exposition format of Prometheus).
/// `health` gives the reasons why the server is not well, none when it is; `remarks` what an administrator should look at all the same, which
/// stands below without changing the code, since a restart would not help; `metrics` gives the text.
pub fn status_router(
    health: impl Fn() -> Vec<String> + Send + Sync + 'static,
    remarks: impl Fn() -> Vec<String> + Send + Sync + 'static,
    metrics: impl Fn() -> String + Send + Sync + 'static,
) -> Router {
    let (health, remarks, metrics) = (Arc::new(health), Arc::new(remarks), Arc::new(metrics));
    Router::new()
        .route("/healthz", get(move || async move { answer(&health(), &remarks()) }))
        .route("/metrics", get(move || async move { text(StatusCode::OK, METRICS_TYPE, metrics()) }))
}

/// OpenMetrics 1.0, as prometheus-client writes it.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn answer(reasons: &[String], remarks: &[String]) -> impl IntoResponse + use<> {
    let well = reasons.is_empty();
    let mut lines = if well { "ok\n".to_owned() } else { String::new() };
    for line in reasons.iter().chain(remarks) {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{line}");
    }
    let code = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    text(code, "text/plain; charset=utf-8", lines)
}

fn text(status: StatusCode, kind: &'static str, text: String) -> impl IntoResponse + use<> {
    (status, [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], text)
}
