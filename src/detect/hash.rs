//! 64-bit hashes of normalised values, the only form in which values are remembered while a mail is inspected.
//! It refuses to keep or return a value; the hash lives as long as the inspection and is not a stored key.

use std::hash::Hasher;

/// Hashes the parts one after the other; the same text cut differently gives the same hash.
#[must_use]
pub fn of(text: &str) -> u64 {
    of_bytes(text.as_bytes())
}

/// Hashes bytes.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = std::collections::hash_map::DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Hashes characters, so that text can be normalised on the way without a copy.
pub fn of_chars(chars: impl Iterator<Item = char>) -> u64 {
    let mut buffer = [0u8; 4];
    let mut hasher = std::collections::hash_map::DefaultHasher::new();
    for char in chars {
        hasher.write(char.encode_utf8(&mut buffer).as_bytes());
    }
    hasher.finish()
}

/// One hash from two.
#[must_use]
pub fn pair(one: u64, other: u64) -> u64 {
    let mut hasher = std::collections::hash_map::DefaultHasher::new();
    hasher.write_u64(one);
    hasher.write_u64(other);
    hasher.finish()
}
