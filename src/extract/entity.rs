//! Character references of HTML and XML (HTML 13.2.5.72; XML 1.0 4.1).
//! It refuses to drop an unknown one: it stays as written.

use quick_xml::escape::resolve_html5_entity;
use std::borrow::Cow;

/// The longest name in the list of HTML.
const LONGEST: usize = 32;

/// Names that HTML reads without their semicolon and that matter in plain text.
const BARE: &[(&str, &str)] =
    &[("nbsp", "\u{A0}"), ("amp", "&"), ("lt", "<"), ("gt", ">"), ("quot", "\""), ("yen", "¥"), ("shy", "\u{AD}")];

/// Replaces every character reference by its character.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'&', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(used) = reference(rest, &mut out) {
            rest = &rest[used..];
        } else {
            out.push('&');
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Writes the character of the reference at the start of `rest` (behind its `&`) and says how many bytes it took.
fn reference(rest: &str, out: &mut String) -> Option<usize> {
    if let Some(number) = rest.strip_prefix('#') {
        let (digits, radix, skipped) = match number.strip_prefix(['x', 'X']) {
            Some(hex) => (hex, 16, 2),
            None => (number, 10, 1),
        };
        let length = digits.bytes().take(8).take_while(|byte| char::from(*byte).is_digit(radix)).count();
        let code = u32::from_str_radix(&digits[..length], radix).ok()?;
        out.push(character(code));
        let semicolon = usize::from(digits[length..].starts_with(';'));
        return Some(skipped + length + semicolon);
    }
    let length = rest.bytes().take(LONGEST).take_while(u8::is_ascii_alphanumeric).count();
    let name = &rest[..length];
    if rest[length..].starts_with(';')
        && let Some(text) = resolve_html5_entity(name)
    {
        out.push_str(text);
        return Some(length + 1);
    }
    let (bare, text) = BARE.iter().find(|(bare, _)| name.starts_with(bare))?;
    out.push_str(text);
    Some(bare.len() + usize::from(rest[bare.len()..].starts_with(';')))
}

/// The character of a code; 128–159 mean Windows-1252, as browsers read them.
fn character(code: u32) -> char {
    if let Ok(byte @ 0x80..=0x9F) = u8::try_from(code) {
        let raw = [byte];
        let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(&raw);
        return text.chars().next().unwrap_or('\u{FFFD}');
    }
    char::from_u32(code).filter(|character| *character != '\0').unwrap_or('\u{FFFD}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_become_characters() {
        for (text, expected) in [
            ("a&amp;b", "a&b"),
            ("&#23665;&#x7530;", "山田"),
            ("090&#45;1234", "090-1234"),
            ("&#150;", "–"),
            ("user&commat;example&period;jp", "user@example.jp"),
            ("&nbsp;&nbspx", "\u{A0}\u{A0}x"),
            ("AT&T & &unknown; &#xZZ; &", "AT&T & &unknown; &#xZZ; &"),
            ("&#0;&#x110000;", "\u{FFFD}\u{FFFD}"),
        ] {
            assert_eq!(decoded(text), expected);
        }
    }
}
