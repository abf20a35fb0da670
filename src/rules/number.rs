//! Comparisons (`>= 10`, `< 5MB`) and durations (`24h`) as an administrator writes them.
//! It refuses numbers without a comparison: "10" alone does not say whether 11 is meant too.

use std::fmt;

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    AtLeast,
    Above,
    AtMost,
    Below,
    Equal,
    Unequal,
}

/// A comparison with a fixed number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The comparison.
    pub operator: Operator,
    /// The number.
    pub value: u64,
}

/// The written operators; longer ones first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 7] = [
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("!=", Operator::Unequal),
    ("==", Operator::Equal),
    (">", Operator::Above),
    ("<", Operator::Below),
    ("=", Operator::Equal),
];

/// Units of sizes; powers of 1024, as file managers show them.
const SIZES: [(&str, u64); 4] = [("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30), ("b", 1)];

/// Units of durations in milliseconds.
const DURATIONS: [(&str, u64); 5] =
    [("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

impl Comparison {
    /// Reads a comparison.
    ///
    /// # Errors
    /// What is wrong with the text, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let Some((word, operator)) = OPERATORS.iter().find(|(word, _)| trimmed.starts_with(word)) else {
            return Err(format!("`{trimmed}` is not a comparison: begin with >=, >, <=, <, = or !="));
        };
        let number = &trimmed[word.len()..];
        let value = size(number).ok_or_else(|| format!("`{}` is not a whole number", number.trim()))?;
        Ok(Self { operator: *operator, value })
    }

    /// Does it hold for this number?
    #[must_use]
    pub fn holds(self, found: u64) -> bool {
        match self.operator {
            Operator::AtLeast => found >= self.value,
            Operator::Above => found > self.value,
            Operator::AtMost => found <= self.value,
            Operator::Below => found < self.value,
            Operator::Equal => found == self.value,
            Operator::Unequal => found != self.value,
        }
    }

    /// The smallest and the largest number for which it holds; `None` when there is none. `!=` gives all numbers.
    #[must_use]
    pub fn range(self) -> Option<(u64, u64)> {
        match self.operator {
            Operator::AtLeast => Some((self.value, u64::MAX)),
            Operator::Above => self.value.checked_add(1).map(|from| (from, u64::MAX)),
            Operator::AtMost => Some((0, self.value)),
            Operator::Below => self.value.checked_sub(1).map(|to| (0, to)),
            Operator::Equal => Some((self.value, self.value)),
            Operator::Unequal => Some((0, u64::MAX)),
        }
    }

    /// Does the other comparison hold whenever this one does?
    #[must_use]
    pub fn implies(self, other: Self) -> bool {
        if self == other {
            return true;
        }
        let Some((from, to)) = self.range() else { return true };
        match other.operator {
            Operator::Unequal => self.operator != Operator::Unequal && !(from..=to).contains(&other.value),
            _ => other.range().is_some_and(|(low, high)| low <= from && to <= high),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.operator {
            Operator::AtLeast => ">=",
            Operator::Above => ">",
            Operator::AtMost => "<=",
            Operator::Below => "<",
            Operator::Equal => "=",
            Operator::Unequal => "!=",
        };
        write!(out, "{word} {}", self.value)
    }
}

/// A whole number with an optional size unit; `_` and `,` may separate groups of digits.
fn size(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let (digits, unit) =
        SIZES.iter().find_map(|(word, unit)| lower.strip_suffix(word).map(|rest| (rest, *unit))).unwrap_or((&lower, 1));
    whole(digits)?.checked_mul(unit)
}

fn whole(text: &str) -> Option<u64> {
    let digits: String = text.trim().chars().filter(|char| !matches!(char, '_' | ',')).collect();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// A duration in milliseconds: `90s`, `5m`, `24h`, `3d`, `2w`.
///
/// # Errors
/// What is wrong with the text, as a sentence.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{}` is not a duration: write a number and s, m, h, d or w, like 24h", text.trim());
    let lower = text.trim().to_ascii_lowercase();
    let (digits, unit) = DURATIONS
        .iter()
        .find_map(|(word, unit)| lower.strip_suffix(word).map(|rest| (rest, *unit)))
        .ok_or_else(wrong)?;
    let value = whole(digits).and_then(|count| count.checked_mul(unit)).ok_or_else(wrong)?;
    if value == 0 { Err("the duration must be longer than nothing".to_owned()) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_hold_where_they_say() {
        for (text, yes, no) in [
            (">= 10", 10, 9),
            (">10", 11, 10),
            ("<= 1,000", 1_000, 1_001),
            ("< 5MB", 5 * 1024 * 1024 - 1, 5 * 1024 * 1024),
            ("= 0", 0, 1),
            ("== 7", 7, 8),
            ("!= 0", 3, 0),
            (">= 2 KB", 2048, 2047),
        ] {
            let comparison = Comparison::parse(text).unwrap();
            assert!(comparison.holds(yes), "{text} {yes}");
            assert!(!comparison.holds(no), "{text} {no}");
        }
    }

    #[test]
    fn what_is_no_comparison_is_refused() {
        for text in ["10", "", ">=", ">= ten", "=> 3", ">= -1", ">= 99999999999999999999", ">= 1.5"] {
            assert!(Comparison::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_narrower_comparison_implies_a_wider_one() {
        for (narrow, wide, implied) in [
            (">= 10", ">= 3", true),
            (">= 3", ">= 10", false),
            ("= 5", "> 4", true),
            ("< 5", "<= 4", true),
            (">= 1", "!= 0", true),
            (">= 0", "!= 0", false),
            ("< 0", "= 3", true),
        ] {
            assert_eq!(
                Comparison::parse(narrow).unwrap().implies(Comparison::parse(wide).unwrap()),
                implied,
                "{narrow} → {wide}"
            );
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, want) in [("90s", 90_000), ("5m", 300_000), ("24h", 86_400_000), ("3d", 259_200_000)] {
            assert_eq!(duration_ms(text), Ok(want));
        }
        for text in ["5", "0h", "h", "1y", "-1h", "1.5h"] {
            assert!(duration_ms(text).is_err(), "{text}");
        }
    }
}
