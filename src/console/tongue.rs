//! The language of a page: what the reader chose, or what the browser prefers, or the organisation's own.
//! It refuses to remember anything: there are no cookies, the choice stands in the address of the page.

use crate::notice::Language;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

/// Reads a choice (`ja`, `en`).
#[must_use]
pub fn chosen(text: &str) -> Option<Language> {
    Language::ALL.into_iter().find(|language| language.tag() == text)
}

/// The language for a request: the choice, else the first of our languages in Accept-Language (RFC 9110 12.5.4), else the default.
#[must_use]
pub fn language(choice: Option<&str>, headers: &HeaderMap, default: Language) -> Language {
    if let Some(language) = choice.and_then(chosen) {
        return language;
    }
    let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut best: Option<(Language, f32)> = None;
    for range in accepted.split(',').take(20) {
        let (tag, weight) = range.split_once(";q=").unwrap_or((range, "1"));
        let weight = weight.trim().parse::<f32>().unwrap_or(0.0);
        let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
        if let Some(language) = chosen(&primary)
            && weight > best.map_or(0.0, |(_, weight)| weight)
        {
            best = Some((language, weight));
        }
    }
    best.map_or(default, |(language, _)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_goes_before_the_browser_and_the_browser_before_the_default() {
        for (choice, accepted, expected) in [
            (None, "", Language::Ja),
            (None, "en-US,en;q=0.9,ja;q=0.8", Language::En),
            (None, "ja,en-US;q=0.9", Language::Ja),
            (None, "fr-FR, en;q=0.3", Language::En),
            (None, "de;q=0.9, en;q=0", Language::Ja),
            (None, "en;q=x", Language::Ja),
            (Some("ja"), "en", Language::Ja),
            (Some("en"), "ja", Language::En),
            (Some("<script>"), "en", Language::En),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, accepted.parse().unwrap());
            assert_eq!(language(choice, &headers, Language::Ja), expected, "{choice:?} {accepted}");
        }
    }
}
