//! SMTP replies (RFC 5321 4.2): code, enhanced status code (RFC 2034) and text, kept as the bytes that came.
//! It refuses to guess: a reply that is none is an error of the connection.

use serde::{Deserialize, Serialize};

/// One reply, all its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// The text of each line behind the code and its separator, as it came (it may be in any charset).
    pub lines: Vec<Vec<u8>>,
}
