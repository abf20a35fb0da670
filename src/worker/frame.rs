//! The messages between relay and worker: a length-prefixed JSON head and the raw mail.
//! It refuses frames above the bounds it is given, so that a broken worker cannot fill the relay's memory.

use super::sandbox::Confinement;
use crate::inspect::{Context, Inspection, Want};
use crate::mail::envelope::Envelope;
use serde::{Deserialize, Serialize};

/// Bytes in front of each frame: length of the head (u32) and of the body (u64), big-endian.
pub const PREFIX: usize = 12;
/// Octets of a head at most; facts of a mail with the largest recipient list stay far below.
pub const HEAD_BYTES: u64 = 256 * 1024 * 1024;

/// From the relay to a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Use this rule set's context from now on.
    Configure(Box<Context>),
    /// Inspect the mail in the body.
    Inspect { envelope: Box<Envelope>, want: Want },
}

/// From a worker to the relay.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The first message of every worker: what holds it.
    Ready(Confinement),
    /// The answer; `retire` asks to be replaced (memory has grown).
    Inspected { inspection: Box<Inspection>, retire: bool },
    /// The inspection broke in a way the process survived (a panic in a parser).
    Failed { cause: String },
}

/// Writes prefix and head; the body follows separately, uncopied.
///
/// # Errors
/// When the head cannot be written as JSON.
pub fn head<T: Serialize>(message: &T, body: usize) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = vec![0; PREFIX];
    serde_json::to_writer(&mut out, message)?;
    let length = u32::try_from(out.len() - PREFIX).unwrap_or(u32::MAX);
    out[..4].copy_from_slice(&length.to_be_bytes());
    out[4..PREFIX].copy_from_slice(&(body as u64).to_be_bytes());
    Ok(out)
}

/// Reads the lengths of head and body.
#[must_use]
pub fn lengths(prefix: &[u8; PREFIX]) -> (u64, u64) {
    let [a, b, c, d, rest @ ..] = *prefix;
    (u64::from(u32::from_be_bytes([a, b, c, d])), u64::from_be_bytes(rest))
}
