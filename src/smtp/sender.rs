//! The client side of SMTP without a socket: one transaction over an open connection, per-recipient results.
//! It refuses to turn several results into one, and to send anything but canonical CRLF lines with dots stuffed.

use super::reply::Reply;
use serde::{Deserialize, Serialize};

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// The upstream took responsibility (250 after the data).
    Accepted(Reply),
    /// A temporary failure (4xx, or the connection broke before the answer): to be tried again.
    Deferred(Reply),
    /// A permanent failure (5xx).
    Refused(Reply),
}
