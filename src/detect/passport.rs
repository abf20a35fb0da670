//! Passport numbers and machine readable zones.
//! It refuses numbers without a label; a machine readable zone needs none.
//!
//! *What it finds*: two letters and seven digits behind 旅券番号 or passport; the two lines `P<JPN…` of a passport.
//! *Why it matters*: a proof of identity.
//! *Form and check digit (with source)*: ICAO Doc 9303-4: number, check digit, nationality, birth date, check digit; [`check_digit::machine_readable`].
//! *What lifts it*: right check digits of the zone.
//! *What it must not take*: part numbers of the same form.
//! *Examples*: `旅券番号 TR1234567` is certain.

use super::check_digit;
use super::context::{Entity, Scan, Weight, Word};
use super::{Confidence, Kind, hash};
use regex::Regex;
use std::sync::LazyLock;

/// Words that name it.
pub const LABELS: &[&str] =
    &["旅券番号", "パスポート番号", "パスポート", "旅券", "passport number", "passport no", "passport"];

/// The form: its letters and digits stand alone.
static FORM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u:\b)[A-Z]{2}[0-9]{7}(?-u:\b)").unwrap_or_else(|error| unreachable!("a fixed expression: {error}"))
});

/// Is this text, as a whole, such a number?
#[must_use]
pub fn form(text: &str) -> bool {
    FORM.find(text).is_some_and(|found| found.len() == text.len())
}

/// The second line of a machine readable zone.
static ZONE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"([A-Z0-9<]{9})([0-9])[A-Z<]{3}([0-9]{6})([0-9])[MFX<][0-9]{7}")
        .unwrap_or_else(|error| unreachable!("a fixed expression: {error}"))
});

/// Finds them in running text.
pub fn find(scan: &Scan<'_>, out: &mut Vec<Entity>) {
    let mut push = |start: usize, end: usize, number: &str| {
        out.push(Entity {
            kind: Kind::Passport,
            confidence: Confidence::Certain,
            weight: Weight::Identifier,
            hash: hash::of(number.trim_end_matches('<')),
            start,
            end,
        });
    };
    if scan.words.iter().any(|hit| hit.word == Word::Label(Kind::Passport)) {
        for found in FORM.find_iter(scan.text) {
            if scan.before(found.start(), 90, |word| word == Word::Label(Kind::Passport)) {
                push(found.start(), found.end(), found.as_str());
            }
        }
    }
    if memchr::memmem::find(scan.text.as_bytes(), b"P<").is_some() {
        for found in ZONE.captures_iter(scan.text) {
            let bytes = |group: usize| found.get(group).map_or(&b""[..], |part| part.as_str().as_bytes());
            let check = |field: usize, digit: usize| {
                bytes(digit).first().is_some_and(|digit| check_digit::machine_readable(bytes(field), *digit))
            };
            if check(1, 2)
                && check(3, 4)
                && let Some(number) = found.get(1)
            {
                push(number.start(), number.end(), number.as_str());
            }
        }
    }
}
