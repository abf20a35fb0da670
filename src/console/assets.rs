//! The style sheet and the mark, served from the binary.
//! It refuses anything else: no script, no font, no picture from elsewhere.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;

const STYLE: &str = include_str!("assets/style.css");
const MARK: &str = include_str!("assets/mark.svg");

/// The routes of the assets. They hold nothing secret, so a browser may keep them for an hour.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/assets/style.css", get(|| async { asset("text/css; charset=utf-8", STYLE) }))
        .route("/assets/mark.svg", get(|| async { asset("image/svg+xml", MARK) }))
}

fn asset(kind: &'static str, content: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=3600")], content)
}
