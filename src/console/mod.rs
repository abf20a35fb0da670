//! The web pages: the page behind a notice link, health and metrics.
//! It refuses to act on GET, to render mail HTML and to load anything from elsewhere.

use crate::hold::Desk;
use crate::id::MailId;
use crate::notice::Voice;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

mod assets;
mod evidence;
mod held;
mod held_page;
mod layout;
mod message;
mod origin;
mod people;
mod status;
mod tongue;

pub use status::status_router;

/// Octets of a form at most: a comment of 2,000 characters, each up to 12 octets in form encoding, and a token.
const FORM_LENGTH: usize = 32 * 1024;

/// Nothing may be loaded but our own style sheet and mark, nothing may run, nobody may frame a page (CSP Level 3).
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

/// Reads the text of a held mail for the page, if it can be had; plain text, shown as such.
pub type Preview = Arc<dyn Fn(MailId) -> Pin<Box<dyn Future<Output = Option<String>> + Send>> + Send + Sync>;

/// What the pages need.
#[derive(Clone)]
pub struct ConsoleState {
    /// The keeping of held mails.
    pub desk: Arc<Desk>,
    /// How the organisation speaks, and the key of the links; asked for each request, since both may be reloaded.
    pub voice: Arc<dyn Fn() -> Arc<Voice> + Send + Sync>,
    /// Epoch milliseconds now.
    pub clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Called after a decision, so that what was released leaves at once.
    pub acted: Arc<dyn Fn() + Send + Sync>,
    /// Shows the text of a mail to those who decide about it; `None` for not at all.
    pub preview: Option<Preview>,
}

/// All pages for people.
pub fn router(state: ConsoleState) -> Router {
    Router::new()
        .route("/", get(message::front))
        .merge(held::router())
        .merge(assets::router())
        .fallback(message::unknown)
        .layer(DefaultBodyLimit::max(FORM_LENGTH))
        .layer(map_response(guarded))
        .with_state(state)
}

/// Headers of every answer. A page is never kept by a browser or a proxy, since its address holds a token.
async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex, nofollow"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
