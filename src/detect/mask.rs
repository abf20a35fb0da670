//! Masks values so that a person who knows the mail can recognise them and nobody else can use them.
//! It refuses to show more than the ends of a value.

use super::Kind;

const DOT: char = '●';
/// The most characters a masked text has.
const LONGEST: usize = 40;

/// The masked form of a value: `山●●●`, `09●-●●●●-●●78`, `t●●●@example.jp`.
#[must_use]
pub fn mask(kind: Kind, value: &str) -> String {
    let value = value.trim();
    match kind {
        Kind::Credential | Kind::ArchivePassword => DOT.to_string().repeat(8),
        Kind::ConfidentialMark => value.chars().take(LONGEST).collect(),
        Kind::EmailAddress => match value.split_once('@') {
            Some((local, domain)) => format!("{}●●●@{domain}", local.chars().next().unwrap_or(DOT)),
            None => first(value, 1),
        },
        Kind::Address => first(value, 3),
        Kind::Name => first(value, 1),
        Kind::Phone | Kind::PostalCode => digits(value, 2, 2),
        Kind::Health
        | Kind::Welfare
        | Kind::Grades
        | Kind::Discipline
        | Kind::Tax
        | Kind::Crime
        | Kind::Belief
        | Kind::Family => first(value, 1),
        _ => digits(value, 0, 2),
    }
}

/// The first characters, and dots for up to three more.
fn first(value: &str, keep: usize) -> String {
    let mut chars = value.chars();
    let mut out: String = chars.by_ref().take(keep).collect();
    out.extend(std::iter::repeat_n(DOT, chars.count().clamp(1, 3)));
    out
}

/// Letters and digits as dots but for the first and last ones; signs stay.
fn digits(value: &str, head: usize, tail: usize) -> String {
    let count = value.chars().filter(|char| char.is_alphanumeric()).count();
    let mut seen = 0;
    value
        .chars()
        .take(LONGEST)
        .map(|char| {
            if !char.is_alphanumeric() {
                return char;
            }
            seen += 1;
            if (seen <= head || seen + tail > count) && count > head + tail + 2 { char } else { DOT }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ends_show() {
        for (kind, value, want) in [
            (Kind::Phone, "090-1234-5678", "09●-●●●●-●●78"),
            (Kind::MyNumber, "621498320257", "●●●●●●●●●●57"),
            (Kind::Name, "山田太郎", "山●●●"),
            (Kind::Name, "山", "山●"),
            (Kind::EmailAddress, "taro@example.jp", "t●●●@example.jp"),
            (Kind::Credential, "Meishi2023", "●●●●●●●●"),
            (Kind::Address, "東京都千代田区1-1", "東京都●●●"),
            (Kind::BankAccount, "123", "●●●"),
        ] {
            assert_eq!(mask(kind, value), want);
        }
    }
}
