//! Identifiers of mails: short, sortable by time, safe in URLs, file names and log lines.
//! It refuses any text outside its fixed alphabet, so an id can never carry a path, a header or a quote.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Crockford's base 32, lower case: no `i`, `l`, `o`, `u`, so an id can be read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 10 characters of milliseconds, 16 characters (80 bits) of randomness.
const LENGTH: usize = 26;

/// The id of one mail, from its acceptance to its last audit row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MailId(String);

/// The text is not an id: wrong length or a character outside the alphabet.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("read a mail id: it has 26 characters of 0-9 and a-z without i, l, o, u")]
pub struct IdError;

impl MailId {
    /// Makes an id from the time (epoch milliseconds) and ten random bytes, in the layout of a ULID.
    #[must_use]
    pub fn new(now_ms: u64, random: [u8; 10]) -> Self {
        let mut text = String::with_capacity(LENGTH);
        for shift in (0..10).rev() {
            text.push(char::from(ALPHABET[((now_ms >> (shift * 5)) & 31) as usize]));
        }
        let bits = random.iter().fold(0u128, |all, byte| (all << 8) | u128::from(*byte));
        for shift in (0..16).rev() {
            text.push(char::from(ALPHABET[((bits >> (shift * 5)) & 31) as usize]));
        }
        Self(text)
    }

    /// Reads an id.
    ///
    /// # Errors
    /// [`IdError`] for any other text.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.len() == LENGTH && text.bytes().all(|byte| ALPHABET.contains(&byte)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError)
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MailId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl TryFrom<String> for MailId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<MailId> for String {
    fn from(id: MailId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_survive_a_round_trip() {
        let early = MailId::new(1_000, [255; 10]);
        let late = MailId::new(1_001, [0; 10]);
        assert!(early < late);
        assert_eq!(MailId::parse(early.as_str()), Ok(early));
    }

    #[test]
    fn a_path_is_not_an_id() {
        for text in ["", "../../etc/passwd", "0123456789abcdefghjkmnpqri", "0123456789ABCDEFGHJKMNPQRS"] {
            assert_eq!(MailId::parse(text), Err(IdError), "{text}");
        }
    }
}
