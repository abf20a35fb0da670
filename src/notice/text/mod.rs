//! The sentences of notices and pages, Japanese and English side by side, so that a change of one is seen next to the other.
//! It refuses to blame, to use words of the trade, and to say more than is known.

use crate::rules::verdict::Bilingual;
use serde::{Deserialize, Serialize};

pub mod decided;
pub mod expiry;
pub mod held;
pub mod informed;
pub mod letter;
pub mod reasons;
pub mod when;
pub mod words;

/// A language of the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    Ja,
    En,
}

impl Language {
    /// All of them, in the order of the default notice.
    pub const ALL: [Self; 2] = [Self::Ja, Self::En];

    /// The language tag (BCP 47).
    #[must_use]
    pub fn tag(self) -> &'static str {
        self.pick("ja", "en")
    }

    /// The one of two that is in this language.
    #[must_use]
    pub fn pick<T>(self, ja: T, en: T) -> T {
        match self {
            Self::Ja => ja,
            Self::En => en,
        }
    }
}

/// A sentence of a rule in this language, or in the other one when the rule has only that.
#[must_use]
pub fn title(language: Language, title: &Bilingual) -> &str {
    let (first, second) = language.pick((&title.ja, &title.en), (&title.en, &title.ja));
    if first.trim().is_empty() { second } else { first }
}

/// A number with thousands separators: `1,622`.
#[must_use]
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 address`, `421 addresses`; Japanese has no plural.
fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators() {
        for (value, text) in [(0, "0"), (421, "421"), (1_622, "1,622"), (460_000, "460,000"), (9_000_000, "9,000,000")]
        {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_rule_with_one_language_is_shown_in_that_one() {
        let only = Bilingual { en: "Too many".to_owned(), ja: " ".to_owned() };
        assert_eq!(title(Language::Ja, &only), "Too many");
        let both = Bilingual { en: "Too many".to_owned(), ja: "多すぎます".to_owned() };
        assert_eq!(title(Language::Ja, &both), "多すぎます");
    }
}
