//! Numbers of residence cards of foreign residents (在留カード).
//! It refuses numbers inside longer words.
//!
//! *What it finds*: two letters, eight digits, two letters.
//! *Why it matters*: it proves the right of residence; faked cards need valid numbers.
//! *Form and check digit (with source)*: 2 letters, 8 digits, 2 letters (Immigration Services Agency), no public check digit.
//! *What lifts it*: the label; without it the form is only weak.
//! *What it must not take*: part numbers.
//! *Examples*: `在留カード番号 AB12345678CD` is certain.

use super::context::{Entity, Scan, Weight, Word};
use super::{Confidence, Kind, hash};
use regex::Regex;
use std::sync::LazyLock;

/// Words that name it.
pub const LABELS: &[&str] = &["在留カード番号", "在留カード", "residence card"];

/// The form: its letters and digits stand alone.
static FORM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u:\b)[A-Z]{2}[0-9]{8}[A-Z]{2}(?-u:\b)")
        .unwrap_or_else(|error| unreachable!("a fixed expression: {error}"))
});

/// Is this text, as a whole, such a number?
#[must_use]
pub fn form(text: &str) -> bool {
    FORM.find(text).is_some_and(|found| found.len() == text.len())
}

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    if !scan.chains.iter().any(|chain| chain.glued && chain.digits().len() == 8) {
        return;
    }
    for found in FORM.find_iter(scan.text) {
        let labelled = scan.before(found.start(), 120, |word| word == Word::Label(Kind::ResidenceCard));
        out.push(Entity {
            kind: Kind::ResidenceCard,
            confidence: if labelled { Confidence::Certain } else { Confidence::Weak },
            weight: if labelled { Weight::Identifier } else { Weight::None },
            hash: hash::of(found.as_str()),
            start: found.start(),
            end: found.end(),
        });
    }
}
