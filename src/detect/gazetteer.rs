//! The lists of Japanese family and given names, read once.
//! It refuses to decide that something is a name: `北` is a family name and a direction.

use super::name::plain_kanji;
use std::collections::HashSet;
use std::sync::LazyLock;

static SURNAMES: LazyLock<HashSet<Box<str>>> = LazyLock::new(|| read(include_str!("data/surnames.txt")));
static GIVEN_NAMES: LazyLock<HashSet<Box<str>>> = LazyLock::new(|| read(include_str!("data/given_names.txt")));

fn read(list: &str) -> HashSet<Box<str>> {
    list.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.chars().map(plain_kanji).collect::<String>().into())
        .collect()
}

/// Is this (with variant kanji folded) a family name?
#[must_use]
pub fn is_surname(text: &str) -> bool {
    SURNAMES.contains(text)
}

/// Is this (with variant kanji folded) a given name?
#[must_use]
pub fn is_given_name(text: &str) -> bool {
    GIVEN_NAMES.contains(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_names_are_known_in_every_spelling() {
        for name in ["佐藤", "鈴木", "渡辺", "高橋", "長谷川", "勅使河原"] {
            assert!(is_surname(name), "{name}");
        }
        for name in ["太郎", "花子", "さくら", "美咲", "大輔", "健一"] {
            assert!(is_given_name(name), "{name}");
        }
        assert!(SURNAMES.len() > 5_000 && GIVEN_NAMES.len() > 20_000);
    }
}
